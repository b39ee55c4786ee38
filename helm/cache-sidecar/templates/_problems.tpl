{{/*
Values that are wrong, or cannot work together: a sentence a line, each says what to change. They are
all looked for, so that nobody has to render again to hear of the next; none while `enabled` is false.
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
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.workload" -}}
{{- if .Chart.IsRoot }}
- the chart has no pods of its own: make it a dependency of your application's chart, or write workload: false for what a cluster needs once (dashboards and alert rules).
{{- end }}
{{- with .Values.image }}
{{- if not .repository }}
- image.repository is not stated: write where your cluster finds the image, without a tag.
{{- else if regexMatch ":[^/]*$|@" .repository }}
- image.repository {{ .repository | quote }} holds more than a name: write the tag as image.tag, or the digest as image.digest.
{{- end }}
{{- end }}
{{- if and .Values.rbac.create .Values.config.watch (not .Values.serviceAccountName) }}
- serviceAccountName is not stated: write the service account that the pods run with (`default` where they name none), which is given the rights to watch the ConfigMap; or write config.watch: false.
{{- end }}
{{- if and (eq .Values.events "all") (not .Values.config.watch) }}
- events: all, but Events are only written with config.watch: write config.watch: true, or events: none.
{{- end }}
{{- end }}

{{- define "cache-sidecar.problems.documents" -}}
{{- with .Values.config }}
{{- if and (eq .owner "operator") .documents }}
- config.owner: operator says that the ConfigMap is not Helm's, but config.documents has {{ keys .documents | sortAlpha | join ", " }}: write them into the ConfigMap {{ include "cache-sidecar.configName" $ }}, or write config.owner: helm.
{{- end }}
{{- range $name, $document := .documents }}
{{- if kindIs "string" $document }}
{{- with (fromYaml $document).Error }}
- config.documents: {{ $name }} is no YAML map: {{ . | replace "\n" " " }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $tier := include "cache-sidecar.tiers" . | fromJson }}
{{- if and $tier.stated (not $tier.bytes) }}
- config.documents: cache.yaml: the max_bytes of tiers.{{ $name }} is not a size: write for example 100MiB.
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
- l3.type: none leaves no room for L3, but cache.yaml in config.documents wants it: take max_bytes and enabled out of its tiers.l3, or take another l3.type.
{{- end }}
{{- else if lt $most 1048576 }}
- l3.size {{ .size }} is too small for an L3, which needs twice what it holds and 64MiB more, in nine tenths of the volume: write at least 74Mi, or l3.type: none.
{{- else if gt (int64 $tier.bytes) $most }}
- l3.size {{ .size }} is too small for tiers.l3.max_bytes in config.documents, which needs twice as much and 64MiB more, in nine tenths of the volume: write at least {{ include "cache-sidecar.mebibytes" (div (mul (add (mul (int64 $tier.bytes) 2) 67108864) 10) 9 | add 1) }}, or a max_bytes of at most {{ div $most 1048576 }}MiB.
{{- end }}
{{- if and (has "ReadWriteOncePod" .accessModes) (gt (len .accessModes) 1) }}
- l3.accessModes has ReadWriteOncePod beside others, and Kubernetes takes that alone: write one of them.
{{- end }}
{{- if eq .type "existingClaim" }}
{{- if not .existingClaim }}
- l3.existingClaim is not stated: write the claim's name, or take another l3.type.
{{- end }}
{{- if kindIs "invalid" $.Values.replicas }}
- l3.type: existingClaim is for one pod alone: write replicas: 1 if the workload has no more, or take l3.type ephemeral or volumeClaimTemplate.
{{- else if gt (int64 $.Values.replicas) 1 }}
- l3.type: existingClaim is for one pod alone, but replicas is {{ $.Values.replicas }}: take l3.type ephemeral, or volumeClaimTemplate in a StatefulSet.
{{- end }}
{{- else if .existingClaim }}
- l3.existingClaim is stated, but l3.type is {{ .type }}: write l3.type: existingClaim, or take the claim away.
{{- end }}
{{- if and (not (kindIs "invalid" .storageClassName)) (not (has .type (list "ephemeral" "volumeClaimTemplate"))) }}
- l3.storageClassName is stated, but l3.type {{ .type }} asks no storage class: write l3.type: ephemeral or volumeClaimTemplate, or take it away.
{{- end }}
{{- end }}
{{- end }}
