#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Counters are exact, agree with each other, and survive."""

from __future__ import annotations

import socket
import struct

from cethtest import inet, tcp
from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.frames import PACKET_VNET_HDR, SOL_PACKET, Kind, exchange, raw_socket
from cethtest.stats import Delta, Snapshot, at_rest, ethtool_stats, link_stats
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, read, run

COUNT = 2000
SIZES = [60, 61, 600, 1514]
NEEDS_CSUM, GSO_TCP4 = 1, 1


def total(sizes: list[int], count: int) -> int:
    """Bytes of that many frames."""
    return sum(sizes[n % len(sizes)] for n in range(count))


def _sums_agree(snap: Snapshot) -> None:
    """The device's statistics and its queues' are the same numbers."""
    if not snap.qstats:
        raise Skip("the driver has no queue statistics")
    for direction, kind in (("rx", 0), ("tx", 1)):
        for unit in ("packets", "bytes"):
            name = f"{direction}_{unit}"
            equal(snap.qstats[name], snap.link[name], f"{name}: qstats of the device, and ip -s link")
            by_queue = sum(q.get(name, 0) for q in snap.queues if q["type"] == kind)
            check(by_queue <= snap.qstats[name],
                  f"{name}: queues say {by_queue}, the device {snap.qstats[name]}")


def _exact(env: Env, kind: Kind, sizes: list[int]) -> None:
    """N frames each way are N frames in every counter."""
    for src, dst, direction in ((env.peer, env.dut, "rx"), (env.dut, env.peer, "tx")):
        other = "tx" if direction == "rx" else "rx"
        before = at_rest(env)
        exchange(src, dst, sizes, COUNT, kind).demand(direction)
        after = at_rest(env)
        delta = Delta(before, after)
        equal(delta.link(f"{direction}_packets"), COUNT, f"ip -s link: {direction}_packets")
        if env.is_ceth or direction == "rx":
            equal(delta.link(f"{direction}_bytes"), total(sizes, COUNT),
                  f"ip -s link: {direction}_bytes")
        equal(delta.link(f"{other}_packets"), 0, f"ip -s link: {other}_packets meanwhile")
        for bad in ("errors", "dropped"):
            equal(delta.link(f"{direction}_{bad}"), 0, f"ip -s link: {direction}_{bad}")
        if env.is_ceth:
            _sums_agree(after)
            kind_of = 0 if direction == "rx" else 1
            name = f"{direction}_packets"

            def by_queue(snap: Snapshot, n: str = name, k: int = kind_of) -> int:
                return sum(q[n] for q in snap.queues if q["type"] == k)

            equal(by_queue(after) - by_queue(before), COUNT, f"qstats of all queues: {name}")


def test_exact(env: Env) -> None:
    """Raw frames."""
    _exact(env, Kind(run=81), SIZES)


def test_exact_flows(env: Env) -> None:
    """UDP frames on all queues."""
    _exact(env, Kind(run=82, udp=True, flows=32), SIZES)


def test_exact_jumbo(env: Env) -> None:
    """Jumbo frames, several buffers each."""
    env.mtu(9000)
    _exact(env, Kind(run=83), [60, 1514, 4000, 9014])


def test_exact_one_queue(env: Env) -> None:
    """With one queue pair; the others' counters still count."""
    env.channels(1)
    _exact(env, Kind(run=84, udp=True, flows=32), SIZES)
    env.need_ceth("sums that include queues which are not in use")
    snap = at_rest(env)
    equal(snap.qstats["rx_packets"], snap.link["rx_packets"], "qstats and ip -s link: rx_packets")
    equal(snap.qstats["tx_packets"], snap.link["tx_packets"], "qstats and ip -s link: tx_packets")


def _unchanged(before: Snapshot, after: Snapshot, what: str) -> None:
    """Packets and bytes of the device are what they were."""
    for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_dropped", "rx_errors"):
        equal(after.link[name], before.link[name], f"{what}: ip -s link: {name}")
    for name, value in before.qstats.items():
        equal(after.qstats[name], value, f"{what}: qstats: {name}")


def test_survive_down(env: Env) -> None:
    """Down and up again."""
    exchange(env.peer, env.dut, SIZES, 200, Kind(run=85)).demand("before")
    exchange(env.dut, env.peer, SIZES, 200, Kind(run=85)).demand("before")
    before = at_rest(env)
    env.later(lambda: env.configure(env.pairs[0]))
    env.rtnl().set_up(env.dut.ifindex, False)
    down = Snapshot(env)
    check(not down.went_back(before), f"while down: {down.went_back(before)}")
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    after = at_rest(env)
    check(not after.went_back(before), f"up again: {after.went_back(before)}")
    if env.is_ceth:
        _unchanged(before, down, "while down")
        _unchanged(before, after, "up again")


def test_survive_channels(env: Env) -> None:
    """Fewer queues and more."""
    now, most = env.channel_limits()
    if most < 2:
        raise Skip("one queue pair only")
    env.later(lambda: env.dut.run(f"ethtool -L {{}} combined {now}", ok=False))
    kind = Kind(run=86, udp=True, flows=32)
    for n in (most, 1, most):
        env.dut.run(f"ethtool -L {{}} combined {n}", ok=False)
        env.ready()
        before = at_rest(env)
        exchange(env.peer, env.dut, SIZES, 400, kind).demand(f"{n} channels")
        exchange(env.dut, env.peer, SIZES, 400, kind).demand(f"{n} channels")
        middle = at_rest(env)
        equal(Delta(before, middle).link("rx_packets"), 400, f"{n} channels: rx_packets")
        env.dut.run(f"ethtool -L {{}} combined {1 if n > 1 else 2}")
        env.ready()
        after = at_rest(env)
        check(not after.went_back(middle), f"{n} channels and others: {after.went_back(middle)}")
        if env.is_ceth:
            _unchanged(middle, after, f"{n} channels and others")


def test_monotonic(env: Env) -> None:
    """No counter goes backwards, whatever is changed under traffic."""
    last = Snapshot(env)
    steps = ["ip link set {} mtu 4000", "ip link set {} mtu 1500", "ethtool -L {} combined 1",
             f"ethtool -L {{}} combined {env.channel_limits()[1]}", "ethtool -K {} gro off",
             "ethtool -K {} gro on", "ip link set {} down", "ip link set {} up"]
    env.later(lambda: env.configure(env.pairs[0]))
    with Both(env.dut, env.peer, udp=True, flows=16) as both:
        for step in steps * 2:
            env.dut.run(step, ok=False)
            for _ in range(3):
                now = Snapshot(env)
                back = now.went_back(last)
                check(not back, f"after {step}: {back}")
                last = now
        env.ready()
        both.wait(20)
        both.demand("changes", loss=True)
    steady(env.dut, env.peer, "changes")


def test_tx_offloads(env: Env) -> None:
    """What is left to the device is counted as such: checksums and segments."""
    env.need_ceth("counting transmit offloads")
    src, dst = socket.inet_aton(env.dut.ip4), socket.inet_aton(env.peer.ip4)
    with tcp.udp_pair(env.dut, env.peer, socket.AF_INET, env.peer.ip4) as (tx, rx):
        before = at_rest(env)
        for n in range(100):
            tx.send(tcp.pattern(100 + n))
            rx.recv(2000)
        delta = Delta(before, at_rest(env))
        equal(delta.qstat("tx_needs_csum"), 100, "tx-needs-csum of 100 datagrams")
        equal(delta.qstat("tx_csum_none"), 0, "tx-csum-none of 100 datagrams")
        equal(delta.qstat("tx_hw_gso_packets"), 0, "tx-hw-gso-packets of 100 datagrams")
    before = at_rest(env)
    exchange(env.dut, env.peer, SIZES, 100, Kind(run=87)).demand("raw frames")
    delta = Delta(before, at_rest(env))
    equal(delta.qstat("tx_csum_none"), 100, "tx-csum-none of 100 raw frames")
    equal(delta.qstat("tx_needs_csum"), 0, "tx-needs-csum of 100 raw frames")
    state = env.offload(env.dut, tx_tcp_segmentation=True)
    if not state["tx_tcp_segmentation"]:
        raise Skip("no TSO: nothing more to count")
    before = at_rest(env)
    size, mss, headers = 10000, 1000, 14 + 20 + 20
    _crafted_tso(env, src, dst, size, mss)
    delta = Delta(before, at_rest(env))
    equal(delta.qstat("tx_hw_gso_packets"), 1, "tx-hw-gso-packets")
    equal(delta.qstat("tx_hw_gso_wire_packets"), 10, "tx-hw-gso-wire-packets")
    equal(delta.qstat("tx_hw_gso_bytes"), size + headers, "tx-hw-gso-bytes")
    equal(delta.qstat("tx_needs_csum"), 10, "tx-needs-csum, of each segment")
    equal(delta.qstat("tx_packets"), 10, "tx-packets, of each segment")


def _crafted_tso(env: Env, src: bytes, dst: bytes, size: int, mss: int) -> None:
    """One TCP packet that the device is to cut up."""
    l4 = struct.pack("!HHIIBBHHH", 4321, 9, 1, 1, 5 << 4, 16, 1000,
                     inet.pseudo(src, dst, inet.TCP, 20 + size), 0)
    # To nobody: an answer would be counted, too.
    head = (env.peer.mac[:5] + bytes([env.peer.mac[5] ^ 0x80]) + env.dut.mac + b"\x08\x00" +
            inet.ipv4(src, dst, inet.TCP, 20 + size, 1, 0x4000) + l4)
    sock = raw_socket(env.dut)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.send(struct.pack("=BBHHHH", NEEDS_CSUM, GSO_TCP4, len(head), mss, 34, 16) + head +
              tcp.pattern(size))
    sock.close()


def test_rx_checksum(env: Env) -> None:
    """Each frame's checksum was verified, or was not."""
    env.need_ceth("counting receive checksums")
    before = at_rest(env)
    exchange(env.peer, env.dut, SIZES, 300, Kind(run=88, udp=True)).demand("frames")
    delta = Delta(before, at_rest(env))
    if "rx_csum_none" not in delta.after.qstats:
        raise Skip("the device does not verify checksums")
    equal(delta.qstat("rx_csum_none") + delta.qstat("rx_csum_unnecessary"), 300,
          "rx-csum-none + rx-csum-unnecessary")


def test_page_pool(env: Env) -> None:
    """Every receive queue has a page pool that is shown, with its counters."""
    env.need_ceth("page pools that are shown")
    exchange(env.peer, env.dut, SIZES, 500, Kind(run=89)).demand("frames")
    pools = [p for p in env.netdev.page_pools(env.dut.ifindex) if "detached" not in p]
    equal(len(pools), env.channel_limits()[0], "page pools, and receive queues")
    for pool in pools:
        check(pool.get("inflight", 0) > 0, f"a pool without pages: {pool}")
    counted = {k: v for k, v in ethtool_stats(env.dut).items() if k.startswith("rx_pp_")}
    if not counted:
        raise Skip("this kernel keeps no page pool statistics")
    check(counted["rx_pp_alloc_slow"] + counted["rx_pp_alloc_fast"] > 0, f"no page: {counted}")
    stats = env.netdev.page_pool_stats()
    mine = [stats[p["id"]] for p in pools if p["id"] in stats]
    say(f"{len(mine)} pools, {sum(p['inflight'] for p in pools)} pages in flight")
    for key in ("alloc_slow", "recycle_cached", "recycle_ring"):
        seen = sum(p.get(key, 0) for p in mine)
        shown = counted[f"rx_pp_{key}"]
        check(abs(seen - shown) <= 64, f"{key}: ethtool says {shown}, netdev-genl {seen}")


def test_sysfs(env: Env) -> None:
    """procfs and sysfs show the same numbers."""
    at_rest(env)
    link = link_stats(env, env.dut)
    for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_dropped"):
        equal(int(read(f"/sys/class/net/{env.dut.ifname}/statistics/{name}")), link[name], name)
    line = next(li for li in read("/proc/net/dev").splitlines()
                if li.strip().startswith(env.dut.ifname + ":"))
    equal(int(line.split(":")[1].split()[0]), link["rx_bytes"], "/proc/net/dev: bytes received")
    run(f"ethtool -S {env.dut.ifname}", ok=env.is_ceth)


if __name__ == "__main__":
    main(cases(test_exact, test_exact_flows, test_exact_jumbo, test_exact_one_queue,
               test_survive_down, test_survive_channels, test_monotonic, test_tx_offloads,
               test_rx_checksum, test_page_pool, test_sysfs))
