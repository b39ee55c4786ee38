{{/*
The volumes of the pod. Their names are fixed, since a pod has one sidecar.
*/}}

{{- define "cache-sidecar.configVolume" -}}
- name: cache-sidecar-config
  configMap:
    name: {{ include "cache-sidecar.configName" . | quote }}
    optional: true  # without its ConfigMap the sidecar runs with its defaults
{{- end }}

{{/* L3's volume; without L3, a volume for the other files that survive a restart of the container. */}}
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
The service account's token, the API server's CA certificate and the namespace, in the form that the kubelet
mounts into every container, so that the pod can set automountServiceAccountToken: false.
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

{{/* The token that clients have to send. */}}
{{- define "cache-sidecar.authVolume" -}}
- name: cache-sidecar-auth
  secret:
    secretName: {{ .Values.auth.existingSecret | quote }}
    items:
      - key: {{ .Values.auth.existingSecretKey | quote }}
        path: token
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

{{/* `l3.size` as a Kubernetes quantity. */}}
{{- define "cache-sidecar.volumeSize" -}}
{{ hasSuffix "iB" .Values.l3.size | ternary (trimSuffix "B" .Values.l3.size) .Values.l3.size }}
{{- end }}
