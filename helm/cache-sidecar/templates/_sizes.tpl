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
The tiers, as JSON: of l1, l2 and l3 its `bytes` (of L3 only a `stated` size; "0" of a tier that is off)
and `entries`, and whether the document asks for it (`wanted`). The defaults are those of the program, which takes no
decimal units either.
*/}}
{{- define "cache-sidecar.tiers" -}}
{{- $document := (include "cache-sidecar.cache" . | fromJson).tiers }}
{{- $tiers := dict }}
{{- range $name, $default := dict "l1" "10MiB" "l2" "100MiB" "l3" 0 }}
{{- $tier := dict }}
{{- if kindIs "map" $document }}{{ with get $document $name }}{{ if kindIs "map" . }}{{ $tier = . }}{{ end }}{{ end }}{{ end }}
{{- $on := ne (toString $tier.enabled) "false" }}
{{- $stated := hasKey $tier "max_bytes" }}
{{- $size := $stated | ternary $tier.max_bytes $default }}
{{- $bytes := regexMatch "[kMGT]$" (toString $size) | ternary "" (include "cache-sidecar.bytes" $size) }}
{{- $_ := set $tiers $name (dict
  "bytes" ($on | ternary $bytes "0")
  "entries" ($on | ternary ($tier.max_entries | default 10000) 0)
  "stated" $stated
  "wanted" (or (eq (toString $tier.enabled) "true") (and $on $stated))) }}
{{- end }}
{{- toJson $tiers }}
{{- end }}

{{/*
Bytes of memory that the sidecar needs when its tiers are full: what it takes without an entry, L1 and L2
with what an entry costs more than its value, and 16 bytes for each entry of L3.
*/}}
{{- define "cache-sidecar.memoryNeed" -}}
{{- $tiers := include "cache-sidecar.tiers" . | fromJson }}
{{- $held := add (int64 $tiers.l1.bytes) (int64 $tiers.l2.bytes) }}
{{- add (include "cache-sidecar.memoryEmpty" .) (div (mul $held 115) 100) (mul 16 (int64 $tiers.l3.entries)) }}
{{- end }}

{{/* Both processes idle (measured: 56 MiB, and 3 more for the watch), and RocksDB's buffers. */}}
{{- define "cache-sidecar.memoryEmpty" -}}
{{ mul (add 80 24) 1048576 }}
{{- end }}

{{/* Bytes of the volume that L3 may use: nine tenths, since a kubelet evicts at the limit of an emptyDir
and a file system has a part of a claim for itself. */}}
{{- define "cache-sidecar.dataLimit" -}}
{{- if eq .Values.l3.type "none" }}0{{ else }}{{ div (mul (include "cache-sidecar.bytes" .Values.l3.size | int64) 9) 10 }}{{ end }}
{{- end }}
