#!/usr/bin/env bash
# redis-benchmark on the lab: its default tests on one node, pipelined too, and --cluster.
# shellcheck disable=SC2154
. "$(dirname "$0")/lab.sh"

# What its default tests are called, in their order.
tests="PING_INLINE PING_MBULK SET GET INCR LPUSH RPUSH LPOP RPOP SADD HSET SPOP ZADD ZPOPMIN LPUSH (needed to benchmark LRANGE) LRANGE_100 (first 100 elements) LRANGE_300 (first 300 elements) LRANGE_500 (first 500 elements) LRANGE_600 (first 600 elements) MSET (10 keys)"

benchmark() {
    timeout 200 redis-benchmark -p "$port" --csv "$@" >"$scratch/csv" 2>"$scratch/err" &&
        [ ! -s "$scratch/err" ] || {
        cat "$scratch/csv" "$scratch/err"
        return 1
    }
}
names() { grep '^"' "$scratch/csv" | tail -n +2 | cut -d '"' -f 2; }

defaults() {
    # One primary alone: the default tests use several keys at a time.
    lab_start --masters 1 --replicas 0
    benchmark -n 3000 -c 20 && same "$tests" "$(names | xargs)"
}

pipelined() {
    lab_start --masters 1 --replicas 0
    benchmark -n 20000 -P 16 -r 1000 -t set,get,incr,lpush,rpop,sadd,hset,spop,zadd,zpopmin || return
    same 1000 "$(node 0 KEYS 'key:*' | wc -l)"
}

resp3() {
    lab_start --masters 1 --replicas 0
    benchmark -n 2000 -3 -t ping,set,get,lrange && same 2000 "$(node 0 LLEN mylist)"
}

cluster() {
    lab_start
    # With --cluster the tests that follow __rand_key__ alone go to all nodes.
    benchmark --cluster -n 6000 -c 30 -r 20 -t set,get,incr,lpush,sadd,hset,zadd || return
    same "SET GET INCR LPUSH SADD HSET ZADD" "$(names | xargs)" || return
    # Each request was executed once, wherever it had to go.
    local index name pushed=0 counted=0
    for index in 0 1 2; do
        [ "$(node $index DBSIZE)" -gt 0 ] || return
        for name in $(node $index KEYS 'mylist*'); do
            pushed=$((pushed + $(node $index LLEN "$name")))
        done
        for name in $(node $index KEYS 'counter*'); do
            counted=$((counted + $(node $index GET "$name")))
        done
    done
    same 6000 $pushed && same 6000 $counted
}

run defaults pipelined resp3 cluster
