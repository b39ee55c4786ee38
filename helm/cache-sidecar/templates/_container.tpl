{{/*
The sidecar's container as a list item. Takes (list context linger), since only the caller knows whether
the application is terminated before the sidecar or together with it.
*/}}
{{- define "cache-sidecar.item" -}}
{{- $linger := index . 1 }}
{{- with index . 0 -}}
- name: cache-sidecar
  image: {{ include "cache-sidecar.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    {{- include "cache-sidecar.args" (list . $linger) | nindent 4 }}
  {{- with include "cache-sidecar.environment" . | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: cache-ops
      containerPort: {{ .Values.ports.ops }}
      protocol: TCP
  {{- range $kind, $probe := .Values.probes }}
  {{- with $probe }}
  {{ $kind }}Probe:
    {{- include "cache-sidecar.probe" . | nindent 4 }}
  {{- end }}
  {{- end }}
  resources:
    {{- include "cache-sidecar.resources" . | nindent 4 }}
  {{- with .Values.resizePolicy }}
  resizePolicy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.lifecycle }}
  lifecycle:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "cache-sidecar.securityContext" . | nindent 4 }}
  volumeMounts:
    {{- include "cache-sidecar.mounts" . | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError  # the last line of the log states why startup failed
{{- end }}
{{- end }}

{{- define "cache-sidecar.args" -}}
{{- $linger := index . 1 }}
{{- with index . 0 -}}
- serve
- --config=/etc/cache-sidecar
{{- if .Values.config.watch }}
- --configmap={{ include "cache-sidecar.configName" . }}
- --events={{ .Values.events }}
{{- end }}
- --data-bind=127.0.0.1:{{ .Values.ports.data }}
{{- with .Values.dataSocket.path }}
- {{ printf "--data-socket=%s" . | quote }}
{{- end }}
{{- if not .Values.redis.enabled }}
- --resp-bind=off
{{- else if ne (int .Values.ports.redis) 6379 }}{{/* The program's default is not stated: it is skipped if it is taken. */}}
- --resp-bind=127.0.0.1:{{ .Values.ports.redis }}
{{- end }}
{{- with .Values.redisSocket.path }}
- {{ printf "--resp-socket=%s" . | quote }}
{{- end }}
{{- if or .Values.dataSocket.path .Values.redisSocket.path }}
- --data-socket-mode={{ .Values.dataSocket.mode }}
{{- end }}
- --data-dir=/var/lib/cache-sidecar
- --data-limit={{ include "cache-sidecar.dataLimit" . }}
- --ops-bind={{ .Values.opsAddress }}:{{ .Values.ports.ops }}
- --linger={{ .Values.linger | default $linger }}
- --log-format={{ .Values.log.format }}
- --log-level={{ .Values.log.level }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The pod's identity, for the watch and for Events; and the token's file, which commands that run in the container
find by it, too.
*/}}
{{- define "cache-sidecar.environment" -}}
{{- if .Values.config.watch -}}
{{- range $name, $path := dict "NAME" "metadata.name" "NAMESPACE" "metadata.namespace" "UID" "metadata.uid" }}
- name: CACHE_SIDECAR_POD_{{ $name }}
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: {{ $path }}
{{- end }}
{{- end }}
{{- if .Values.auth.existingSecret }}
- name: CACHE_SIDECAR_TOKEN_FILE
  value: /etc/cache-sidecar-auth/token
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A probe; its port is the ops port unless it has one. */}}
{{- define "cache-sidecar.probe" -}}
{{- $probe := deepCopy . }}
{{- range $handler := list "httpGet" "tcpSocket" }}
{{- if hasKey $probe $handler }}{{ $_ := set $probe $handler (merge (get $probe $handler) (dict "port" "cache-ops")) }}{{ end }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{/* Omits the fields that are "" or empty, which the cluster assigns. */}}
{{- define "cache-sidecar.securityContext" -}}
{{- $stated := dict }}
{{- range $name, $value := .Values.securityContext }}
{{- if or $value (kindIs "bool" $value) (kindIs "float64" $value) (kindIs "int64" $value) }}{{ $_ := set $stated $name $value }}{{ end }}
{{- end }}
{{- toYaml $stated }}
{{- end }}

{{/* `resources`, completed with defaults derived from the tiers and the volume. */}}
{{- define "cache-sidecar.resources" -}}
{{- $stated := .Values.resources }}
{{- $need := include "cache-sidecar.memoryNeed" . | int64 }}
{{- $request := $need }}
{{- $limit := add (div (mul $need 5) 4) 33554432 }}
{{- with ($stated.limits | default dict).memory }}{{ $request = min $need (include "cache-sidecar.bytes" . | int64) }}{{ end }}
{{- with ($stated.requests | default dict).memory }}{{ $limit = max $limit (include "cache-sidecar.bytes" . | int64) }}{{ end }}
{{- $requests := dict "memory" (include "cache-sidecar.mebibytes" $request) }}
{{- if eq .Values.l3.type "emptyDir" }}{{ $_ := set $requests "ephemeral-storage" (include "cache-sidecar.volumeSize" .) }}{{ end }}
{{- $derived := dict "requests" $requests "limits" (dict "memory" (include "cache-sidecar.mebibytes" $limit)) }}
{{- toYaml (merge (deepCopy $stated) $derived) }}
{{- end }}

{{- define "cache-sidecar.mounts" -}}
- name: cache-sidecar-config
  mountPath: /etc/cache-sidecar
  readOnly: true
- name: cache-sidecar-data
  mountPath: /var/lib/cache-sidecar
{{- if .Values.config.watch }}
- name: cache-sidecar-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}
{{- if .Values.auth.existingSecret }}
- name: cache-sidecar-auth
  mountPath: /etc/cache-sidecar-auth
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
