#!/usr/bin/env python3
"""Gives COMMAND's reply names for its positions, sorted, one command or subcommand a line."""

import json
import sys

FIELDS = ("name", "arity", "flags", "first_key", "last_key", "step", "acl", "tips", "key_specs")


def flatten(entries):
    for entry in entries:
        command = dict(zip(FIELDS, entry))
        for unused in ("first_key", "last_key", "step", "acl"):
            del command[unused]
        for words in (command["flags"], command["tips"]):
            words.sort()
        for spec in command["key_specs"]:
            spec.pop("notes", None)
            spec["flags"].sort()
        command["container"] = bool(entry[9])
        yield command
        yield from flatten(entry[9])


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        commands = sorted(flatten(json.load(source)), key=lambda command: command["name"])
    print("[")
    print(",\n".join(json.dumps(command) for command in commands))
    print("]")


main()
