"""redis-py's cluster client on the lab."""
import logging
import os
import tempfile
import threading

import redis
from redis.cluster import RedisCluster
from redis.crc import key_slot

from lab import ROOT, Lab, Load, eventually, run

logging.disable()  # it logs each redirect that it follows


def connect(lab, **options):
    host, port = lab.nodes[0]
    return RedisCluster(host=host, port=port, decode_responses=True, **options)


def slot_of(key):
    return key_slot(key.encode())


def basics():
    with Lab() as lab, connect(lab) as client:
        for i in range(1000):
            assert client.set(f"key:{i}", i)
        assert all(client.get(f"key:{i}") == str(i) for i in range(1000))
        assert client.dbsize(target_nodes=RedisCluster.PRIMARIES) == 1000
        assert client.mset_nonatomic({f"key:{i}": -i for i in range(100)})
        assert client.mget_nonatomic([f"key:{i}" for i in range(100)]) == [str(-i) for i in range(100)]
        assert client.delete(*[f"key:{i}" for i in range(1000)]) == 1000
        assert client.dbsize(target_nodes=RedisCluster.PRIMARIES) == 0
        try:
            client.mget("a", "b")
            raise AssertionError("keys of two slots are served")
        except redis.exceptions.RedisClusterException:
            pass


def begin_move(lab, slot, source, target):
    lab.node(target).execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", lab.id(source))
    lab.node(source).execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", lab.id(target))


def move_keys(lab, source, target, *keys):
    host, port = lab.nodes[target]
    assert lab.node(source).execute_command("MIGRATE", host, port, "", 0, 5000, "KEYS", *keys) == "OK"


def end_move(lab, slot, source, target):
    for index in (target, source):
        lab.node(index).execute_command("CLUSTER", "SETSLOT", slot, "NODE", lab.id(target))


def moved():
    with Lab() as lab, connect(lab) as client:
        assert client.set("a", "before")  # slot 15495, of node 2
        begin_move(lab, 15495, 2, 0)
        move_keys(lab, 2, 0, "a")
        end_move(lab, 15495, 2, 0)
        assert client.get_node_from_key("a").port == lab.nodes[2][1]  # it does not know yet
        assert client.get("a") == "before"
        assert client.set("a", "after")
        assert client.get_node_from_key("a").port == lab.nodes[0][1]
        assert lab.node(0).get("a") == "after"
        assert lab.log_count("KEY", "a", "OUTCOME", "MOVED") == 1


def ask():
    with Lab() as lab, connect(lab) as client:
        for i in range(10):
            assert client.set(f"{{a}}{i}", i)
        begin_move(lab, 15495, 2, 0)
        move_keys(lab, 2, 0, *[f"{{a}}{i}" for i in range(5)])
        assert [client.get(f"{{a}}{i}") for i in range(10)] == [str(i) for i in range(10)]
        assert client.set("{a}new", "x")  # missing at the source: goes to the target
        assert client.get("{a}new") == "x"
        assert lab.node(2).execute_command("CLUSTER", "COUNTKEYSINSLOT", 15495) == 5
        assert lab.node(0).execute_command("CLUSTER", "COUNTKEYSINSLOT", 15495) == 6
        assert client.get_node_from_key("a").port == lab.nodes[2][1]  # ASK changes no map
        asked = lab.log_count("NODE", 2, "KEY", "{a}*", "OUTCOME", "ASK")
        assert asked == 7  # five that have moved, and a new one twice
        assert lab.log_count("NODE", 0, "COMMAND", "asking") == asked
        move_keys(lab, 2, 0, *[f"{{a}}{i}" for i in range(5, 10)])
        end_move(lab, 15495, 2, 0)
        assert [client.get(f"{{a}}{i}") for i in range(10)] == [str(i) for i in range(10)]


def tryagain():
    with Lab() as lab, connect(lab) as client:
        assert client.mset({"{a}1": 1, "{a}2": 2})
        begin_move(lab, 15495, 2, 0)
        move_keys(lab, 2, 0, "{a}1")
        timer = threading.Timer(0.2, lambda: (move_keys(lab, 2, 0, "{a}2"), end_move(lab, 15495, 2, 0)))
        timer.start()
        try:
            assert client.mget("{a}1", "{a}2") == ["1", "2"]
        except redis.exceptions.TryAgainError:
            pass  # it gives up after a few tries, and says so
        timer.join()
        assert lab.log_count("COMMAND", "mget", "OUTCOME", "TRYAGAIN") > 0
        assert client.mget("{a}1", "{a}2") == ["1", "2"]


def manual_failover():
    with Lab() as lab, connect(lab) as client:
        assert client.set("a", "before")
        lab.node(5).execute_command("CLUSTER", "FAILOVER")
        eventually(lambda: lab.node(5).execute_command("ROLE")[0] == "master")
        assert client.get("a") == "before"
        assert client.set("a", "after")
        assert client.get("a") == "after"
        assert client.get_node_from_key("a").port == lab.nodes[5][1]


LOST = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.ClusterDownError,
        redis.exceptions.RedisClusterException)


def failover():
    with Lab("--failover-ms", "300") as lab, connect(lab) as client:
        with Load(client.set, LOST) as load:
            load.wait_for(300)
            assert lab.command("KILL", 1) == "OK"
            eventually(lambda: lab.node(4).execute_command("ROLE")[0] == "master")
            load.wait_for(300)
            assert lab.command("START", 1) == "OK"  # comes back as a replica
            load.wait_for(300)
        load.check(client.get)
        assert lab.node(1).execute_command("ROLE")[0] == "slave"
        assert lab.log_count("NODE", 4, "COMMAND", "set", "OUTCOME", "served") > 0


def rolling_restart():
    script = os.path.join(ROOT, "examples", "lab", "rolling-restart.lab")
    with Lab("--script", script) as lab, connect(lab) as client:
        with Load(client.set, LOST) as load:
            eventually(lambda: any(e["kind"] == "node-killed" for e in lab.events()))
            eventually(lambda: lab.log_count("NODE", 3, "COMMAND", "set", "OUTCOME", "served") > 0)
            eventually(lambda: lab.node(2).execute_command("ROLE")[0] == "slave", 20)
            load.wait_for(100)
        load.check(client.get)


def tls_and_password():
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "lab.pem")
        with Lab("--tls", "--tls-write-cert", pem, "--auth", "app:secret") as lab, \
                connect(lab, ssl=True, ssl_ca_certs=pem, username="app", password="secret") as client:
            for i in range(100):
                assert client.set(f"key:{i}", i)
            assert all(client.get(f"key:{i}") == str(i) for i in range(100))
            try:
                connect(lab, ssl=True, ssl_ca_certs=pem, username="app", password="wrong").ping()
                raise AssertionError("a wrong password is taken")
            except (redis.exceptions.AuthenticationError, redis.exceptions.RedisClusterException):
                pass


def slot_moves():
    with Lab() as lab, connect(lab) as client:
        with Load(client.set, ()) as load:  # no write fails
            load.wait_for(200)
            for first in range(0, 16384, 1024):
                assert lab.command("SLOT", "MOVE", f"{first}-{first + 1023}", first // 1024 % 3) == "OK"
                load.wait_for(20)
        load.check(client.get)
        assert lab.log_count("COMMAND", "set", "OUTCOME", "MOVED") > 0


def server_side_moves():
    with Lab() as lab, connect(lab) as client:
        with Load(client.set, ()) as load:  # no write fails
            load.wait_for(200)
            lab.node(0).execute_command("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, 5460, "NODE", lab.id(1))
            eventually(lambda: lab.owner(0) == 1)  # as Valkey 9 does it
            load.wait_for(100)
            lab.node(2).execute_command("CLUSTER", "MIGRATION", "IMPORT", 0, 2000)
            eventually(lambda: lab.owner(0) == 2)  # as Redis 8.4 does it
            load.wait_for(100)
        load.check(client.get)
        assert lab.log_count("COMMAND", "set", "OUTCOME", "MOVED") > 0
        assert lab.log_count("OUTCOME", "ASK") == 0


def lost_connection():
    with Lab() as lab, connect(lab) as client:
        assert client.set("a", 1)
        lab.command("FAULT", "ADD", "COMMAND", "get", "COUNT", 1, "DROP-BEFORE")
        assert client.get("a") == "1"  # tried again by itself
        lab.command("FAULT", "ADD", "COMMAND", "get", "COUNT", 1, "CUT", 3)
        assert client.get("a") == "1"
        assert lab.log_count("COMMAND", "get", "OUTCOME", "served") >= 2


def pipeline():
    with Lab() as lab, connect(lab) as client:
        with client.pipeline() as pipe:
            for i in range(300):
                pipe.set(f"key:{i}", i)
            assert pipe.execute() == [True] * 300
        for i in range(10):
            client.set(f"{{a}}{i}", i)
        begin_move(lab, 15495, 2, 0)
        move_keys(lab, 2, 0, *[f"{{a}}{i}" for i in range(5)])
        with client.pipeline() as pipe:
            for i in range(300):
                pipe.incr(f"key:{i}")
            for i in range(10):
                pipe.get(f"{{a}}{i}")
            assert pipe.execute() == list(range(1, 301)) + [str(i) for i in range(10)]


def pubsub():
    with Lab() as lab, connect(lab) as client:
        subscriber = client.pubsub()
        subscriber.subscribe("news")
        subscriber.psubscribe("w*r")
        assert subscriber.get_message(timeout=5)["type"] == "subscribe"
        assert subscriber.get_message(timeout=5)["type"] == "psubscribe"
        for index in range(3):  # published at any node, heard at all
            lab.node(index).publish("news", f"from {index}")
            assert subscriber.get_message(timeout=5)["data"] == f"from {index}"
        client.publish("weather", "rain")
        message = subscriber.get_message(timeout=5)
        assert (message["pattern"], message["data"]) == ("w*r", "rain")
        subscriber.close()


def scan():
    with Lab() as lab, connect(lab) as client:
        names = {f"key:{i}" for i in range(2000)}
        for name in names:
            client.set(name, 1)
        assert set(client.scan_iter(count=50)) == names
        assert set(client.scan_iter(match="key:1*", count=50)) == {n for n in names if n.startswith("key:1")}


def replica_reads():
    with Lab("--replicas", "2") as lab, connect(lab, read_from_replicas=True) as client:
        for i in range(100):
            assert client.set(f"key:{i}", i)
        for _ in range(3):
            assert all(client.get(f"key:{i}") == str(i) for i in range(100))
        for node in range(3):  # each primary served some, and its replicas most
            assert 0 < lab.log_count("NODE", node, "COMMAND", "get", "OUTCOME", "served") < 100
        assert lab.log_count("COMMAND", "get", "OUTCOME", "served") == 300


def types():
    with Lab() as lab, connect(lab) as client:
        assert client.hset("h", mapping={"a": 1, "b": 2}) == 2
        assert client.hgetall("h") == {"a": "1", "b": "2"}
        assert client.rpush("l", 1, 2, 3) == 3
        assert client.lrange("l", 0, -1) == ["1", "2", "3"]
        assert client.sadd("s", "x", "y") == 2
        assert client.smembers("s") == {"x", "y"}
        assert client.zadd("z", {"one": 1, "two": 2.5}) == 2
        assert client.zrange("z", 0, -1, withscores=True) == [("one", 1.0), ("two", 2.5)]
        assert client.expire("h", 100) and 0 < client.ttl("h") <= 100


def blocking_pop():
    with Lab() as lab, connect(lab) as client:
        pushed = threading.Timer(0.1, lambda: lab.node(lab.owner(slot_of("q"))).rpush("q", "item"))
        pushed.start()
        assert client.blpop("q", timeout=5) == ("q", "item")
        pushed.join()
        assert client.blpop("q", timeout=0.05) is None


run([basics, moved, ask, tryagain, manual_failover, failover, rolling_restart, slot_moves,
     server_side_moves, lost_connection, pipeline, pubsub, scan, replica_reads, types, blocking_pop, tls_and_password])
