{{/*
What a chart of your own calls, with (index .Subcharts "cache-sidecar") as context. Each gives list
items, or keys of a map, without indentation; nothing when `enabled` is false.
*/}}

{{/* A native sidecar, for `initContainers`: Kubernetes 1.29 and later. */}}
{{- define "cache-sidecar.initContainer" -}}
{{- include "cache-sidecar.guard" . }}
{{- if .Values.enabled }}
{{- if semverCompare "<1.29-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "cache-sidecar: Kubernetes %s has no native sidecars: call \"cache-sidecar.container\" below containers instead of \"cache-sidecar.initContainer\"; it serves on for --linger after SIGTERM." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- include "cache-sidecar.item" (list . "0s") }}
  restartPolicy: Always
{{- end }}
{{- end }}

{{/* A container beside the application's, for `containers`, on older clusters. */}}
{{- define "cache-sidecar.container" -}}
{{- include "cache-sidecar.guard" . }}
{{- if .Values.enabled }}
{{- include "cache-sidecar.item" (list . "25s") }}
{{- end }}
{{- end }}

{{/* For `volumes`. */}}
{{- define "cache-sidecar.volumes" -}}
{{- include "cache-sidecar.guard" . }}
{{- if .Values.enabled -}}
- name: cache-sidecar-config
  configMap:
    name: {{ include "cache-sidecar.configName" . }}
    optional: true
{{- end }}
{{- end }}

{{/* For `volumeClaimTemplates` of a StatefulSet, with `l3.type: volumeClaimTemplate`. */}}
{{- define "cache-sidecar.volumeClaimTemplate" -}}
{{- include "cache-sidecar.guard" . }}
{{- end }}

{{/* For `env` of the application's containers. */}}
{{- define "cache-sidecar.env" -}}
{{- include "cache-sidecar.guard" . }}
{{- if .Values.enabled -}}
- name: CACHE_SIDECAR_URL
  value: http://127.0.0.1:{{ .Values.ports.data }}
{{- end }}
{{- end }}

{{/* For `labels` of the pod's metadata. */}}
{{- define "cache-sidecar.podLabels" -}}
{{- include "cache-sidecar.guard" . }}
{{- if .Values.enabled -}}
cache-sidecar/instance: {{ include "cache-sidecar.instance" . | quote }}
{{- end }}
{{- end }}

{{/* For `securityContext` of the pod; nothing unless L3's volume needs a group. */}}
{{- define "cache-sidecar.podSecurityContext" -}}
{{- include "cache-sidecar.guard" . }}
{{- end }}
