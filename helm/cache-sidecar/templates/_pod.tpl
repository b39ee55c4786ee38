{{/*
The templates that your chart calls, with (index .Subcharts "cache-sidecar") as context. Each renders list
items or map keys without indentation, or nothing if `enabled` is false.
*/}}

{{/* For `initContainers`: a native sidecar, on Kubernetes 1.29 and later. */}}
{{- define "cache-sidecar.initContainer" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled }}
{{- with .Capabilities.KubeVersion.Version }}
{{- if semverCompare "<1.29-0" . }}
{{- fail (printf "cache-sidecar: Kubernetes %s does not support native sidecars. Use {{ include \"cache-sidecar.container\" ... }} in `containers` instead of \"cache-sidecar.initContainer\" in `initContainers`. That container receives SIGTERM together with the application and continues to serve for `linger` (--linger), by default 25s." .) }}
{{- end }}
{{- end }}
{{- include "cache-sidecar.item" (list . "0s") }}
  restartPolicy: Always
{{- end }}
{{- end }}

{{/* For `containers`, on older clusters: continues to serve while the application shuts down. */}}
{{- define "cache-sidecar.container" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled }}
{{- include "cache-sidecar.item" (list . "25s") }}
{{- end }}
{{- end }}

{{/* For `volumes`. */}}
{{- define "cache-sidecar.volumes" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled }}
{{- include "cache-sidecar.configVolume" . }}
{{- with include "cache-sidecar.dataVolume" . }}
{{ . }}
{{- end }}
{{- if .Values.config.watch }}
{{ include "cache-sidecar.tokenVolume" . }}
{{- end }}
{{- if .Values.auth.existingSecret }}
{{ include "cache-sidecar.authVolume" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* For `volumeClaimTemplates` of a StatefulSet; nothing unless `l3.type` is volumeClaimTemplate. */}}
{{- define "cache-sidecar.volumeClaimTemplate" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if and .Values.enabled (eq .Values.l3.type "volumeClaimTemplate") -}}
- metadata:
    name: cache-sidecar-data
  spec:
    {{- include "cache-sidecar.claimSpec" . | nindent 4 }}
{{- end }}
{{- end }}

{{/*
For `env` of the application's containers: the cache's addresses, and its token if it has one. Kubernetes replaces
`$(NAME)` by the value of a variable that is defined before.
*/}}
{{- define "cache-sidecar.env" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled -}}
- name: CACHE_SIDECAR_URL
  value: http://127.0.0.1:{{ .Values.ports.data }}
{{- with .Values.auth }}
{{- if .existingSecret }}
- name: CACHE_SIDECAR_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .existingSecretKey | quote }}
{{- end }}
{{- end }}
{{- if .Values.redis.enabled }}
- name: CACHE_SIDECAR_REDIS_URL
  value: {{ include "cache-sidecar.redisUrl" . }}
{{- if .Values.redis.setRedisUrl }}
- name: REDIS_URL
  value: {{ include "cache-sidecar.redisUrl" . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* For `labels` of the pod's metadata: the workload's name in metrics. */}}
{{- define "cache-sidecar.podLabels" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled -}}
cache-sidecar/instance: {{ include "cache-sidecar.instance" . | quote }}
{{- end }}
{{- end }}

{{/* For `annotations` of the pod's metadata: those by which a Prometheus without the operator scrapes it. */}}
{{- define "cache-sidecar.podAnnotations" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if and .Values.enabled .Values.scrapeAnnotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.ports.ops | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/*
For `securityContext` of the pod: a group that may write to L3's volume, and connect to the Unix sockets. Empty
without these, since an emptyDir is writable by all users. `OnRootMismatch` avoids a recursive chown of the pod's volumes at every start.
*/}}
{{- define "cache-sidecar.podSecurityContext" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- $grouped := or .Values.dataSocket.path .Values.redisSocket.path (not (has .Values.l3.type (list "emptyDir" "none"))) }}
{{- if and .Values.enabled .Values.l3.fsGroup $grouped -}}
fsGroup: {{ int64 .Values.l3.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
