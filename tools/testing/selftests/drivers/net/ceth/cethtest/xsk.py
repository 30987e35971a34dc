# SPDX-License-Identifier: GPL-2.0
"""AF_XDP sockets, as a program would use them: memory, rings, descriptors.

The producer and consumer indexes are 32-bit words that both sides read and
write; x86 and a memoryview of words keep the order that the protocol needs.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

from .env import End
from .tool import check, in_ns

AF_XDP = 44
SOL_XDP = 283
(XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_TX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING,
 XDP_UMEM_COMPLETION_RING, XDP_STATISTICS, XDP_OPTIONS) = range(1, 9)
XDP_SHARED_UMEM, XDP_COPY, XDP_ZEROCOPY, XDP_USE_NEED_WAKEUP, XDP_USE_SG = (
    1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4)
XDP_RING_NEED_WAKEUP = 1
SO_BUSY_POLL, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET = 46, 69, 70
XDP_OPTIONS_ZEROCOPY = 1
XDP_UMEM_UNALIGNED, XDP_UMEM_TX_SW_CSUM, XDP_UMEM_TX_METADATA_LEN = 1, 2, 4
XDP_PKT_CONTD, XDP_TX_METADATA = 1, 2
TXMD_TIMESTAMP, TXMD_CHECKSUM, TXMD_LAUNCH = 1, 2, 4
META_LEN = 24
UNALIGNED_SHIFT = 48
_PGOFF = {XDP_RX_RING: 0, XDP_TX_RING: 0x80000000, XDP_UMEM_FILL_RING: 0x100000000,
          XDP_UMEM_COMPLETION_RING: 0x180000000}
_DESC = struct.Struct("=QII")
_LIBC = ctypes.CDLL(None, use_errno=True)
# What a call means that has to be made again some time
_LATER = (errno.EAGAIN, errno.EBUSY, errno.ENETDOWN, errno.ENOBUFS)


class Ring:
    """A ring of descriptors or of addresses, shared with the kernel."""

    def __init__(self, sock: socket.socket, kind: int, size: int,
                 logged: bool = False) -> None:
        sock.setsockopt(SOL_XDP, kind, size)
        raw = struct.unpack("=16Q", sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        # rx, tx, fill, completion: producer, consumer, descriptors, flags
        where = {XDP_RX_RING: 0, XDP_TX_RING: 4, XDP_UMEM_FILL_RING: 8,
                 XDP_UMEM_COMPLETION_RING: 12}[kind]
        prod, cons, desc, flags = raw[where:where + 4]
        self.entry = 16 if kind in (XDP_RX_RING, XDP_TX_RING) else 8
        self.size = size
        self.map = mmap.mmap(sock.fileno(), desc + size * self.entry, mmap.MAP_SHARED,
                             mmap.PROT_READ | mmap.PROT_WRITE, offset=_PGOFF[kind])
        self.words = memoryview(self.map).cast("I")
        self.prod, self.cons, self.flags = prod // 4, cons // 4, flags // 4
        self.desc = desc
        # All that this side has put there, or taken, where somebody wants to know
        self.log: list[bytes] | None = [] if logged else None

    def close(self) -> None:
        """Unmap it."""
        self.words.release()
        self.map.close()

    def need_wakeup(self) -> bool:
        """The kernel wants to be called."""
        return bool(self.words[self.flags] & XDP_RING_NEED_WAKEUP)

    @property
    def produced(self) -> int:
        """Entries that have ever been put there."""
        return self.words[self.prod]

    @property
    def consumed(self) -> int:
        """Entries that have ever been taken."""
        return self.words[self.cons]

    def count(self) -> int:
        """Entries that the consumer has not taken."""
        return (self.words[self.prod] - self.words[self.cons]) & 0xffffffff

    def put(self, entries: Iterable[bytes]) -> int:
        """Produce as many of the entries as there is room for."""
        at, n = self.words[self.prod], 0
        room = self.size - self.count()
        for entry in entries:
            if n == room:
                break
            off = self.desc + ((at + n) & (self.size - 1)) * self.entry
            self.map[off:off + self.entry] = entry
            if self.log is not None:
                self.log.append(entry)
            n += 1
        self.words[self.prod] = (at + n) & 0xffffffff
        return n

    def take(self, most: int = 1 << 30) -> list[bytes]:
        """Consume what there is."""
        n, at = min(self.count(), most), self.words[self.cons]
        found = []
        for i in range(n):
            off = self.desc + ((at + i) & (self.size - 1)) * self.entry
            found.append(bytes(self.map[off:off + self.entry]))
        if self.log is not None:
            self.log += found
        self.words[self.cons] = (at + n) & 0xffffffff
        return found


@dataclass
class Options:
    """How a socket is made and bound."""

    chunk: int = 4096
    chunks: int = 512
    headroom: int = 0
    ring: int = 512
    rx_ring: int = 512
    zerocopy: bool = True
    wakeup: bool = True
    multi: bool = False
    unaligned: bool = False
    huge: bool = False
    metadata: bool = False
    # Chunks are in the fill ring before the socket is bound.
    early: bool = False
    # Rings know all that went through them.
    logged: bool = False


class Umem:
    """Memory of sockets, in chunks; half of them to receive, half to send."""

    def __init__(self, opt: Options) -> None:
        self.opt = opt
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        length = opt.chunk * opt.chunks
        if opt.huge:
            flags |= 0x40000  # MAP_HUGETLB
            length = -(-length // (2 << 20)) * (2 << 20)
        self.map = mmap.mmap(-1, length, flags)
        self._buffer = ctypes.c_char.from_buffer(self.map)
        self.address = ctypes.addressof(self._buffer)
        self.length = length
        self.free: list[int] = []
        self.renew()

    def renew(self) -> None:
        """No chunk is anywhere but here."""
        opt = self.opt
        self.free = [i * opt.chunk for i in range(opt.chunks // 2, opt.chunks)]

    def register(self, sock: socket.socket) -> None:
        """Make it a socket's memory."""
        flags = XDP_UMEM_UNALIGNED if self.opt.unaligned else 0
        meta = 0
        if self.opt.metadata:
            flags |= XDP_UMEM_TX_METADATA_LEN
            meta = META_LEN
        sock.setsockopt(SOL_XDP, XDP_UMEM_REG,
                        struct.pack("=QQIIII", self.address, self.length, self.opt.chunk,
                                    self.opt.headroom, flags, meta))

    def close(self) -> None:
        """Free it."""
        del self._buffer
        self.map.close()


class Group:
    """What sockets of one queue share: fill ring, completion ring, chunks to receive into."""

    def __init__(self, fill: Ring, comp: Ring, first: int, chunks: int) -> None:
        self.fill, self.comp = fill, comp
        self.first, self.chunks = first, chunks
        # Chunks that have been posted to send, and are not back
        self.outstanding = 0


class Xsk:
    """A socket of a queue.

    One that shares the memory of another has its own fill and completion ring
    unless it is one of the same queue; `part` of `parts` says which of the
    chunks to receive into are its. `memory` has been there before, and stays.
    """

    def __init__(self, end: End, queue: int = 0, opt: Options | None = None,
                 share: Xsk | None = None, patience: float = 20.0,
                 part: int = 0, parts: int = 1, memory: Umem | None = None) -> None:
        self.opt = opt or (share.opt if share else memory.opt if memory else Options())
        with in_ns(end.ns):
            self.sock = socket.socket(AF_XDP, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self.umem = share.umem if share else memory or Umem(self.opt)
        self.owner = share is None
        # Memory that was there before stays.
        self.lent = memory is not None
        self.rings: list[Ring] = []
        self.queue = queue
        self.kept: list[int] = []
        try:
            if self.owner:
                self.umem.register(self.sock)
            if share and share.queue == queue:
                self.group = share.group
            else:
                fill, comp = self._ring(XDP_UMEM_FILL_RING), self._ring(XDP_UMEM_COMPLETION_RING)
                each = self.opt.chunks // 2 // parts
                self.group = Group(fill, comp, part * each, each)
            self.rx = self._ring(XDP_RX_RING)
            self.tx = self._ring(XDP_TX_RING)
            flags = XDP_ZEROCOPY if self.opt.zerocopy else XDP_COPY
            if self.opt.wakeup:
                flags |= XDP_USE_NEED_WAKEUP
            if self.opt.multi:
                flags |= XDP_USE_SG
            if self.opt.early:
                self.fill.put(self._all())
            if share:
                # Wake-up and zero-copy are the first socket's to say.
                flags = XDP_SHARED_UMEM
            address = struct.pack("=HHIII", AF_XDP, flags, end.ifindex, queue,
                                  share.sock.fileno() if share else 0)
            self._bind(address, f"bind to queue {queue} of {end.ifname}", patience)
        except BaseException:
            self.close()
            raise

    def _bind(self, address: bytes, what: str, patience: float) -> None:
        # The last socket's memory is let go of a while after its end.
        end = time.monotonic() + patience
        while _LIBC.bind(self.sock.fileno(), address, len(address)):
            code = ctypes.get_errno()
            if code != errno.EBUSY or time.monotonic() > end:
                raise OSError(code, f"{what}: {os.strerror(code)}")
            time.sleep(0.005)

    def _ring(self, kind: int) -> Ring:
        size = self.opt.rx_ring if kind == XDP_RX_RING else self.opt.ring
        ring = Ring(self.sock, kind, size, self.opt.logged)
        self.rings.append(ring)
        return ring

    def close(self) -> None:
        """Unbind, and free what is the socket's own."""
        for ring in self.rings:
            ring.close()
        self.rings = []
        self.sock.close()
        if self.owner and not self.lent:
            self.umem.close()

    @property
    def fill(self) -> Ring:
        """The fill ring."""
        return self.group.fill

    @property
    def outstanding(self) -> int:
        """Chunks that have been posted to send, and are not back."""
        return self.group.outstanding

    def __enter__(self) -> Xsk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def zerocopy(self) -> bool:
        """Bound in zero-copy mode."""
        return bool(struct.unpack("=I", self.sock.getsockopt(SOL_XDP, XDP_OPTIONS, 4))[0] &
                    XDP_OPTIONS_ZEROCOPY)

    def statistics(self) -> dict[str, int]:
        """What the kernel counted."""
        names = ("rx_dropped", "rx_invalid", "tx_invalid", "rx_full", "fill_empty", "tx_empty")
        raw = self.sock.getsockopt(SOL_XDP, XDP_STATISTICS, 48)
        return dict(zip(names, struct.unpack("=6Q", raw)))

    # Receiving

    def _all(self) -> list[bytes]:
        first = self.group.first
        return [struct.pack("=Q", i * self.opt.chunk)
                for i in range(first, first + self.group.chunks)]

    def fill_up(self, addresses: Iterable[int] | None = None) -> int:
        """Give the kernel chunks to receive into; all of them at first."""
        n = self.fill.put(self._all() if addresses is None else
                          (struct.pack("=Q", a) for a in addresses))
        self.kick_rx()
        return n

    def kick_rx(self) -> None:
        """Call, if the kernel wants to be called to receive."""
        if not self.opt.wakeup or self.fill.need_wakeup():
            self.call_rx()

    def call_rx(self) -> None:
        """Have the kernel receive."""
        # Python's own wants to know what an address of the family is.
        if _LIBC.recvfrom(self.sock.fileno(), None, 0, socket.MSG_DONTWAIT, None, None) < 0:
            code = ctypes.get_errno()
            if code not in _LATER:
                raise OSError(code, f"recvfrom: {os.strerror(code)}")

    def receive(self, keep: bool = False) -> list[bytes]:
        """Frames that have come; their chunks go back, unless they are to be kept."""
        frames: list[bytes] = []
        back: list[int] = []
        part = b""
        for raw in self.rx.take():
            addr, length, options = _DESC.unpack(raw)
            if self.opt.unaligned:
                addr = (addr & ((1 << UNALIGNED_SHIFT) - 1)) + (addr >> UNALIGNED_SHIFT)
            part += self.umem.map[addr:addr + length]
            back.append(addr // self.opt.chunk * self.opt.chunk)
            if not options & XDP_PKT_CONTD:
                frames.append(part)
                part = b""
        check(not part, "the end of a frame is missing in the ring")
        self.kept += back if keep else []
        if back and not keep:
            check(self.fill_up(back) == len(back), "the fill ring has no room")
        else:
            self.kick_rx()
        return frames

    def gather(self, n: int, seconds: float = 10.0) -> list[bytes]:
        """Frames until there are `n`, or none has come for a while."""
        frames: list[bytes] = []
        quiet = time.monotonic()
        while len(frames) < n and time.monotonic() - quiet < seconds:
            new = self.receive()
            if new:
                quiet = time.monotonic()
                frames += new
            else:
                select.select([self.sock], [], [], 0.02)
        return frames

    def busy_poll(self, budget: int = 64) -> None:
        """Let calls of this socket do the work that interrupts would."""
        for option, value in ((SO_PREFER_BUSY_POLL, 1), (SO_BUSY_POLL, 20),
                              (SO_BUSY_POLL_BUDGET, budget)):
            self.sock.setsockopt(socket.SOL_SOCKET, option, value)

    # Sending

    def kick_tx(self) -> None:
        """Call, if the kernel wants to be called to send."""
        if not self.opt.wakeup or self.tx.need_wakeup():
            self.push()

    def complete(self) -> int:
        """Take chunks back that have been sent; return how many."""
        done = [struct.unpack("=Q", raw)[0] for raw in self.group.comp.take()]
        if self.opt.unaligned:
            done = [(a & ((1 << UNALIGNED_SHIFT) - 1)) + (a >> UNALIGNED_SHIFT) for a in done]
        self.umem.free += [a // self.opt.chunk * self.opt.chunk for a in done]
        self.group.outstanding -= len(done)
        return len(done)

    def room(self) -> int:
        """Bytes of a chunk that can be sent from."""
        return self.opt.chunk - (META_LEN if self.opt.metadata else 0)

    def push(self) -> None:
        """Call to send, whatever the ring says."""
        try:
            self.sock.send(b"", socket.MSG_DONTWAIT)
        except OSError as exc:
            if exc.errno not in _LATER:
                raise

    def post(self, frame: bytes, meta: bytes = b"") -> int | None:
        """Put a frame on the ring; return its first chunk, None: no room now."""
        room = self.room()
        parts = [frame[i:i + room] for i in range(0, len(frame), room)]
        if len(self.umem.free) < len(parts) or self.tx.size - self.tx.count() < len(parts):
            return None
        entries, first = [], self.umem.free[0]
        for i, part in enumerate(parts):
            addr, options = self.umem.free.pop(0), 0
            if self.opt.metadata:
                if meta and not i:
                    self.umem.map[addr:addr + META_LEN] = meta.ljust(META_LEN, b"\0")
                    options |= XDP_TX_METADATA
                addr += META_LEN
            self.umem.map[addr:addr + len(part)] = part
            if i < len(parts) - 1:
                options |= XDP_PKT_CONTD
            entries.append(_DESC.pack(addr, len(part), options))
        self.tx.put(entries)
        self.group.outstanding += len(entries)
        return first

    def send(self, frames: Iterable[bytes], seconds: float = 20.0, metas: bytes = b"") -> int:
        """Send all frames, and take their chunks back while they go."""
        sent = 0
        for frame in frames:
            end = time.monotonic() + seconds
            while self.post(frame, metas) is None:
                self.kick_tx()
                self.complete()
                check(time.monotonic() < end, f"{self.outstanding} chunks do not come back")
            sent += 1
        self.kick_tx()
        return sent

    def drain(self, seconds: float = 10.0) -> int:
        """Wait until every chunk has come back; return those that have not."""
        end = time.monotonic() + seconds
        while self.outstanding and time.monotonic() < end:
            self.kick_tx()
            if not self.complete():
                time.sleep(0.005)
        return self.outstanding
