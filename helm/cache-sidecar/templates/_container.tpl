{{/*
The container, as an item of a list. Takes (list context linger).
*/}}
{{- define "cache-sidecar.item" -}}
{{- $linger := index . 1 }}
{{- with index . 0 -}}
- name: cache-sidecar
  image: {{ include "cache-sidecar.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - serve
    - --config=/etc/cache-sidecar
    - --linger={{ .Values.linger | default $linger }}
  ports:
    - name: cache-ops
      containerPort: {{ .Values.ports.ops }}
      protocol: TCP
  startupProbe:
    {{- toYaml .Values.probes.startup | nindent 4 }}
  livenessProbe:
    {{- toYaml .Values.probes.liveness | nindent 4 }}
  readinessProbe:
    {{- toYaml .Values.probes.readiness | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: cache-sidecar-config
      mountPath: /etc/cache-sidecar
      readOnly: true
{{- end }}
{{- end }}
