#!/usr/bin/env python3
"""Writes src/node/node_settings_table.inc: the settings of a redis-server 7 with their types, bounds and
defaults, as CONFIG GET and the refusals of CONFIG SET tell them. The server listens on a Unix socket in a
directory of its own, and ends with the script. With --check: fails if the file would change."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from redis_socket import running_server  # noqa: E402

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TARGET = os.path.join(root, "src/node/node_settings_table.inc")

# Settings whose text has a grammar of its own, which node_settings.c knows.
GRAMMARS = {
    "save": "SAVE",
    "client-output-buffer-limit": "OUTPUT_LIMITS",
    "notify-keyspace-events": "KEYSPACE_EVENTS",
    "oom-score-adj-values": "THREE_NUMBERS",
    "latency-tracking-info-percentiles": "PERCENTILES",
    "cluster-announce-hostname": "HOSTNAME",
    "bind": "BIND",
}
# What the server says of the place where it runs, not of itself.
DEFAULTS = {"dir": "/", "port": "0", "logfile": "", "unixsocket": "", "maxclients": "10000",
            "enable-debug-command": "yes"}  # of a lab, which is for tests
# Two names of one setting, the current one first.
OLD_NAMES = [("replica", "slave"), ("listpack", "ziplist"), ("busy-reply-threshold", "lua-time-limit")]


def refusal(connection, name, value):
    connection.send("CONFIG", "SET", name, value)
    answer = connection.value()
    return "" if answer == "OK" else answer.split(" - ", 1)[1]


def bounds(connection, name):
    texts = [refusal(connection, name, value) for value in ("-9223372036854775808", "18446744073709551615", "0")]
    for text in texts:
        found = re.fullmatch(r"argument must be between (-?\d+) and (\d+) inclusive", text)
        if found:
            return int(found[1]), int(found[2])
    return 0, 2**64 - 1


def kind_of(connection, name):
    """Kind, fixed or not, least, most, words."""
    text = refusal(connection, name, "keyway garbage")
    if name in GRAMMARS:
        return GRAMMARS[name], "OPEN", 0, 0, ""
    if text.startswith("can't set"):
        return "TEXT", "PROTECTED" if "protected" in text else "IMMUTABLE", 0, 0, ""
    if text == "argument must be 'yes' or 'no'":
        return "WORD", "OPEN", 0, 0, "no, yes"
    if text.startswith("argument(s) must be one of the following: "):
        return "WORD", "OPEN", 0, 0, text.split(": ", 1)[1]
    if text == "argument couldn't be parsed into an integer":
        return ("NUMBER", "OPEN") + bounds(connection, name) + ("",)
    if text == "argument must be a memory value":
        return ("BYTES", "OPEN") + bounds(connection, name) + ("",)
    if text == "argument must be a memory or percent value":
        return ("BYTES_OR_PERCENT", "OPEN") + bounds(connection, name) + ("",)
    if text == "":
        return "TEXT", "OPEN", 0, 0, ""
    raise SystemExit(f"{name}: a refusal that is not known: {text}")


def current_name(name, names):
    for now, before in OLD_NAMES:
        if before in name and name.replace(before, now) in names:
            return name.replace(before, now)
    return name


def identifier(name):
    return name.upper().replace("-", "_")


def number(value):
    if value >= 2**63 - 1:
        return "INT64_MAX" if value == 2**63 - 1 else "UINT64_MAX"
    return str(value)


def table(connection):
    connection.send("CONFIG", "GET", "*")
    found = connection.value()
    settings = dict(zip(found[::2], found[1::2])) | DEFAULTS
    lines = ["/* Made by scripts/make_node_settings.py: do not edit. */"]
    for name in sorted(settings):
        kind, change, least, most, words = kind_of(connection, name)
        lines.append('SETTING(%s, %s, "%s", %s, %s, %s, %s, "%s", "%s")' % (
            identifier(name), identifier(current_name(name, settings)), name, kind, change, number(least),
            number(most), settings[name], words))
    return "\n".join(lines) + "\n"


def main():
    with tempfile.TemporaryDirectory() as home:
        with running_server(home, "--cluster-enabled", "yes") as connection:
            text = table(connection)
    if "--check" in sys.argv[1:]:
        if open(TARGET, encoding="ascii").read() != text:
            raise SystemExit("src/node/node_settings_table.inc is not what scripts/make_node_settings.py makes")
        return
    with open(TARGET, "w", encoding="ascii") as out:
        out.write(text)


main()
