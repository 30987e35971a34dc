# SPDX-License-Identifier: GPL-2.0
"""Numbered frames sent in the background while something changes.

Two processes, because sender and receiver have to go on while the test waits
for the kernel; they meet again at stop(), which says what became of each frame.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import multiprocessing as mp
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from .env import End
from .frames import Capture, Kind, Mover, Sender, Tally, raw_socket
from .inet import ETH_IP
from .tool import PATIENCE, Failure, wait_for

_runs = itertools.count(1000)
SIZES = (60, 1514)
_fork = mp.get_context("fork")
# What sending may answer while a device is being changed, or is gone
PASSING = {errno.ENETDOWN, errno.ENOBUFS, errno.ENXIO, errno.ENODEV, errno.EAGAIN, errno.EIO}


def _orphan_ends() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _send(pipe: Connection, src: End, dst_mac: bytes, kind: Kind, sizes: Sequence[int],
          rate: int) -> None:
    _orphan_ends()
    sock = raw_socket(src)
    sock.patience(1)
    mover, src_mac = Mover(kind), src.mac
    seq = refused = 0
    burst = 8
    told = _poll(pipe)
    due = time.monotonic()
    while not told():
        for _ in range(burst):
            mover.move(seq)
            try:
                socket.socket.send(sock, kind.frame(dst_mac, src_mac, seq, sizes[seq % len(sizes)]))
            except OSError as e:
                if e.errno not in PASSING:
                    raise
                refused += 1
                if e.errno in (errno.ENXIO, errno.ENODEV):
                    # The device is another one now, under the same name.
                    sock = _reopen(sock, src)
                time.sleep(0.01)
                break
            seq += 1
        # No burst makes up for a pause: that would overflow what lies between.
        due = max(due + burst / rate, time.monotonic() - 0.05)
        time.sleep(max(0.0, due - time.monotonic()))
    pipe.send((seq, refused))


def _poll(pipe: Connection) -> Callable[[], object]:
    """A function that says whether something has come: the pipe's own takes long."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return lambda: poll.poll(0)


def _reopen(sock: Sender, src: End) -> Sender:
    try:
        new = raw_socket(src)
    except OSError:
        return sock
    new.patience(1)
    sock.close()
    return new


def _recapture(capture: Capture, dst: End, kind: Kind) -> Capture:
    """The same, or one on the device that has the name now.

    A device that only went down keeps its socket, and what waits in it.
    """
    try:
        if dst.ifindex == capture.ifindex:
            return capture
        new = Capture(dst, kind.ethertype)
    except OSError:
        return capture
    capture.close()
    return new


def _receive(pipe: Connection, dst: End, kind: Kind, progress: Any, patience: float) -> None:
    _orphan_ends()
    tally = Tally(kind)
    capture = Capture(dst, kind.ethertype)
    pipe.send("ready")
    total: int | None = None
    quiet = looked = time.monotonic()
    gone = False
    told = _poll(pipe)
    while True:
        try:
            data = capture.get()
        except OSError:
            data = None
            gone = True
        if gone and time.monotonic() - looked > 0.1:
            looked = time.monotonic()
            capture = _recapture(capture, dst, kind)
        if data is not None:
            gone = False
            if tally.add(data):
                progress.value = len(tally.seen)
                quiet = time.monotonic()
            continue
        if total is None and told():
            total = pipe.recv()
            quiet = time.monotonic()
        if total is not None:
            if time.monotonic() - quiet > (0.3 if len(tally.seen) >= total else patience):
                break
        # Some frames at a time
        time.sleep(0.02)
    pipe.send((tally, capture.overrun()))


class Flow:
    """A stream of numbered frames between two ends."""

    def __init__(self, src: End, dst: End, kind: Kind = Kind(), sizes: Sequence[int] = SIZES,
                 rate: int = 400, dst_mac: bytes = b"", patience: float = 5.0) -> None:
        self.name = f"{src.ifname} to {dst.ifname}"
        # Frames that were stuck somewhere and come late are not of this series.
        kind = dataclasses.replace(kind, run=next(_runs))
        self.rx, theirs = _fork.Pipe()
        self.progress = _fork.Value("Q", 0, lock=False)
        self.receiver = _fork.Process(target=_receive, args=(theirs, dst, kind, self.progress,
                                                              patience), daemon=True)
        self.receiver.start()
        if not self.rx.poll(30) or self.rx.recv() != "ready":
            raise Failure(f"{self.name}: no receiver")
        self.tx, theirs = _fork.Pipe()
        self.sender = _fork.Process(target=_send, args=(theirs, src, dst_mac or dst.mac, kind, sizes,
                                                       rate),
                                    daemon=True)
        self.sender.start()
        self.tally: Tally | None = None
        self.sent: tuple[int, int] | None = None

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.sender, self.receiver):
            if process.is_alive():
                process.kill()
            process.join()

    @property
    def arrived(self) -> int:
        """Frames that have come so far."""
        return int(self.progress.value)

    def halt(self) -> None:
        """Send no more; the receiver waits for what is on the way, by itself."""
        if self.sent is not None:
            return
        try:
            self.tx.send("stop")
            if not self.tx.poll(60):
                raise Failure(f"{self.name}: the sender hangs")
            self.sent = self.tx.recv()
            self.rx.send(self.sent[0])
        except (EOFError, BrokenPipeError) as e:
            raise Failure(f"{self.name}: a process of the test died") from e

    def stop(self) -> Tally:
        """End it; what became of every frame."""
        if self.tally is not None:
            return self.tally
        self.halt()
        assert self.sent is not None
        try:
            if not self.rx.poll(120):
                raise Failure(f"{self.name}: the receiver hangs")
            tally, overrun = self.rx.recv()
        except (EOFError, BrokenPipeError) as e:
            raise Failure(f"{self.name}: a process of the test died") from e
        if overrun:
            raise Failure(f"{self.name}: the test's own socket lost {overrun} frames")
        tally.sent, tally.refused = self.sent
        self.tally = tally
        self.sender.join()
        self.receiver.join()
        return self.tally


class Both:
    """Streams in both directions between a device and its peer."""

    def __init__(self, a: End, b: End, sizes: Sequence[int] = SIZES, rate: int = 300,
                 udp: bool = False, flows: int = 1, patience: float = 5.0) -> None:
        kind = Kind(udp=udp, flows=flows)
        self.flows = [Flow(b, a, kind, sizes, rate, patience=patience),
                      Flow(a, b, kind, sizes, rate, patience=patience)]

    def __enter__(self) -> Both:
        return self

    def __exit__(self, *exc: object) -> None:
        for flow in self.flows:
            flow.__exit__(*exc)

    def wait(self, n: int, seconds: float = PATIENCE) -> None:
        """Wait until so many more frames have come, each way."""
        marks = [flow.arrived + n for flow in self.flows]
        for flow, mark in zip(self.flows, marks):
            wait_for(lambda f=flow, m=mark: f.arrived >= m, f"{n} more frames, {flow.name}",
                     seconds)

    def demand(self, what: str, loss: bool = False, least: int = 50) -> list[Tally]:
        """End both; fail on loss, unless that is allowed, and on any damage."""
        for flow in self.flows:
            flow.halt()
        tallies = [flow.stop() for flow in self.flows]
        for flow, tally in zip(self.flows, tallies):
            tally.demand(f"{what}, {flow.name}", loss=loss)
            if len(tally.seen) < least:
                raise Failure(f"{what}, {flow.name}: hardly any traffic: {tally}")
        return tallies


def _offer(sock: Sender, macs: bytes, tally: Tally, n: int, mover: Mover) -> None:
    """Send up to that many frames: as many as are taken."""
    for seq in range(tally.sent, tally.sent + n):
        mover.move(seq)
        try:
            socket.socket.send(sock, tally.kind.frame(macs[:6], macs[6:], seq,
                                                      SIZES[seq % len(SIZES)]))
        except OSError as e:
            if e.errno not in PASSING:
                raise
            time.sleep(0.01)
            return
        tally.sent += 1


def steady(a: End, b: End, what: str) -> None:
    """Fail unless every queue carries traffic both ways, without loss.

    Called more often than anything else: no processes for that.
    """
    count, chunk = 160, 16
    ways = ((a, b), (b, a))
    tallies = [Tally(Kind(next(_runs), udp=True, flows=32)) for _ in ways]
    mover = Mover(tallies[0].kind)
    with contextlib.ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        captures = [stack.enter_context(Capture(dst, ETH_IP)) for _, dst in ways]
        socks = [stack.enter_context(raw_socket(src)) for src, _ in ways]
        for sock in socks:
            sock.patience(1)
        macs = [dst.mac + src.mac for src, dst in ways]
        end = time.monotonic() + PATIENCE
        while any(t.sent < count for t in tallies) and not any(t.lost for t in tallies):
            if time.monotonic() > end:
                raise Failure(f"{what}: frames are not taken any more")
            # Not so many at a time that a short ring would overflow
            for sock, mac, tally in zip(socks, macs, tallies):
                _offer(sock, mac, tally, min(chunk, count - tally.sent), mover)
            for tally, capture in zip(tallies, captures):
                capture.into(tally, sizes=SIZES)
        # A duplicate would come after the last one.
        time.sleep(0.1)
        for tally, capture in zip(tallies, captures):
            capture.into(tally, sizes=SIZES)
    for tally, (src, dst) in zip(tallies, ways):
        tally.demand(f"{what}: traffic afterwards, {src.ifname} to {dst.ifname}")
