# SPDX-License-Identifier: GPL-2.0
"""A device's clock, and the times that it gives to packets."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import socket
import struct
import time
from collections.abc import Iterator

from .env import End, Env
from .tool import Skip, in_ns, run, wait_for

SIOCSHWTSTAMP = 0x89b0
SO_TIMESTAMPING = 37
TX_HARDWARE, RX_HARDWARE, RAW_HARDWARE = 1, 4, 64
MSG_ERRQUEUE = 0x2000
FILTER_NONE, FILTER_ALL = 0, 1
ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO = 0x0002, 0x0100, 0x2000


class Timex(ctypes.Structure):
    """struct timex, as far as it matters here."""

    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
                ("status", ctypes.c_int), ("constant", ctypes.c_long),
                ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
                ("sec", ctypes.c_long), ("nsec", ctypes.c_long), ("rest", ctypes.c_long * 20)]


class Clock:
    """A device's clock."""

    def __init__(self, end: End) -> None:
        text = run(f"ethtool -T {end.ifname}", end.ns).stdout
        found = re.search(r"(?:PTP Hardware Clock|Hardware timestamp provider index): (\d+)", text)
        if not found:
            raise Skip(f"{end.ifname} has no clock")
        self.fd = os.open(f"/dev/ptp{found[1]}", os.O_RDWR)
        self.id = (~self.fd << 3) | 3
        self.libc = ctypes.CDLL(None, use_errno=True)

    @property
    def now(self) -> int:
        """Its time, ns."""
        return time.clock_gettime_ns(self.id)

    def set(self, ns: int) -> None:
        """To a time."""
        time.clock_settime_ns(self.id, ns)

    def adjust(self, **fields: int) -> None:
        """clock_adjtime()."""
        timex = Timex(**fields)
        if self.libc.clock_adjtime(ctypes.c_int(self.id), ctypes.byref(timex)) < 0:
            raise OSError(ctypes.get_errno(), "clock_adjtime")


def timestamping(end: End, tx: bool, rx: bool) -> None:
    """Which packets the device gives times to."""
    config = ctypes.create_string_buffer(
        struct.pack("=3i", 0, int(tx), FILTER_ALL if rx else FILTER_NONE))
    with in_ns(end.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            fcntl.ioctl(s, SIOCSHWTSTAMP,
                        struct.pack("=16sQ16x", end.ifname.encode(), ctypes.addressof(config)))
        except OSError as e:
            raise Skip(f"{end.ifname} gives no times: {e}") from None


def timed(env: Env, end: End, tx: bool = False, rx: bool = False) -> Clock:
    """Such packets have times for this case; the clock that they are of."""
    clock = Clock(end)
    timestamping(end, tx, rx)
    env.later(lambda: timestamping(end, False, False))
    return clock


@contextlib.contextmanager
def timed_socket(end: End, flags: int) -> Iterator[socket.socket]:
    """A UDP socket whose packets have times."""
    with in_ns(end.ns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, flags | RAW_HARDWARE)
    sock.bind((end.ip4, 0))
    sock.settimeout(20)
    with sock:
        yield sock


def stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The hardware's time among a message's ancillary data, ns; 0: none."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            sec, nsec = struct.unpack_from("=2q", data, 32)
            return sec * 1_000_000_000 + nsec
    return 0


def sent(sock: socket.socket) -> int:
    """When the next packet whose time was asked for was sent, ns."""
    found: list[int] = []

    def told() -> bool:
        try:
            found.append(stamp(sock.recvmsg(2000, 512, MSG_ERRQUEUE)[1]))
        except BlockingIOError:
            return False
        return True

    wait_for(told, "time of a packet")
    return found[0]
