{{/*
Shared parts of the monitoring objects, and the validation of their values.
*/}}

{{/*
Whether to render an object of the Prometheus operator: "true", "false", or "unknown" if `auto` cannot
decide because no cluster was queried or it lacks the operator. Takes (list context values kind).
*/}}
{{- define "cache-sidecar.operatorObject" -}}
{{- $known := (index . 0).Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 2)) }}
{{- $enabled := toString (index . 1).enabled }}
{{- if ne $enabled "auto" }}{{ $enabled }}{{ else if $known }}true{{ else }}unknown{{ end }}
{{- end }}

{{- define "cache-sidecar.podMonitor" -}}
{{- if and .Values.enabled .Values.workload }}
{{- include "cache-sidecar.operatorObject" (list . .Values.podMonitor "PodMonitor") }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.prometheusRule" -}}
{{- if and .Values.enabled (or (not .Values.workload) (ne (toString .Values.prometheusRule.enabled) "auto")) }}
{{- include "cache-sidecar.operatorObject" (list . .Values.prometheusRule "PrometheusRule") }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.dashboards" -}}
{{- if .Values.enabled }}
{{- ternary (not .Values.workload) .Values.dashboards.enabled (eq (toString .Values.dashboards.enabled) "auto") }}
{{- end }}
{{- end }}

{{/* What was not rendered, though it may be expected: one sentence per line, for the notes of other charts. */}}
{{- define "cache-sidecar.leftOut" -}}
{{- include "cache-sidecar.guard" . }}
{{- with include "cache-sidecar.ignored" . }}
{{ . }}
{{- end }}
{{- if eq (include "cache-sidecar.podMonitor" .) "unknown" }}
{{ include "cache-sidecar.leftOut.sentence" (list "podMonitor" "PodMonitor") }}
{{- end }}
{{- if eq (include "cache-sidecar.prometheusRule" .) "unknown" }}
{{ include "cache-sidecar.leftOut.sentence" (list "prometheusRule" "PrometheusRule") }}
{{- end }}
{{- end }}

{{/* The documents that another owner's ConfigMap replaces, as a sentence. */}}
{{- define "cache-sidecar.ignored" -}}
{{- with .Values }}
{{- if and .enabled .workload (eq .config.owner "operator") .config.documents -}}
config.documents was ignored ({{ keys .config.documents | sortAlpha | join ", " }}), since config.owner is operator: the documents are those of the ConfigMap {{ include "cache-sidecar.configName" $ }}.
{{- end }}
{{- end }}
{{- end }}

{{- define "cache-sidecar.leftOut.sentence" -}}
No {{ index . 1 }} was created: {{ index . 0 }}.enabled is auto, and the cluster does not report that it supports the kind. Set it to true or false.
{{- end }}

{{- define "cache-sidecar.problems.monitoring" -}}
{{- if and .Values.workload .Values.networkPolicy.enabled (kindIs "invalid" .Values.networkPolicy.ingress) }}
- networkPolicy.ingress is required, since the policy would otherwise block the application's ports: set the rules that admit its clients, or [] if it has none.
{{- end }}
{{- if and (not .Values.workload) .Values.networkPolicy.enabled }}
- networkPolicy.enabled is true, but with workload: false there are no pods to protect: set it to false.
{{- end }}
{{- if and (not .Values.workload) (eq (toString .Values.podMonitor.enabled) "true") }}
- podMonitor.enabled is true, but with workload: false there are no pods to scrape: set it to auto or false.
{{- end }}
{{- with .Values.podMonitor }}
{{- if and .interval (gt (include "cache-sidecar.milliseconds" .scrapeTimeout | int64) (include "cache-sidecar.milliseconds" .interval | int64)) }}
- podMonitor.scrapeTimeout {{ .scrapeTimeout }} is more than podMonitor.interval {{ .interval }}, and the operator would ignore the PodMonitor: lower scrapeTimeout.
{{- end }}
{{- end }}
{{- end }}

{{/* A duration in Prometheus' format, such as `1m30s`, in milliseconds. */}}
{{- define "cache-sidecar.milliseconds" -}}
{{- $factors := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $total := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $total = add $total (mul (regexFind "^[0-9]+" .) (get $factors (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- $total }}
{{- end }}
