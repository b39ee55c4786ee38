{{/*
Values that are wrong, or cannot work together: one sentence a line, each says what to change. Nothing
is looked at while the sidecar is switched off.
*/}}
{{- define "cache-sidecar.problems" -}}
{{- if .Values.enabled }}
{{- if .Values.workload }}
{{- include "cache-sidecar.problems.image" . }}
{{- end }}
{{- include "cache-sidecar.problems.monitoring" . }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.image" -}}
{{- if not .Values.image.repository }}
- image.repository is not stated: write where your cluster finds the image, without a tag.
{{- end }}
{{- end }}
