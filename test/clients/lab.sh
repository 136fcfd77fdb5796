# A lab for a shell test: runs `keyway lab`, reads its URL from its output, and ends it. To be
# sourced. What it starts ends with the script.
# shellcheck shell=bash
set -uo pipefail
KEYWAY=${KEYWAY:-$(dirname "$0")/../../build/keyway}
number=0
failures=0
lab_pid=
scratch=$(mktemp -d)
mkfifo "$scratch/alive" "$scratch/out"

lab_stop() {
    [ -n "$lab_pid" ] || return 0
    exec 8>&- 9<&-
    wait "$lab_pid" || return 1
    lab_pid=
}
trap 'lab_stop; rm -rf "$scratch"' EXIT

# lab_start [OPTION...]: sets ports, an array, and port, that of node 0.
lab_start() {
    lab_stop
    "$KEYWAY" lab --port 0 --until-eof --quiet "$@" <"$scratch/alive" >"$scratch/out" &
    lab_pid=$!
    # The open end of its standard input is what keeps it alive.
    exec 8>"$scratch/alive" 9<"$scratch/out"
    read -r -t 10 url <&9 || return 1
    mapfile -t ports < <(tr ',' '\n' <<<"${url#*//}" | sed 's/.*://')
    port=${ports[0]}
}

# node INDEX COMMAND...: one command to one node.
node() {
    local index=$1
    shift
    timeout 20 redis-cli -e -p "${ports[$index]}" "$@"
}

begin_move() { # SLOT SOURCE TARGET
    local source target
    source=$(node "$2" CLUSTER MYID) && target=$(node "$3" CLUSTER MYID) &&
        node "$3" CLUSTER SETSLOT "$1" IMPORTING "$source" >/dev/null &&
        node "$2" CLUSTER SETSLOT "$1" MIGRATING "$target" >/dev/null
}
move_keys() { # SOURCE TARGET KEY...
    local source=$1 target=$2
    shift 2
    [ "$(node "$source" MIGRATE 127.0.0.1 "${ports[$target]}" "" 0 5000 KEYS "$@")" = OK ]
}
end_move() { # SLOT SOURCE TARGET
    local target
    target=$(node "$3" CLUSTER MYID) &&
        node "$3" CLUSTER SETSLOT "$1" NODE "$target" >/dev/null &&
        node "$2" CLUSTER SETSLOT "$1" NODE "$target" >/dev/null
}

# same EXPECTED GOT
same() {
    [ "$1" = "$2" ] || {
        printf 'expected:\n%s\ngot:\n%s\n' "$1" "$2"
        return 1
    }
}

# run NAME...: each is a function that succeeds or fails; says how it went, as TAP.
run() {
    local name
    for name in "$@"; do
        number=$((number + 1))
        if "$name" >"$scratch/log" 2>&1; then
            echo "ok $number - $name"
        else
            failures=$((failures + 1))
            echo "not ok $number - $name"
            sed 's/^/# /' "$scratch/log"
        fi
    done
    echo "1..$number"
    lab_stop || failures=$((failures + 1))
    [ "$failures" = 0 ]
}
