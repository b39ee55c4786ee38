{{/*
What the objects for monitoring share, and what may be wrong with their values.
*/}}
{{- define "cache-sidecar.problems.monitoring" -}}
{{- end }}
