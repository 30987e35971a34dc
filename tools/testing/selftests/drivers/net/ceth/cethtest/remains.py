# SPDX-License-Identifier: GPL-2.0
"""What is left of AF_XDP sockets: their rings, and what they had of the kernel's.

A socket is bound for as long as one of its rings is mapped, so that nobody sees
how the rings are when it no longer is. Their pages live on in a pipe.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import time
from collections import Counter
from pathlib import Path

from .env import Env
from .tool import check, equal, read, run, wait_for, write
from .xsk import Ring, Xsk

_LIBC = ctypes.CDLL(None, use_errno=True)
_DESC = struct.Struct("=QII")
SLABS = Path("/sys/kernel/slab")
KMEMLEAK = Path("/sys/kernel/debug/kmemleak")


class _Left:
    """A ring, at the end."""

    def __init__(self, ring: Ring, page: bytes) -> None:
        self.produced, = struct.unpack_from("=I", page, ring.prod * 4)
        self.consumed, = struct.unpack_from("=I", page, ring.cons * 4)
        self.log = ring.log or []
        self.entries = []
        for i in range(self.produced - self.consumed):
            at = ring.desc + ((self.consumed + i) & (ring.size - 1)) * ring.entry
            self.entries.append(page[at:at + ring.entry])


class Remains:
    """Rings of a socket that has them logged; made just before it is closed."""

    def __init__(self, xsk: Xsk) -> None:
        self.rings = (xsk.fill, xsk.group.comp, xsk.rx, xsk.tx)
        self.chunk = xsk.opt.chunk
        self.chunks = xsk.group.chunks
        self.all = xsk.opt.chunks
        self.free = xsk.umem.free
        self.pipe, end = os.pipe()
        for ring in self.rings:
            byte = ctypes.c_char.from_buffer(ring.map)
            iov = struct.pack("=QQ", ctypes.addressof(byte), len(ring.map))
            del byte
            done = _LIBC.vmsplice(end, iov, ctypes.c_ulong(1), 0)
            check(done == len(ring.map), f"vmsplice: {os.strerror(ctypes.get_errno())}")
        self.lengths = [len(ring.map) for ring in self.rings]
        os.close(end)

    def _base(self, address: int) -> int:
        return address // self.chunk * self.chunk

    def settle(self) -> tuple[int, int]:
        """Each chunk is in one place; when the queue is no longer the socket's.

        Frames that the socket has had, and those that it has posted.
        """
        fill, comp, rx, tx = [_Left(ring, os.read(self.pipe, n))
                              for ring, n in zip(self.rings, self.lengths)]
        os.close(self.pipe)
        # To send: all that was taken is given back, in order.
        posted = [_DESC.unpack(raw)[0] for raw in tx.log]
        done = [struct.unpack("=Q", raw)[0] for raw in comp.log + comp.entries]
        equal(comp.produced, tx.consumed, "chunks given back, of those taken to send")
        check(done == posted[:tx.consumed], "other chunks are given back than were sent")
        here = [self._base(a) for a in
                (*done[len(comp.log):], *posted[tx.consumed:])] + self.free
        equal(sorted(here), [i * self.chunk for i in range(self.chunks, self.all)],
              "chunks to send")
        # To receive: taken from the fill ring once for each frame, or for none yet.
        filled = [struct.unpack("=Q", raw)[0] for raw in fill.log]
        came = [_DESC.unpack(raw)[0] for raw in rx.log + rx.entries]
        held = Counter(self._base(a) for a in filled[:fill.consumed])
        held.subtract(self._base(a) for a in came)
        check(set(held.values()) <= {0, 1}, f"chunks that came without having been given: "
              f"{[a for a, n in held.items() if n not in (0, 1)]}")
        here = [*filled[fill.consumed:], *(_DESC.unpack(raw)[0] for raw in rx.entries),
                *held.elements()]
        if filled:
            equal(sorted(self._base(a) for a in here),
                  [i * self.chunk for i in range(self.chunks)], "chunks to receive into")
        return len(came), len(posted)


def _pins() -> int:
    # Each processor has some that it has not added to the sum.
    write("/proc/sys/vm/stat_refresh", 1)
    found = dict(line.split() for line in read("/proc/vmstat").splitlines())
    return int(found["nr_foll_pin_acquired"]) - int(found["nr_foll_pin_released"])


def _memory() -> dict[str, int]:
    found = re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo"), re.M)
    return {name: int(n) for name, n in found}


def _slabs() -> dict[str, tuple[int, int]]:
    """Objects of each cache, and of one of its slabs; without those that are kept
    for the next one."""
    for path in SLABS.glob("*/shrink"):
        if not path.parent.is_symlink():
            write(path, 1)
    return {f[0]: (int(f[1]), int(f[4])) for f in (line.split() for line in
                                                   read("/proc/slabinfo").splitlines()[2:])}


def _lost() -> str:
    """Memory of our modules' that nobody points to any more, where the kernel can say."""
    if not KMEMLEAK.exists():
        return ""
    # Twice: it must look lost for a while.
    for _ in range(2):
        time.sleep(6)
        write(KMEMLEAK, "scan")
    return "".join(found for found in re.split(r"^(?=unreferenced)", read(KMEMLEAK), flags=re.M)
                   if "[ceth" in found)


class Usage:
    """What is in use of what sockets and queues are made of."""

    def __init__(self, env: Env) -> None:
        self.env = env
        run("sync")
        self.slabs, self.memory, self.pins = _slabs(), _memory(), _pins()
        self.pools = len(self._pools()[1])

    def _pools(self) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
        """Page pools that wait for their pages, and those of queues. The kernel looks
        once a second whether the former have come."""
        all_of = self.env.netdev.page_pools(self.env.dut.ifindex)
        return ([p for p in all_of if "detached" in p], [p for p in all_of if "detached" not in p])

    def demand(self, times: int, what: str) -> str:
        """Fail unless now there is no more, after so many times of something."""
        wait_for(lambda: _pins() <= self.pins, f"{what}: memory to be let go of, {_pins()} of "
                                               f"{self.pins} pages")
        equal(_pins(), self.pins, f"{what}: pages that are pinned")
        wait_for(lambda: not self._pools()[0], f"{what}: pages of pools that are gone")
        equal(len(self._pools()[1]), self.pools, f"{what}: page pools")
        more: dict[str, int] = {}

        def left() -> bool:
            now = _slabs()
            more.clear()
            # The others are the tests' own: files, processes, areas. The slab that
            # a processor takes from counts as a full one.
            more.update({k: now[k][0] - n for k, (n, slab) in self.slabs.items()
                         if k in now and now[k][0] - n > times / 2 + 200 + self.env.cpus * slab
                         and k.startswith(("kmalloc", "skbuff"))})
            return bool(more)

        # What has been freed may have to wait for other processors.
        end = time.monotonic() + 15
        while left() and time.monotonic() < end:
            time.sleep(1)
        check(not more, f"{what}: objects that are left after {times} times: {more}")
        lost = _lost()
        check(not lost, f"{what}: memory that is lost:\n{lost}")
        memory = _memory()
        grown = {k: memory[k] - self.memory[k] for k in ("VmallocUsed", "Percpu", "SUnreclaim")}
        # Programs' own grows, too: they remember each frame.
        grown["used"] = (self.memory["MemAvailable"] - memory["MemAvailable"] -
                         (memory["AnonPages"] - self.memory["AnonPages"]))
        # A page each time, but for what comes and goes anyway; most with the tests
        # themselves, which a few times do not stand out from.
        own = 16384 if times >= 500 else 32768
        check(all(n < 2 * times + (own if k == "used" else 2048) for k, n in grown.items()),
              f"{what}: kB more: {grown}")
        return f"kB more after {times} times: {grown}"
