#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Functions as slices of a device: what they cannot do to it, to each other and to
its wire; what they are made of; what they may send; and that they lack nothing."""

from __future__ import annotations

import itertools
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from cethtest.env import End, Env
from cethtest.flow import Both, Flow, steady
from cethtest.bpf import Bpf
from cethtest.frames import EVERYBODY, Capture, Kind, blast, raw_socket
from cethtest.funcs import CONFIGFS, Func, devlink, parent
from cethtest.stats import ethtool_stats, restart
from cethtest.tap import cases, main, say
from cethtest.times import RX_HARDWARE, stamp, timed, timed_socket
from cethtest.tool import (Failure, check, equal, in_ns, read, rounds, run, run_json, wait_for,
                           write)
from cethtest.xsk import Options, Xsk

BOX = "ceth-slice"
_boxes = itertools.count()
STRANGER = bytes.fromhex("0200c0ffee01")
PROGRAMS = Path(__file__).resolve().parent
# Ethernet, IPv4, UDP
FRAME, SIZE = 14 + 20 + 8, 1200
ADDRESS = "192.0.2.5"
POOL = 6
SKIPPED = 4
# A wire that is slow, and what each device can have on it
WIRE_MBIT, WIRE_BYTES = 4, 512 << 10
# With what is mounted below /sys, which that of another namespace has not
MOUNT = "mount -t bpf bpf /sys/fs/bpf; mount -t debugfs d /sys/kernel/debug; exec \"$@\""
# Programs and cases of them that a function has to pass. What it sends under another
# address than its own is left out: nobody would get it.
SUITES = ("xdp.py drop tx adjust_head", "hints.py hash time vlan zerocopy",
          "xsk.py rx_tx multi checksum", "rss.py hash contexts rules", "queues.py others socket",
          "traffic.py tso tcp_large")


def spoofed(end: End) -> int:
    """Frames that the device did not send for their source address."""
    return ethtool_stats(end)["dev_tx_spoofed"]


def promiscuous(env: Env, *ends: End) -> None:
    """For this case."""
    for end in ends:
        end.run("ip link set {} promisc on allmulticast on")
        env.later(lambda e=end: e.exists and e.run("ip link set {} promisc off allmulticast off"))


def seen(capture: Capture, n: int, what: str) -> None:
    """Fail unless so many frames have come, and no more."""
    got = len(capture.all(lambda f: len(f) >= n)) if n else 0
    # What should not come would come at once.
    time.sleep(0.1)
    while capture.get():
        got += 1
    equal(got, n, f"frames: {what}")


def test_private(env: Env) -> None:
    """Nobody sees what is for somebody else, however hard he listens."""
    one, two = Func(env, 1), Func(env, 2)
    promiscuous(env, one.end, env.dut)
    # One says that it has the addresses of others, too.
    for i, mac in enumerate((two.mac, env.dut.mac.hex(":"), env.peer.mac.hex(":"))):
        one.end.run(f"ip link add link {{}} name thief{i} address {mac} type macvlan")
        run(f"ip link set thief{i} up")
    kind = Kind(run=81)
    with Capture(one.end) as thief, Capture(env.dut) as dut, Capture(two.end) as mine, \
            Capture(env.peer) as peer:
        for src, dst, where in ((env.peer, two.end, mine), (env.dut, two.end, mine),
                                (env.peer, env.dut, dut), (two.end, env.dut, dut),
                                (two.end, env.peer, peer), (env.dut, env.peer, peer)):
            blast(src, dst.mac, kind, [60], 10)
            what = f"{src.ifname} to {dst.ifname}"
            seen(where, 10, what)
            for other in (thief, dut, mine, peer):
                if other is not where:
                    seen(other, 0, f"{what}, seen by others")
        # Its owner does not take it: that makes it nobody else's.
        blast(env.peer, two.end.mac, Kind(run=81, vlan=5), [60], 10)
        blast(env.dut, two.end.mac, Kind(run=81, vlan=5), [60], 10)
        for who in (thief, dut, mine, peer):
            seen(who, 0, "in a VLAN that the function is not in")
        # An address that nobody has: the device may listen to its wire, not to its functions.
        blast(env.peer, STRANGER, kind, [60], 10)
        seen(dut, 10, "for a stranger, from the wire, to the device")
        seen(thief, 0, "for a stranger, from the wire, to a function")
        blast(two.end, STRANGER, kind, [60], 10)
        seen(dut, 0, "for a stranger, from a function, to the device")
        # Unless the address is in its table.
        run(f"ip link add link {env.dut.ifname} name own0 address {STRANGER.hex(':')} type macvlan")
        env.later(lambda: run("ip link del own0"))
        run("ip link set own0 up")
        blast(two.end, STRANGER, kind, [60], 10)
        with Capture(End("own0", None, "", "")) as own:
            blast(two.end, STRANGER, kind, [60], 10)
            seen(own, 10, "for an address of the device's table, from a function")


def test_address(env: Env) -> None:
    """An address is one device's of the port, and a function's not its own to choose."""
    one = Func(env, 1)
    done = run(f"ip link set {one.end.ifname} address 52:45:46:99:00:01", ok=False)
    check("not supported" in done.stderr, f"a function chooses its address: {done.stderr}")
    mac = env.dut.mac.hex(":")
    env.later(lambda: env.configure(env.pairs[0]))
    for what in ("up", "down"):
        env.dut.run(f"ip link set {{}} {what}")
        done = run(f"ip link set {env.dut.ifname} address {one.mac}", ok=False)
        check("in use" in done.stderr, f"the device, {what}, has a function's address: {done.stderr}")
    # The permanent one stays the device's, too: it is back after a reset.
    env.later(lambda: env.dut.run(f"ip link set {{}} address {mac}"))
    env.dut.run("ip link set {} address 52:45:46:99:00:02")
    two = Func(env, 2, active=False)
    for address in (mac, "52:45:46:99:00:02"):
        said = two.set(f"hw_addr {address}", ok=False)
        check("the device has that address" in said, f"hw_addr {address}: {said}")
    env.dut.run("ip link set {} up")
    env.dut.run(f"ip link set {{}} address {mac}")
    env.configure(env.pairs[0])
    steady(one.end, env.dut, "addresses refused")


def test_spoof(env: Env) -> None:
    """Nobody sends under another's address."""
    one, two = Func(env, 1), Func(env, 2)
    promiscuous(env, env.peer)
    for end, sources in ((one.end, (two.end.mac, env.dut.mac, env.peer.mac, STRANGER)),
                         (env.dut, (one.end.mac, two.end.mac))):
        with Capture(env.peer) as wire, Capture(two.end) as inside:
            for src in sources:
                before = spoofed(end)
                with raw_socket(end) as sock:
                    for seq in range(10):
                        for dst in (EVERYBODY, env.peer.mac, two.end.mac):
                            sock.send(Kind(run=82).frame(dst, src, seq, 60))
                wait_for(lambda e=end, b=before: spoofed(e) - b == 30, "frames counted")
            seen(wire, 0, f"under another's address, {end.ifname} to the wire")
            seen(inside, 0, f"under another's address, {end.ifname} to a neighbour")
    # The device may be a bridge.
    with Capture(env.peer) as wire, raw_socket(env.dut) as sock:
        sock.send(Kind(run=82).frame(EVERYBODY, STRANGER, 0, 60))
        seen(wire, 1, "of a station behind the device")
    steady(one.end, env.peer, "after that")


class Miser(threading.Thread):
    """A socket whose queue has no buffer, and now and then one."""

    def __init__(self, env: Env, end: End) -> None:
        super().__init__(daemon=True)
        self.xsk = Xsk(end, 0, Options())
        self.bpf = Bpf(env, "xsk")
        self.bpf.attach("by_flow", end)
        self.bpf.maps["each"].set(0, struct.pack("=I", 1))
        self.bpf.maps["xsks"].set(0, struct.pack("=I", self.xsk.sock.fileno()))
        self.xsk.kept = [0]
        self.frames = 0
        self.done = threading.Event()

    def run(self) -> None:
        """One buffer each third of a second."""
        while not self.done.wait(0.3):
            self.frames += len(self.xsk.receive(keep=True))
            self.xsk.fill_up(self.xsk.kept)
            self.xsk.kept = []

    def __enter__(self) -> Miser:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()
        self.xsk.close()


def test_stuck(env: Env) -> None:
    """Who has no buffers holds up nobody: neighbours, wire, device."""
    one, two = Func(env, 1, pairs=1), Func(env, 2)
    kind = Kind(run=83)
    env.channels(1)
    for end in (one.end, env.dut):
        with Miser(env, end) as miser:
            for src in (env.peer, two.end):
                start = miser.frames
                others = [e for e in (env.peer, two.end, env.dut, one.end) if e not in (src, end)]
                captures = [Capture(e) for e in others]
                blast(src, EVERYBODY, kind, [60], 100)
                for other, capture in zip(others, captures):
                    seen(capture, 100, f"of {src.ifname} to {other.ifname}, {end.ifname} stuck")
                    capture.close()
                say(f"{end.ifname} has taken {miser.frames - start} of 100 meanwhile")
                # It would take each of them, if it was waited for.
                check(miser.frames - start < 50, f"{src.ifname} has waited for {end.ifname}")
            steady(two.end, env.peer, f"{end.ifname} is stuck")


def resources(env: Env) -> dict[str, tuple[int, int]]:
    """Size and use of each."""
    shown = run_json(f"devlink -j resource show {parent(env)}")["resources"][parent(env)]
    found = {}
    for top in shown:
        found[top["name"]] = top["size"], top["occ"]
        for sub in top.get("resources", []):
            found[f"{top['name']}/{sub['name']}"] = sub["size"], sub["occ"]
    return found


def test_resources(env: Env) -> None:
    """Queue pairs of functions come from a pool, and the device's are its own."""
    port = CONFIGFS / env.pci
    parent(env)

    def power(queues: int) -> None:
        write(port / "power", 0)
        write(port / "func_queues", queues)
        write(port / "power", 1)
        wait_for(lambda: env.dut.exists, "the device")
        env.configure(env.pairs[0])

    before = int(read(port / "func_queues"))
    env.later(lambda: power(before))
    power(0)
    said = devlink(f"port add {parent(env)} flavour pcisf pfnum 0 sfnum 1", ok=False)
    check("the device has no functions" in said, said)
    power(POOL)
    own = env.channel_limits()[1]
    one, two = Func(env, 1, pairs=4), Func(env, 2, pairs=4, active=False)
    used = env.channel_limits()[0]
    equal(resources(env), {"queue_pairs": (own + POOL, used + 4), "functions": (16, 2),
                           "queue_pairs/device": (own, used),
                           "queue_pairs/functions": (POOL, 4)}, "resources")
    said = two.set("state active", ok=False)
    check(f"max_io_eqs 4: of {POOL} for functions 2 are left" in said, said)
    two.set("max_io_eqs 2")
    two.activate()
    three = Func(env, 3, pairs=1, active=False)
    said = three.set("state active", ok=False)
    check("0 are left" in said, said)
    equal(resources(env)["queue_pairs/functions"], (POOL, POOL), "all in use")
    # What is guaranteed to the device.
    for n in (1, own):
        env.channels(n)
        equal(resources(env)["queue_pairs/device"], (own, n), "of the device")
        steady(env.dut, env.peer, f"{n} pairs of the device")
    one.set("state inactive")
    one.vanished()
    three.activate()
    steady(three.end, two.end, "from what was given back")
    said = devlink(f"resource set {parent(env)} path /queue_pairs/functions size 8", ok=False)
    say(said)


def boxed(env: Env, func: Func) -> None:
    """The function's interface in a namespace of its own, with an address."""
    # Another name each time: who was connected to the last one still is.
    box = f"{BOX}{next(_boxes)}"
    run(f"ip netns add {box}")
    env.later(lambda: run(f"ip netns del {box}"))
    func.move(box)
    func.end.ip(f"addr add {ADDRESS}/26 dev {{}}",
                f"neigh replace {env.peer.ip4} lladdr {env.peer.mac.hex(':')} dev {{}} nud permanent")
    env.peer.ip(f"neigh replace {ADDRESS} lladdr {func.mac} dev {{}} nud permanent")
    # It may be gone: whoever configures the peer anew flushes its addresses.
    env.later(lambda: env.peer.run(f"ip neigh del {ADDRESS} dev {{}}", ok=False))


def gap(env: Env, func: Func, n: int = 30) -> int:
    """ns between packets that are sent as fast as can be, by the far end's clock."""
    with timed_socket(env.peer, RX_HARDWARE) as rx:
        with in_ns(func.end.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            for _ in range(n):
                tx.sendto(bytes(SIZE), rx.getsockname())
        times = sorted(stamp(rx.recvmsg(2000, 512)[1]) for _ in range(n))
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    return gaps[len(gaps) // 2]


def limited(env: Env, func: Func, mbit: int, what: str) -> None:
    """What it sends has that limit."""
    wanted = (SIZE + FRAME) * 8 * 1000 // mbit if mbit else 0
    found = gap(env, func)
    say(f"{what}: {found} ns between packets, wanted {wanted or 'less'}")
    if mbit:
        check(wanted * 99 // 100 <= found <= wanted * 101 // 100, what)
    else:
        check(found < (SIZE + FRAME) * 8 * 1000 // 2, f"{what}: still limited")


def shown_rate(func: Func) -> object:
    """Bytes per second."""
    return run_json(f"devlink -j port function rate show {func.port}")["rate"][func.port].get("tx_max", 0)


def test_rate(env: Env) -> None:
    """A function's limit is its device's to set, at any time, and holds."""
    timed(env, env.peer, rx=True)
    one = Func(env, 1, active=False)
    rate = f"port function rate set {one.port}"
    for words, why in (("tx_share 1mbit", "isn't supported"), ("tx_max 100kbit", "1mbit at least"),
                       ("parent none", "isn't supported")):
        done = run(f"devlink {rate} {words}", ok=False)
        say(f"{words}: {done.returncode} {done.stderr}")
        check(words.startswith("parent") or why in done.stderr, f"{words}: said {done.stderr}")
    devlink(f"{rate} tx_max 2mbit")
    one.activate()
    boxed(env, one)
    limited(env, one, 2, "set before")
    equal(shown_rate(one), 250000, "bytes per second")
    devlink(f"{rate} tx_max 4mbit")
    limited(env, one, 4, "another while active")
    run(f"devlink health test {one.env.bus}/{one.device.name} reporter device")
    wait_for(lambda: ethtool_stats(one.end)["recoveries"] == 1, "a restart of the function")
    wait_for(lambda: env.carrier(one.end), "carrier")
    restart(env)
    limited(env, one, 4, "after restarts of both")
    env.dut.run("ip link set {} down")
    env.later(lambda: env.configure(env.pairs[0]))
    devlink(f"{rate} tx_max 3mbit")
    limited(env, one, 3, "set while the device is down")
    devlink(f"{rate} tx_max 0")
    limited(env, one, 0, "no limit")


def test_share(env: Env) -> None:
    """A slow wire: who sends from many queues fills no more of it than others can."""
    one = Func(env, 1, pairs=4)
    one.end.run("ethtool -L {} combined 4", ok=False)
    # By flow, whatever the CPU
    for xps in Path(f"/sys/class/net/{one.end.ifname}/queues").glob("tx-*/xps_cpus"):
        write(xps, 0)
    rate = CONFIGFS / env.pci / "rate_mbps"
    env.later(lambda: write(rate, 0))
    write(rate, WIRE_MBIT)
    greedy, modest = Kind(run=85, udp=True, flows=64), Kind(run=86, udp=True)
    fits = WIRE_BYTES // 1514
    with Capture(env.peer, greedy.ethertype) as capture, \
            Flow(one.end, env.peer, greedy, (1514,), rate=1000000) as flow:
        # Its part of the wire is full, and its rings are.
        wait_for(lambda: flow.arrived >= 2 * fits, "a wire that is full")
        blast(env.dut, env.peer.mac, modest, [1514], fits)
        others = mine = 0
        while mine < fits:
            for frame in capture.all(lambda f: len(f) >= 50, 5):
                own = frame[46:48] == modest.run.to_bytes(2, "big")
                mine += own
                others += not own and 0 < mine < fits
    say(f"{others} frames of the function between {mine} of the device")
    check(others < 2 * fits, "more than its part")


def suite(env: Env, func: Func, words: str) -> None:
    """A program of these, in the function's namespace, with the function for a device."""
    argv = [sys.executable, str(PROGRAMS / words.split()[0]), *words.split()[1:]]
    variables = {"NETIF": func.end.ifname, "PEER": env.peer.ifname, "NS": str(env.peer.ns),
                 "PYTHONPATH": str(PROGRAMS)}
    if func.end.ns:
        argv = ["ip", "netns", "exec", func.end.ns, "sh", "-c", MOUNT, "sh", *argv]
    with subprocess.Popen(argv, env=os.environ | variables, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout
        said = child.stdout.read()
    results = re.findall(r"^((?:not )?ok) \d+ (\S+)(.*)", said, re.M)
    say(f"{words}: " + ", ".join(name + (" skipped" if "SKIP" in rest else "")
                                 for _, name, rest in results))
    if child.returncode not in (0, SKIPPED) or not results or any(how != "ok" for how, _, _ in results):
        say(said)
        raise Failure(f"{words}: not on a function")
    # What the kernel has not, the device has not, either.
    lacks = [name + rest for _, name, rest in results
             if "SKIP" in rest and "this kernel" not in rest]
    check(not lacks, f"{words}: a function lacks what the device has: {lacks}")


def test_full(env: Env) -> None:
    """In a namespace of its own it has what the device has."""
    one = Func(env, 1, pairs=4)
    suite(env, one, "queues.py lease_rules")
    boxed(env, one)
    for words in SUITES:
        suite(env, one, words)


def history(env: Env, end: End) -> tuple[int, int, int]:
    """What stays the same, if nothing happens to it."""
    link = env.rtnl(end.ns).link(end.ifindex)
    return end.ifindex, link.carrier_ups + link.carrier_downs, ethtool_stats(end)["recoveries"]


def test_siblings(env: Env) -> None:
    """Functions come, go, and are restarted: others lose nothing."""
    one, two = Func(env, 1), Func(env, 2)
    others = (two.end, env.dut, env.peer)
    before = [history(env, end) for end in others]
    with Both(two.end, env.peer, udp=True, flows=8) as outer, \
            Both(two.end, env.dut, udp=True, flows=8) as inner:
        for _ in range(rounds(3)):
            outer.wait(20)
            run(f"devlink health test {env.bus}/{one.device.name} reporter device")
            one.set("state inactive")
            one.vanished()
            inner.wait(20)
            one.activate()
            # What is on the way when its receiver goes
            blast(env.peer, one.end.mac, Kind(run=84), [60, 1514], 200)
            one.remove()
            one = Func(env, 1)
        tallies = outer.demand("with the wire") + inner.demand("with the device")
    # Who is refused sends again, and loses nothing.
    equal([t.refused for t in tallies], [0] * len(tallies), "frames that were refused")
    equal([history(env, end) for end in others], before,
          "interfaces, changes of the carrier, restarts of the others")


if __name__ == "__main__":
    main(cases(test_private, test_address, test_spoof, test_stuck, test_resources, test_rate, test_share,
               test_full, test_siblings))
