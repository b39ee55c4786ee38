{{/*
Fails if the context or the values are wrong. With the parent's `.` a template would silently use the
parent's values and files; the marker `calledWith`, which only this chart's values have, detects this.
*/}}
{{- define "cache-sidecar.guard" -}}
{{- $marker := "" }}
{{- if kindIs "map" . }}{{ with .Values }}{{ $marker = .calledWith }}{{ end }}{{ end }}
{{- if ne (toString $marker) "cache-sidecar" }}
{{- fail "cache-sidecar: a template was called with the wrong context. Call it as in {{ include \"cache-sidecar.volumes\" (index .Subcharts \"cache-sidecar\") }}, with the dependency's alias if it has one. To disable the sidecar, set its value `enabled` to false instead of using a `condition`." }}
{{- end }}
{{- include "cache-sidecar.complete" . }}
{{- with include "cache-sidecar.problems" . | trim }}
{{- fail (printf "cache-sidecar: invalid values:\n%s" .) }}
{{- end }}
{{- end }}

{{/* Called first by every template that other charts call. */}}
{{- define "cache-sidecar.podGuard" -}}
{{- include "cache-sidecar.guard" . }}
{{- if and .Values.enabled (not .Values.workload) }}
{{- fail "cache-sidecar: a template for pods was called, but `workload: false` declares that this release has no pods with a sidecar. Set workload: true or enabled: false." }}
{{- end }}
{{- end }}
