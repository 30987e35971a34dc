#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the ports of the reference NIC are wired to: each other, the built-in
generator, a network device of the machine.

Frames are counted, and times compared in the one direction that a slow machine
cannot spoil: nothing comes sooner than the wire lets it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from cethtest import inet, tcp
from cethtest.env import End, Env
from cethtest.flow import steady
from cethtest.frames import ETH_P_ALL, HEAD, Capture, Kind, Tally, blast, exchange
from cethtest.stats import Delta, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, KernelLog, Skip, check, equal, read, run, sysctl, wait_for, write
from offloads import RX_HARDWARE, Clock, stamp, timed_socket, timestamping

PORTS = Path("/sys/kernel/config/refnic")
STATES = Path("/sys/kernel/debug/refnic")
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SETTINGS = ("latency_ns", "rate_mbps", "loss_ppm", "reorder_ppm")


class Port:
    """A port, and what is put back at the end of the case."""

    def __init__(self, env: Env, name: str = "") -> None:
        self.env, self.name = env, name or env.pci
        self.dir = PORTS / (self.name or "-")
        if not self.dir.is_dir():
            raise Skip("not a port of the reference NIC")
        self.peer = read(self.dir / "peer")
        for setting in SETTINGS:
            env.later(lambda s=setting: write(self.dir / s, 0))

    def get(self, name: str) -> int:
        """A number."""
        return int(read(self.dir / name), 0)

    def set(self, name: str, value: object) -> None:
        """Change a setting."""
        write(self.dir / name, value)

    def refused(self, name: str, value: object) -> int:
        """What a setting is refused with; 0: it is not."""
        try:
            self.set(name, value)
        except OSError as e:
            return e.errno or -1
        return 0

    def state(self, counter: str) -> int:
        """One of the counters of the device in it."""
        found = re.findall(rf"^{counter} (\d+)$", read(STATES / self.name / "state"), re.M)
        return int(found[0])

    def rewired(self, **how: str) -> None:
        """Wired to something else for this case."""
        for name, value in how.items():
            self.set(name, value)
        self.env.later(self.env.ready)
        self.env.later(lambda: self.set("peer", self.peer))


def both_ports(env: Env) -> tuple[Port, Port]:
    """That of the device under test, and that at the far end of its wire."""
    ours = Port(env)
    return ours, Port(env, ours.peer)


def settled(port: Port) -> int:
    """Frames that got lost on the wire, once none is on the way."""
    at_rest(port.env)
    return port.get("lost")


def arrivals(env: Env, n: int, size: int) -> tuple[int, list[int]]:
    """Datagrams to the peer, sent at once: when that began, and when they arrived,
    by the peer's clock. (Several queues may carry them, in any order.)"""
    clock = Clock(env.peer)
    timestamping(env.peer, tx=False, rx=True)
    try:
        with timed_socket(env.peer, RX_HARDWARE) as rx, timed_socket(env.dut, 0) as tx:
            times, seen = [], set()
            before = clock.now
            for i in range(n):
                tx.sendto(struct.pack("!I", i) * (size // 4), rx.getsockname())
            for _ in range(n):
                data, ancillary, _, _ = rx.recvmsg(4000, 512)
                seen.add(struct.unpack_from("!I", data)[0])
                times.append(stamp(ancillary))
            equal(len(seen), n, "datagrams that arrive")
    finally:
        timestamping(env.peer, False, False)
    return before, sorted(times)


def test_latency(env: Env) -> None:
    """No frame comes before its latency is over; without latency some do."""
    port, _ = both_ports(env)
    before, times = arrivals(env, 1, 100)
    shortest = times[0] - before
    for _ in range(20):
        before, times = arrivals(env, 1, 100)
        shortest = min(shortest, times[0] - before)
    for ms in (1000, 300):
        port.set("latency_ns", ms * 1_000_000)
        for _ in range(3):
            before, times = arrivals(env, 5, 100)
            check(min(times) - before >= ms * 1_000_000,
                  f"latency {ms} ms: a frame arrives after {min(times) - before} ns")
    say(f"without latency: {shortest} ns")
    check(shortest < 1_000_000_000, f"without latency: {shortest} ns")
    equal(port.refused("latency_ns", 2_000_000_000), errno.ERANGE, "latency of two seconds")
    port.set("latency_ns", 0)
    steady(env.dut, env.peer, "latency")


def test_rate(env: Env) -> None:
    """No more bits than the wire's rate, however many are sent at once."""
    port, _ = both_ports(env)
    n, size = 60, 1000
    for mbps in (1, 4):
        port.set("rate_mbps", mbps)
        before, times = arrivals(env, n, size)
        for i, at in enumerate(times):
            least = (i + 1) * (size + 42) * 8 * 1000 // mbps
            check(at - before >= least, f"{mbps} Mbit/s: frame {i} arrives after {at - before} "
                  f"ns, and its last bit cannot before {least}")
    port.set("rate_mbps", 0)
    steady(env.dut, env.peer, "rate")


def test_loss(env: Env) -> None:
    """As many as chance says get lost, and each is counted."""
    port, _ = both_ports(env)
    n = 4000
    for ppm in (0, 100_000, 500_000, 1_000_000):
        before = settled(port)
        port.set("loss_ppm", ppm)
        tally = Tally(Kind(run=80 + ppm // 100_000))
        with Capture(env.peer) as capture:
            for _ in range(n // 500):
                tally.sent += blast(env.dut, env.peer.mac, tally.kind, [60, 300], 500, tally.sent)
                wanted = tally.sent - (port.get("lost") - before)
                capture.into(tally, seconds=0.5, wanted=wanted)
            lost = settled(port) - before
            capture.into(tally, wanted=n - lost)
        equal(tally.lost, lost, f"{ppm} ppm: frames that do not come, against the counter")
        tally.demand(f"{ppm} ppm", loss=True)
        p = ppm / 1_000_000
        slack = 6 * math.sqrt(n * p * (1 - p))
        check(abs(lost - n * p) <= slack, f"{ppm} ppm: {lost} of {n} are lost")
    port.set("loss_ppm", 0)
    equal(port.refused("loss_ppm", 1_000_001), errno.ERANGE, "more than all")


def test_reorder(env: Env) -> None:
    """Frames overtake each other as often as chance says; none is lost."""
    port, _ = both_ports(env)
    # There must be somebody to overtake.
    port.set("latency_ns", 200_000_000)
    n = 2000
    tally = exchange(env.dut, env.peer, [60, 500], n, Kind(run=95))
    tally.demand("latency", order=True)
    port.set("reorder_ppm", 300_000)
    tally = exchange(env.dut, env.peer, [60, 500], n, Kind(run=96))
    tally.demand("reordered")
    # Late is who does not overtake and is overtaken by the next.
    late = n * 0.3 * 0.7
    say(f"{tally.reordered} of {n} frames are late")
    check(abs(tally.reordered - late) < late / 3, f"{tally.reordered} of {n} are late, "
          f"which should be {late:.0f}")


def test_wire_mtu(env: Env) -> None:
    """Frames that the port does not take are counted there, and come to nobody."""
    _, far = both_ports(env)
    mtu = far.get("mtu")
    env.later(lambda: far.set("mtu", mtu))
    far.set("mtu", 1000)
    # Room for two tags
    limit = 1000 + 14 + 8
    sizes = list(range(limit - 30, limit + 31))
    tally = Tally(Kind(run=97))
    before = far.state("rx_length")
    with Capture(env.peer) as capture:
        tally.sent = blast(env.dut, env.peer.mac, tally.kind, sizes)
        capture.into(tally, wanted=31)
        wait_for(lambda: far.state("rx_length") >= before + 30, "too long frames")
        capture.into(tally, seconds=0.3)
    equal(sorted(sizes[n] for n in tally.seen), sizes[:31], "sizes that arrive")
    equal(far.state("rx_length") - before, 30, "rx_length of the port")


# --- generator ------------------------------------------------------------------------


def generate(env: Env, port: Port, n: int, size: int, flows: int) -> Delta:
    """Frames out of the generator, all of them taken by the device."""
    port.set("gen_size", size)
    port.set("gen_flows", flows)
    before = at_rest(env)
    port.set("gen_frames", n)
    wait_for(lambda: not port.get("gen_frames"), "the generator to be done", 120)
    return Delta(before, at_rest(env))


def test_generator(env: Env) -> None:
    """So many frames, of that size, over all queues."""
    port = Port(env)
    port.rewired(peer="generator")
    wait_for(lambda: env.carrier(env.dut), "carrier")
    for n, size, flows in ((1, 60, 1), (5000, 60, 64), (3000, 1514, 64), (500, 9000, 64),
                           (777, 200, 1)):
        delta = generate(env, port, n, size, flows)
        equal(delta.link("rx_packets"), n, f"{size} bytes: rx_packets")
        equal(delta.link("rx_bytes"), n * size, f"{size} bytes: rx_bytes")
        spread = [after["rx_packets"] - before["rx_packets"] for before, after in
                  zip(delta.before.queues, delta.after.queues) if not after["type"]]
        equal(sum(spread), n, "sum over the queues")
        if flows == 1:
            equal(sorted(spread)[-1], n, "frames of one flow in one queue")
        else:
            check(all(spread), f"64 flows leave queues empty: {spread}")
    for name, value in (("gen_flows", 60001), ("gen_size", 9601)):
        equal(port.refused(name, value), errno.ERANGE, f"{name} {value}")


def test_generator_stop(env: Env) -> None:
    """It stops when told so, at once, and starts again."""
    port = Port(env)
    equal(port.refused("gen_frames", 1), errno.ENOLINK, "frames without a generator")
    port.rewired(peer="generator")
    wait_for(lambda: env.carrier(env.dut), "carrier")
    for _ in range(20):
        first = env.link().stats["rx_packets"]
        port.set("gen_frames", 10**15)
        wait_for(lambda n=first: env.link().stats["rx_packets"] > n + 100, "frames")
        port.set("gen_frames", 0)
        at_rest(env)
        equal(port.get("gen_frames"), 0, "frames still to send after the stop")
    equal(generate(env, port, 1000, 60, 16).link("rx_packets"), 1000, "frames after a restart")
    port.set("gen_frames", 10**15)
    port.set("peer", port.peer)
    env.ready()
    before = at_rest(env)
    equal(Delta(before, at_rest(env)).link("rx_packets"), 0, "frames of a generator that is gone")
    steady(env.dut, env.peer, "generator")


def test_sink(env: Env) -> None:
    """All that is sent to the generator is counted there; the link is that of a wire."""
    port = Port(env)
    port.rewired(peer="generator")
    wait_for(lambda: env.carrier(env.dut), "carrier")
    wait_for(lambda: not env.carrier(env.peer), "the former peer to have no link")
    for n in (1, 3000):
        before = port.get("sunk")
        blast(env.dut, b"\x02" * 6, Kind(run=98, udp=True, flows=8), [60, 1514], n)
        wait_for(lambda b=before, n=n: port.get("sunk") >= b + n, f"{n} frames")
        at_rest(env)
        equal(port.get("sunk") - before, n, "frames that went in")
    port.set("cable", 0)
    env.later(lambda: port.set("cable", 1))
    wait_for(lambda: not env.carrier(env.dut), "no carrier without a cable")
    port.set("cable", 1)
    wait_for(lambda: env.carrier(env.dut), "carrier")


# --- network devices --------------------------------------------------------------------


class Tap:
    """A network device whose frames this program reads and writes."""

    def __init__(self, env: Env, name: str = "wiretap") -> None:
        self.name = name
        run("modprobe -q tun", ok=False)
        if not Path("/dev/net/tun").exists():
            raise Skip("this kernel has no taps")
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF,
                    struct.pack("=16sH14x", name.encode(), IFF_TAP | IFF_NO_PI))
        env.later(self.close)
        quiet(name)

    def close(self) -> None:
        """The device is gone with it."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def write(self, data: bytes) -> None:
        """A frame for the port."""
        os.write(self.fd, data)

    def read_into(self, found: list[bytes], n: int) -> None:
        """Frames from the port, until there are so many that are ours."""
        end = time.monotonic() + 20
        while len(found) < n and time.monotonic() < end:
            try:
                data = os.read(self.fd, 70000)
            except BlockingIOError:
                time.sleep(0.005)
                continue
            if data[12:14] == b"\x88\xb5":
                found.append(data)


def quiet(name: str, ns: str | None = None) -> None:
    """Up, without a stack that says anything by itself."""
    sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1, ns)
    run(f"ip link set {name} up", ns)


def let_through(env: Env, vid: int) -> None:
    """The device's filter knows a VLAN that has an interface of its own."""
    env.dut.run(f"ip link add link {{}} name wirevlan type vlan id {vid}")
    env.later(lambda: run("ip link del wirevlan"))
    quiet("wirevlan")
    # Told by a work item on some kernels
    at_rest(env)


def test_tap(env: Env) -> None:
    """A program at the other end of the cable gets and gives each frame as it is."""
    port = Port(env)
    tap = Tap(env)
    port.rewired(netdev=tap.name)
    equal(read(port.dir / "netdev"), tap.name, "netdev")
    equal(read(port.dir / "peer"), "", "peer of a port that is wired to a device")
    wait_for(lambda: env.carrier(env.dut), "carrier")
    wait_for(lambda: not env.carrier(env.peer), "the former peer to have no link")
    kind, there, back = Kind(run=99), b"\x02" * 6, env.dut.mac
    sizes = [14 + HEAD.size, *range(60, 1515, 3), 1514]
    found: list[bytes] = []
    for first in range(0, len(sizes), 50):
        n = min(50, len(sizes) - first)
        blast(env.dut, there, kind, sizes, n, first)
        tap.read_into(found, first + n)
    equal(found, [kind.frame(there, back, i, size) for i, size in enumerate(sizes)],
          "frames that come out")
    # A tag that the device keeps apart would be put in by it: here it is in the frame.
    let_through(env, 5)
    tagged = Kind(run=100, vlan=5)
    for what in (kind, tagged):
        with Capture(env.dut, ETH_P_ALL) as capture:
            tally = Tally(what)
            for i, size in enumerate(sizes):
                tap.write(what.frame(back, there, i, size))
                tally.sent += 1
                if i % 50 == 0:
                    capture.into(tally)
            capture.into(tally, sizes=sizes)
            got = set(capture.tags)
        tally.demand("frames that go in", order=True)
        equal(got, {5} if what.vlan else set(), "tags of these")
    run(f"ip link set {tap.name} mtu 1000")
    before = settled(port)
    found.clear()
    blast(env.dut, there, kind, [1018, 1019, 1514, 60])
    tap.read_into(found, 2)
    equal([len(f) for f in found], [1018, 60], "lengths that the device takes")
    equal(settled(port) - before, 2, "lost frames")


def test_tap_link(env: Env) -> None:
    """The device's state is the link's; without the device there is no wire."""
    port = Port(env)
    tap = Tap(env)
    port.rewired(netdev=tap.name)
    for _ in range(3):
        wait_for(lambda: env.carrier(env.dut), "carrier")
        run(f"ip link set {tap.name} down")
        wait_for(lambda: not env.carrier(env.dut), "no carrier while the device is down")
        quiet(tap.name)
    wait_for(lambda: env.carrier(env.dut), "carrier")
    tap.close()
    wait_for(lambda: not env.carrier(env.dut), "no carrier without the device")
    equal(read(port.dir / "netdev"), "", "netdev of a port whose device is deleted")
    for _ in range(20):
        tap = Tap(env)
        port.set("netdev", tap.name)
        blast(env.dut, b"\x02" * 6, Kind(run=101), [60], 20)
        tap.write(Kind(run=102).frame(env.dut.mac, b"\x02" * 6, 0, 60))
        tap.close()
    wait_for(lambda: not read(port.dir / "netdev"), "the wire to be cut")
    port.set("peer", port.peer)
    env.ready()
    steady(env.dut, env.peer, "wired back")


@contextlib.contextmanager
def veth(env: Env, port: Port) -> Iterator[End]:
    """A host at the other end of the cable, with a stack of its own."""
    run("ip netns add wirefar")
    env.later(lambda: run("ip netns del wirefar", ok=False))
    run("ip link add wirev0 type veth peer name wirev1 netns wirefar")
    far = End("wirev1", "wirefar", env.peer.ip4, env.peer.ip6)
    quiet("wirev0")
    quiet("wirev1", far.ns)
    port.rewired(netdev="wirev0")
    far.run(f"ip addr add {far.ip4}/26 dev {{}}")
    for end, other in ((env.dut, far), (far, env.dut)):
        end.run(f"ip neigh replace {other.ip4} lladdr {other.mac.hex(':')} dev {{}} nud permanent")
    env.later(lambda: env.dut.run(f"ip neigh replace {env.peer.ip4} lladdr "
                                  f"{env.peer.mac.hex(':')} dev {{}} nud permanent"))
    wait_for(lambda: env.carrier(env.dut), "carrier")
    yield far


def test_veth(env: Env) -> None:
    """What a stack leaves to its device is done before it is on the cable."""
    port = Port(env)
    env.offload(env.dut, rx_gro_hw=False, gro=False, generic_receive_offload=False)
    with veth(env, port) as far:
        far.run("ethtool -K {} tso on gso on tx on", ok=False)
        with Capture(env.dut, inet.ETH_IP) as capture:
            tcp.transfer(far, env.dut, 1 << 19, what="to the port")
            frames = capture.all(lambda f: False, 1.0)
        check(len(frames) > (1 << 19) // 1460, f"only {len(frames)} frames")
        for frame in frames:
            check(len(frame) <= 1514, f"a frame of {len(frame)} bytes on the cable")
            wrong = inet.faults(frame)
            check(not wrong, f"a frame of {len(frame)} bytes on the cable: {wrong}")
        equal(capture.unsummed, 0, "frames without a checksum")
        tcp.transfer(env.dut, far, 1 << 19, what="from the port")
        let_through(env, 7)
        far.run("ip link add link {} name wirev1.7 type vlan id 7")
        far.run("ip link set wirev1.7 up")
        with Capture(env.dut, ETH_P_ALL) as capture:
            tally = Tally(Kind(run=103))
            tally.sent = blast(End("wirev1.7", far.ns, "", ""), env.dut.mac, tally.kind,
                               [60, 500, 1514], 60)
            capture.into(tally)
            got = set(capture.tags)
        tally.demand("tagged by the stack", order=True)
        equal(got, {7}, "tags")
        # As good as deleted for this namespace
        run("ip link set wirev0 netns wirefar")
        wait_for(lambda: not read(port.dir / "netdev"), "the wire to be cut")
        wait_for(lambda: not env.carrier(env.dut), "no carrier without the device")


def test_refused(env: Env) -> None:
    """What cannot be wired is refused, with a reason, and nothing changes."""
    port, far = both_ports(env)
    for command in ("ip link add wirebr type bridge", "ip link add wired0 type dummy",
                    "ip link add wired1 type dummy", "ip link set wired0 master wirebr"):
        run(command)
    for name in ("wirebr", "wired0", "wired1"):
        env.later(lambda n=name: run(f"ip link del {n}", ok=False))
    log = KernelLog()
    for name, code in (("nosuch", errno.ENODEV), ("lo", errno.EINVAL),
                       (env.dut.ifname, errno.EINVAL), ("wired0", errno.EBUSY),
                       ("a" * 40, errno.EINVAL), (env.peer.ifname, errno.ENODEV)):
        equal(port.refused("netdev", name), code, f"netdev {name}")
        equal(read(port.dir / "peer"), port.peer, "peer after that")
        lines = [line for line in log.lines() if port.name in line and name in line]
        check(lines or len(name) > 15, f"no word in the log on {name}")
    log.close()
    check(env.carrier(env.dut), "the link is down")
    port.rewired(netdev="wired1")
    equal(far.refused("netdev", "wired1"), errno.EBUSY, "a device that is another port's")
    equal(port.refused("netdev", "wired1"), 0, "the device that it is wired to already")
    equal(port.refused("netdev", "wired0"), errno.EBUSY, "a device with a master")
    equal(read(port.dir / "netdev"), "wired1", "netdev after that")
    port.set("netdev", "")
    equal(read(port.dir / "netdev"), "", "netdev when there is to be none")
    done = run("ip link set wired1 master wirebr", ok=False)
    if done.returncode:
        raise Failure("a device that is not wired any more cannot be had by others")


if __name__ == "__main__":
    main(cases(test_latency, test_rate, test_loss, test_reorder, test_wire_mtu, test_generator,
               test_generator_stop, test_sink, test_tap, test_tap_link, test_veth, test_refused))
