#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Numbered datagrams: send them, receive them, count the different ones.

    traffic.py send ADDRESS PORT COUNT [SIZE]    send only; prints how many were sent
    traffic.py echo ADDRESS PORT COUNT [SIZE]    send, and count what comes back
    traffic.py recv PORT COUNT [SECONDS]         count what arrives; waits for the first
    traffic.py timed IFACE PORT COUNT            count what arrives with a time from the
                                                 NIC's clock, later than the one before
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
import time

BURST = 32
PATIENCE = 3.0
# The socket module lacks these.
SO_RCVBUFFORCE = 33
SO_TIMESTAMPING, RX_HARDWARE, RAW_HARDWARE = 37, 1 << 2, 1 << 6
SIOCSHWTSTAMP, FILTER_ALL = 0x89b0, 1


def collect(sock: socket.socket, seen: set[int], until: float) -> None:
    """Take in what is there, at least until a point in time."""
    while True:
        sock.settimeout(max(until - time.monotonic(), 0.0005))
        try:
            data = sock.recv(65535)
        except (TimeoutError, BlockingIOError):
            return
        seen.add(struct.unpack_from("!I", data)[0])


def send(sock: socket.socket, target: tuple[str, int], count: int, size: int, seen: set[int]) -> None:
    """In bursts that fit into a ring: a loss is to be the driver's, not the sender's.

    From one CPU, which means one transmit queue, so that order is kept.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for number in range(count):
        sock.sendto(struct.pack("!I", number).ljust(size, b"."), target)
        if number % BURST == BURST - 1:
            collect(sock, seen, time.monotonic() + 0.002)


def wait_for_rest(sock: socket.socket, count: int, seen: set[int], patience: float) -> None:
    """Until everything has come, or nothing has for a while."""
    last, deadline = -1, time.monotonic() + patience
    while len(seen) < count and time.monotonic() < deadline:
        if len(seen) != last:
            last, deadline = len(seen), time.monotonic() + PATIENCE
        collect(sock, seen, time.monotonic() + 0.1)


def clock_times(sock: socket.socket, ifname: str, count: int) -> int:
    """How many datagrams have a time of the NIC's clock that is a later one."""
    config = ctypes.create_string_buffer(struct.pack("=3i", 0, 0, FILTER_ALL))
    fcntl.ioctl(sock, SIOCSHWTSTAMP,
                struct.pack("=16sQ16x", ifname.encode(), ctypes.addressof(config)))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_HARDWARE | RAW_HARDWARE)
    sock.settimeout(30)
    print("ready", file=sys.stderr, flush=True)
    good = last = 0
    for _ in range(count):
        try:
            _, ancillary, _, _ = sock.recvmsg(2000, 512)
        except TimeoutError:
            break
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
                sec, nsec = struct.unpack_from("=2q", data, 32)
                good += sec * 1_000_000_000 + nsec > last
                last = sec * 1_000_000_000 + nsec
    return good


def main() -> int:
    """One of the four."""
    mode, *args = sys.argv[1:]
    seen: set[int] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Beyond the system's limit: the frames come at once, the reader later.
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        if mode == "recv":
            sock.bind(("", int(args[0])))
            print("ready", file=sys.stderr, flush=True)
            wait_for_rest(sock, int(args[1]), seen, float(args[2]) if len(args) > 2 else 30)
            print(len(seen))
            return 0
        if mode == "timed":
            sock.bind(("", int(args[1])))
            print(clock_times(sock, args[0], int(args[2])))
            return 0
        count = int(args[2])
        size = int(args[3]) if len(args) > 3 else 64
        send(sock, (args[0], int(args[1])), count, size, seen)
        if mode == "echo":
            wait_for_rest(sock, count, seen, PATIENCE)
        print(len(seen) if mode == "echo" else count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
