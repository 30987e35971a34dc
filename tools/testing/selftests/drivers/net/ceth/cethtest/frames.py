# SPDX-License-Identifier: GPL-2.0
"""Numbered frames: made, sent, caught and accounted for, each one.

Every frame carries its number and a filling that follows from it, so that the
receiver knows which came, how often, in what order, and whether whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from . import inet
from .env import End
from .tool import SO_RCVBUFFORCE, Failure, Skip, in_ns

# IEEE's "local experimental" type: no stack takes it, none answers.
ETHERTYPE = 0x88B5
MAGIC = b"CETH"
HEAD = struct.Struct("!4sHHQ")
# UDP frames go to TEST-NET-2: nobody's address here, so a stack that gets one
# drops it and keeps silent.
UDP_SRC = socket.inet_aton("198.51.100.1")
UDP_DST = socket.inet_aton("198.51.100.2")
UDP_OFFSET = 14 + 20 + 8
# Passes every filter of addresses on the way
EVERYBODY = b"\xff" * 6

SOL_PACKET = 263
PACKET_STATISTICS, PACKET_AUXDATA = 6, 8
PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 15, 23
TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID = 8, 16
ETH_P_ALL = 3
ETH_ZLEN = 60

_FILL = random.Random(88).randbytes(66000)


def filling(seq: int, length: int) -> bytes:
    """Payload that belongs to a number."""
    start = seq * 7 % 499
    return _FILL[start:start + length]


def body(run: int, flow: int, seq: int, length: int) -> bytes:
    """Payload of that length, header included."""
    return HEAD.pack(MAGIC, run, flow, seq) + filling(seq, length - HEAD.size)


@functools.lru_cache(maxsize=4096)
def _udp_head(size: int, flow: int) -> bytes:
    payload = size - UDP_OFFSET
    # No checksum: frames are made faster than the emulated CPU adds them up.
    return (inet.ipv4(UDP_SRC, UDP_DST, inet.UDP, 8 + payload) +
            struct.pack("!HHHH", 10000 + flow, 9, 8 + payload, 0))


@dataclass(frozen=True)
class Kind:
    """What the frames of a series look like.

    `flows` numbers of a UDP series take turns, each with a port of its own,
    so that a hash spreads them over queues.
    """

    run: int = 1
    udp: bool = False
    flows: int = 1
    vlan: int | None = None
    # Priority and DEI, above the VLAN id
    pcp: int = 0

    @property
    def offset(self) -> int:
        """Where the payload begins, as the receiver sees it untagged."""
        return UDP_OFFSET if self.udp else 14

    @property
    def ethertype(self) -> int:
        """Of the untagged frame."""
        return inet.ETH_IP if self.udp else ETHERTYPE

    def frame(self, dst: bytes, src: bytes, seq: int, size: int) -> bytes:
        """A frame of that size, a tag not counted."""
        flow = seq % self.flows
        tag = b""
        if self.vlan is not None:
            tag = struct.pack("!HH", inet.ETH_VLAN, self.pcp << 12 | self.vlan)
        head = dst + src + tag + struct.pack("!H", self.ethertype)
        if self.udp:
            head += _udp_head(size, flow)
        return head + body(self.run, flow, seq, size - self.offset)


@dataclass
class Tally:
    """What became of a series."""

    kind: Kind
    sent: int = 0
    received: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    newest: dict[int, int] = field(default_factory=dict)
    refused: int = 0

    @property
    def lost(self) -> int:
        """Sent and not seen."""
        return self.sent - len(self.seen)

    def missing(self) -> list[int]:
        """Numbers that were not seen."""
        return [n for n in range(self.sent) if n not in self.seen]

    def add(self, frame: bytes, offset: int | None = None, size: int | None = None) -> bool:
        """Account for a frame; False: it is not of this series."""
        offset = self.kind.offset if offset is None else offset
        if len(frame) < offset + HEAD.size:
            return False
        magic, run, flow, seq = HEAD.unpack_from(frame, offset)
        if magic != MAGIC or run != self.kind.run:
            return False
        self.received += 1
        if seq in self.seen:
            self.duplicated += 1
        self.seen.add(seq)
        if self.newest.get(flow, -1) > seq:
            self.reordered += 1
        else:
            self.newest[flow] = seq
        rest = frame[offset + HEAD.size:]
        if rest != filling(seq, len(rest)):
            bad = next(i for i, (a, b) in enumerate(zip(rest, filling(seq, len(rest)))) if a != b)
            self.corrupted.append(f"frame {seq}, {len(frame)} bytes: byte {offset + 16 + bad}")
        elif size is not None and len(frame) != size:
            self.corrupted.append(f"frame {seq}: {len(frame)} bytes instead of {size}")
        return True

    def __str__(self) -> str:
        gaps = self.missing() if self.lost else []
        return (f"sent {self.sent}, lost {self.lost}{' ' + _ranges(gaps) if gaps else ''}, "
                f"duplicated {self.duplicated}, corrupted {len(self.corrupted)}"
                f"{' (' + self.corrupted[0] + ')' if self.corrupted else ''}, "
                f"reordered {self.reordered}")

    def demand(self, what: str, loss: bool = False, order: bool = False) -> None:
        """Fail unless the frames came whole, once, and all (or some loss is fine)."""
        if self.corrupted or self.duplicated or (self.lost and not loss) or \
                self.lost < 0 or (order and self.reordered):
            raise Failure(f"{what}: {self}")


def _ranges(numbers: Sequence[int]) -> str:
    """The first few gaps, as text."""
    spans: list[list[int]] = []
    for n in numbers:
        if spans and spans[-1][1] == n - 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    text = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans[:6])
    return f"[{text}{', ...' if len(spans) > 6 else ''}]"


class Sender(socket.socket):
    """A packet socket that sends from the first CPU that it may.

    The CPU chooses the transmit queue, and only on one queue order is kept.
    """

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        """Send a frame."""
        with first_cpu():
            return super().send(data, flags)

    def send_all(self, frames: Iterable[bytes]) -> None:
        """Send one after the other."""
        with first_cpu():
            for data in frames:
                super().send(data)

    def patience(self, seconds: int) -> None:
        """How long to wait for room. In the kernel: a timeout of Python's is one more
        system call for each frame."""
        self.setblocking(True)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", seconds, 0))


@contextlib.contextmanager
def first_cpu() -> Iterator[None]:
    """Stay on the first CPU that this thread may run on."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) == 1:
        yield
        return
    os.sched_setaffinity(0, {min(cpus)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cpus)


def raw_socket(end: End, proto: int = 0) -> Sender:
    """A packet socket on a device; `proto` 0 receives nothing."""
    with in_ns(end.ns):
        sock = Sender(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        sock.bind((end.ifname, proto))
    return sock


class Capture:
    """Everything of one protocol that a device receives from now on."""

    def __init__(self, end: End, proto: int = ETHERTYPE, megabytes: int = 96) -> None:
        self.ifindex = end.ifindex
        with in_ns(end.ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, megabytes << 20)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.sock.bind((end.ifname, proto))
        self.sock.setblocking(False)
        self.unsummed = 0
        self.tags: list[int] = []

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No more of it."""
        self.sock.close()

    def get(self) -> bytes | None:
        """The next frame, without its tag, which goes to `tags`; None: none waits."""
        try:
            data, control, _, _ = self.sock.recvmsg(70000, 64)
        except BlockingIOError:
            return None
        for level, kind, aux in control:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tci = struct.unpack_from("=IIIHHH", aux)
            if status & TP_STATUS_CSUMNOTREADY:
                self.unsummed += 1
            if status & TP_STATUS_VLAN_VALID:
                self.tags.append(tci)
        return data

    def overrun(self) -> int:
        """Frames that found no room in the socket: the test's fault."""
        return int(struct.unpack("=II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])

    def all(self, enough: Callable[[list[bytes]], bool], seconds: float = 10.0) -> list[bytes]:
        """Frames until there are enough, or none has come for a while."""
        found: list[bytes] = []
        quiet = time.monotonic()
        while not enough(found) and time.monotonic() - quiet < seconds:
            data = self.get()
            if data is None:
                time.sleep(0.01)
                continue
            found.append(data)
            quiet = time.monotonic()
        return found

    def into(self, tally: Tally, seconds: float = 5.0,
             wanted: int | None = None, sizes: Sequence[int] | None = None) -> Tally:
        """Account for frames until all have come, or none has for a while."""
        wanted = tally.sent if wanted is None else wanted
        quiet = time.monotonic()
        while time.monotonic() - quiet < seconds:
            data = self.get()
            if data is None:
                if len(tally.seen) >= wanted:
                    break
                time.sleep(0.01)
                continue
            size = None
            if sizes and len(data) >= tally.kind.offset + HEAD.size:
                seq = HEAD.unpack_from(data, tally.kind.offset)[3]
                size = sizes[seq % len(sizes)]
            if tally.add(data, size=size):
                quiet = time.monotonic()
        if self.overrun():
            raise Skip("the capturing socket was too small: nothing is known")
        return tally


class Mover:
    """Moves this thread to the CPU of a frame's flow.

    It is the CPU that chooses the transmit queue, and on one queue order is kept.
    Flows that follow each other share a CPU: moving takes longer than sending.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind, self.cpus = kind, sorted(os.sched_getaffinity(0))
        self.now = -1

    def cpu(self, seq: int) -> int:
        """Where that frame is to be sent."""
        flows, n = self.kind.flows, len(self.cpus)
        return self.cpus[(self.kind.run + seq % flows * n // max(flows, n)) % n]

    def move(self, seq: int) -> None:
        """Go there."""
        cpu = self.cpu(seq)
        if cpu != self.now:
            os.sched_setaffinity(0, {cpu})
            self.now = cpu

    def order(self, first: int, count: int) -> Iterator[int]:
        """Numbers from the first on, in an order that takes few moves: not all of a
        CPU's at once, lest queues that are filled one by one never work together."""
        for start in range(first, first + count, 256):
            yield from sorted(range(start, min(start + 256, first + count)), key=self.cpu)


def blast(src: End, dst_mac: bytes, kind: Kind, sizes: Sequence[int], count: int | None = None,
          first: int = 0, sock: Sender | None = None) -> int:
    """Send `count` frames (default: one of each size); return how many."""
    count = len(sizes) if count is None else count
    own = sock or raw_socket(src)
    own.patience(30)
    cpus = os.sched_getaffinity(0)
    mover, src_mac = Mover(kind), src.mac
    try:
        for seq in mover.order(first, count) if kind.flows > 1 else range(first, first + count):
            mover.move(seq)
            socket.socket.send(own, kind.frame(dst_mac, src_mac, seq, sizes[seq % len(sizes)]))
    finally:
        os.sched_setaffinity(0, cpus)
        if own is not sock:
            own.close()
    return count


def exchange(src: End, dst: End, sizes: Sequence[int], count: int | None = None,
             kind: Kind = Kind(), chunk: int = 1000) -> Tally:
    """Send frames from one end to the other and account for them.

    In chunks, so that no queue on the way can overflow.
    """
    count = len(sizes) if count is None else count
    tally = Tally(kind)
    with Capture(dst, kind.ethertype) as capture:
        sock = raw_socket(src)
        try:
            while tally.sent < count:
                n = min(chunk, count - tally.sent)
                tally.sent += blast(src, dst.mac, kind, sizes, n, tally.sent, sock)
                capture.into(tally, sizes=sizes)
        finally:
            sock.close()
        # A duplicate would come after the last one.
        time.sleep(0.05)
        capture.into(tally, seconds=0.05, sizes=sizes)
    return tally


def sizes_of(frames: Iterable[bytes]) -> list[int]:
    """Lengths, sorted."""
    return sorted(len(f) for f in frames)
