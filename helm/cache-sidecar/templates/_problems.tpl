{{/*
Invalid or conflicting values: one sentence per line, each with the change to make. All of them are
reported at once. No values are validated while `enabled` is false.
*/}}
{{- define "cache-sidecar.problems" -}}
{{- if .Values.enabled }}
{{- if .Values.workload }}
{{- include "cache-sidecar.problems.workload" . }}
{{- include "cache-sidecar.problems.documents" . }}
{{- include "cache-sidecar.problems.l3" . }}
{{- include "cache-sidecar.problems.resources" . }}
{{- include "cache-sidecar.problems.container" . }}
{{- include "cache-sidecar.problems.security" . }}
{{- end }}
{{- include "cache-sidecar.problems.monitoring" . }}
{{- include "cache-sidecar.problems.metadata" . }}
{{- end }}
{{- end }}

{{/* Keys that the API server refuses, perhaps after a part of the objects was created. */}}
{{- define "cache-sidecar.problems.metadata" -}}
{{- $maps := dict "commonLabels" .Values.commonLabels "commonAnnotations" .Values.commonAnnotations }}
{{- range $section := list "podMonitor" "prometheusRule" "dashboards" }}
{{- range $kind := list "labels" "annotations" }}{{ $_ := set $maps (printf "%s.%s" $section $kind) (index $.Values $section $kind) }}{{ end }}
{{- end }}
{{- $part := "[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?" }}
{{- $domain := "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*" }}
{{- range $name, $map := $maps }}
{{- range $key, $_ := $map }}
{{- if not (regexMatch (printf "^(%s/)?%s$" $domain $part) $key) }}
- {{ $name }} has the key {{ $key | quote }}, which Kubernetes does not accept: use at most 63 letters, digits, '-', '_' and '.', after a domain and a slash if you like.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.workload" -}}
{{- if .Chart.IsRoot }}
- the chart has no pods of its own: make it a dependency of your application's chart, or set workload: false to install only dashboards and alert rules.
{{- end }}
{{- with .Values.image }}
{{- if not .repository }}
- image.repository is required: set the image's name in your registry, without a tag.
{{- else if regexMatch ":[^/]*$|@" .repository }}
- image.repository {{ .repository | quote }} contains more than a name: set the tag as image.tag, or the digest as image.digest.
{{- end }}
{{- end }}
{{- if and .Values.rbac.create .Values.config.watch (not .Values.serviceAccountName) }}
- serviceAccountName is required: set the service account of the pods (`default` if they set none), which needs permission to watch the ConfigMap; or set config.watch: false.
{{- end }}
{{- if and (eq .Values.events "all") (not .Values.config.watch) }}
- events is all, but Events require config.watch: set config.watch: true or events: none.
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.documents" -}}
{{- if eq .Values.config.owner "helm" }}
{{- range $name, $document := .Values.config.documents }}
{{- if kindIs "string" $document }}
{{- with (fromYaml $document).Error }}
- config.documents: {{ $name }} is not a YAML map: {{ . | replace "\n" " " }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $tier := include "cache-sidecar.tiers" . | fromJson }}
{{- if and $tier.stated (not $tier.bytes) }}
- config.documents: cache.yaml: the max_bytes of tiers.{{ $name }} is not a size: set a value such as 100MiB.
{{- end }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.l3" -}}
{{- $tier := (include "cache-sidecar.tiers" . | fromJson).l3 }}
{{- $cache := include "cache-sidecar.cache" . | fromJson }}
{{- $limit := include "cache-sidecar.dataLimit" . | int64 }}
{{- $most := div (sub $limit 67108864) 2 }}
{{- with .Values.l3 }}
{{- if eq .type "none" }}
{{- if $tier.wanted }}
- l3.type is none, so there is no volume for L3, but cache.yaml in config.documents enables it: remove max_bytes and enabled from its tiers.l3, or use another l3.type.
{{- end }}
{{- else if lt $most 1048576 }}
- l3.size {{ .size }} is too small for L3, which needs twice its max_bytes plus 64MiB in 90 % of the volume: set at least 74Mi, or l3.type: none.
{{- else if gt (int64 $tier.bytes) $most }}
- l3.size {{ .size }} is too small for tiers.l3.max_bytes in config.documents, since L3 needs twice that plus 64MiB in 90 % of the volume: set at least {{ include "cache-sidecar.mebibytes" (div (mul (add (mul (int64 $tier.bytes) 2) 67108864) 10) 9 | add 1) }}, or a max_bytes of at most {{ div $most 1048576 }}MiB.
{{- end }}
{{- if and (has "ReadWriteOncePod" .accessModes) (gt (len .accessModes) 1) }}
- l3.accessModes has ReadWriteOncePod and other modes, which Kubernetes does not allow together: set only one of them.
{{- end }}
{{- if eq .type "existingClaim" }}
{{- if not .existingClaim }}
- l3.existingClaim is required with l3.type: existingClaim: set the claim's name, or use another l3.type.
{{- end }}
{{- if kindIs "invalid" $.Values.replicas }}
- l3.type: existingClaim supports one pod only: set replicas: 1 if the workload has one, or use l3.type ephemeral or volumeClaimTemplate.
{{- else if gt (int64 $.Values.replicas) 1 }}
- l3.type: existingClaim supports one pod only, but replicas is {{ $.Values.replicas }}: use l3.type ephemeral, or volumeClaimTemplate in a StatefulSet.
{{- end }}
{{- else if .existingClaim }}
- l3.existingClaim is set, but l3.type is {{ .type }}: set l3.type: existingClaim, or remove the claim.
{{- end }}
{{- if and (not (kindIs "invalid" .storageClassName)) (not (has .type (list "ephemeral" "volumeClaimTemplate"))) }}
- l3.storageClassName is set, but l3.type {{ .type }} does not use a storage class: set l3.type: ephemeral or volumeClaimTemplate, or remove it.
{{- end }}
{{- end }}
{{- end }}
