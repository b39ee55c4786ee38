{{/*
Sizes: what the tiers may hold, the memory that this takes, and what of a volume L3 may use.
*/}}

{{/* Bytes of `10MiB`, `1.5Gi`, `500M` or a number of them; nothing where it is none of these. */}}
{{- define "cache-sidecar.bytes" -}}
{{- $text := kindIs "float64" . | ternary (printf "%.0f" .) (toString .) }}
{{- if regexMatch "^[0-9]{1,15}(\\.[0-9]{1,9})?[A-Za-z]{0,3}$" $text }}
{{- $factors := dict "" 1 "B" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- with get $factors (hasSuffix "iB" $unit | ternary (trimSuffix "B" $unit) $unit) }}
{{- regexFind "^[0-9.]+" $text | mulf . | ceil | int64 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Bytes as whole mebibytes, rounded up: `266Mi`. */}}
{{- define "cache-sidecar.mebibytes" -}}
{{ div (add (int64 .) 1048575) 1048576 }}Mi
{{- end }}

{{/* `cache.yaml` as far as the chart knows it, as JSON: a document that is text is read. */}}
{{- define "cache-sidecar.cache" -}}
{{- $cache := index .Values.config.documents "cache.yaml" | default dict }}
{{- if kindIs "string" $cache }}{{ $cache = fromYaml $cache | default dict }}{{ end }}
{{- toJson $cache }}
{{- end }}

{{/*
The tiers, as JSON: of l1, l2 and l3 its `bytes` (of L3 only a `stated` size; "0" of a tier that is off),
and whether the document asks for it (`wanted`). The defaults are those of the program, which takes no
decimal units either.
*/}}
{{- define "cache-sidecar.tiers" -}}
{{- $stated := (include "cache-sidecar.cache" . | fromJson).tiers }}
{{- $tiers := dict }}
{{- range $name, $default := dict "l1" "10MiB" "l2" "100MiB" "l3" 0 }}
{{- $tier := dict }}
{{- if kindIs "map" $stated }}{{ with get $stated $name }}{{ if kindIs "map" . }}{{ $tier = . }}{{ end }}{{ end }}{{ end }}
{{- $on := ne (toString $tier.enabled) "false" }}
{{- $size := hasKey $tier "max_bytes" | ternary $tier.max_bytes $default }}
{{- $bytes := regexMatch "[kMGT]$" (toString $size) | ternary "" (include "cache-sidecar.bytes" $size) }}
{{- $_ := set $tiers $name (dict "stated" (hasKey $tier "max_bytes") "wanted" (or (eq (toString $tier.enabled) "true") (and $on (hasKey $tier "max_bytes"))) "bytes" ($on | ternary $bytes "0")) }}
{{- end }}
{{- toJson $tiers }}
{{- end }}

{{/*
Bytes of memory that the sidecar needs when its tiers are full: both processes idle, the client of the
API server, RocksDB's buffers, and L1 and L2 with what an entry costs more than its value.
*/}}
{{- define "cache-sidecar.memoryNeed" -}}
{{- $tiers := include "cache-sidecar.tiers" . | fromJson }}
{{- $entries := add (int64 $tiers.l1.bytes) (int64 $tiers.l2.bytes) }}
{{- add (include "cache-sidecar.memoryIdle" .) (div (mul $entries 115) 100) }}
{{- end }}

{{- define "cache-sidecar.memoryIdle" -}}
{{- $mebibytes := .Values.config.watch | ternary 115 95 }}
{{- mul (add $mebibytes 24) 1048576 }}
{{- end }}

{{/* Bytes of the volume that L3 may use: nine tenths, since a kubelet evicts at the limit of an emptyDir
and a file system has a part of a claim for itself. */}}
{{- define "cache-sidecar.dataLimit" -}}
{{- if eq .Values.l3.type "none" }}0{{ else }}{{ div (mul (include "cache-sidecar.bytes" .Values.l3.size | int64) 9) 10 }}{{ end }}
{{- end }}
