#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Coalescing of TCP segments by the device: rx-gro-hw.

Series of hand-made segments: which of them come in one packet, and that this
packet can be cut into the same segments again, byte for byte. Software GRO is
off, so that what is seen is the device's.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cethtest import inet, tcp
from cethtest.bpf import PASS, Bpf
from cethtest.env import End, Env
from cethtest.frames import (ETH_P_ALL, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING, PACKET_VNET_HDR,
                             SOL_PACKET, TP_STATUS_VLAN_VALID, raw_socket)
from cethtest.stats import Delta, at_rest, recoveries
from cethtest.tap import cases, main, say
from cethtest.tool import (SO_RCVBUFFORCE, Failure, Skip, check, equal, in_ns, run, run_json,
                           sysctl, wait_for, write)

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))
ECT, CE = 2, 3
DF = 0x4000
# Nobody's addresses: no stack answers.
SRC = {4: socket.inet_aton("198.51.100.1"),
       6: socket.inet_pton(socket.AF_INET6, "2001:db8:aa::1")}
DST = {4: socket.inet_aton("203.0.113.2"),
       6: socket.inet_pton(socket.AF_INET6, "2001:db8:bb::2")}
PORT = 34567
VNET = struct.Struct("=BBHHHH")
NEEDS_CSUM, GSO_TCP4, GSO_TCP6 = 1, 1, 4
# A segment waits that long for the next one, in series that are to be
# exact: longer than the test takes to send them.
PATIENT_US = 10_000_000
TIMESTAMP = b"\x01\x01\x08\x0a"


def stamps(value: int) -> bytes:
    """TCP's option."""
    return TIMESTAMP + struct.pack("!II", value, 1)


@dataclass(frozen=True)
class Seg:
    """A segment."""

    seq: int = 0
    data: bytes = b""
    version: int = 4
    flags: int = ACK
    sport: int = 1000
    ack: int = 77
    window: int = 500
    options: bytes = b""
    ident: int = 0
    frag: int = DF
    ttl: int = 64
    tos: int = 0
    label: int = 0
    ip_options: bytes = b""
    tag: int | None = None
    bad: bool = False

    def l4(self) -> bytes:
        """TCP header and data."""
        head = struct.pack("!HHIIBBHHH", self.sport, PORT, self.seq & 0xFFFFFFFF, self.ack,
                           (20 + len(self.options)) << 2, self.flags, self.window, 0, 0)
        whole = head + self.options + self.data
        total = inet.csum(whole, inet.pseudo(SRC[self.version], DST[self.version], inet.TCP,
                                             len(whole))) ^ (0x1111 if self.bad else 0)
        return whole[:16] + struct.pack("!H", total) + whole[18:]

    def l3(self) -> bytes:
        """IP header and what follows."""
        body = self.l4()
        src, dst = SRC[self.version], DST[self.version]
        if self.version == 6:
            return struct.pack("!IHBB16s16s", 6 << 28 | self.tos << 20 | self.label, len(body),
                               inet.TCP, self.ttl, src, dst) + body
        words = 5 + len(self.ip_options) // 4
        head = struct.pack("!BBHHHBBH4s4s", 4 << 4 | words, self.tos, words * 4 + len(body),
                           self.ident & 0xFFFF, self.frag, self.ttl, inet.TCP, 0, src,
                           dst) + self.ip_options
        return head[:10] + struct.pack("!H", inet.csum(head)) + head[12:] + body

    def frame(self, dst: bytes, src: bytes) -> bytes:
        """Whole, padded as every frame is."""
        kind = struct.pack("!H", inet.ETH_IP if self.version == 4 else inet.ETH_IPV6)
        if self.tag is not None:
            kind = struct.pack("!HH", inet.ETH_VLAN, self.tag) + kind
        return (dst + src + kind + self.l3()).ljust(60, b"\0")


def series(n: int, size: int = 1000, push: bool = True, first: Seg = Seg(), **more: int | bytes
           ) -> list[Seg]:
    """Segments that continue each other; the last one is pushed."""
    found = []
    for i in range(n):
        flags = first.flags | (PSH if push and i == n - 1 else 0)
        found.append(replace(first, seq=first.seq + i * size, flags=flags, ident=first.ident + i,
                             data=tcp.pattern(size, i + 1), **more))
    return found


def cut(frame: bytes, mss: int, same_id: bool) -> list[bytes]:
    """The segments that a packet stands for, without padding."""
    v6 = frame[12:14] == b"\x86\xdd"
    l4 = 54 if v6 else 34
    hdr = l4 + (frame[l4 + 12] >> 4) * 4
    found = []
    for i, at in enumerate(range(hdr, len(frame), mss)):
        data = frame[at:at + mss]
        head = bytearray(frame[:hdr])
        length = hdr - l4 + len(data)
        if v6:
            struct.pack_into("!H", head, 18, length)
        else:
            ident = int.from_bytes(head[18:20], "big") + (0 if same_id else i)
            struct.pack_into("!HH", head, 16, 20 + length, ident & 0xFFFF)
            struct.pack_into("!H", head, 24, 0)
            struct.pack_into("!H", head, 24, inet.csum(bytes(head[14:34])))
        seq = int.from_bytes(head[l4 + 4:l4 + 8], "big") + at - hdr
        struct.pack_into("!I", head, l4 + 4, seq & 0xFFFFFFFF)
        if at + mss < len(frame):
            head[l4 + 13] &= ~PSH
        struct.pack_into("!H", head, l4 + 16, 0)
        addresses = (head[22:38], head[38:54]) if v6 else (head[26:30], head[30:34])
        total = inet.csum(bytes(head[l4:]) + data,
                          inet.pseudo(bytes(addresses[0]), bytes(addresses[1]), inet.TCP, length))
        struct.pack_into("!H", head, l4 + 16, total)
        found.append(bytes(head) + data)
    return found


class Wire:
    """What an end receives of our segments, with what the kernel knows of it."""

    def __init__(self, end: End) -> None:
        with in_ns(end.ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            for option in (PACKET_VNET_HDR, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING):
                self.sock.setsockopt(SOL_PACKET, option, 1)
            self.sock.bind((end.ifname, ETH_P_ALL))
        self.sock.setblocking(False)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def get(self) -> tuple[bytes, int, bool] | None:
        """Frame, gso_size, checksum left to compute; None: there is none."""
        while True:
            try:
                data, control, _, _ = self.sock.recvmsg(80000, 64)
            except BlockingIOError:
                return None
            flags, kind, _, size, _, _ = VNET.unpack_from(data)
            frame = data[VNET.size:]
            for level, what, aux in control:
                status, _, _, _, _, tci = struct.unpack_from("=IIIHHH", aux)
                if (level, what) == (SOL_PACKET, PACKET_AUXDATA) and status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", inet.ETH_VLAN, tci) + frame[12:]
            packet = inet.dissect(frame) or inet.dissect(frame, 16)
            if packet is None or packet.dst not in DST.values():
                continue
            expected = GSO_TCP4 if len(packet.src) == 4 else GSO_TCP6
            if kind not in (0, expected):
                raise Failure(f"a packet with gso_type {kind}")
            return frame, size if kind else 0, bool(flags & NEEDS_CSUM)

    def all(self, total: int, seconds: float = 20.0) -> list[tuple[bytes, int, bool]]:
        """Packets until their data are that many bytes, or none has come for long."""
        found: list[tuple[bytes, int, bool]] = []
        last = time.monotonic()
        while total > 0 and time.monotonic() - last < seconds:
            got = self.get()
            if got is None:
                time.sleep(0.01)
                continue
            last = time.monotonic()
            found.append(got)
            packet = inet.dissect(got[0]) or inet.dissect(got[0], 16)
            total -= len(packet.payload) if packet and len(packet.l4) > 12 else 0
        time.sleep(0.05)
        while got := self.get():
            found.append(got)
        return found


class Gro:
    """The device under test, set up for a case."""

    def __init__(self, env: Env, usecs: int = PATIENT_US, queues: int = 1) -> None:
        self.env = env
        state = run_json(f"ethtool --json -k {env.dut.ifname}")[0].get("rx-gro-hw")
        if not state or state["fixed"] or \
                "rx_hw_gro_wire_packets" not in env.netdev.qstats(env.dut.ifindex)[0]:
            raise Skip("the device coalesces nothing by itself")
        self.knob = Path(f"/sys/kernel/config/refnic/{env.pci}/gro_usecs")
        if usecs:
            self.wait(usecs)
        for end in env.pairs[0].ends:
            env.offload(end, generic_receive_offload=False)
            if queues:
                # One after the other, as they are sent
                env.channels(queues, end)
        env.offload(env.peer, rx_gro_hw=False)
        equal(env.offload(env.dut, rx_gro_hw=True), {"rx_gro_hw": True}, "rx-gro-hw")

    def wait(self, usecs: int) -> None:
        """How long segments wait for others."""
        if not self.knob.exists():
            raise Skip("it is not known how long the device waits for segments")
        before = self.knob.read_text(encoding="ascii")
        write(self.knob, usecs)
        self.env.later(lambda: write(self.knob, before.strip()))

    @property
    def on(self) -> bool:
        """As the user sees it."""
        return bool(run_json(f"ethtool --json -k {self.env.dut.ifname}")[0]["rx-gro-hw"]["active"])

    def exchange(self, segs: Sequence[Seg]) -> list[tuple[bytes, int, bool]]:
        """Send them; what comes."""
        env = self.env
        dst, src = env.dut.mac, env.peer.mac
        with Wire(env.dut) as wire, raw_socket(env.peer) as tx:
            tx.send_all([s.frame(dst, src) for s in segs])
            return wire.all(sum(len(s.data) for s in segs if not s.frag & 0x1FFF))

    def expect(self, what: str, segs: Sequence[Seg], *groups: int, same_id: bool = False) -> None:
        """Send segments; fail unless they come in packets of so many of them."""
        env = self.env
        dst, src = env.dut.mac, env.peer.mac
        sent = [s.frame(dst, src) for s in segs]
        got = self.exchange(segs)
        seen: list[int] = []
        came: list[bytes] = []
        for frame, mss, unsummed in got:
            if not mss:
                came.append(frame)
                seen.append(1)
                continue
            check(unsummed, f"{what}: a coalesced packet without checksum to compute")
            pieces = cut(frame, mss, same_id)
            came += [p.ljust(60, b"\0") for p in pieces]
            seen.append(len(pieces))
        equal(seen, list(groups), f"{what}: segments by packet")
        if sorted(came) != sorted(sent):
            odd = next((i for i, f in enumerate(sent) if f not in came), 0)
            raise Failure(f"{what}: segment {odd} is not what was sent: {sent[odd][:90].hex()}, "
                          f"came {[f[:90].hex() for f in came if f not in sent][:2]}")
        for sport in {s.sport for s in segs}:
            mine = [f for f, s in zip(sent, segs) if s.sport == sport]
            equal([f for f in came if f in mine], mine, f"{what}: order of flow {sport}")


def middle(what: Seg, **change: int | bytes | bool) -> Seg:
    """A segment with something about it."""
    return replace(what, **change)  # type: ignore[arg-type]


def test_in_order(env: Env) -> None:
    """Segments that continue each other come in one packet, both versions of IP."""
    gro = Gro(env)
    for version in (4, 6):
        base = Seg(version=version)
        for n, size in ((2, 1000), (5, 1400), (10, 999), (3, 1)):
            # What is padded waits for nobody.
            expected = (n,) if size > 1 or version == 6 else (1,) * n
            gro.expect(f"IPv{version}, {n} of {size}", series(n, size, first=base), *expected)
        gro.expect(f"IPv{version}, timestamps",
                   series(4, first=replace(base, options=stamps(9))), 4)
        gro.expect(f"IPv{version}, sequence numbers begin anew",
                   series(6, first=replace(base, seq=0xFFFFFFFF - 2500)), 6)
    gro.expect("IPv4, identifications begin anew", series(6, first=Seg(ident=0xFFFD)), 6)


def test_ends(env: Env) -> None:
    """What ends a packet: PSH, a short segment, and no room for more."""
    gro = Gro(env)
    for version in (4, 6):
        base = Seg(version=version)
        s = series(7, first=base)
        s[2] = middle(s[2], flags=ACK | PSH)
        gro.expect(f"IPv{version}, PSH", s, 3, 4)
        s = series(3, push=False, first=base)
        short = replace(s[2], data=s[2].data[:400])
        after = series(2, first=replace(base, seq=2400, ident=3))
        gro.expect(f"IPv{version}, short segment", [*s[:2], short, *after], 3, 2)
        long = series(2, 1200, first=replace(base, seq=1000, ident=1))
        gro.expect(f"IPv{version}, longer segment", [s[0], *long], 1, 2)
        one = replace(s[1], data=b"x")
        gro.expect(f"IPv{version}, one byte", [s[0], one], 2)
        # The IP header has room for 65535 bytes, without its own for version 6.
        most = (65535 - 40 - (20 if version == 6 else 0)) // 1400
        gro.expect(f"IPv{version}, 64 KiB", series(60, 1400, first=base), most, 60 - most)
    gro.expect("many segments", series(200, 64), 128, 72)


def test_differ(env: Env) -> None:
    """What differs is not put together, nor anything that is not just data."""
    gro = Gro(env)
    for version in (4, 6):
        base = Seg(version=version, options=stamps(5))
        changes: dict[str, dict[str, int | bytes | bool]] = {
            "timestamp": {"options": stamps(6)},
            "options": {"options": b"\x01" * 4 + stamps(5)},
            "fewer options": {"options": b""},
            "acknowledgement": {"ack": 78},
            "window": {"window": 501},
            "ttl": {"ttl": 63},
            "dscp": {"tos": 0x20},
            "ECT": {"tos": ECT},
            "checksum": {"bad": True},
            "SYN": {"flags": ACK | SYN},
            "FIN": {"flags": ACK | FIN},
            "RST": {"flags": ACK | RST},
            "URG": {"flags": ACK | URG},
            "ECE": {"flags": ACK | ECE},
            "CWR": {"flags": ACK | CWR},
            "no ACK": {"flags": 0},
            "sequence number": {"seq": 5_000_000},
        }
        if version == 6:
            changes["flow label"] = {"label": 7}
        else:
            changes |= {"identification": {"ident": 999}, "DF": {"frag": 0},
                        "IP options": {"ip_options": b"\x01\x01\x01\x00"},
                        "fragment": {"frag": 0x2000}}
        for what, change in changes.items():
            s = series(5, first=base)
            s[2] = middle(s[2], **change)
            # Two before; it; two after, the second of which is pushed.
            gro.expect(f"IPv{version}, {what}", s, 2, 1, 2)
        s = series(4, first=replace(base, tos=ECT))
        s[2], s[3] = middle(s[2], tos=CE), middle(s[3], tos=CE)
        gro.expect(f"IPv{version}, CE", s, 2, 2)
        s = series(4, first=base)
        empty = replace(s[2], data=b"")
        gro.expect(f"IPv{version}, acknowledgement alone", [*s[:2], empty, *s[2:]], 2, 1, 2)
        gro.expect(f"IPv{version}, out of order", [s[0], s[2], s[1], s[3]], 1, 1, 1, 1)
        gro.expect(f"IPv{version}, twice", [s[0], s[0], s[1], s[2], s[3]], 1, 4)


def test_flows(env: Env) -> None:
    """Several flows at once; more than the device keeps apart."""
    gro = Gro(env)
    for version in (4, 6):
        flows = [series(3, first=Seg(version=version, sport=2000 + i)) for i in range(8)]
        mixed = [flow[i] for i in range(3) for flow in flows]
        gro.expect(f"IPv{version}, 8 flows", mixed, *[3] * 8)
    many = [series(2, 200, first=Seg(sport=3000 + i)) for i in range(200)]
    mixed = [flow[i] for i in range(2) for flow in many]
    got = gro.exchange(mixed)
    together = sum(1 for _, mss, _ in got if mss)
    say(f"{together} of 200 flows")
    check(together > 0, "200 flows: nothing is put together")
    came = [p for frame, mss, _ in got for p in (cut(frame, mss, False) if mss else [frame])]
    equal(sorted(came), sorted(s.frame(env.dut.mac, env.peer.mac) for s in mixed), "segments")


def test_ident(env: Env) -> None:
    """IPv4 identification: counting up, or the same with DF."""
    gro = Gro(env)

    def numbered(idents: Sequence[int], frag: int) -> list[Seg]:
        return [replace(s, ident=i, frag=frag) for s, i in zip(series(len(idents)), idents)]

    gro.expect("counting up", numbered((5, 6, 7, 8), 0), 4)
    gro.expect("counting up, DF", numbered((5, 6, 7, 8), DF), 4)
    gro.expect("the same, DF", numbered((5, 5, 5, 5), DF), 4, same_id=True)
    gro.expect("zero, DF", numbered((0, 0, 0), DF), 3, same_id=True)
    gro.expect("the same", numbered((5, 5, 5), 0), 1, 1, 1)
    gro.expect("counting down", numbered((7, 6, 5), DF), 1, 1, 1)
    gro.expect("counting, then the same", numbered((5, 6, 6, 7), DF), 2, 2)
    got = gro.exchange(numbered((5, 5, 6, 7), DF))
    equal([len(cut(f, m, False)) if m else 1 for f, m, _ in got], [2, 2], "the same, then counting")


def test_counters(env: Env) -> None:
    """Packets and bytes are those of the wire, and what was coalesced is counted."""
    gro = Gro(env)
    segs = series(5) + series(3, first=Seg(sport=1001)) + series(1, first=Seg(sport=1002))
    before = at_rest(env)
    gro.expect("series", segs, 5, 3, 1)
    delta = Delta(before, at_rest(env))
    size = [len(s.frame(env.dut.mac, env.peer.mac)) for s in segs]
    for name, value in (("rx_packets", 9), ("rx_bytes", sum(size)), ("rx_hw_gro_packets", 2),
                        ("rx_hw_gro_bytes", sum(size) - size[8] - (4 + 2) * 54),
                        ("rx_hw_gro_wire_packets", 8), ("rx_hw_gro_wire_bytes", sum(size[:8]))):
        equal(delta.qstat(name), value, name)
    equal(delta.qstat("rx_csum_unnecessary") + delta.qstat("rx_csum_none"), 9, "checksums")
    equal(delta.link("rx_packets"), 9, "ip -s link")


def test_off(env: Env) -> None:
    """Off means off; without rx-checksumming, too."""
    gro = Gro(env)
    env.offload(env.dut, rx_gro_hw=False)
    gro.expect("off", series(4), 1, 1, 1, 1)
    env.offload(env.dut, rx_gro_hw=True)
    gro.expect("on", series(4), 4)
    env.offload(env.dut, rx_checksumming=False)
    check(not gro.on, "rx-gro-hw is on without rx-checksumming")
    gro.expect("no checksums", series(4), 1, 1, 1, 1)
    run(f"ethtool -K {env.dut.ifname} rx-gro-hw on", ok=False)
    check(not gro.on, "rx-gro-hw can be turned on without rx-checksumming")
    env.offload(env.dut, rx_checksumming=True)
    env.offload(env.dut, rx_gro_hw=True)
    gro.expect("on again", series(4), 4)
    # What was held is delivered.
    with Wire(env.dut) as wire, raw_socket(env.peer) as tx:
        for s in series(3, push=False):
            tx.send(s.frame(env.dut.mac, env.peer.mac))
        env.dut.run("ethtool -K {} rx-gro-hw off")
        equal(len(wire.all(3000)), 1, "packets when it is turned off")


def test_xdp(env: Env) -> None:
    """A program sees what is on the wire: off with it, and on again."""
    gro = Gro(env)
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    for name in ("verdict", "verdict_frags"):
        try:
            bpf.attach(name)
        except (KeyError, Skip):
            continue
        check(not gro.on, f"{name}: rx-gro-hw is on with a program")
        gro.expect(name, series(4), 1, 1, 1, 1)
        run(f"ethtool -K {env.dut.ifname} rx-gro-hw on", ok=False)
        check(not gro.on, f"{name}: rx-gro-hw can be turned on with a program")
        gro.expect(name, series(4), 1, 1, 1, 1)
        bpf.detach()
        check(gro.on, f"{name}: rx-gro-hw does not come back")
        gro.expect("without a program", series(4), 4)


def test_timeout(env: Env) -> None:
    """Segments wait for others, but not for ever; or not at all."""
    gro = Gro(env, 1000)
    for i in range(20):
        got = gro.exchange(series(3, push=False, first=Seg(seq=i * 3000)))
        equal(sum(len(cut(f, m, False)) if m else 1 for f, m, _ in got), 3, f"segments, {i}")
    gro.wait(0)
    gro.expect("no waiting", series(3), 1, 1, 1)


def test_jumbo(env: Env) -> None:
    """Frames that fill several buffers each."""
    env.mtu(9000)
    gro = Gro(env)
    for version in (4, 6):
        size = 9000 - (40 if version == 4 else 60)
        gro.expect(f"IPv{version}", series(9, size, first=Seg(version=version)), 7, 2)
    tcp.transfer(env.peer, env.dut, 4 << 20, what="jumbo frames")


def test_few_buffers(env: Env) -> None:
    """A ring that holds hardly one long packet, of small buffers."""
    gro = Gro(env)
    env.later(lambda: env.dut.run("ethtool -G {} rx 1024 rx-buf-len 4096"))
    env.dut.run("ethtool -G {} rx 64 rx-buf-len 2048")
    env.ready()
    for _ in range(5):
        gro.expect("64 buffers", series(60, 1400), 46, 14)
    tcp.transfer(env.peer, env.dut, 4 << 20, what="64 buffers")
    env.dut.run("ethtool -G {} rx 256")
    env.ready()
    # What is held when the queue goes is not lost.
    with Wire(env.dut) as wire, raw_socket(env.peer) as tx:
        for s in series(3, push=False):
            tx.send(s.frame(env.dut.mac, env.peer.mac))
        env.dut.run("ethtool -G {} rx 128")
        got = wire.all(3000)
    equal(sum(len(cut(f, m, False)) if m else 1 for f, m, _ in got), 3, "segments when queues change")


def test_data_split(env: Env) -> None:
    """Headers in a buffer of their own."""
    gro = Gro(env)
    if run(f"ethtool -G {env.dut.ifname} tcp-data-split on", ok=False).returncode:
        raise Skip("the device does not split headers from data")
    env.later(lambda: env.dut.run("ethtool -G {} tcp-data-split off"))
    for version in (4, 6):
        gro.expect(f"IPv{version}", series(5, first=Seg(version=version, options=stamps(3))), 5)
        gro.expect(f"IPv{version}, long", series(46, 1400, first=Seg(version=version)), 46)
    tcp.transfer(env.peer, env.dut, 4 << 20, what="headers split")


def test_vlan(env: Env) -> None:
    """Tags that the device takes off; one that stays prevents it."""
    gro = Gro(env)
    # Past the filter of tags
    env.dut.run("ip link set {} promisc on")
    env.later(lambda: env.dut.run("ip link set {} promisc off"))
    s = series(4, first=Seg(tag=5))
    env.offload(env.dut, rx_vlan_offload=False)
    gro.expect("tag in the frame", s, 1, 1, 1, 1)
    if not env.offload(env.dut, rx_vlan_offload=True)["rx_vlan_offload"]:
        raise Skip("the device takes off no tags")
    got = gro.exchange(s)
    equal([(len(f) - 18 - 40, m) for f, m, _ in got], [(4000, 1000)], "data and gso_size, tagged")
    check(all(f[12:16] == b"\x81\x00\x00\x05" for f, _, _ in got), "the tag is another")
    s[2:] = [replace(x, tag=6) for x in s[2:]]
    equal([m for _, m, _ in gro.exchange(s)], [1000, 1000], "gso_size of two tags")


def test_stream(env: Env) -> None:
    """A transfer arrives whole, in fewer packets than frames."""
    for usecs in (5000, 200):
        Gro(env, usecs, 0)
        before = at_rest(env)
        for version in (4, 6):
            if version == 6:
                env.ipv6()
            tcp.transfer(env.peer, env.dut, 8 << 20, version)
        tcp.parallel(env.peer, env.dut, 4, 1 << 20)
        delta = Delta(before, at_rest(env))
        wire, packets = delta.qstat("rx_hw_gro_wire_packets"), delta.qstat("rx_hw_gro_packets")
        say(f"{delta.qstat('rx_packets')} frames, {wire} of them in {packets} packets")
        # How many of them come in time is the machine's affair.
        if usecs == 5000:
            check(wire > 2 * packets > 0, f"{wire} frames make {packets} packets")
    env.offload(env.dut, generic_receive_offload=True)
    tcp.transfer(env.peer, env.dut, 8 << 20, what="software GRO as well")


def test_wrong(env: Env) -> None:
    """What the device says of a packet, and its headers do not, is not believed."""
    gro = Gro(env)
    knob = Path(f"/sys/kernel/debug/refnic/{env.pci}/rx_gro")
    if not knob.exists():
        raise Skip("the device cannot be told to misbehave")

    for version in (4, 6):
        before = recoveries(env)
        write(knob, 1)
        got = gro.exchange(series(4, first=Seg(version=version)))
        equal([(len(cut(f, 1000, False)), m, u) for f, m, u in got], [(4, 0, False)],
              f"IPv{version}: segments, gso_size and unfinished checksum")
        equal(inet.faults(got[0][0]), "", f"IPv{version}: the packet")
        wait_for(lambda b=before: recoveries(env) > b, "a restart")
        env.ready()
    gro.expect("afterwards", series(4), 4)


def test_forward(env: Env) -> None:
    """What is forwarded leaves as it came, cut by the device or by the kernel."""
    gro = Gro(env)
    env.ipv6()
    for name, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1),
                        ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/all/send_redirects", 0),
                        (f"ipv4/conf/{env.dut.ifname}/rp_filter", 0),
                        (f"ipv4/conf/{env.dut.ifname}/send_redirects", 0)):
        with in_ns(None):
            before = Path("/proc/sys/net/" + name).read_text(encoding="ascii").strip()
        sysctl("net/" + name, value)
        env.later(lambda n=name, b=before: sysctl("net/" + n, b))
    env.dut.run(f"ip route replace 203.0.113.0/24 via {env.peer.ip4} dev {{}}")
    env.dut.run(f"ip route replace 198.51.100.0/24 via {env.peer.ip4} dev {{}}")
    env.dut.run(f"ip -6 route replace 2001:db8:bb::/64 via {env.peer.ip6} dev {{}}")
    env.later(lambda: env.dut.run("ip -6 route del 2001:db8:bb::/64 dev {}"))
    env.later(lambda: env.dut.run("ip route del 198.51.100.0/24 dev {}"))
    env.later(lambda: env.dut.run("ip route del 203.0.113.0/24 dev {}"))

    def through(what: str, segs: Sequence[Seg], packets: int) -> None:
        before = at_rest(env)
        frames = [s.frame(env.dut.mac, env.peer.mac) for s in segs]
        with Wire(env.peer) as wire, raw_socket(env.peer) as tx:
            for frame in frames:
                tx.send(frame)
            came = [f for f, _, _ in wire.all(sum(len(s.data) for s in segs))]
        equal(came, [replace(s, ttl=s.ttl - 1).frame(env.peer.mac, env.dut.mac) for s in segs],
              f"{what}: frames forwarded")
        delta = Delta(before, at_rest(env))
        equal(delta.qstat("rx_hw_gro_packets"), packets, f"{what}: packets coalesced")

    for tso in (True, False):
        env.offload(env.dut, tcp_segmentation_offload=tso, tx_checksumming=True)
        for version in (4, 6):
            base = Seg(version=version, options=stamps(8))
            what = f"IPv{version}, TSO {'on' if tso else 'off'}"
            through(what, series(20, 1400, first=base), 1)
            through(f"{what}, odd sizes", [*series(7, 999, False, first=base),
                                           replace(base, seq=7 * 999, ident=7, data=b"odd" * 9)], 1)
            through(f"{what}, most", series(46, 1400, first=base), 1)
        fixed = [replace(s, ident=3) for s in series(8, 1400)]
        through(f"the same identification, TSO {'on' if tso else 'off'}", fixed, 1)
    env.offload(env.dut, generic_receive_offload=True, tcp_segmentation_offload=True)
    through("software GRO as well", series(120, 1400), 3)


if __name__ == "__main__":
    main(cases(test_in_order, test_ends, test_differ, test_flows, test_ident, test_counters,
               test_off, test_xdp, test_timeout, test_jumbo, test_few_buffers, test_data_split,
               test_vlan, test_stream, test_wrong, test_forward))
