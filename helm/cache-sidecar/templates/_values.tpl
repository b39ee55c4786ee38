{{/*
Prepares .Values for the templates, which then find every value in its type: a `null`, by which another chart
or an installation takes a value away, is removed, and what cannot be absent gets its default again. The
defaults are read from defaults.yaml, a link to values.yaml, which a chart cannot read under its own name.
*/}}
{{- define "cache-sidecar.complete" -}}
{{- $values := .Values }}
{{- range $name, $default := .Files.Get "defaults.yaml" | fromYaml }}
{{- if kindIs "map" $default }}
{{- $section := index $values $name | default dict }}
{{- $_ := set $values $name $section }}
{{- include "cache-sidecar.withoutNulls" $section }}
{{- /* Of these, absence means something: Kubernetes' own default, or no probe. */}}
{{- if not (has $name (list "resources" "probes" "lifecycle" "securityContext")) }}
{{- range $key, $value := omit $default "fsGroup" }}
{{- if kindIs "invalid" (index $section $key) }}{{ $_ := set $section $key (kindIs "map" $value | ternary dict $value) }}{{ end }}
{{- end }}
{{- end }}
{{- else if kindIs "invalid" (index $values $name) }}{{ $_ := set $values $name $default }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.withoutNulls" -}}
{{- range $name, $value := . }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $ $name }}
{{- else if kindIs "map" $value }}{{ include "cache-sidecar.withoutNulls" $value }}
{{- end }}
{{- end }}
{{- end }}
