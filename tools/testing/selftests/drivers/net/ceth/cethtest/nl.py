# SPDX-License-Identifier: GPL-2.0
"""Netlink, as little of it as the tests need.

Spoken directly because programs are attached hundreds of times, because a
refusal's text is part of the test, and because no tool of a distribution
shows queue statistics or NAPI instances on every kernel.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .tool import SO_RCVBUFFORCE, Skip, in_ns

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSGERR_ATTR_MSG = 1
RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK = 16, 18, 19
RTM_GETSTATS, IFLA_STATS_LINK_64 = 94, 1
RTM_GETQDISC, TCA_KIND = 38, 1
RTMGRP_LINK = 1
IFLA_MTU, IFLA_STATS64, IFLA_XDP, IFLA_MAX_MTU = 4, 23, 43, 51
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT = 47, 48
IFLA_XDP_FD, IFLA_XDP_ATTACHED, IFLA_XDP_FLAGS, IFLA_XDP_PROG_ID = 1, 2, 3, 4
IFLA_XDP_EXPECTED_FD = 8
XDP_FLAGS_DRV, XDP_FLAGS_REPLACE = 4, 16
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
NLA_F_NESTED = 0x8000

LINK_STATS = (
    "rx_packets tx_packets rx_bytes tx_bytes rx_errors tx_errors rx_dropped tx_dropped "
    "multicast collisions rx_length_errors rx_over_errors rx_crc_errors rx_frame_errors "
    "rx_fifo_errors rx_missed_errors tx_aborted_errors tx_carrier_errors tx_fifo_errors "
    "tx_heartbeat_errors tx_window_errors rx_compressed tx_compressed rx_nohandler").split()

NETDEV_DEV_GET, NETDEV_PAGE_POOL_GET, NETDEV_PAGE_POOL_STATS_GET = 1, 5, 9
NETDEV_QUEUE_GET, NETDEV_NAPI_GET, NETDEV_QSTATS_GET = 10, 11, 12
XDP_FEATURES = {"basic": 1, "redirect": 2, "ndo_xmit": 4, "xsk_zerocopy": 8,
                "hw_offload": 16, "rx_sg": 32, "ndo_xmit_sg": 64}
QSTATS = {8: "rx_packets", 9: "rx_bytes", 10: "tx_packets", 11: "tx_bytes",
          12: "rx_alloc_fail", 13: "rx_hw_drops", 14: "rx_hw_drop_overruns",
          15: "rx_csum_complete", 16: "rx_csum_unnecessary", 17: "rx_csum_none",
          18: "rx_csum_bad", 19: "rx_hw_gro_packets", 20: "rx_hw_gro_bytes",
          21: "rx_hw_gro_wire_packets", 22: "rx_hw_gro_wire_bytes",
          24: "tx_hw_drops", 26: "tx_csum_none", 27: "tx_needs_csum",
          28: "tx_hw_gso_packets", 29: "tx_hw_gso_bytes", 30: "tx_hw_gso_wire_packets",
          31: "tx_hw_gso_wire_bytes", 33: "tx_stop", 34: "tx_wake"}
PAGE_POOL_STATS = {8: "alloc_fast", 9: "alloc_slow", 10: "alloc_slow_high_order",
                   11: "alloc_empty", 12: "alloc_refill", 13: "alloc_waive",
                   14: "recycle_cached", 15: "recycle_cache_full", 16: "recycle_ring",
                   17: "recycle_ring_full", 18: "recycle_released_refcnt"}


class NetlinkError(OSError):
    """The kernel said no; `text` is its explanation, "" when it gave none."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, os.strerror(code))
        self.text = text

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.text or 'no explanation'}"


def attr(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def u32(kind: int, value: int) -> bytes:
    """A number as an attribute."""
    return attr(kind, struct.pack("=I", value))


def attrs(data: bytes) -> dict[int, bytes]:
    """Attributes by kind."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def number(data: bytes) -> int:
    """A number of whatever width it came in."""
    return int.from_bytes(data, "little" if struct.pack("=H", 1)[0] else "big")


class Netlink:
    """A connection to one family of netlink."""

    def __init__(self, family: int, ns: str | None = None, groups: int = 0) -> None:
        with in_ns(ns):
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC,
                                      family)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        # Announcements of links are long, and nobody reads them meanwhile.
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, (64 if groups else 4) << 20)
        self.sock.bind((0, groups))
        self.sock.settimeout(60)
        self.seq = 0

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    @staticmethod
    def _explanation(body: bytes, flags: int) -> str:
        if not flags & NLM_F_ACK_TLVS:
            return ""
        skip = 20
        if not flags & NLM_F_CAPPED:
            skip = 4 + struct.unpack_from("=I", body, 4)[0]
        text = attrs(body[skip:]).get(NLMSGERR_ATTR_MSG, b"")
        return text.rstrip(b"\0").decode("utf-8", "replace")

    def _messages(self) -> Iterator[tuple[int, int, int, bytes]]:
        # The kernel answers in pieces of 32 KB at most; more would be room that
        # has to be mapped each time.
        data = self.sock.recv(1 << 16)
        while len(data) >= 16:
            length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
            yield kind, flags, seq, data[16:length]
            data = data[(length + 3) & ~3:]

    def request(self, kind: int, payload: bytes, flags: int = 0) -> list[bytes]:
        """Ask, and return the bodies of the answers."""
        self.seq += 1
        head = struct.pack("=IHHII", 16 + len(payload), kind,
                           NLM_F_REQUEST | NLM_F_ACK | flags, self.seq, 0)
        self.sock.send(head + payload)
        answers: list[bytes] = []
        while True:
            for what, hdr_flags, seq, body in self._messages():
                if seq != self.seq:
                    continue
                if what in (NLMSG_ERROR, NLMSG_DONE):
                    code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if code < 0:
                        raise NetlinkError(-code, self._explanation(body, hdr_flags))
                    return answers
                answers.append(body)

    def events(self) -> list[tuple[int, bytes]]:
        """Multicast messages that have come in."""
        self.sock.setblocking(False)
        found = []
        try:
            while True:
                found += [(kind, body) for kind, _, _, body in self._messages()]
        except BlockingIOError:
            return found


@dataclass
class LinkInfo:
    """What the kernel tells about a link."""

    mtu: int
    max_mtu: int
    flags: int
    rx_queues: int
    tx_queues: int
    carrier_ups: int
    carrier_downs: int
    xdp_mode: int
    xdp_id: int
    stats: dict[str, int] = field(default_factory=dict)


class Rtnl:
    """Links of one namespace."""

    def __init__(self, ns: str | None = None) -> None:
        self.nl = Netlink(socket.NETLINK_ROUTE, ns)

    def close(self) -> None:
        """Hang up."""
        self.nl.close()

    def link(self, ifindex: int) -> LinkInfo:
        """State and counters of a link."""
        body = self.nl.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, ifindex, 0, 0))[0]
        flags = struct.unpack_from("=I", body, 8)[0]
        found = attrs(body[16:])
        raw = found.get(IFLA_STATS64, b"")
        values = struct.unpack(f"={len(raw) // 8}Q", raw)
        xdp = attrs(found.get(IFLA_XDP, b""))

        def num(kind: int) -> int:
            return number(found.get(kind, b""))

        return LinkInfo(num(IFLA_MTU), num(IFLA_MAX_MTU), flags,
                        num(IFLA_NUM_RX_QUEUES), num(IFLA_NUM_TX_QUEUES),
                        num(IFLA_CARRIER_UP_COUNT), num(IFLA_CARRIER_DOWN_COUNT),
                        number(xdp.get(IFLA_XDP_ATTACHED, b"")),
                        number(xdp.get(IFLA_XDP_PROG_ID, b"")),
                        dict(zip(LINK_STATS, values)))

    def stats(self, ifindex: int) -> dict[str, int]:
        """Counters of a link, and nothing else."""
        body = self.nl.request(RTM_GETSTATS, struct.pack("=BxxxII", 0, ifindex, 1))[0]
        raw = attrs(body[12:])[IFLA_STATS_LINK_64]
        return dict(zip(LINK_STATS, struct.unpack(f"={len(raw) // 8}Q", raw)))

    def qdiscs(self, ifindex: int) -> list[tuple[bool, str]]:
        """Queueing disciplines of a link: whether it is the root, and the kind."""
        found = []
        for body in self.nl.request(RTM_GETQDISC, bytes(20), NLM_F_DUMP):
            index, _, parent = struct.unpack_from("=iII", body, 4)
            if index == ifindex:
                kind = attrs(body[20:])[TCA_KIND].rstrip(b"\0").decode()
                found.append((parent == 0xffffffff, kind))
        return found

    def set_xdp(self, ifindex: int, fd: int, expected_fd: int | None = None) -> None:
        """Attach a program in native mode, or detach with fd -1."""
        flags = XDP_FLAGS_DRV | (XDP_FLAGS_REPLACE if expected_fd is not None else 0)
        nest = attr(IFLA_XDP_FD, struct.pack("=i", fd)) + u32(IFLA_XDP_FLAGS, flags)
        if expected_fd is not None:
            nest += attr(IFLA_XDP_EXPECTED_FD, struct.pack("=i", expected_fd))
        self.nl.request(RTM_SETLINK, struct.pack("=BxHiII", 0, 0, ifindex, 0, 0) +
                        attr(IFLA_XDP | NLA_F_NESTED, nest))

    def set_mtu(self, ifindex: int, mtu: int) -> None:
        """Change the MTU."""
        self.nl.request(RTM_SETLINK, struct.pack("=BxHiII", 0, 0, ifindex, 0, 0) +
                        u32(IFLA_MTU, mtu))

    def set_up(self, ifindex: int, up: bool) -> None:
        """As `ip link set up` or down."""
        self.nl.request(RTM_SETLINK, struct.pack("=BxHiII", 0, 0, ifindex, int(up), 1))


class LinkEvents:
    """Changes of links that the kernel announces."""

    def __init__(self, ns: str | None = None) -> None:
        self.nl = Netlink(socket.NETLINK_ROUTE, ns, RTMGRP_LINK)

    def running_flags(self, ifindex: int) -> list[bool]:
        """Of each announcement about a link: was its carrier on?"""
        found = []
        for kind, body in self.nl.events():
            if kind != RTM_NEWLINK or struct.unpack_from("=i", body, 4)[0] != ifindex:
                continue
            found.append(bool(struct.unpack_from("=I", body, 8)[0] & 0x10000))
        return found

    def close(self) -> None:
        """No more of them."""
        self.nl.close()


class Genl:
    """A family of generic netlink."""

    def __init__(self, family: str, ns: str | None = None) -> None:
        self.nl = Netlink(NETLINK_GENERIC, ns)
        try:
            body = self.nl.request(16, struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0) +
                                   attr(CTRL_ATTR_FAMILY_NAME, family.encode() + b"\0"))[0]
        except NetlinkError as e:
            raise Skip(f"this kernel has no netlink family {family}") from e
        self.id = number(attrs(body[4:])[CTRL_ATTR_FAMILY_ID])

    def close(self) -> None:
        """Hang up."""
        self.nl.close()

    def call(self, command: int, payload: bytes, dump: bool = False,
             version: int = 1) -> list[dict[int, bytes]]:
        """Ask, and return the attributes of each answer."""
        bodies = self.nl.request(self.id, struct.pack("=BBH", command, version, 0) + payload,
                                 NLM_F_DUMP if dump else 0)
        return [attrs(b[4:]) for b in bodies]


class NetdevGenl(Genl):
    """What the kernel knows about queues, NAPI instances and page pools."""

    def __init__(self, ns: str | None = None) -> None:
        super().__init__("netdev", ns)

    def xdp_features(self, ifindex: int) -> int:
        """Bits of XDP_FEATURES."""
        return number(self.call(NETDEV_DEV_GET, u32(1, ifindex))[0].get(3, b""))

    def rx_metadata(self, ifindex: int) -> int:
        """What programs can ask: 1: time, 2: hash, 4: tag."""
        return number(self.call(NETDEV_DEV_GET, u32(1, ifindex))[0].get(5, b""))

    def qstats(self, ifindex: int, queues: bool = False) -> list[dict[str, int]]:
        """Statistics of the device, or of each queue ("type" 0: rx, 1: tx)."""
        payload = u32(1, ifindex) + (u32(4, 1) if queues else b"")
        try:
            answers = self.call(NETDEV_QSTATS_GET, payload, dump=True)
        except NetlinkError as e:
            raise Skip(f"no queue statistics here: {e}") from e
        found = []
        for a in answers:
            entry = {QSTATS[k]: number(v) for k, v in a.items() if k in QSTATS}
            if queues:
                entry["type"], entry["id"] = number(a[2]), number(a[3])
            found.append(entry)
        return found

    def queues(self, ifindex: int) -> list[tuple[int, int, int | None]]:
        """Type (0: rx, 1: tx), index and NAPI id of each queue."""
        found = []
        for a in self.call(NETDEV_QUEUE_GET, u32(2, ifindex), dump=True):
            napi = number(a[4]) if 4 in a else None
            found.append((number(a[3]), number(a[1]), napi))
        return sorted(found, key=lambda q: q[:2])

    def napis(self, ifindex: int) -> list[dict[str, int]]:
        """NAPI instances: id, irq, pid and settings, as far as known."""
        names = {2: "id", 3: "irq", 4: "pid", 5: "defer_hard_irqs", 6: "gro_flush_timeout",
                 7: "irq_suspend_timeout", 8: "threaded"}
        return [{names[k]: number(v) for k, v in a.items() if k in names}
                for a in self.call(NETDEV_NAPI_GET, u32(1, ifindex), dump=True)]

    def page_pools(self, ifindex: int) -> list[dict[str, int]]:
        """Page pools of a device that are still attached."""
        names = {1: "id", 3: "napi", 4: "inflight", 5: "inflight_mem", 6: "detached"}
        found = []
        for a in self.call(NETDEV_PAGE_POOL_GET, b"", dump=True):
            if 2 in a and number(a[2]) == ifindex:
                found.append({names[k]: number(v) for k, v in a.items() if k in names})
        return found

    def page_pool_stats(self) -> dict[int, dict[str, int]]:
        """Counters by the pool's id."""
        try:
            answers = self.call(NETDEV_PAGE_POOL_STATS_GET, b"", dump=True)
        except NetlinkError as e:
            raise Skip(f"no page pool statistics here: {e}") from e
        found = {}
        for a in answers:
            pool = number(attrs(a[1])[1])
            found[pool] = {PAGE_POOL_STATS[k]: number(v) for k, v in a.items()
                           if k in PAGE_POOL_STATS}
        return found
