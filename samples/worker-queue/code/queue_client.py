"""The few commands of Redis that the sample needs."""
import os
import socket


class Queue:
    def __init__(self):
        self._socket = socket.create_connection((os.environ["REDIS_HOST"], 6379))
        self._answers = self._socket.makefile("rb")

    def ask(self, *words):
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            data = str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self._socket.sendall(b"".join(parts))
        return self._read()

    def _read(self):
        line = self._answers.readline().rstrip()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            raise OSError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._answers.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self._read() for _ in range(int(rest))]
        return rest
