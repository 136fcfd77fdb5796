"""A lab for a Python test: runs `keyway lab`, reads its URL from its output, and ends it."""
import os
import subprocess
import sys
import threading
import time
import traceback

import redis

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEYWAY = os.environ.get("KEYWAY", os.path.join(ROOT, "build", "keyway"))


class Lab:
    """with Lab("--masters", "3") as lab: lab.url, lab.nodes ..."""

    def __init__(self, *options):
        # The open standard input is what keeps it alive: it ends with this process, come what may.
        self.process = subprocess.Popen([KEYWAY, "lab", "--port", "0", "--until-eof", "--quiet", *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        hosts = self.url.split("//")[1].split("@")[-1]
        self.nodes = [tuple(each.rsplit(":", 1)) for each in hosts.split(",")]
        self.nodes = [(host, int(port)) for host, port in self.nodes]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()

    def node(self, index):
        """A plain connection to one node."""
        return redis.Redis(*self.nodes[index], decode_responses=True, socket_timeout=10)

    def command(self, *words):
        """LAB ..., by any node that answers."""
        for index in range(len(self.nodes)):
            try:
                return self.node(index).execute_command("LAB", *words)
            except redis.ConnectionError:
                pass
        raise AssertionError("no node answers")

    def log_count(self, *filters):
        """How many commands its nodes received that fit the filters of LAB LOG."""
        return self.command("LOG", "COUNT", *filters)

    def events(self):
        """What happened to its nodes, a dictionary each."""
        return [dict(zip(e[::2], e[1::2])) for e in self.command("EVENTS")]

    def id(self, index):
        return self.node(index).execute_command("CLUSTER", "MYID")

    def owner(self, slot):
        """The index of the node that owns a slot, by the view of node 0."""
        for first, last, primary, *_ in self.node(0).execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return self.nodes.index((primary[0], primary[1]))
        return None


class Load:
    """Writes all the time, and knows what each key may hold afterwards."""

    def __init__(self, write, errors):
        self.write = write
        self.errors = errors
        self.acknowledged = {}  # key: the last value that was
        self.possible = {}  # key: values tried since then
        self.count = 0
        self.failed = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        number = 0
        while not self.stopped:
            number += 1
            key = f"key:{number % 100}"
            try:
                self.write(key, number)
                self.acknowledged[key] = number
                self.possible[key] = set()
                self.count += 1
            except self.errors:
                self.possible.setdefault(key, set()).add(number)
                self.failed += 1
                time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join()

    def wait_for(self, count):
        """So many more that are acknowledged."""
        goal = self.count + count
        eventually(lambda: self.count >= goal, 30)

    def check(self, read):
        assert len(self.acknowledged) == 100
        for key, value in self.acknowledged.items():
            assert int(read(key)) in {value} | self.possible[key], key


def eventually(condition, seconds=10):
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def run(tests):
    """Runs each and says how it went, as TAP."""
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # whatever it is, it is this test's failure
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print(f"1..{len(tests)}")
    sys.exit(1 if failed else 0)
