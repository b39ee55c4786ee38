{{/*
Fails where the context is wrong, or the values: with the parent's own `.` a template would silently
take the parent's values and files. The marker `calledWith`, which only this chart's values have, tells.
*/}}
{{- define "cache-sidecar.guard" -}}
{{- $marker := "" }}
{{- if kindIs "map" . }}{{ with .Values }}{{ $marker = .calledWith }}{{ end }}{{ end }}
{{- if ne (toString $marker) "cache-sidecar" }}
{{- fail "cache-sidecar: a template was called with a wrong context; write {{ include \"cache-sidecar.volumes\" (index .Subcharts \"cache-sidecar\") }}, and so for the others, with the dependency's alias where it has one. Switch the sidecar off by its value `enabled`, not by a `condition`." }}
{{- end }}
{{- with include "cache-sidecar.problems" . | trim }}
{{- fail (printf "cache-sidecar: these values can't be used:\n%s" .) }}
{{- end }}
{{- end }}

{{/* What every template that another chart calls begins with. */}}
{{- define "cache-sidecar.podGuard" -}}
{{- include "cache-sidecar.guard" . }}
{{- if and .Values.enabled (not .Values.workload) }}
{{- fail "cache-sidecar: `workload: false` says that this release has no pods with a sidecar, but a template for them was called; write workload: true, or enabled: false." }}
{{- end }}
{{- end }}
