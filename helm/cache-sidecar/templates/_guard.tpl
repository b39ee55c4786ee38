{{/*
What every template that another chart calls begins with: fails where the context or the values are
wrong, with sentences that say what to write. With the parent's own `.` a template would silently take
the parent's values and files; the marker `calledWith`, which only this chart's values have, tells.
*/}}
{{- define "cache-sidecar.guard" -}}
{{- $marker := "" }}
{{- if kindIs "map" . }}{{ with .Values }}{{ $marker = .calledWith }}{{ end }}{{ end }}
{{- if ne (toString $marker) "cache-sidecar" }}
{{- fail "cache-sidecar: a template was called with a wrong context; write {{ include \"cache-sidecar.volumes\" (index .Subcharts \"cache-sidecar\") }}, with the dependency's alias instead where it has one, and switch it off by its value `enabled`, not by a `condition`." }}
{{- end }}
{{- with include "cache-sidecar.problems" . | trim }}
{{- fail (printf "cache-sidecar: these values can't be used:\n%s" .) }}
{{- end }}
{{- end }}
