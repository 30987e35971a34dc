# SPDX-License-Identifier: GPL-2.0
"""Memory of programs that a NIC receives into and sends from, and that the kernel does
not read: io_uring's zero-copy receive, and device memory TCP.

By system calls and netlink, so that no library stands between. Each byte that comes is
read where the device put it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import struct
import time
from collections.abc import Iterator

from .env import End
from .nl import NLA_F_NESTED, NetdevGenl, NetlinkError, attr, number, u32
from .tool import Failure, Skip, in_ns

PAGE = mmap.PAGESIZE
_LIBC = ctypes.CDLL(None, use_errno=True)
UDMABUF, UDMABUF_CREATE = "/dev/udmabuf", 0x40187542
# Of netdev-genl
BIND_RX, BIND_TX = 13, 15
DMABUF_IFINDEX, DMABUF_QUEUES, DMABUF_FD, DMABUF_ID = 1, 2, 3, 4
QUEUE_ID, QUEUE_TYPE, QUEUE_DMABUF, QUEUE_IO_URING = 1, 3, 5, 6
# Of sockets
MSG_SOCK_DEVMEM, MSG_ZEROCOPY, SO_ZEROCOPY = 0x2000000, 0x4000000, 60
SO_DEVMEM_LINEAR, SO_DEVMEM_DMABUF, SO_DEVMEM_DONTNEED = 78, 79, 80
# Of io_uring
SYS_SETUP, SYS_ENTER, SYS_REGISTER = 425, 426, 427
SETUP = 1 << 7 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 16
SQES = 0x10000000
ENTER_GETEVENTS, ENTER_EXT_ARG = 1, 8
OP_RECV_ZC, RECV_MULTISHOT, CQE_F_MORE = 58, 2, 2
REGISTER_ZCRX, AREA_DMABUF, REGION_USER = 32, 1, 1
AREA_MASK = (1 << 48) - 1
MAP_HUGETLB = 0x40000


def _call(what: str, *args: object) -> int:
    done = _LIBC.syscall(*args)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return int(done)


def _address(memory: mmap.mmap) -> int:
    byte = ctypes.c_char.from_buffer(memory)
    where = ctypes.addressof(byte)
    del byte
    return where


class DmaBuf:
    """Memory that looks like a device's."""

    def __init__(self, pages: int) -> None:
        if not os.path.exists(UDMABUF):
            raise Skip(f"no {UDMABUF}")
        self.size = pages * PAGE
        self.file = os.memfd_create("ceth", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.file, self.size)
        fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        with open(UDMABUF, "rb") as device:
            self.fd = fcntl.ioctl(device, UDMABUF_CREATE,
                                  bytearray(struct.pack("=IIQQ", self.file, 1, 0, self.size)))
        self.map = mmap.mmap(self.file, self.size)

    def close(self) -> None:
        """Give it back, as far as this process has it."""
        self.map.close()
        os.close(self.fd)
        os.close(self.file)


class Zcrx:
    """A ring of io_uring whose memory a receive queue has; of the thread that makes it."""

    def __init__(self, end: End, queue: int, pages: int = 512, entries: int = 1024,
                 dmabuf: bool = False, chunk: int = 0) -> None:
        self.chunk = chunk
        self.buf = DmaBuf(pages) if dmabuf else None
        # Larger pieces have to lie in one piece.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (MAP_HUGETLB if chunk else 0)
        self.area = self.buf.map if self.buf else mmap.mmap(-1, pages * PAGE, flags)
        self.maps = [] if self.buf else [self.area]
        self.fd = -1
        self.held: list[tuple[int, int]] = []
        try:
            self._rings()
            self._register(end, queue, entries)
        except BaseException:
            self.close()
            raise

    def _rings(self) -> None:
        params = bytearray(struct.pack("=IIII104x", 0, 0, 1 << 3 | SETUP, 0))
        struct.pack_into("=I", params, 4, 8192)
        byte = (ctypes.c_char * len(params)).from_buffer(params)
        try:
            self.fd = _call("io_uring_setup", SYS_SETUP, 64, byte)
        except OSError as e:
            if e.errno in (errno.ENOSYS, errno.EINVAL):
                raise Skip(f"this kernel has no such ring: {e}") from e
            raise
        found = struct.unpack_from("=30I", params)
        sq_entries, self.entries = found[:2]
        self.sq_tail = found[11]
        self.cq_head, self.cq_tail, self.cq_mask = found[20], found[21], found[22]
        self.cqes = found[25]
        self.ring = mmap.mmap(self.fd, self.cqes + 32 * self.entries)
        self.sqes = mmap.mmap(self.fd, sq_entries * 64, offset=SQES)
        self.sq_mask = sq_entries - 1
        self.maps += [self.ring, self.sqes]

    def _register(self, end: End, queue: int, entries: int) -> None:
        size = PAGE + -(-entries * 16 // PAGE) * PAGE
        self.refill = mmap.mmap(-1, size)
        self.maps.append(self.refill)
        region = bytearray(struct.pack("=QQII40x", _address(self.refill), size, REGION_USER, 0))
        if self.buf:
            area = struct.pack("=QQQII16x", 0, len(self.area), 0, AREA_DMABUF, self.buf.fd)
        else:
            area = struct.pack("=QQQII16x", _address(self.area), len(self.area), 0, 0, 0)
        keep = [ctypes.create_string_buffer(bytes(x), len(x)) for x in (area, region)]
        reg = ctypes.create_string_buffer(struct.pack(
            "=IIIIQQ36xI24x", end.ifindex, queue, entries, 0, *map(ctypes.addressof, keep),
            self.chunk), 96)
        try:
            _call("zero-copy receive", SYS_REGISTER, self.fd, REGISTER_ZCRX, reg, 1)
        except OSError as e:
            if e.errno == errno.EINVAL and os.uname().release.startswith("6."):
                raise Skip("this kernel has no zero-copy receive of io_uring") from e
            raise
        answer = struct.unpack("=IIIIQQIII20xII24x", reg.raw)
        self.head, self.tail, self.rqes = answer[6:9]
        self.id = answer[9]
        self.mask = answer[2] - 1
        self.token = struct.unpack_from("=Q", keep[0], 16)[0]

    def _arm(self, sock: socket.socket) -> None:
        tail, = struct.unpack_from("=I", self.ring, self.sq_tail)
        struct.pack_into("=BBHiQQIIQHHI16x", self.sqes, (tail & self.sq_mask) * 64, OP_RECV_ZC, 0,
                         RECV_MULTISHOT, sock.fileno(), 0, 0, 0, 0, 1, 0, 0, self.id)
        struct.pack_into("=I", self.ring, self.sq_tail, tail + 1)
        _call("io_uring_enter", SYS_ENTER, self.fd, 1, 0, ENTER_GETEVENTS, None, 0)

    def _wait(self, seconds: float) -> None:
        ts = ctypes.create_string_buffer(struct.pack("=qq", int(seconds),
                                                     int(seconds % 1 * 1e9)), 16)
        arg = ctypes.create_string_buffer(struct.pack("=QIIQ", 0, 8, 0, ctypes.addressof(ts)), 24)
        try:
            _call("io_uring_enter", SYS_ENTER, self.fd, 0, 1, ENTER_GETEVENTS | ENTER_EXT_ARG,
                  arg, ctypes.c_size_t(24))
        except OSError as e:
            if e.errno not in (errno.ETIME, errno.EINTR):
                raise

    def receive(self, sock: socket.socket, hold: bool = False, seconds: float = 60.0
                ) -> Iterator[bytes]:
        """What comes, until the other end closes or nothing has come for so long."""
        self._arm(sock)
        last = time.monotonic()
        while True:
            head, = struct.unpack_from("=I", self.ring, self.cq_head)
            tail, = struct.unpack_from("=I", self.ring, self.cq_tail)
            mask, = struct.unpack_from("=I", self.ring, self.cq_mask)
            if head == tail:
                if time.monotonic() > last + seconds:
                    return
                self._wait(0.1)
                continue
            last = time.monotonic()
            _, res, flags, off, _ = struct.unpack_from("=QiIQQ", self.ring,
                                                       self.cqes + (head & mask) * 32)
            struct.pack_into("=I", self.ring, self.cq_head, head + 1)
            if res < 0:
                raise OSError(-res, f"zero-copy receive: {os.strerror(-res)}")
            if not res and not flags & CQE_F_MORE:
                return
            where = off & AREA_MASK
            yield self.area[where:where + res]
            self.held.append((where, res))
            if not hold:
                self.give_back()
            if not flags & CQE_F_MORE:
                self._arm(sock)

    def give_back(self) -> None:
        """What has been read can be received into again."""
        tail, = struct.unpack_from("=I", self.refill, self.tail)
        for where, length in self.held:
            struct.pack_into("=QII", self.refill, self.rqes + (tail & self.mask) * 16,
                             where | self.token, length, 0)
            tail += 1
        struct.pack_into("=I", self.refill, self.tail, tail)
        self.held = []

    def close(self) -> None:
        """The queue gets memory of the kernel's again, a while later."""
        if self.fd >= 0:
            os.close(self.fd)
        for memory in self.maps:
            memory.close()
        if self.buf:
            self.buf.close()

    def __enter__(self) -> Zcrx:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Devmem:
    """Memory of a "device" that receive queues have, or that is sent from."""

    def __init__(self, end: End, *queues: int, pages: int = 512) -> None:
        self.buf = DmaBuf(pages)
        self.genl = NetdevGenl(end.ns)
        what = u32(DMABUF_IFINDEX, end.ifindex) + u32(DMABUF_FD, self.buf.fd)
        for queue in queues:
            what += attr(DMABUF_QUEUES | NLA_F_NESTED, u32(QUEUE_ID, queue) + u32(QUEUE_TYPE, 0))
        try:
            answer = self.genl.call(BIND_RX if queues else BIND_TX, what)
        except NetlinkError as e:
            self.close()
            if not queues and e.errno == errno.EOPNOTSUPP and \
                    os.uname().release.startswith("6."):
                raise Skip("this kernel sends no device memory") from e
            raise
        self.id = number(answer[0][DMABUF_ID])
        self.held: list[int] = []
        self.linear = 0

    def receive(self, sock: socket.socket, hold: bool = False, seconds: float = 60.0
                ) -> Iterator[bytes]:
        """As Zcrx.receive()."""
        sock.settimeout(seconds)
        while True:
            try:
                data, controls, _, _ = sock.recvmsg(1 << 16, 8192, MSG_SOCK_DEVMEM)
            except TimeoutError:
                return
            if not data and not controls:
                return
            for _, kind, body in controls:
                where, length, token, which, _ = struct.unpack("=QIIII", body[:24])
                if kind == SO_DEVMEM_LINEAR:
                    self.linear += length
                    yield data[:length]
                    data = data[length:]
                    continue
                if kind != SO_DEVMEM_DMABUF or which != self.id:
                    raise Failure(f"control message {kind} of memory {which}")
                yield self.buf.map[where:where + length]
                self.held.append(token)
            if not hold:
                self.give_back(sock)

    def give_back(self, sock: socket.socket) -> None:
        """What has been read can be received into again."""
        for i in range(0, len(self.held), 64):
            sock.setsockopt(socket.SOL_SOCKET, SO_DEVMEM_DONTNEED, b"".join(
                struct.pack("=II", token, 1) for token in self.held[i:i + 64]))
        self.held = []

    def send(self, sock: socket.socket, where: int, length: int) -> int:
        """Send from the memory; how much was taken."""
        iov = struct.pack("=QQ", where, length)
        control = struct.pack("=QiiI4x", 20, socket.SOL_SOCKET, SO_DEVMEM_DMABUF, self.id)
        parts = [ctypes.create_string_buffer(x, len(x)) for x in (iov, control)]
        head = struct.pack("=QI4xQQQQi4x", 0, 0, ctypes.addressof(parts[0]), 1,
                           ctypes.addressof(parts[1]), len(control), 0)
        done = _LIBC.sendmsg(sock.fileno(), head, MSG_SOCK_DEVMEM | MSG_ZEROCOPY)
        if done < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"sendmsg: {os.strerror(code)}")
        return int(done)

    def close(self) -> None:
        """Unbind."""
        self.genl.close()
        self.buf.close()

    def __enter__(self) -> Devmem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def listener(end: End, version: int = 4) -> socket.socket:
    """A socket that waits for a connection."""
    with in_ns(end.ns):
        s = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6,
                          socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((end.ip4 if version == 4 else end.ip6, 0))
    s.listen(4)
    s.settimeout(60)
    return s


def provided(genl: NetdevGenl, end: End) -> list[int]:
    """Receive queues that have memory of somebody's."""
    return sorted(number(q[QUEUE_ID]) for q in genl.call(10, u32(2, end.ifindex), dump=True)
                  if number(q[QUEUE_TYPE]) == 0 and (QUEUE_DMABUF in q or QUEUE_IO_URING in q))
