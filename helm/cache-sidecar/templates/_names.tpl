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

{{/* Labels of every object of the chart. The label of the pods is not for those that do not have a sidecar. */}}
{{- define "cache-sidecar.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "cache-sidecar"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "cache-sidecar-%s" .Chart.Version | replace "+" "_") }}
{{- merge $own (omit .Values.commonLabels "cache-sidecar/instance") | toYaml }}
{{- end }}

{{/* `annotations:` of an object, with those of every object; nothing without any. Takes (list context own). */}}
{{- define "cache-sidecar.annotations" -}}
{{- with merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* The address of the Redis protocol, with the variable of the token if there is one. */}}
{{- define "cache-sidecar.redisUrl" -}}
redis://{{ if .Values.auth.existingSecret }}default:$(CACHE_SIDECAR_TOKEN)@{{ end }}127.0.0.1:{{ .Values.ports.redis }}
{{- end }}
