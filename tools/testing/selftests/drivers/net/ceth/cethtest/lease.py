# SPDX-License-Identifier: GPL-2.0
"""Queues of a device that a netkit device in a container leases."""

from __future__ import annotations

import errno
import os
import struct

from .env import End, Env
from .nl import (NETDEV_QUEUE_GET, NLA_F_NESTED, RTM_NEWLINK, NetdevGenl, NetlinkError, Rtnl, attr,
                 number, u32)
from .tool import run

# Of netdev-genl
QUEUE_CREATE = 16
QUEUE_ID, QUEUE_IFINDEX, QUEUE_TYPE, QUEUE_LEASE = 1, 2, 3, 8
LEASE_IFINDEX, LEASE_QUEUE, LEASE_NETNS = 1, 2, 3
# Of rtnetlink
CREATE = 0x600
IFLA_IFNAME, IFLA_LINKINFO, IFLA_NUM_RX_QUEUES = 3, 18, 32
INFO_KIND, INFO_DATA, NETKIT_PAIRING, NETKIT_SINGLE = 1, 2, 10, 1
BOX, HOST, NETKIT = "ceth-box", "ceth-host", "ceth-nk"


def can_lease(env: Env) -> bool:
    """Does this kernel know of leases?"""
    try:
        env.netdev.call(QUEUE_CREATE, b"")
    except NetlinkError as e:
        return e.errno != errno.EOPNOTSUPP
    return True


class Box:
    """A container: a namespace with a netkit device that can have queues."""

    def __init__(self, env: Env) -> None:
        run(f"ip netns add {BOX}")
        self.genl = NetdevGenl(BOX)
        env.later(self.end)
        # Where the device is, which need not be the first namespace.
        run(f"ip netns attach {HOST} {os.getpid()}")
        run(f"ip -n {BOX} netns set {HOST} 0")
        rtnl = Rtnl(BOX)
        kind = attr(INFO_KIND, b"netkit\0") + attr(INFO_DATA | NLA_F_NESTED,
                                                   u32(NETKIT_PAIRING, NETKIT_SINGLE))
        rtnl.nl.request(RTM_NEWLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0) +
                        attr(IFLA_IFNAME, NETKIT.encode() + b"\0") +
                        u32(IFLA_NUM_RX_QUEUES, 4) +
                        attr(IFLA_LINKINFO | NLA_F_NESTED, kind), CREATE)
        self.device = End(NETKIT, BOX, "", "")
        self.device.run("ip link set {} up")
        rtnl.close()

    def lease(self, end: End, queue: int) -> int:
        """Lease a queue of a device; what the container calls it."""
        what = (u32(LEASE_IFINDEX, end.ifindex) +
                attr(LEASE_QUEUE | NLA_F_NESTED, u32(QUEUE_ID, queue) + u32(QUEUE_TYPE, 0)) +
                u32(LEASE_NETNS, 0))
        answer = self.genl.call(QUEUE_CREATE, u32(QUEUE_IFINDEX, self.device.ifindex) +
                                u32(QUEUE_TYPE, 0) + attr(QUEUE_LEASE | NLA_F_NESTED, what))
        return number(answer[0][QUEUE_ID])

    def end(self) -> None:
        """No container any more; a socket in it would keep it."""
        self.genl.close()
        run(f"ip netns del {BOX}", ok=False)
        run(f"ip netns del {HOST}", ok=False)


def leases(env: Env) -> list[int]:
    """Queues of the device that are shown as leased."""
    return sorted(number(q[QUEUE_ID]) for q in env.netdev.call(
        NETDEV_QUEUE_GET, u32(QUEUE_IFINDEX, env.dut.ifindex), dump=True) if QUEUE_LEASE in q)
