#!/usr/bin/env python3
"""Writes src/node/node_command_info.inc, node_help.inc and node_acl_table.inc: what a redis-server 7 says of
each of the commands and containers that src/node/node_command.c has, for the lab's COMMAND INFO, COMMAND DOCS and HELP, and of all
its own for ACL rules. The server listens on a Unix socket in a directory of its own, and ends with the script. With --check: fails if a file would change."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from redis_socket import running_server  # noqa: E402

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
HEAD = "/* Made by scripts/make_node_commands.py: do not edit. */\n"


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\\r\\n")
    pieces = re.findall(r".{1,84}(?<!\\)(?:\\r\\n)?|.+", escaped) or [""]
    return "\n     ".join(f'"{piece}"' for piece in pieces)


def elements(raw):
    """The elements of an array or set, as they came."""
    kind, rest = raw.split(b"\r\n", 1)
    found = []
    for _ in range(int(kind[1:])):
        length = measure(rest)
        found.append(rest[:length])
        rest = rest[length:]
    return found


def measure(raw):
    head = raw.index(b"\r\n") + 2
    kind, count = raw[:1], raw[1:head - 2]
    if kind in b"$=":
        return head + int(count) + 2
    length = head
    if kind in b"*~%":
        for _ in range(int(count) * (2 if kind == b"%" else 1)):
            length += measure(raw[length:])
    return length


def info(connection, name):
    """The command's row; its subcommands sorted, since a server gives them in any order."""
    connection.send("COMMAND", "INFO", name)
    row = elements(connection.raw())[0]
    parts = elements(row)
    subcommands = sorted(elements(parts[9]), key=lambda sub: elements(sub)[0].split(b"\r\n")[1])
    parts[9] = parts[9].split(b"\r\n", 1)[0] + b"\r\n" + b"".join(subcommands)
    return (b"*10\r\n" + b"".join(parts)).decode("ascii")


def words(raw):
    return [element.split(b"\r\n")[0].lstrip(b"+@").decode() for element in elements(raw)]


def fields(raw):
    """A map, its keys as text and its values as they came."""
    _, rest = raw.split(b"\r\n", 1)
    found = {}
    while rest:
        key = rest[:measure(rest)]
        rest = rest[len(key):]
        value = rest[:measure(rest)]
        rest = rest[len(value):]
        found[key.split(b"\r\n")[1].decode()] = value
    return found


def key_access(spec):
    """Where the first key of a specification is, and what ACL rules must allow: %R, %W."""
    parts = fields(spec)
    flags = words(parts["flags"])
    begin = fields(fields(parts["begin_search"])["spec"])
    index = int(begin["index"].strip(b":\r\n")) if "index" in begin else 0
    access = ["KEY_READS"] if "access" in flags else []
    access += ["KEY_WRITES"] if {"insert", "update", "delete"} & set(flags) else []
    return index, " | ".join(access) or "0", "not_key" in flags


def acl_rows(row):
    parts = elements(row)
    name = parts[0].split(b"\r\n")[1].decode()
    categories = " | ".join("ACL_" + word.upper() for word in words(parts[6]))
    specs = [access for access in map(key_access, elements(parts[8])) if not access[2]]
    first, others = specs[0] if specs else (0, "0", False), specs[1] if len(specs) > 1 else None
    rows = ['    {"%s", %s, %d, %s, %s},\n' % (name, categories or "0", first[0], first[1],
                                            others[1] if others else first[1])]
    for sub in sorted(elements(parts[9]), key=lambda sub: elements(sub)[0].split(b"\r\n")[1]):
        rows += acl_rows(sub)
    return rows


def served():
    """The names in the node's tables; subcommands as "cluster|slots"."""
    with open(os.path.join(root, "src/node/node_command.c"), encoding="ascii") as source:
        return set(re.findall(r'^    (?:\{|CONTAINER\()"([a-z_|-]+)"', source.read(), re.M))


def tables(connection):
    connection.send("HELLO", "3")
    connection.raw()
    connection.send("COMMAND", "LIST")
    names = sorted(name for name in connection.value() if "|" not in name)
    commands, helps, acl, here = HEAD, HEAD, HEAD, served()
    for name in names:
        row = info(connection, name)
        acl += "".join(acl_rows(row.encode()))
        if name not in here:
            continue
        connection.send("COMMAND", "DOCS", name)
        docs = connection.value()[name]
        texts = [literal(docs.get(field, "")) for field in ("summary", "since", "group")]
        commands += '    {"%s",\n     %s,\n     %s},\n' % (name, ",\n     ".join(texts), literal(row))
        if name + "|help" in here:
            connection.send(name, "HELP")
            lines = [literal(line)[:-1] + '\\n"' for line in connection.value()]
            helps += '    {"%s",\n     %s},\n' % (name, "\n     ".join(lines))
    return {"node_command_info.inc": commands, "node_help.inc": helps, "node_acl_table.inc": acl}


def main():
    with tempfile.TemporaryDirectory() as home, running_server(home, "--cluster-enabled", "yes") as connection:
        made = tables(connection)
    for name, text in made.items():
        path = os.path.join(root, "src/node", name)
        if "--check" not in sys.argv[1:]:
            with open(path, "w", encoding="ascii") as out:
                out.write(text)
        elif open(path, encoding="ascii").read() != text:
            raise SystemExit(f"src/node/{name} is not what scripts/make_node_commands.py makes")


main()
