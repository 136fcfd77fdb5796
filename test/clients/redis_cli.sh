#!/usr/bin/env bash
# redis-cli on the lab: -c, which follows redirects, and --cluster, which checks and moves slots.
# shellcheck disable=SC2154
. "$(dirname "$0")/lab.sh"

# -c, from standard input; its notes of redirects (-> Redirected to slot ...) go to $redirects.
cli() {
    local all
    all=$(timeout 60 redis-cli -c -p "$port" "$@")
    redirects=$(grep -c '^-> Redirected' <<<"$all" || true)
    grep -v '^-> Redirected' <<<"$all" || true
}
cluster() { timeout 120 redis-cli --cluster "$@"; }

basics() {
    lab_start
    local set get
    set=$(for i in {1..300}; do echo "SET key:$i $i"; done | cli | sort | uniq -c | xargs)
    same "300 OK" "$set" || return
    get=$(for i in {1..300}; do echo "GET key:$i"; done | cli)
    same "$(seq 300)" "$get" || return
    same 300 $(($(node 0 DBSIZE) + $(node 1 DBSIZE) + $(node 2 DBSIZE)))
}

moved() {
    lab_start
    cli <<<"SET a before" >"$scratch/reply" # slot 15495, of node 2
    same 1 "$redirects" && same OK "$(cat "$scratch/reply")" || return
    begin_move 15495 2 0 && move_keys 2 0 a && end_move 15495 2 0 || return
    port=${ports[2]}
    cli <<<"GET a" >"$scratch/reply"
    same 1 "$redirects" && same before "$(cat "$scratch/reply")"
}

ask() {
    lab_start
    port=${ports[2]}
    for i in {0..9}; do echo "SET {a}$i $i"; done | cli >/dev/null
    begin_move 15495 2 0 && move_keys 2 0 "{a}0" "{a}1" "{a}2" || return
    for i in {0..9}; do echo "GET {a}$i"; done | cli >"$scratch/reply"
    same "$(seq 0 9)" "$(cat "$scratch/reply")" || return
    # Once redirected it stays there, and is sent back for the fourth.
    same 1 "$(node 2 GET "{a}0" 2>&1 | grep -c "^ASK 15495 127.0.0.1:${ports[0]}$")" || return
    move_keys 2 0 "{a}3" "{a}4" "{a}5" "{a}6" "{a}7" "{a}8" "{a}9" && end_move 15495 2 0 || return
    for i in {0..9}; do echo "GET {a}$i"; done | cli >"$scratch/reply"
    same "$(seq 0 9)" "$(cat "$scratch/reply")"
}

tryagain() {
    lab_start
    node 2 MSET "{a}1" 1 "{a}2" 2 && begin_move 15495 2 0 && move_keys 2 0 "{a}1" || return
    same "TRYAGAIN Multiple keys request during rehashing of slot" \
        "$(node 2 MGET "{a}1" "{a}2" 2>&1 | head -1)" || return
    move_keys 2 0 "{a}2" && end_move 15495 2 0 || return
    same $'1\n2' "$(cli MGET "{a}1" "{a}2")"
}

manual_failover() {
    lab_start
    cli SET a before
    same OK "$(node 5 CLUSTER FAILOVER)" || return
    for _ in {1..200}; do
        [ "$(node 5 ROLE | head -1)" = master ] && break
        sleep 0.02
    done
    same before "$(cli GET a)" && same OK "$(cli SET a after)" && same after "$(node 5 GET a)"
}

failover() {
    lab_start --failover-ms 100
    for i in {1..300}; do echo "SET key:$i $i"; done | cli >/dev/null
    same OK "$(node 0 LAB KILL 1)" || return
    for _ in {1..200}; do
        [ "$(node 4 ROLE | head -1)" = master ] && break
        sleep 0.02
    done
    same "$(seq 300)" "$(for i in {1..300}; do echo "GET key:$i"; done | cli)" || return
    same OK "$(node 0 LAB START 1)" && same slave "$(node 1 ROLE | head -1)" || return
    [ "$(node 0 LAB LOG COUNT NODE 4 COMMAND get OUTCOME served)" -gt 50 ]
}

check() {
    lab_start
    cluster check "127.0.0.1:${ports[4]}" >"$scratch/text" || return
    grep -q "All nodes agree about slots configuration" "$scratch/text" &&
        grep -q "All 16384 slots covered" "$scratch/text" &&
        same 3 "$(grep -c "1 additional replica(s)" "$scratch/text")" &&
        same 6 "$(cluster call "127.0.0.1:$port" PING | grep -c PONG)" &&
        cluster info "127.0.0.1:$port" | grep -q "0 keys in 3 masters"
}

reshard() {
    lab_start
    for i in {1..300}; do echo "SET key:$i $i"; done | cli >/dev/null
    cluster reshard "127.0.0.1:$port" --cluster-from "$(node 0 CLUSTER MYID)" \
        --cluster-to "$(node 1 CLUSTER MYID)" --cluster-slots 300 --cluster-yes >/dev/null || return
    cluster check "127.0.0.1:$port" >"$scratch/text" || return
    grep -q "300 keys in 3 masters" "$scratch/text" && grep -q "5161 slots" "$scratch/text" || return
    same "$(seq 300)" "$(for i in {1..300}; do echo "GET key:$i"; done | cli)"
}

rebalance() {
    lab_start
    for i in {1..300}; do echo "SET key:$i $i"; done | cli >/dev/null
    cluster rebalance "127.0.0.1:$port" --cluster-weight "$(node 0 CLUSTER MYID)=0.9" >/dev/null || return
    cluster check "127.0.0.1:$port" >"$scratch/text" || return
    grep -q "300 keys in 3 masters" "$scratch/text" && ! grep -q "5461 slots" "$scratch/text" || return
    same "$(seq 300)" "$(for i in {1..300}; do echo "GET key:$i"; done | cli)"
}

fix() {
    lab_start
    cli SET a x
    begin_move 15495 2 0 && cluster fix "127.0.0.1:$port" >/dev/null || return
    cluster check "127.0.0.1:$port" | grep -q "All 16384 slots covered" && same x "$(cli GET a)"
}

backup() {
    lab_start
    node 0 PING && timeout 20 redis-cli -p "$port" --scan >/dev/null && timeout 20 redis-cli -p "$port" --bigkeys |
        grep -q "Sampled 0 keys"
}

pubsub() {
    lab_start
    timeout 20 redis-cli -p "${ports[1]}" SUBSCRIBE news >"$scratch/heard" &
    local pid=$!
    for _ in {1..200}; do
        grep -q subscribe "$scratch/heard" && break
        sleep 0.02
    done
    node 2 PUBLISH news hello
    for _ in {1..200}; do
        grep -q hello "$scratch/heard" && break
        sleep 0.02
    done
    kill "$pid"
    wait "$pid" 2>/dev/null
    same "subscribe news 1 message news hello" "$(xargs <"$scratch/heard")"
}

transaction() {
    lab_start
    same $'OK\nQUEUED\nQUEUED\nOK\n1' "$(printf 'MULTI\nSET {a}1 x\nINCR {a}n\nEXEC\n' | timeout 20 redis-cli -p "${ports[2]}")"
}

types() {
    lab_start
    same $'2\n1\n3\n2\n2\none\n1\ntwo\n2.5' "$(printf '%s\n' "HSET h a 1 b 2" "HGET h a" "RPUSH l 1 2 3" "SADD s x y" \
        "ZADD z 1 one 2.5 two" "ZRANGE z 0 -1 WITHSCORES" | cli)"
}

run basics moved ask tryagain manual_failover failover transaction pubsub types check reshard rebalance fix backup
