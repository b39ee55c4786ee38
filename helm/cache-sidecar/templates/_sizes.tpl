{{/*
Sizes: the limits of the tiers, the memory that they need, and the share of the volume that L3 may use.
*/}}

{{/* Bytes of a size such as `10MiB`, `1.5Gi`, `500M` or a number; empty if it is not a size. */}}
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

{{/*
`cache.yaml` from config.documents, as JSON, without documents that are ignored. One given as text is parsed.
*/}}
{{- define "cache-sidecar.cache" -}}
{{- $documents := eq .Values.config.owner "helm" | ternary .Values.config.documents dict }}
{{- $cache := index $documents "cache.yaml" | default dict }}
{{- if kindIs "string" $cache }}{{ $cache = fromYaml $cache | default dict }}{{ end }}
{{- toJson $cache }}
{{- end }}

{{/*
The tiers l1, l2 and l3, as JSON: `bytes` ("0" for a disabled tier; for L3 only if the document sets it),
`entries`, whether the document sets max_bytes (`stated`), and whether it enables the tier (`wanted`). The
defaults are those of the program, which does not accept decimal units either.
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
Bytes of memory that the sidecar needs with full tiers: the empty process, L1 and L2 with 15 % overhead, and
16 bytes per entry of L3.
*/}}
{{- define "cache-sidecar.memoryNeed" -}}
{{- $tiers := include "cache-sidecar.tiers" . | fromJson }}
{{- $held := add (int64 $tiers.l1.bytes) (int64 $tiers.l2.bytes) }}
{{- add (include "cache-sidecar.memoryEmpty" .) (div (mul $held 115) 100) (mul 16 (int64 $tiers.l3.entries)) }}
{{- end }}

{{/* Both processes when idle (measured: 56 MiB, plus 3 MiB for the watch), and RocksDB's buffers. */}}
{{- define "cache-sidecar.memoryEmpty" -}}
{{ mul (add 80 24) 1048576 }}
{{- end }}

{{/* Bytes of the volume that L3 may use: 90 %, since the kubelet evicts a pod at the limit of its emptyDir
and the file system reserves a part of a claim. */}}
{{- define "cache-sidecar.dataLimit" -}}
{{- if eq .Values.l3.type "none" }}0{{ else }}{{ div (mul (include "cache-sidecar.bytes" .Values.l3.size | int64) 9) 10 }}{{ end }}
{{- end }}
