#!/usr/bin/env python3
"""Writes src/node/node_command_info.inc: what a redis-server 7 says of each command that the lab's
node knows, for its COMMAND INFO and COMMAND DOCS. The server listens on a Unix socket in a directory
of its own, and ends with the script."""
import os
import re
import socket
import subprocess
import tempfile
import time

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
table = open(os.path.join(root, "src/node/node_command.c"), encoding="ascii").read()
names = sorted(re.findall(r'^    (?:\{|CONTAINER\()"([a-z-]+)",', table, re.M))


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, *arguments):
        parts = [b"*%d\r\n" % len(arguments)]
        parts += [b"$%d\r\n%s\r\n" % (len(a), a.encode()) for a in arguments]
        self.socket.sendall(b"".join(parts))

    def raw(self):
        """One value as it came."""
        line = self.file.readline()
        kind, count = line[:1], line[1:-2]
        if kind in b"$=":
            return line + self.file.read(int(count) + 2)
        if kind in b"*~":
            return line + b"".join(self.raw() for _ in range(int(count)))
        if kind == b"%":
            return line + b"".join(self.raw() for _ in range(2 * int(count)))
        return line

    def value(self):
        line = self.file.readline()
        kind, count = line[:1], line[1:-2]
        if kind == b"$":
            return self.file.read(int(count) + 2)[:-2].decode()
        if kind in b"*~":
            return [self.value() for _ in range(int(count))]
        if kind == b"%":
            return {self.value(): self.value() for _ in range(int(count))}
        return count.decode()


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\\r\\n")
    pieces = re.findall(r".{1,84}(?<!\\)(?:\\r\\n)?|.+", escaped)
    return "\n     ".join(f'"{piece}"' for piece in pieces)


def connect(path):
    for _ in range(100):
        try:
            return Connection(path)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


with tempfile.TemporaryDirectory() as home:
    path = os.path.join(home, "socket")
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--logfile", os.path.join(home, "log")],
        cwd=home)
    try:
        connection = connect(path)
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
    finally:
        server.terminate()
        server.wait()
with open(os.path.join(root, "src/node/node_command_info.inc"), "w", encoding="ascii") as out:
    out.write("\n".join(line.rstrip() for line in lines) + "\n")
