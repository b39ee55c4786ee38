{{- define "example-app.selector" -}}
app.kubernetes.io/name: example-app
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "example-app.labels" -}}
{{ include "example-app.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
