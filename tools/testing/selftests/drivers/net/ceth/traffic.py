#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic arrives whole, in every size and shape, both ways.

The sender's checksums and segments are computed here, in captured frames; no
kernel is asked for its opinion on a frame.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct

from cethtest import inet, tcp
from cethtest.bpf import Bpf
from cethtest.env import End, Env
from cethtest.frames import (ETH_P_ALL, PACKET_VNET_HDR, SOL_PACKET, Capture, Kind, Tally, blast,
                             exchange, raw_socket)
from cethtest.nl import NetlinkError
from cethtest.tap import cases, main
from cethtest.tool import Failure, Skip, check, equal, in_ns, run

FRAME_MAX = 1514
JUMBO_MTU = 9000
UDP_SEGMENT = 103
TCP_PORT = 7000
# A priority of 2 and the drop bit
VLAN_ID, VLAN_PCP = 0x4D, 5
# struct virtio_net_hdr
VNET = struct.Struct("=BBHHHH")
NEEDS_CSUM, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP = 1, 0, 1, 4, 5
GSO_ECN = 0x80
OFFLOADS = ("tx", "tso", "sg", "gro", "rx_gro_hw")


def both_ways(env: Env, sizes: list[int], count: int | None = None, kind: Kind = Kind(),
              what: str = "") -> None:
    """Frames of these sizes arrive, from and to the device under test."""
    for src, dst in ((env.peer, env.dut), (env.dut, env.peer)):
        tally = exchange(src, dst, sizes, count, kind)
        tally.demand(f"{src.ifname} to {dst.ifname}{what}", order=not kind.udp)


def test_every_size(env: Env) -> None:
    """Raw frames of each size up to the MTU, a byte apart."""
    both_ways(env, list(range(60, FRAME_MAX + 1)))


def test_every_size_flows(env: Env) -> None:
    """The same in UDP flows, which several queues share."""
    both_ways(env, list(range(60, FRAME_MAX + 1)), kind=Kind(run=2, udp=True, flows=16))


def test_small_frames(env: Env) -> None:
    """Many of the smallest."""
    both_ways(env, [60], 5000, Kind(run=3))


def test_jumbo(env: Env) -> None:
    """Sizes up to MTU 9000, among them those around a page and its multiples."""
    env.mtu(JUMBO_MTU)
    edges = {n + d for n in (1514, 2048, 3500, 3520, 3776, 4096, 7168, 8192, 9014 - 4)
             for d in range(-20, 5)}
    sizes = sorted(edges | set(range(60, JUMBO_MTU + 15, 97)) | {JUMBO_MTU + 14})
    both_ways(env, sizes, kind=Kind(run=4))


def test_vlan(env: Env) -> None:
    """Tagged frames: through an upper device, and raw with every tag bit."""
    for end in (env.dut, env.peer):
        end.run("ip link add link {} name vlan77 type vlan id 77")
        env.later(lambda e=end: e.run("ip link del vlan77"))
        end.run("ip link set vlan77 up")
    uppers = [End("vlan77", e.ns, e.ip4, e.ip6) for e in (env.dut, env.peer)]
    for src, dst in (uppers, uppers[::-1]):
        exchange(src, dst, list(range(60, FRAME_MAX + 1, 7)), kind=Kind(run=5)).demand(
            f"VLAN upper device, {src.ns or 'here'} to {dst.ns or 'here'}", order=True)
    env.offload(env.dut, rx_vlan_filter=False)
    for src, dst in ((env.peer, env.dut), (env.dut, env.peer)):
        with Capture(dst, ETH_P_ALL) as capture:
            tally = Tally(Kind(run=6, vlan=VLAN_ID, pcp=VLAN_PCP))
            tally.sent = blast(src, dst.mac, tally.kind, [60 + n * 23 for n in range(64)])
            capture.into(tally)
            got = capture.tags
        tally.demand(f"{src.ifname} to {dst.ifname}, tagged", order=True)
        equal(got, [VLAN_PCP << 12 | VLAN_ID] * 64, f"{src.ifname} to {dst.ifname}: tags")


def test_fragments(env: Env) -> None:
    """Datagrams of up to 64 KB, in IP fragments, of both versions."""
    env.ipv6()
    for family, (src, dst) in itertools.product(
            (socket.AF_INET, socket.AF_INET6), ((env.peer, env.dut), (env.dut, env.peer))):
        address = dst.ip4 if family == socket.AF_INET else dst.ip6
        with tcp.udp_pair(src, dst, family, address) as (tx, rx):
            for size in (1473, 2000, 4096, 8972, 20001, 40000, 65000):
                data = tcp.pattern(size)
                tx.send(data)
                check(rx.recv(70000) == data, f"{src.ifname} to {dst.ifname}: a datagram of "
                      f"{size} bytes over {address} arrives changed")


# --- what the device under test computes ----------------------------------------------


def strict_peer(env: Env) -> None:
    """Let the peer see frames as they are on the wire: nothing left to compute."""
    env.offload(env.peer, rx_gro_hw=False, large_receive_offload=False, rx=False, gro=False,
                generic_receive_offload=False)
    # A program on the peer makes its driver ask for whole frames; where that is
    # not possible, the peer may not need it.
    with contextlib.suppress(NetlinkError):
        Bpf(env).attach("pass_frags", env.peer)
    env.ready()


def verified(capture: Capture, frames: list[bytes], mtu: int = 1500) -> list[bytes]:
    """Captured frames; fails on a wrong checksum or one that is too long."""
    if capture.unsummed:
        raise Skip("the peer is given frames without checksums: nothing to verify "
                   "(its receive offloads cannot be turned off)")
    for frame in frames:
        wrong = inet.faults(frame)
        check(not wrong, f"frame of {len(frame)} bytes: {wrong}: {frame[:64].hex()}")
        check(len(frame) <= mtu + 14, f"a frame of {len(frame)} bytes, MTU {mtu}")
    return frames


def _only(frames: list[bytes], proto: int, dport: int) -> list[inet.Packet]:
    packets = [inet.dissect(f) for f in frames]
    return [p for p in packets if p and p.proto == proto and not p.fragment and p.dport == dport]


def _ethertype(version: int) -> int:
    return inet.ETH_IP if version == 4 else inet.ETH_IPV6


def test_tx_checksum(env: Env) -> None:
    """UDP from sockets: the device fills in checksums of every length and value."""
    env.ipv6()
    strict_peer(env)
    for version, on in itertools.product((4, 6), (True, False)):
        env.offload(env.dut, tx=on)
        family, address = ((socket.AF_INET, env.peer.ip4) if version == 4
                           else (socket.AF_INET6, env.peer.ip6))
        with Capture(env.peer, _ethertype(version)) as capture, \
                tcp.udp_pair(env.dut, env.peer, family, address) as (tx, rx):
            wanted = [tcp.pattern(n, n) for n in range(0, 1453, 11)]
            for data in wanted:
                tx.send(data)
                equal(rx.recv(70000), data, "datagram")
            port = rx.getsockname()[1]
            frames = verified(capture, capture.all(
                lambda f, p=port, n=len(wanted): len(f) >= n and len(_only(f, inet.UDP, p)) >= n))
        packets = _only(frames, inet.UDP, port)
        equal([p.payload for p in packets], wanted, f"IPv{version} datagrams on the wire")


def _tcp_header(src: bytes, dst: bytes, seq: int, flags: int, payload: int) -> bytes:
    """Header with the sum of the pseudo header, as hardware is handed it."""
    options = bytes([1, 1, 8, 10]) + struct.pack("!II", 1, 2)
    head = struct.pack("!HHIIBBHHH", 4321, TCP_PORT, seq, 77, 8 << 4, flags, 1000, 0, 0) + options
    total = inet.pseudo(src, dst, inet.TCP, len(head) + payload)
    return head[:16] + struct.pack("!H", total) + head[18:]


def _ip_header(version: int, src: bytes, dst: bytes, proto: int, length: int) -> bytes:
    if version == 4:
        return inet.ipv4(src, dst, proto, length, ident=500, frag=0x4000)
    return inet.ipv6(src, dst, proto, length)


def _addresses(version: int) -> tuple[bytes, bytes]:
    if version == 4:
        return socket.inet_aton("198.51.100.1"), socket.inet_aton("198.51.100.2")
    return (socket.inet_pton(socket.AF_INET6, "2001:db8:77::1"),
            socket.inet_pton(socket.AF_INET6, "2001:db8:77::2"))


def _send_gso(env: Env, version: int, head: bytes, l4: int, data: bytes, gso: tuple[int, int],
              csum_offset: int) -> None:
    hdr = VNET.pack(NEEDS_CSUM, gso[0], len(head), gso[1], l4, csum_offset)
    sock = raw_socket(env.dut)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.send(hdr + head + data)
    sock.close()
    del version


def _segment(env: Env, version: int, size: int, mss: int, flags: int) -> None:
    """One crafted TCP packet; its segments are checked one by one."""
    src, dst = _addresses(version)
    data = tcp.pattern(size, mss)
    seq = 0xFFFFF000
    l4 = _tcp_header(src, dst, seq, flags, size)
    ip = _ip_header(version, src, dst, inet.TCP, len(l4) + size)
    head = env.peer.mac + env.dut.mac + struct.pack("!H", _ethertype(version)) + ip + l4
    kind = (GSO_TCP4 if version == 4 else GSO_TCP6) | (GSO_ECN if flags & 0x80 else 0)
    gso = (kind, mss) if size > mss else (GSO_NONE, 0)
    count = -(-size // mss)
    with Capture(env.peer, _ethertype(version)) as capture:
        _send_gso(env, version, head, 14 + len(ip), data, gso, 16)
        frames = verified(capture, capture.all(
            lambda f: len(f) >= count <= len(_only(f, inet.TCP, TCP_PORT))))
    packets = _only(frames, inet.TCP, TCP_PORT)
    what = f"IPv{version}, {size} bytes, segments of {mss}"
    equal([len(p.payload) for p in packets],
          [min(mss, size - i * mss) for i in range(count)], f"{what}: lengths")
    equal(b"".join(p.payload for p in packets) == data, True, f"{what}: contents are the same")
    equal([p.seq for p in packets], [(seq + i * mss) & 0xFFFFFFFF for i in range(count)],
          f"{what}: sequence numbers")
    # FIN and PSH belong on the last segment only, CWR on the first.
    expected = [flags & ~(0x09 if i < count - 1 else 0) & ~(0x80 if i else 0)
                for i in range(count)]
    equal([p.tcp_flags for p in packets], expected, f"{what}: flags")
    if version == 4:
        equal([p.ident for p in packets], [500 + i for i in range(count)], f"{what}: IP ids")


def test_tso(env: Env) -> None:
    """Crafted packets, with and without TSO: every segment is exact."""
    strict_peer(env)
    for on, version in itertools.product((True, False), (4, 6)):
        env.offload(env.dut, tx_tcp_segmentation=on, tx_tcp6_segmentation=on)
        for size, mss in ((1000, 1400), (1401, 1400), (2800, 1400), (20000, 1000), (64000, 1428),
                          (4001, 536), (2000, 100)):
            _segment(env, version, size, mss, 0x18)
        _segment(env, version, 5000, 1400, 0x19)


def test_tso_ecn(env: Env) -> None:
    """CWR stays on the first segment."""
    strict_peer(env)
    for version in (4, 6):
        _segment(env, version, 5000, 1400, 0x98)


def test_udp_gso(env: Env) -> None:
    """UDP_SEGMENT: each datagram exact, on the wire and at the socket."""
    env.ipv6()
    strict_peer(env)
    for version, on in itertools.product((4, 6), (True, False)):
        env.offload(env.dut, tx_udp_segmentation=on)
        family, address = ((socket.AF_INET, env.peer.ip4) if version == 4
                           else (socket.AF_INET6, env.peer.ip6))
        for size, seg in ((3000, 1000), (10001, 1400), (40000, 1452), (63 * 700, 700), (900, 901)):
            data = tcp.pattern(size, seg)
            parts = [data[i:i + seg] for i in range(0, size, seg)]
            with Capture(env.peer, _ethertype(version)) as capture, \
                    tcp.udp_pair(env.dut, env.peer, family, address) as (tx, rx):
                port = rx.getsockname()[1]
                tx.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", seg))])
                what = f"IPv{version}, {size} bytes in datagrams of {seg}"
                equal([rx.recv(70000) for _ in parts] == parts, True, f"{what}: exact at the socket")
                frames = verified(capture, capture.all(
                    lambda f, p=port, n=len(parts): len(_only(f, inet.UDP, p)) >= n))
            equal([p.payload for p in _only(frames, inet.UDP, port)] == parts, True,
                  f"{what}: exact on the wire")


def test_tcp_on_wire(env: Env) -> None:
    """A TCP transfer whose every frame is verified."""
    env.ipv6()
    strict_peer(env)
    for version in (4, 6):
        with Capture(env.peer, _ethertype(version)) as capture:
            tcp.transfer(env.dut, env.peer, 2 << 20, version)
            frames = verified(capture, capture.all(lambda f: len(f) >= 1400))
        check(len(frames) >= 1400, f"IPv{version}: only {len(frames)} frames for 2 MB")


def test_tcp_offloads(env: Env) -> None:
    """TCP both ways under every combination of offloads, contents hashed."""
    env.ipv6()
    for number, values in enumerate(itertools.product((False, True), repeat=len(OFFLOADS))):
        wanted = dict(zip(OFFLOADS, values))
        active = env.offload(env.dut, **{_long(k): v for k, v in wanted.items()})
        version = 4 if number % 2 else 6
        for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
            tcp.transfer(src, dst, 300_000, version, f"offloads {active}")


def _long(name: str) -> str:
    return {"tx": "tx_checksumming", "tso": "tcp_segmentation_offload", "sg": "scatter_gather",
            "gro": "generic_receive_offload"}.get(name, name)


def test_tcp_large(env: Env) -> None:
    """Larger transfers by sendfile, also with jumbo frames."""
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 16 << 20, 4, "sendfile", sendfile=True)
    env.mtu(JUMBO_MTU)
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 16 << 20, 4, "sendfile, jumbo frames", sendfile=True)


def test_tcp_parallel(env: Env) -> None:
    """Several connections at once, so that every queue carries some."""
    tcp.parallel(env.dut, env.peer, 8, 1 << 20)
    tcp.parallel(env.peer, env.dut, 8, 1 << 20)


def test_ping(env: Env) -> None:
    """The tool that a user tries first, with sizes that need many fragments."""
    env.ipv6()
    for address in (env.peer.ip4, env.peer.ip6):
        for size in (0, 56, 1400, 8000, 60000):
            done = run(f"ping -q -c 3 -i 0.05 -W 10 -s {size} {address}", ok=False)
            check(done.returncode == 0, f"ping -s {size} {address}: {done.stdout.strip()}")


def test_multicast_broadcast(env: Env) -> None:
    """Frames to groups and to all arrive at who has joined them."""
    with in_ns(None), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("0.0.0.0", 5005))
        rx.settimeout(0.2)
        rx.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
            "=4s4si", socket.inet_aton("239.1.2.3"), b"\0" * 4, env.dut.ifindex))
        with in_ns(env.peer.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            tx.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            tx.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                          socket.inet_aton(env.peer.ip4))
            broadcast = env.dut.ip4.rpartition(".")[0] + ".63"
            for n, address in enumerate(("239.1.2.3", broadcast)):
                # The device learns of the group a moment after the call.
                for _ in range(100):
                    tx.sendto(bytes([n]), (address, 5005))
                    try:
                        if rx.recv(10) == bytes([n]):
                            break
                    except TimeoutError:
                        pass
                else:
                    raise Failure(f"no datagram to {address} arrives")


if __name__ == "__main__":
    main(cases(test_ping, test_every_size, test_every_size_flows, test_small_frames, test_jumbo,
               test_vlan, test_fragments, test_multicast_broadcast, test_tx_checksum, test_tso,
               test_tso_ecn, test_udp_gso, test_tcp_on_wire, test_tcp_offloads, test_tcp_large,
               test_tcp_parallel))
