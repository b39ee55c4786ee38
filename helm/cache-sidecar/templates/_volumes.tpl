{{/*
The volumes of the pod. All their names are fixed: a pod has one sidecar.
*/}}

{{- define "cache-sidecar.configVolume" -}}
- name: cache-sidecar-config
  configMap:
    name: {{ include "cache-sidecar.configName" . | quote }}
    optional: true  # a sidecar without its ConfigMap runs by its defaults
{{- end }}

{{/* L3's volume; without L3, room for what else survives a restart of the container. */}}
{{- define "cache-sidecar.dataVolume" -}}
{{- $type := .Values.l3.type }}
{{- if ne $type "volumeClaimTemplate" -}}
- name: cache-sidecar-data
{{- if eq $type "emptyDir" }}
  emptyDir:
    sizeLimit: {{ include "cache-sidecar.volumeSize" . }}
{{- else if eq $type "none" }}
  emptyDir:
    sizeLimit: 64Mi
{{- else if eq $type "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels:
          cache-sidecar/instance: {{ include "cache-sidecar.instance" . | quote }}
      spec:
        {{- include "cache-sidecar.claimSpec" . | nindent 8 }}
{{- else }}
  persistentVolumeClaim:
    claimName: {{ .Values.l3.existingClaim | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The service account's token, its certificate authority and the namespace, as the kubelet would mount
them in every container; so that the application's can go without (automountServiceAccountToken: false).
*/}}
{{- define "cache-sidecar.tokenVolume" -}}
- name: cache-sidecar-token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ int64 .Values.token.expirationSeconds }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
{{- end }}

{{- define "cache-sidecar.claimSpec" -}}
accessModes:
  {{- toYaml .Values.l3.accessModes | nindent 2 }}
{{- if not (kindIs "invalid" .Values.l3.storageClassName) }}
storageClassName: {{ .Values.l3.storageClassName | quote }}
{{- end }}
resources:
  requests:
    storage: {{ include "cache-sidecar.volumeSize" . }}
{{- end }}

{{/* `l3.size` as Kubernetes writes it. */}}
{{- define "cache-sidecar.volumeSize" -}}
{{ hasSuffix "iB" .Values.l3.size | ternary (trimSuffix "B" .Values.l3.size) .Values.l3.size }}
{{- end }}
