#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the device itself counts: exact, in its usual places, and for good."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from pathlib import Path

from cethtest import inet
from cethtest.env import End, Env
from cethtest.flow import steady
from cethtest.frames import Kind, blast, exchange, raw_socket
from cethtest.stats import ethtool_stats, link_stats, recoveries, restart
from cethtest.tap import cases, main
from cethtest.tool import Skip, check, equal, read, run, run_json, wait_for, write

CONFIGFS = Path("/sys/kernel/config/refnic")
DEBUGFS = Path("/sys/kernel/debug/refnic")
FCS = 4
# Two of each class
SIZES = [60, 60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020, 1514]
CLASSES = {(64, 64): 2, (65, 127): 2, (128, 255): 2, (256, 511): 2, (512, 1023): 2,
           (1024, 1518): 2}
ROUNDS = 20
NOBODY = bytes.fromhex("0200c0ffee01")
GROUP = bytes.fromhex("01005e000001")
EVERYBODY = b"\xff" * 6
# More than any counter grows here
WILD = 10 ** 6


class Device:
    """All that is shown of the device's own counters, at one time."""

    def __init__(self, env: Env, end: End | None = None) -> None:
        end = end or env.dut
        text = f"ethtool --json -S {end.ifname} --groups"
        found = run([*text.split(), "eth-mac", "rmon"], end.ns, ok=False).stdout
        if "FramesReceivedOK" not in found:
            raise Skip("the device has no statistics of its own")
        groups = run_json([*text.split(), "eth-mac", "rmon"], end.ns)[0]
        self.mac: dict[str, int] = groups["eth-mac"]
        self.rmon = groups["rmon"]
        self.own = ethtool_stats(end)
        self.link = link_stats(env, end)
        self.qstats = env.netdev.qstats(end.ifindex)[0] if end.ns is None else {}

    def classes(self, direction: str) -> dict[tuple[int, int], int]:
        """The histogram."""
        return {(b["low"], b["high"]): b["val"]
                for b in self.rmon.get(f"{direction}-pktsNtoM", [])}

    def numbers(self) -> dict[str, int]:
        """Everything, by source and name."""
        found = {f"mac {k}": v for k, v in self.mac.items()}
        found |= {f"own {k}": v for k, v in self.own.items() if k.startswith("dev_")}
        found |= {f"link {k}": v for k, v in self.link.items()}
        found |= {f"qstats {k}": v for k, v in self.qstats.items()}
        for way in ("rx", "tx"):
            found |= {f"{way} {low}": v for (low, _), v in self.classes(way).items()}
        return found


def grown(before: Device, after: Device) -> dict[str, int]:
    """By how much, where at all."""
    old = before.numbers()
    return {k: v - old[k] for k, v in after.numbers().items() if v != old[k]}


def expect(env: Env, before: Device, what: str, **wanted: int) -> None:
    """These have grown by so much; "_" stands for a space before the name."""
    names = {k.replace("__", " "): v for k, v in wanted.items()}
    seen: dict[str, int] = {}

    def settled() -> bool:
        seen.clear()
        seen.update(grown(before, Device(env)))
        return all(seen.get(k, 0) == v for k, v in names.items())

    with contextlib.suppress(Exception):
        wait_for(settled, what, 10)
    equal({k: seen.get(k, 0) for k in names}, names, what)


def test_exact(env: Env) -> None:
    """Frames and octets, both ways, by length."""
    sizes = SIZES * ROUNDS
    octets = sum(s + FCS for s in sizes)
    for src, dst, way, ok in ((env.peer, env.dut, "rx", "Received"),
                              (env.dut, env.peer, "tx", "Transmitted")):
        before = Device(env)
        exchange(src, dst, sizes, kind=Kind(run=51)).demand(way)
        expect(env, before, way, **{f"mac__Frames{ok}OK": len(sizes),
                                    f"mac__Octets{ok}OK": octets})
        after = Device(env)
        old, new = before.classes(way), after.classes(way)
        if not new:
            continue
        for where, n in CLASSES.items():
            equal(new[where] - old[where], n * ROUNDS, f"{way}: frames of {where}")
        equal(sum(new.values()) - sum(old.values()), len(sizes), f"{way}: frames of all lengths")


def test_jumbo(env: Env) -> None:
    """Lengths that RFC 2819 does not know."""
    env.mtu(9000)
    before = Device(env)
    if not before.classes("rx"):
        raise Skip("the device does not count by these lengths")
    exchange(env.peer, env.dut, [1515, 4000, 9014] * 5, kind=Kind(run=52)).demand("jumbo")
    expect(env, before, "jumbo", **{"rx 1519".replace(" ", "__"): 15})


def test_casts(env: Env) -> None:
    """Multicast and broadcast frames, each way."""
    for src, ok in ((env.peer, "Received"), (env.dut, "Xmitted")):
        before = Device(env)
        blast(src, EVERYBODY, Kind(run=53), [60], 30)
        blast(src, GROUP, Kind(run=53), [60], 70)
        expect(env, before, ok, **{f"mac__BroadcastFrames{ok}OK": 30,
                                   f"mac__MulticastFrames{ok}OK": 70})
    before = Device(env)
    blast(env.peer, GROUP, Kind(run=53), [60], 40)
    wait_for(lambda: link_stats(env, env.dut)["multicast"] - before.link["multicast"] >= 40,
             "multicast in ip -s link, with nobody asking ethtool")


def test_filtered(env: Env) -> None:
    """Frames for others."""
    before = Device(env)
    if "dev_rx_filtered" not in before.own:
        raise Skip("the device does not count frames for others")
    blast(env.peer, NOBODY, Kind(run=54), [60, 700], 120)
    expect(env, before, "for others", own__dev_rx_filtered=120, qstats__rx_hw_drops=120,
           mac__FramesReceivedOK=0)


def test_length(env: Env) -> None:
    """Frames that are longer than the port takes."""
    port = CONFIGFS / (env.pci or "-")
    if not port.is_dir():
        raise Skip("the device's port cannot be told to")
    mtu = read(port / "mtu")
    env.later(lambda: write(port / "mtu", mtu))
    write(port / "mtu", 1000)
    before = Device(env)
    blast(env.peer, env.dut.mac, Kind(run=55), [1400], 25)
    expect(env, before, "too long", own__dev_rx_length=25, link__rx_length_errors=25,
           link__rx_errors=25, qstats__rx_hw_drops=25)


def test_checksum(env: Env) -> None:
    """Packets whose checksum is wrong arrive, and are counted."""
    src, dst = socket.inet_aton("198.51.100.1"), socket.inet_aton("198.51.100.2")
    udp = struct.pack("!HHHH", 9, 9, 8 + 40, 0xbeef) + bytes(40)
    frame = (env.dut.mac + env.peer.mac + b"\x08\x00" +
             inet.ipv4(src, dst, inet.UDP, len(udp)) + udp)
    before = Device(env)
    if "rx_csum_bad" not in before.qstats:
        raise Skip("the device does not verify checksums")
    with raw_socket(env.peer) as sock:
        for _ in range(33):
            sock.send(frame)
    expect(env, before, "wrong checksums", own__dev_rx_csum_bad=33, qstats__rx_csum_bad=33,
           mac__FramesReceivedOK=33)


def test_no_buffer(env: Env) -> None:
    """What a queue without buffers loses."""
    knobs = DEBUGFS / (env.pci or "-")
    if not (knobs / "rx_stuck").exists():
        raise Skip("the device cannot be told to misbehave")
    env.later(lambda: write(knobs / "rx_stuck", 0))
    before, restarts = Device(env), recoveries(env)
    write(knobs / "rx_stuck", 1)

    def missed() -> int:
        blast(env.peer, env.dut.mac, Kind(run=56), [60], 5)
        return link_stats(env, env.dut)["rx_missed_errors"] - before.link["rx_missed_errors"]

    wait_for(missed, "rx_missed_errors", 60)
    wait_for(lambda: recoveries(env) > restarts, "a restart", 60)
    env.ready()
    after = Device(env)
    lost = after.link["rx_missed_errors"] - before.link["rx_missed_errors"]
    equal(after.own["dev_rx_no_buffer"] - before.own["dev_rx_no_buffer"], lost, "ethtool -S")
    equal(after.qstats["rx_hw_drop_overruns"] - before.qstats["rx_hw_drop_overruns"], lost,
          "qstats: rx-hw-drop-overruns")
    steady(env.dut, env.peer, "a queue without buffers")


def test_survive(env: Env) -> None:
    """Resets, recoveries, down and up: nothing is forgotten."""
    exchange(env.peer, env.dut, SIZES, 200, Kind(run=57)).demand("before")
    blast(env.peer, NOBODY, Kind(run=57), [60], 10)
    before = Device(env)

    env.later(lambda: env.configure(env.pairs[0]))
    for what, how in (("down", lambda: env.rtnl().set_up(env.dut.ifindex, False)),
                      ("up", lambda: env.rtnl().set_up(env.dut.ifindex, True)),
                      ("recovery", lambda: restart(env))):
        how()
        if what != "down":
            env.ready()
        now = Device(env)
        old = before.numbers()
        back = {k: (old[k], v) for k, v in now.numbers().items() if k in old and v < old[k]}
        check(not back, f"{what}: went back: {back}")
        equal(now.mac["FramesReceivedOK"], before.mac["FramesReceivedOK"], what)
        equal(now.own.get("dev_rx_filtered"), before.own.get("dev_rx_filtered"), what)
    mark = Device(env)
    exchange(env.peer, env.dut, SIZES, 50, Kind(run=58)).demand("afterwards")
    expect(env, mark, "afterwards", mac__FramesReceivedOK=50)


def test_corrupted(env: Env) -> None:
    """Answers that cannot be are noticed, counted, and not shown."""
    knobs = DEBUGFS / (env.pci or "-")
    if not (knobs / "stats").exists():
        raise Skip("the device cannot be told to misbehave")
    env.later(lambda: write(knobs / "stats", 0))
    exchange(env.peer, env.dut, SIZES, 100, Kind(run=59)).demand("before")
    before = Device(env)
    restarts = before.own["recoveries"]
    write(knobs / "stats", 2)
    end = time.monotonic() + 30
    while int(read(knobs / "stats")) and time.monotonic() < end:
        seen = grown(before, Device(env))
        wild = {k: v for k, v in seen.items() if v < 0 or v > WILD}
        check(not wild, f"garbage is shown: {wild}")
    equal(ethtool_stats(env.dut)["dev_bad_stats"] - before.own["dev_bad_stats"], 2,
          "answers that were bad")
    exchange(env.peer, env.dut, SIZES, 100, Kind(run=60)).demand("afterwards")
    expect(env, before, "afterwards", mac__FramesReceivedOK=100)
    # A device that insists has begun anew: it is counted from there.
    write(knobs / "stats", 3)
    wait_for(lambda: ethtool_stats(env.dut)["dev_bad_stats"] - before.own["dev_bad_stats"] >= 5,
             "a device that insists")
    wait_for(lambda: ethtool_stats(env.dut)["dev_bad_stats"] - before.own["dev_bad_stats"] >= 8,
             "the truth, which is as bad as seen from there")
    mark = Device(env)
    check(not {k: v for k, v in grown(before, mark).items() if v < 0 or v > WILD},
          "garbage is shown")
    exchange(env.peer, env.dut, SIZES, 100, Kind(run=61)).demand("in the end")
    expect(env, mark, "in the end", mac__FramesReceivedOK=100)
    equal(ethtool_stats(env.dut)["recoveries"], restarts, "restarts for that")


if __name__ == "__main__":
    main(cases(test_exact, test_jumbo, test_casts, test_filtered, test_length, test_checksum,
               test_no_buffer, test_survive, test_corrupted))
