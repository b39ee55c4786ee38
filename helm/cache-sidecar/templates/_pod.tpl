{{/*
What a chart of your own calls, with (index .Subcharts "cache-sidecar") as context. Each gives items of
a list, or keys of a map, without indentation; nothing where `enabled` is false.
*/}}

{{/* For `initContainers`: a native sidecar, on Kubernetes 1.29 and later. */}}
{{- define "cache-sidecar.initContainer" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled }}
{{- with .Capabilities.KubeVersion.Version }}
{{- if semverCompare "<1.29-0" . }}
{{- fail (printf "cache-sidecar: Kubernetes %s has no native sidecars; write {{ include \"cache-sidecar.container\" ... }} below `containers` instead of \"cache-sidecar.initContainer\" below `initContainers`. It is sent SIGTERM together with the application and serves on for `linger` (--linger), 25s unless stated." .) }}
{{- end }}
{{- end }}
{{- include "cache-sidecar.item" (list . "0s") }}
  restartPolicy: Always
{{- end }}
{{- end }}

{{/* For `containers`, on older clusters: serves on while the application ends. */}}
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

{{/* For `env` of the application's containers: where the cache is. */}}
{{- define "cache-sidecar.env" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled -}}
- name: CACHE_SIDECAR_URL
  value: http://127.0.0.1:{{ .Values.ports.data }}
{{- end }}
{{- end }}

{{/* For `labels` of the pod's metadata: the workload that metrics name. */}}
{{- define "cache-sidecar.podLabels" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if .Values.enabled -}}
cache-sidecar/instance: {{ include "cache-sidecar.instance" . | quote }}
{{- end }}
{{- end }}

{{/*
For `securityContext` of the pod: a group that may write to L3's volume. Nothing for an emptyDir, which
everybody may write to. A change of the group goes through all volumes of the pod, but only where the
top folder isn't as it should be.
*/}}
{{- define "cache-sidecar.podSecurityContext" -}}
{{- include "cache-sidecar.podGuard" . }}
{{- if and .Values.enabled .Values.l3.fsGroup (not (has .Values.l3.type (list "emptyDir" "none"))) -}}
fsGroup: {{ int64 .Values.l3.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
