#!/usr/bin/env python3
"""Generates src/core/command_table.inc from src/core/commands/*.json.

redis7.json is what a running redis-server 7 answers to COMMAND (scripts/dump_commands.sh), newer.json
the commands that came later or with modules, rules.json what COMMAND does not say. Without arguments
the table is written; with --check the script fails if the one in the tree is out of date.

The table is found by a perfect hash of the upper-case name, eight bytes a step (a subcommand's after
its container's): it picks a displacement, and both together a place in the index.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/core/commands"
TARGET = ROOT / "src/core/command_table.inc"

HASH_PRIME = 0x9E3779B97F4A7C15
WORD = 8
INDEX_SIZE = 1024
BUCKETS = 256
EMPTY = 0xFFFF

BEGIN = {"index": "KEY_BEGIN_INDEX", "keyword": "KEY_BEGIN_KEYWORD", "option": "KEY_BEGIN_OPTION"}
FIND = {"range": "KEY_FIND_RANGE", "keynum": "KEY_FIND_KEYNUM"}


def words_of(name):
    """Eight bytes each, the first one lowest, zeros behind the last."""
    data = name.encode("ascii")
    return [int.from_bytes(data[at : at + WORD], "little") for at in range(0, len(data), WORD)]


def name_hash(name):
    """Keep equal to command.c's hash_name."""
    value = 0
    for part in name.split(" "):
        for word in words_of(part):
            value = ((value ^ word) * HASH_PRIME) & 0xFFFFFFFFFFFFFFFF
            value ^= value >> 32
    return value


def place(value, displacement):
    """Keep equal to command.c's table_place."""
    return ((value >> 32) + displacement * ((value >> 16) | 1)) & (INDEX_SIZE - 1)


def perfect_hash(names):
    buckets = [[] for _ in range(BUCKETS)]
    for position, name in enumerate(names):
        value = name_hash(name)
        buckets[value & (BUCKETS - 1)].append((value, position))
    displacements = [0] * BUCKETS
    index = [EMPTY] * INDEX_SIZE
    for number in sorted(range(BUCKETS), key=lambda b: (-len(buckets[b]), b)):
        for displacement in range(0x10000):
            places = [place(value, displacement) for value, _ in buckets[number]]
            if len(set(places)) == len(places) and all(index[p] == EMPTY for p in places):
                break
        else:
            sys.exit("no perfect hash: raise INDEX_SIZE")
        displacements[number] = displacement
        for p, (_, position) in zip(places, buckets[number]):
            index[p] = position
    return displacements, index


def load():
    rules = json.loads((SOURCE / "rules.json").read_text(encoding="utf-8"))
    commands = {}
    for name in ("redis7.json", "newer.json"):
        for command in json.loads((SOURCE / name).read_text(encoding="utf-8")):
            if command["name"] in commands:
                sys.exit(f"{name}: {command['name']} is given twice")
            commands[command["name"]] = command
    for key, names in rules.items():
        for name in names if key != "comment" else ():
            if name not in commands:
                sys.exit(f"rules.json: {key}: {name} is no command")
    return [commands[name] for name in sorted(commands)], rules


def key_specs(command, rules):
    name = command["name"]
    specs = rules["key_specs"].get(name, command["key_specs"])
    return [s for s in specs if "not_key" not in s["flags"] or name in rules["channels"]]


def is_complete(spec):
    known = spec["begin_search"]["type"] in BEGIN and spec["find_keys"]["type"] in FIND
    return known and "incomplete" not in spec["flags"]


def flags_of(command, specs, rules):
    name, words = command["name"], set(command["flags"])
    flags = {
        "WRITE": "write" in words or name in rules["may_write"],
        "READONLY": "readonly" in words or name in rules["harmless"],
        "BLOCKING": "blocking" in words or name in rules["blocking"],
        "STATEFUL": name in rules["stateful"],
        "PUBSUB": "pubsub" in words,
        "ADMIN": "admin" in words,
        "CONTAINER": command["container"],
        "KEYS_UNKNOWN": not all(is_complete(s) for s in specs),
        "NO_REPLY": name in rules["no_reply"],
    }
    if flags["WRITE"] and flags["READONLY"]:
        sys.exit(f"{name} cannot both write and only read")
    return " | ".join(f"COMMAND_{flag}" for flag, on in flags.items() if on) or "0"


def spec_fields(spec, skips):
    begin, find = spec["begin_search"], spec["find_keys"]
    fields = [f".begin = {BEGIN[begin['type']]}", f".find = {FIND[find['type']]}"]
    where = begin["spec"]
    fields.append(f".index = {where['index' if begin['type'] == 'index' else 'startfrom']}")
    if "keyword" in where:
        fields.append(f'.keyword = "{where["keyword"]}"')
    if "skip" in where:
        fields.append(f".skips = &skips[{len(skips)}]")
        fields.append(f".skip_count = {len(where['skip'])}")
        skips.extend(where["skip"].items())
    if "not_if_empty" in spec["flags"]:
        fields.append(".not_if_empty = true")
    how = find["spec"]
    fields.append(f".step = {how['keystep']}")
    if find["type"] == "range":
        fields += [f".last = {how['lastkey']}", f".limit = {how['limit']}"]
    else:
        fields += [f".keynum_index = {how['keynumidx']}", f".first_key = {how['firstkey']}"]
    return "{" + ", ".join(fields) + "}"


def short_name(name):
    return f"0x{words_of(name)[0]:x}" if len(name) <= WORD and " " not in name else "0"


def sole_key(specs):
    """Where the command's only key is; 0 if it takes more to find its keys."""
    if len(specs) != 1 or not is_complete(specs[0]) or "not_if_empty" in specs[0]["flags"]:
        return 0
    begin, find = specs[0]["begin_search"], specs[0]["find_keys"]
    alone = begin["type"] == "index" and find["type"] == "range" and find["spec"]["lastkey"] == 0
    return begin["spec"]["index"] if alone else 0


def rows(values, per_line):
    for start in range(0, len(values), per_line):
        yield "    " + ", ".join(str(v) for v in values[start : start + per_line]) + ","


def generate():
    commands, rules = load()
    skips, specs, starts, entries = [], [], {}, []
    for command in commands:
        name = command["name"].upper().replace("|", " ")
        wanted = key_specs(command, rules)
        flags = flags_of(command, wanted, rules)
        texts = tuple(spec_fields(s, skips) for s in wanted if is_complete(s))
        if texts not in starts:
            starts[texts] = len(specs)
            specs.extend(texts)
        pointer = f"&key_specs[{starts[texts]}]" if texts else "NULL"
        key = sole_key(wanted)
        fields = [f'"{name}"', short_name(name), flags, str(command["arity"]), str(len(texts)), str(key)]
        entries.append((name, "{" + ", ".join([*fields, pointer]) + "}"))
    entries.sort()
    displacements, index = perfect_hash([name for name, _ in entries])
    lines = ["/* Generated by scripts/make_command_table.py from src/core/commands: do not edit. */", ""]
    lines += ["static const key_skip skips[] = {"]
    lines += [f'    {{"{option}", {count}}},' for option, count in skips]
    lines += ["};", "", "static const key_spec key_specs[] = {"]
    lines += [f"    {text}," for text in specs]
    lines += ["};", "", "static const command_info commands[] = {"]
    lines += [f"    {text}," for _, text in entries]
    lines += ["};", "", "static const uint16_t displacements[] = {", *rows(displacements, 16), "};", ""]
    lines += ["static const uint16_t positions[] = {", *rows(index, 16), "};"]
    return "\n".join(lines) + "\n"


def main():
    text = generate()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit(f"{TARGET.relative_to(ROOT)} is out of date: run scripts/make_command_table.py")
    else:
        TARGET.write_text(text, encoding="utf-8")


main()
