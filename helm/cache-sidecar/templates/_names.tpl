{{/*
Names and labels. None is derived from .Chart.Name, which an alias changes.
*/}}

{{- define "cache-sidecar.instance" -}}
{{ .Values.instance | default .Release.Name }}
{{- end }}

{{- define "cache-sidecar.fullname" -}}
{{ include "cache-sidecar.instance" . }}-cache-sidecar
{{- end }}

{{- define "cache-sidecar.configName" -}}
{{ .Values.config.name | default (include "cache-sidecar.fullname" .) }}
{{- end }}

{{/* Labels of every object of the chart. */}}
{{- define "cache-sidecar.labels" -}}
app.kubernetes.io/name: cache-sidecar
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: cache-sidecar-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of the objects of one workload. */}}
{{- define "cache-sidecar.workloadLabels" -}}
{{ include "cache-sidecar.labels" . }}
cache-sidecar/instance: {{ include "cache-sidecar.instance" . | quote }}
{{- end }}

{{/* The image's reference. The digest takes precedence over the tag. */}}
{{- define "cache-sidecar.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
