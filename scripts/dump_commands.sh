#!/bin/sh
# Writes src/core/commands/redis7.json: what a redis-server 7 answers to COMMAND, one command a line.
# The server listens on a Unix socket in a directory of its own only, and ends with the script.
set -eu
cd "$(dirname "$0")/.."
target=${1:-src/core/commands/redis7.json}
server=${REDIS_SERVER:-redis-server}
home=$(mktemp -d)
"$server" --port 0 --unixsocket "$home/socket" --dir "$home" --save '' --logfile "$home/log" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -rf "$home"' EXIT
tries=0
until redis-cli -s "$home/socket" PING >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
        cat "$home/log" >&2
        exit 1
    fi
    sleep 0.05
done
redis-cli -3 --json -s "$home/socket" COMMAND >"$home/commands.json"
python3 scripts/format_commands.py "$home/commands.json" >"$home/formatted.json"
mv "$home/formatted.json" "$target"
