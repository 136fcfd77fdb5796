#!/usr/bin/env python3
"""Writes src/node/node_command_info.inc: what a redis-server 7 says of each command that the lab's
node knows, for its COMMAND INFO and COMMAND DOCS. The server listens on a Unix socket in a directory
of its own, and ends with the script."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from redis_socket import running_server  # noqa: E402

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
table = open(os.path.join(root, "src/node/node_command.c"), encoding="ascii").read()
names = sorted(re.findall(r'^    (?:\{|CONTAINER\()"([a-z-]+)",', table, re.M))


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\\r\\n")
    pieces = re.findall(r".{1,84}(?<!\\)(?:\\r\\n)?|.+", escaped)
    return "\n     ".join(f'"{piece}"' for piece in pieces)


with tempfile.TemporaryDirectory() as home, running_server(home) as connection:
    connection.send("HELLO", "3")
    connection.raw()
    lines = ["/* Made by scripts/make_node_commands.py: do not edit. */"]
    for name in names:
        connection.send("COMMAND", "INFO", name)
        info = connection.raw().decode("ascii").removeprefix("*1\r\n")
        connection.send("COMMAND", "DOCS", name)
        docs = connection.value()[name]
        texts = [literal(docs.get(field, "")) for field in ("summary", "since", "group")]
        lines.append('    {"%s",\n     %s,\n     %s},' % (name, ",\n     ".join(texts), literal(info)))
with open(os.path.join(root, "src/node/node_command_info.inc"), "w", encoding="ascii") as out:
    out.write("\n".join(line.rstrip() for line in lines) + "\n")
