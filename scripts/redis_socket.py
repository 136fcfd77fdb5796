"""A redis-server of a generator's own: on a Unix socket in a directory of its own, ended after use."""
import contextlib
import os
import socket
import subprocess
import time


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


def connect(path):
    for _ in range(100):
        try:
            return Connection(path)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


@contextlib.contextmanager
def running_server(home, *settings):
    path = os.path.join(home, "socket")
    log = os.path.join(home, "log")
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--logfile", log, *settings], cwd=home)
    try:
        yield connect(path)
    finally:
        server.terminate()
        server.wait()
