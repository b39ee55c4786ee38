#!/bin/sh
# redis-benchmark: those of its tests whose commands are there, with many connections and pipelines.
# It stops at the first TRYAGAIN, which is never given while at most 32 requests are in progress.
set -eu

address=${REDIS_URL#redis://}
port=${address#*:}
port=${port%/*}
run() {
    redis-benchmark -p "$port" -q -n "$@" > "$TMPDIR/out" 2>&1 || { cat "$TMPDIR/out"; exit 1; }
    tr '\r' '\n' < "$TMPDIR/out" | grep "requests per second"
}
run 2000 -t ping,set,get,incr,mset -c 20
run 2000 -t ping,set -P 6 -c 5 -r 1000
run 2000 -t get -P 16 -r 1000
run 2000 -t ping,get --threads 2
run 2000 -t get --enable-tracking
run 1000 -c 20 -3 set key:__rand_int__ value EX 60
run 200 -t set,get -d 20000 -c 5
