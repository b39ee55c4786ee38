#!/bin/sh
# redis-cli: commands, a file of them, scans, statistics, mass insertion, both versions of the protocol.
set -eu

cli() { redis-cli -u "$REDIS_URL" "$@"; }
is() { [ "$1" = "$2" ] || { echo "got: $1"; echo "want: $2"; exit 1; }; }

is "$(cli ping)" PONG
is "$(cli set greeting hello EX 60)" OK
is "$(cli get greeting)" hello
is "$(cli -3 get nothing)" ""
is "$(cli --no-raw get nothing)" "(nil)"
is "$(cli --no-raw -3 mget greeting nothing)" '1) "hello"
2) (nil)'
is "$(printf 'a value' | cli -x set piped)" OK
is "$(cli get piped)" "a value"
is "$(printf 'multi\nset a 1\nincr a\nexec\n' | cli)" "OK
QUEUED
QUEUED
OK
2"
is "$(cli -r 3 incr n | tail -1)" 3
is "$(cli -n 3 dbsize)" 0
is "$(cli eval 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end' 1 a 2)" 1
cli lpush list x | grep -q "unknown command 'lpush'"
cli -e lpush list x && exit 1

# Mass insertion, by inline commands and by the protocol.
seq 1000 | sed 's/.*/SET key:& &/' | cli --pipe | grep -q "errors: 0, replies: 1000"
is "$(cli --scan --pattern 'key:*' | sort -u | wc -l)" 1000
is "$(cli --scan --pattern 'key:*' | xargs redis-cli -u "$REDIS_URL" unlink)" 1000

cli --bigkeys | grep -q "Biggest string found"
cli --memkeys | grep -q "Biggest string found"
cli --stat -i 0.01 -r 2 2> /dev/null | grep -q keys || true
cli info server | grep -q redis_version:7
cli -3 client info | grep -q resp=3
is "$(cli --csv mget greeting nothing)" '"hello",NULL'
is "$(cli -3 --json mget greeting nothing)" '["hello",null]'

is "$(cli command docs get | head -1)" get
is "$(cli flushall)" OK
is "$(cli dbsize)" 0
