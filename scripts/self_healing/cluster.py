"""A cluster of real redis-server processes on free loopback ports, for one measurement.

The servers die with this process, and their directory goes with it.
"""
import ctypes
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import redis
from redis.crc import key_slot

SLOTS = 16384
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A port below those that Linux gives to outgoing connections."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Node:
    def __init__(self, directory, index):
        self.port, self.bus_port = free_port(), free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--cluster-enabled", "yes", "--cluster-port", str(self.bus_port),
             "--cluster-config-file", f"nodes-{index}.conf",
             "--cluster-require-full-coverage", "no", "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.admin = redis.Redis("127.0.0.1", self.port)

    def cluster(self, *words):
        return self.admin.execute_command("CLUSTER", *words)


class Cluster:
    """`with Cluster(3) as cluster:` -- primaries that share the slots evenly."""

    def __init__(self, primaries=3):
        self.primaries = primaries

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="keyway-healing-")
        self.nodes = [Node(self.directory, i) for i in range(self.primaries)]
        for node in self.nodes:
            until(lambda: answers(node))
        for i, node in enumerate(self.nodes):
            node.first = i * SLOTS // self.primaries
            node.last = (i + 1) * SLOTS // self.primaries - 1
            node.cluster("SET-CONFIG-EPOCH", i + 1)
            node.cluster("ADDSLOTSRANGE", node.first, node.last)
            for other in self.nodes[:i]:
                node.cluster("MEET", "127.0.0.1", other.port, other.bus_port)
        self.wait_ok()
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.process.kill()
            node.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait_ok(self):
        """Until every node knows an owner for every slot."""
        for node in self.nodes:
            until(lambda: b"cluster_slots_assigned:16384" in raw_info(node)
                  and b"cluster_state:ok" in raw_info(node))

    def take_slots(self, victim):
        """The owner first: its pings would otherwise fill the hole again."""
        order = [victim] + [n for n in self.nodes if n is not victim]
        for node in order:
            node.cluster("DELSLOTSRANGE", victim.first, victim.last)

    def give_slots(self, victim):
        victim.cluster("ADDSLOTSRANGE", victim.first, victim.last)

    def key_of(self, node, prefix):
        for i in range(1000):
            key = f"{prefix}:{i}"
            if node.first <= key_slot(key.encode()) <= node.last:
                return key
        raise RuntimeError("no key found")


def answers(node):
    if node.process.poll() is not None:
        raise RuntimeError("redis-server ended at its start; is the port taken?")
    try:
        return node.admin.ping()
    except redis.ConnectionError:
        return False


def raw_info(node):
    """CLUSTER INFO as the server sends it."""
    with socket.create_connection(("127.0.0.1", node.port), 5) as s:
        s.sendall(b"CLUSTER INFO\r\n")
        return s.recv(65536)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the cluster does not come up")
        time.sleep(0.01)
