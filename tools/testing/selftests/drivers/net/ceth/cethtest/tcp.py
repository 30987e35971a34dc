# SPDX-License-Identifier: GPL-2.0
"""Sockets of UDP and TCP between two ends, with contents that are checked."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator

from .env import End
from .tool import Failure, in_ns

# As good as random, and made in no time: each block is another one's plus a number.
_BLOCK, _RAMP = random.Random(42).randbytes(1 << 15), bytes(range(256)) * 2
_BYTES = b"".join(_BLOCK.translate(_RAMP[i * 7:i * 7 + 256]) for i in range(32))
# Longer than any transfer takes on a machine that works at all
DEADLINE = 120.0


def pattern(length: int, seed: int = 0) -> bytes:
    """That many bytes, which no other seed begins with."""
    start = seed * 131 % 65536
    if start + length <= len(_BYTES):
        return _BYTES[start:start + length]
    times = -(-length // len(_BYTES))
    return (_BYTES * times)[:length]


def _socket(end: End, family: int, kind: int) -> socket.socket:
    with in_ns(end.ns):
        return socket.socket(family, kind | socket.SOCK_CLOEXEC)


@contextlib.contextmanager
def udp_pair(src: End, dst: End, family: int, address: str
             ) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender that is connected to a receiver at that address."""
    rx = _socket(dst, family, socket.SOCK_DGRAM)
    tx = _socket(src, family, socket.SOCK_DGRAM)
    with rx, tx:
        rx.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        rx.settimeout(20)
        rx.bind((address, 0))
        tx.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        tx.connect((address, rx.getsockname()[1]))
        yield tx, rx


class _Sink(threading.Thread):
    """Accepts one connection and hashes what comes."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(daemon=True)
        self.listener = listener
        self.digest = ""
        self.length = 0
        self.error = ""

    def run(self) -> None:
        """Until the other end closes."""
        sha = hashlib.sha256()
        try:
            conn, _ = self.listener.accept()
            with conn:
                conn.settimeout(DEADLINE)
                while data := conn.recv(1 << 18):
                    sha.update(data)
                    self.length += len(data)
        except OSError as e:
            self.error = str(e)
        self.digest = sha.hexdigest()


def transfer(src: End, dst: End, length: int, version: int = 4, what: str = "",
             sendfile: bool = False, seed: int = 1) -> None:
    """Send that many bytes by TCP; fail unless the same ones arrive."""
    family, address = ((socket.AF_INET, dst.ip4) if version == 4
                       else (socket.AF_INET6, dst.ip6))
    name = f"TCP over IPv{version}, {src.ifname} to {dst.ifname}{', ' + what if what else ''}"
    listener = _socket(dst, family, socket.SOCK_STREAM)
    sender = _socket(src, family, socket.SOCK_STREAM)
    with listener, sender:
        listener.bind((address, 0))
        listener.listen(1)
        listener.settimeout(DEADLINE)
        sink = _Sink(listener)
        sink.start()
        data = pattern(length, seed)
        sender.settimeout(DEADLINE)
        try:
            sender.connect((address, listener.getsockname()[1]))
            if sendfile:
                with tempfile.TemporaryFile() as f:
                    f.write(data)
                    f.flush()
                    sender.sendfile(f)
            else:
                sender.sendall(data)
            sender.shutdown(socket.SHUT_WR)
        except OSError as e:
            raise Failure(f"{name}: {e}") from e
        sink.join(DEADLINE)
    if sink.error or sink.is_alive():
        raise Failure(f"{name}: {sink.error or 'the transfer does not end'}, "
                      f"{sink.length} of {length} bytes")
    if sink.length != length or sink.digest != hashlib.sha256(data).hexdigest():
        raise Failure(f"{name}: {sink.length} bytes of {length} arrive, or others")


def parallel(src: End, dst: End, n: int, length: int) -> None:
    """Several transfers at once."""
    errors: list[str] = []

    def one(i: int) -> None:
        try:
            transfer(src, dst, length, 4, f"connection {i}", seed=i)
        except Failure as e:
            errors.append(str(e))

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(DEADLINE * 2)
    if errors:
        raise Failure("\n".join(errors))


class Stream:
    """A TCP connection that is kept busy in the background."""

    def __init__(self, src: End, dst: End) -> None:
        self.listener = _socket(dst, socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind((dst.ip4, 0))
        self.listener.listen(1)
        self.listener.settimeout(DEADLINE)
        self.sink = _Sink(self.listener)
        self.sink.start()
        self.sender = _socket(src, socket.AF_INET, socket.SOCK_STREAM)
        self.sender.settimeout(DEADLINE)
        self.sender.connect((dst.ip4, self.listener.getsockname()[1]))
        self.stopping = threading.Event()
        self.sent = 0
        self.error = ""
        self.sha = hashlib.sha256()
        self.thread = threading.Thread(target=self._push, daemon=True)
        self.thread.start()

    def _push(self) -> None:
        try:
            while not self.stopping.is_set():
                data = pattern(20000, self.sent % 1009)
                self.sender.sendall(data)
                self.sha.update(data)
                self.sent += len(data)
                time.sleep(0.01)
            self.sender.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.error = str(e)

    def stop(self) -> int:
        """End it; fail unless all that was sent arrived."""
        self.stopping.set()
        self.thread.join(DEADLINE)
        self.sink.join(DEADLINE)
        self.listener.close()
        self.sender.close()
        if self.error or self.sink.error or self.thread.is_alive() or self.sink.is_alive():
            raise Failure(f"TCP connection broke: {self.error or self.sink.error or 'stuck'}")
        if self.sink.digest != self.sha.hexdigest():
            raise Failure("TCP delivers other bytes than were sent")
        return self.sent
