{{/*
Validation of the container's resources, and of the values that are rendered unchanged.
*/}}

{{- define "cache-sidecar.problems.resources" -}}
{{- $limits := .Values.resources.limits | default dict }}
{{- with $limits.memory }}
{{- $limit := include "cache-sidecar.bytes" . | int64 }}
{{- $empty := include "cache-sidecar.memoryEmpty" $ | int64 }}
{{- $need := include "cache-sidecar.memoryNeed" $ | int64 }}
{{- if lt $limit $empty }}
- resources.limits.memory {{ . }} is too small: the sidecar needs {{ include "cache-sidecar.mebibytes" $empty }} with empty tiers; set at least {{ include "cache-sidecar.mebibytes" $need }}.
{{- else if and (lt $limit $need) (eq $.Values.config.owner "helm") }}
- resources.limits.memory {{ . }} is too small: with full tiers the sidecar needs {{ include "cache-sidecar.mebibytes" $need }}; set at least that, or lower the tiers' max_bytes in config.documents.
{{- end }}
{{- end }}
{{- range $name, $request := .Values.resources.requests | default dict }}
{{- with get $limits $name }}
{{- if gt (include "cache-sidecar.quantity" $request | float64) (include "cache-sidecar.quantity" . | float64) }}
- resources.requests.{{ $name }} {{ $request }} is more than resources.limits.{{ $name }} {{ . }}: raise the limit, or lower the request.
{{- end }}
{{- end }}
{{- end }}
{{- $volume := include "cache-sidecar.bytes" .Values.l3.size | int64 }}
{{- with get $limits "ephemeral-storage" }}
{{- if and (eq $.Values.l3.type "emptyDir") (lt (include "cache-sidecar.bytes" . | int64) $volume) }}
- resources.limits.ephemeral-storage {{ . }} is less than l3.size {{ $.Values.l3.size }}, which counts towards it, so the pod would be evicted: set at least as much.
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity as a number. `250m` of CPU is 0.25. */}}
{{- define "cache-sidecar.quantity" -}}
{{- $text := toString . }}
{{- if hasSuffix "m" $text }}{{ divf (trimSuffix "m" $text) 1000 }}
{{- else if regexMatch "^[0-9]*\\.[0-9]+$" $text }}{{ $text }}
{{- else }}{{ include "cache-sidecar.bytes" . }}{{ end }}
{{- end }}

{{/* Values that the API server or the kubelet would reject only after the install. */}}
{{- define "cache-sidecar.problems.security" -}}
{{- with .Values.securityContext }}
{{- if and .runAsNonRoot (eq (toString .runAsUser) "0") }}
- securityContext.runAsUser is 0, which is root, but runAsNonRoot is true: set another user, or runAsNonRoot: false.
{{- end }}
{{- range $name := list "seccompProfile" "appArmorProfile" }}
{{- with index $.Values.securityContext $name }}
{{- if and .localhostProfile (ne (toString .type) "Localhost") }}
- securityContext.{{ $name }}.localhostProfile is set, but its type is not Localhost: set type: Localhost, or remove localhostProfile.
{{- end }}
{{- end }}
{{- end }}
{{- if and .privileged (eq (toString .allowPrivilegeEscalation) "false") }}
- securityContext.privileged is true, but allowPrivilegeEscalation is false: set allowPrivilegeEscalation: true or privileged: false.
{{- end }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.container" -}}
{{- if eq (int .Values.ports.data) (int .Values.ports.ops) }}
- ports.data and ports.ops are both {{ .Values.ports.ops }}: change one of them.
{{- end }}
{{- if .Values.redis.enabled }}
{{- range $name := list "data" "ops" }}
{{- if eq (int $.Values.ports.redis) (int (index $.Values.ports $name)) }}
- ports.redis and ports.{{ $name }} are both {{ $.Values.ports.redis }}: change one of them, or set redis.enabled: false.
{{- end }}
{{- end }}
{{- else }}
{{- if .Values.redis.setRedisUrl }}
- redis.setRedisUrl is true, but redis.enabled is false: there is no address to set. Change one of them.
{{- end }}
{{- if .Values.redisSocket.path }}
- redisSocket.path is set, but redis.enabled is false: remove the path, or set redis.enabled: true.
{{- end }}
{{- end }}
{{- range $name, $probe := .Values.probes }}
{{- $handlers := list }}
{{- range $handler := list "httpGet" "exec" "tcpSocket" "grpc" }}
{{- if hasKey ($probe | default dict) $handler }}{{ $handlers = append $handlers $handler }}{{ end }}
{{- end }}
{{- if gt (len $handlers) 1 }}
- probes.{{ $name }} has {{ join " and " $handlers }}, but Kubernetes allows only one: set probes.{{ $name }}.{{ first $handlers }}: null to remove it.
{{- else if and $probe (not $handlers) }}
- probes.{{ $name }} has no handler: set httpGet, exec, tcpSocket or grpc, or probes.{{ $name }}: null to disable the probe.
{{- end }}
{{- with $probe }}
{{- if and (ne $name "readiness") (gt (int64 .successThreshold) 1) }}
- probes.{{ $name }}.successThreshold is {{ .successThreshold }}, but Kubernetes allows more than 1 only for readiness: remove it.
{{- end }}
{{- if and (eq $name "readiness") .terminationGracePeriodSeconds }}
- probes.readiness.terminationGracePeriodSeconds is set, but Kubernetes allows it only for startup and liveness: remove it.
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $handler := .Values.lifecycle }}
{{- $known := pick ($handler | default dict) "exec" "httpGet" "sleep" "tcpSocket" | keys | sortAlpha }}
{{- if ne (len $known) 1 }}
- lifecycle.{{ $name }} has {{ join " and " $known | default "no handler" }}, but Kubernetes requires one: set only one of exec, httpGet, sleep and tcpSocket.
{{- end }}
{{- end }}
{{- range $index, $source := .Values.envFrom }}
{{- if not (or (hasKey $source "configMapRef") (hasKey $source "secretRef")) }}
- envFrom: number {{ $index }} has no source: set its configMapRef or secretRef.
{{- else if and (hasKey $source "configMapRef") (hasKey $source "secretRef") }}
- envFrom: number {{ $index }} has both configMapRef and secretRef, but Kubernetes allows only one: use two items.
{{- end }}
{{- end }}
{{- $resized := list }}
{{- range .Values.resizePolicy }}
{{- if has .resourceName $resized }}
- resizePolicy: {{ .resourceName }} is listed twice: remove one.
{{- end }}
{{- $resized = append $resized .resourceName }}
{{- end }}
{{- $flags := include "cache-sidecar.flags" . | fromYaml }}
{{- $_ := set $flags "--resp-bind" "ports.redis and redis.enabled" }}
{{- $sockets := dict "dataSocket.path" .Values.dataSocket.path "redisSocket.path" .Values.redisSocket.path }}
{{- if .Values.dataSocket.path }}{{ $_ := set $flags "--data-socket" "dataSocket.path" }}{{ end }}
{{- if .Values.redisSocket.path }}{{ $_ := set $flags "--resp-socket" "redisSocket.path" }}{{ end }}
{{- if or .Values.dataSocket.path .Values.redisSocket.path }}{{ $_ := set $flags "--data-socket-mode" "dataSocket.mode" }}{{ end }}
{{- if .Values.auth.existingSecret }}{{ $_ := set $flags "--token-file" "auth.existingSecret" }}{{ end }}
{{- range $argument := .Values.extraArgs }}
{{- $flag := regexReplaceAll "=.*$" $argument "" }}
{{- with get $flags $flag }}
- extraArgs: {{ $flag }} is set by {{ . }}: set that instead.
{{- end }}
{{- end }}
{{- $names := list }}
{{- range .Values.extraEnv }}
{{- $flag := printf "--%s" (trimPrefix "CACHE_SIDECAR_" .name | lower | replace "_" "-") }}
{{- $set := get $flags $flag }}
{{- if and (hasPrefix "CACHE_SIDECAR_" .name) $set }}
- extraEnv: {{ .name }} is set by {{ $set }}: set that instead.
{{- else if has .name $names }}
- extraEnv: {{ .name }} is defined twice: remove one.
{{- end }}
{{- if and .value .valueFrom }}
- extraEnv: {{ .name }} has both value and valueFrom: remove one.
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- $paths := list "/etc/cache-sidecar" "/var/lib/cache-sidecar" "/var/run/secrets/kubernetes.io/serviceaccount" "/etc/cache-sidecar-auth" }}
{{- range .Values.extraVolumeMounts }}
{{- if has (trimSuffix "/" .mountPath) $paths }}
- extraVolumeMounts: {{ .mountPath }} is already a mount point: set another mountPath.
{{- end }}
{{- if and .subPath .subPathExpr }}
- extraVolumeMounts: {{ .mountPath }} has both subPath and subPathExpr, but Kubernetes allows only one: remove one.
{{- end }}
{{- $paths = append $paths (trimSuffix "/" .mountPath) }}
{{- end }}
{{- range $name, $path := $sockets }}
{{- if $path }}
{{- $mounted := false }}
{{- range $.Values.extraVolumeMounts }}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path }}{{ $mounted = true }}{{ end }}
{{- end }}
{{- if not $mounted }}
- {{ $name }} {{ $path }} is in no volume of extraVolumeMounts, so no other container could connect to it: mount the volume that they share.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.dataSocket.path (eq .Values.dataSocket.path .Values.redisSocket.path) }}
- dataSocket.path and redisSocket.path are both {{ .Values.dataSocket.path }}: change one of them.
{{- end }}
{{- end }}

{{/* The flags that the chart always sets, and the chart value that controls each. */}}
{{- define "cache-sidecar.flags" -}}
--config: config.documents
--configmap: config.name and config.watch
--data-bind: ports.data
--data-dir: the chart
--data-limit: l3.size
--ops-bind: ports.ops and opsAddress
--linger: linger
--events: events
--pod-name: the chart
--pod-namespace: the chart
--pod-uid: the chart
--log-format: log.format
--log-level: log.level
{{- end }}
