# SPDX-License-Identifier: GPL-2.0
"""What programs do with AF_XDP sockets: frames both ways, each accounted for."""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Callable

from .bpf import Bpf
from .env import Env
from .frames import EVERYBODY, Capture, Kind, Tally, blast
from .tool import check, equal, wait_for
from .xsk import Xsk

COUNT = 600
CHUNK = 64
SIZES = [60, 61, 300, 1024, 1514]
# Sockets that a queue can have, of xsk.bpf.c
PER_QUEUE = 16


@functools.cache
def _program(env: Env) -> Bpf:
    return Bpf(env, "xsk")


def by_flow(env: Env, each: int = 1) -> Bpf:
    """Has each queue's frames go to its sockets, of which there are so many; once
    it is attached."""
    bpf = _program(env)
    bpf.maps["each"].set(0, struct.pack("=I", each))
    return bpf


def enter(env: Env, xsk: Xsk, of: int = 0, queue: int | None = None) -> None:
    """Frames of the queue, or its flows of that number, are the socket's. The device
    may have another number for the queue than the socket's."""
    check(xsk.zerocopy, "bound without zero-copy")
    _program(env).maps["xsks"].set((xsk.queue if queue is None else queue) * PER_QUEUE + of,
                                   struct.pack("=I", xsk.sock.fileno()))


def census(env: Env, xsk: Xsk, kind: Kind) -> None:
    """Every chunk to receive into is there: it can be received into."""
    want, seen, first = xsk.group.chunks, 0, 0
    # What came before has come from chunks, too.
    xsk.gather(1 << 20, seconds=0.3)
    xsk.kept = []
    quiet = time.monotonic()
    while len(xsk.kept) < want and time.monotonic() - quiet < 10:
        n = min(CHUNK, want - len(xsk.kept))
        first += blast(env.peer, EVERYBODY, kind, [60], n, first)
        until = time.monotonic() + 2
        while len(xsk.kept) < seen + n and time.monotonic() < until:
            xsk.receive(keep=True)
            time.sleep(0.005)
        if len(xsk.kept) > seen:
            seen, quiet = len(xsk.kept), time.monotonic()
    equal(len(set(xsk.kept)), len(xsk.kept), "chunks that came twice")
    equal(len(xsk.kept), want, "chunks to receive into that are still there")
    xsk.fill_up(xsk.kept)
    xsk.kept = []


def receive(env: Env, xsk: Xsk, kind: Kind, sizes: list[int], count: int = COUNT) -> Tally:
    """The peer sends; account for what the socket gets."""
    tally = Tally(kind)
    while tally.sent < count:
        n = min(CHUNK, count - tally.sent)
        blast(env.peer, EVERYBODY, kind, sizes, n, tally.sent)
        tally.sent += n
        for frame in xsk.gather(n):
            tally.add(frame)
        if tally.lost:
            break
    return tally


def transmit(env: Env, xsk: Xsk, kind: Kind, sizes: list[int], count: int = COUNT) -> Tally:
    """The socket sends; account for what the peer gets."""
    tally, src = Tally(kind), env.dut.mac
    with Capture(env.peer, kind.ethertype) as capture:
        while tally.sent < count:
            n = min(CHUNK, count - tally.sent)
            xsk.send(kind.frame(EVERYBODY, src, seq, sizes[seq % len(sizes)])
                     for seq in range(tally.sent, tally.sent + n))
            tally.sent += n
            capture.into(tally, sizes=sizes)
            if tally.lost:
                break
    equal(xsk.drain(), 0, "chunks that do not come back")
    return tally


def flood(xsk: Xsk, kind: Kind, env: Env, seq: int) -> int:
    """Post as much as there is room for."""
    mac = env.dut.mac
    while xsk.post(kind.frame(EVERYBODY, mac, seq, SIZES[seq % len(SIZES)])) is not None:
        seq += 1
    xsk.kick_tx()
    xsk.complete()
    return seq


def pools(env: Env) -> set[int]:
    """Memory of the receive queues; a queue that is another one has its own."""
    return {pool["id"] for pool in env.netdev.page_pools(env.dut.ifindex)
            if "detached" not in pool}


def unbound(env: Env) -> None:
    """No queue is a socket's any more: that comes some time after its close, and with
    it the queue is exchanged once more."""
    wait_for(lambda: len(pools(env)) == env.channel_limits()[0], "the queues to be the stack's")


def collect(capture: Capture, socks: list[Xsk], tallies: list[Tally],
            post: Callable[[int], None] = lambda i: None) -> None:
    """What each socket sends arrives; `post` is asked for more of a socket's."""
    quiet = time.monotonic()
    while any(t.lost for t in tallies) and time.monotonic() - quiet < 20:
        for i, xsk in enumerate(socks):
            post(i)
            xsk.kick_tx()
            xsk.complete()
        came = False
        while data := capture.get():
            if any(t.add(data) for t in tallies):
                quiet, came = time.monotonic(), True
        if not came:
            # Let others work: CPUs that are emulated share one.
            time.sleep(0.005)
    for i, tally in enumerate(tallies):
        tally.demand(f"sent by socket {i}", order=True)
