#!/usr/bin/python3
"""What clients do after a hole in the slot map: Keyway beside redis-py, on one real cluster.

One node's slots are taken from all nodes (CLUSTER DELSLOTSRANGE), the clients connect, the slots
are given back (CLUSTER ADDSLOTSRANGE) -- and the cluster is whole again. Each client writes one key
of those slots all the time. Prints a table; --json FILE keeps every command, for plot.py;
--update FILE puts the table between the `measured` marks of that document.

Needs redis-server and python3-redis (Debian's: /usr/bin/python3), and keyway: --keyway build/keyway.
"""
import argparse
import json
import re
import subprocess
import sys
import threading
import time

import redis
from redis.cluster import RedisCluster

sys.dont_write_bytecode = True  # nothing is left in the tree
from cluster import Cluster, die_with_parent  # noqa: E402

HOLE_SECONDS = 2.0
PAUSE_SECONDS = 0.1


class RedisPy:
    name = f"redis-py {redis.__version__}"

    def __init__(self, cluster):
        self.client = RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)

    def set(self, key, value):
        try:
            self.client.set(key, value)
            return None
        except Exception as error:  # whatever it is, the caller of SET would see it
            return type(error).__name__

    def close(self):
        self.client.close()


class Keyway:
    """`keyway exec -`: a command a line in, a reply a line out."""

    def __init__(self, cluster, program, query, name):
        self.name = name
        url = f"redis://127.0.0.1:{cluster.nodes[0].port}{query}"
        self.process = subprocess.Popen(
            [program, "exec", "-u", url, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, bufsize=1, preexec_fn=die_with_parent)

    def set(self, key, value):
        self.process.stdin.write(f"SET {key} {value}\n")
        reply = self.process.stdout.readline().strip()
        return None if reply == "OK" else reply.removeprefix("(no reply) ") or "no answer"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Writer(threading.Thread):
    """Writes one key again and again, and notes when each command began, ended, and how."""

    def __init__(self, client, key, origin):
        super().__init__(daemon=True)
        self.client, self.key, self.origin = client, key, origin
        self.samples = []
        self.stopping = False

    def run(self):
        count = 0
        while not self.stopping:
            begin = time.monotonic() - self.origin
            error = self.client.set(self.key, count)
            end = time.monotonic() - self.origin
            self.samples.append({"begin": begin, "end": end, "error": error})
            count += 1
            time.sleep(PAUSE_SECONDS)


def measure(program, seconds):
    with Cluster(3) as cluster:
        victim = cluster.nodes[2]
        healthy = cluster.key_of(cluster.nodes[0], "healthy")
        cluster.take_slots(victim)
        clients = [RedisPy(cluster),
                   Keyway(cluster, program, "", "Keyway (waits: the default)"),
                   Keyway(cluster, program, "?uncovered=fail", "Keyway (uncovered=fail)")]
        for client in clients:
            if client.set(healthy, "x"):
                sys.exit(f"{client.name} cannot write a key whose slot is served")
        origin = time.monotonic()
        writers = [Writer(client, cluster.key_of(victim, f"key{i}"), origin)
                   for i, client in enumerate(clients)]
        for writer in writers:
            writer.start()
        time.sleep(HOLE_SECONDS)
        cluster.give_slots(victim)
        given = time.monotonic() - origin
        cluster.wait_ok()
        whole = time.monotonic() - origin
        time.sleep(seconds)
        for writer in writers:
            writer.stopping = True
        for writer in writers:
            writer.join(30)
        fresh = RedisPy(cluster).set(writers[0].key, "x")
        for client in clients:
            client.close()
    return {"given": given, "whole": whole, "seconds": seconds, "fresh_redis_py": fresh,
            "clients": [{"name": w.client.name, "samples": w.samples} for w in writers]}


def failed(samples):
    return f"{sum(1 for s in samples if s['error'])} of {len(samples)}"


def summary(client, result):
    samples = client["samples"]
    success = next((s["end"] for s in samples if not s["error"]), None)
    errors = sorted({s["error"] for s in samples if s["error"]})
    return [client["name"],
            failed([s for s in samples if s["begin"] < result["whole"]]),
            failed([s for s in samples if s["begin"] >= result["whole"]]),
            "never" if success is None else f"{1000 * (success - result['given']):.0f} ms",
            ", ".join(f"`{e}`" for e in errors) or "none"]


def table(result):
    lines = ["| client | failed until all nodes knew the owner | failed after that "
             "| first success after the slots came back | errors |",
             "|---|---|---|---|---|"]
    for client in result["clients"]:
        lines.append("| " + " | ".join(summary(client, result)) + " |")
    lines.append("")
    lines.append(f"The nodes told each other within {result['whole'] - result['given']:.1f} s; "
                 f"observed for {result['seconds']:g} s more. A new redis-py client, opened at the "
                 "end, " + ("fails too." if result["fresh_redis_py"] else
                            "writes the same key at once."))
    return "\n".join(lines)


def update(path, text):
    with open(path, encoding="utf-8") as file:
        document = file.read()
    pattern = r"(<!-- measured -->\n).*?(<!-- /measured -->)"
    if not re.search(pattern, document, re.S):
        sys.exit(f"{path} has no `measured` marks")
    document = re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", document, flags=re.S)
    with open(path, "w", encoding="utf-8") as file:
        file.write(document)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keyway", default="build/keyway", help="the command (build/keyway)")
    parser.add_argument("--seconds", type=float, default=20, help="how long to look on (20)")
    parser.add_argument("--json", metavar="FILE", help="keep every command, for plot.py")
    parser.add_argument("--update", metavar="FILE", help="put the table into this document")
    args = parser.parse_args()
    result = measure(args.keyway, args.seconds)
    text = table(result)
    print(text)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file)
    if args.update:
        update(args.update, text)


if __name__ == "__main__":
    main()
