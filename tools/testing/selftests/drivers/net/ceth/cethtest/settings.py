# SPDX-License-Identifier: GPL-2.0
"""Rings and channels without a process: that is quick, and the calling thread is the one
that changes them. What is refused is an OSError."""

from __future__ import annotations

import struct

from .env import End
from .nl import NLA_F_NESTED, Genl, attr, u32

GRINGPARAM, SRINGPARAM, SCHANNELS = 0x10, 0x11, 0x3d
# Of ethtool's netlink
RINGS_SET, RINGS_HEADER, RINGS_SPLIT, HEADER_IFINDEX = 16, 1, 11, 1
SPLIT_OFF, SPLIT_ON = 1, 2


def _rings(end: End) -> tuple[int, ...]:
    return struct.unpack("=8I", end.ethtool(struct.pack("=I", GRINGPARAM), 32))


def rings(end: End) -> tuple[int, int]:
    """Entries of a receive ring, and of one to send."""
    values = _rings(end)
    return values[4], values[7]


def most_rings(end: End) -> tuple[int, int]:
    """How many they can have."""
    values = _rings(end)
    return values[0], values[3]


def set_rings(end: End, rx: int, tx: int) -> None:
    """Other rings."""
    end.ethtool(struct.pack("=9I", SRINGPARAM, 0, 0, 0, 0, rx, 0, 0, tx), 0)


def set_split(end: End, on: bool) -> None:
    """Headers in buffers of their own, or not."""
    genl = Genl("ethtool", end.ns)
    try:
        genl.call(RINGS_SET, attr(RINGS_HEADER | NLA_F_NESTED, u32(HEADER_IFINDEX, end.ifindex)) +
                  attr(RINGS_SPLIT, bytes([SPLIT_ON if on else SPLIT_OFF])))
    finally:
        genl.close()


def set_channels(end: End, n: int) -> None:
    """Fewer of them, or more."""
    end.ethtool(struct.pack("=9I", SCHANNELS, 0, 0, 0, 0, 0, 0, 0, n), 0)
