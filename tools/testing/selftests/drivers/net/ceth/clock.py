#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Time and rates, by figures: clock, times of packets, launch times, shapers.

No figure depends on how busy the machine is: a reading of a clock counts with
the time that it may have taken, and what the device does is told by its own
times.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from cethtest.env import End, Env
from cethtest.nl import NetlinkError
from cethtest.shaper import NETDEV, NODE, QUEUE, Shapers
from cethtest.stats import restart
from cethtest.tap import cases, main, say
from cethtest.times import (ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, FILTER_ALL, RX_HARDWARE,
                            SIOCSHWTSTAMP, TX_HARDWARE, Clock, sent, stamp, timed, timed_socket,
                            timestamping)
from cethtest.tool import (SO_RCVBUFFORCE, Failure, Skip, check, equal, in_ns, read, wait_for,
                           write)

SIOCGHWTSTAMP = 0x89b1
SO_TXTIME, SCM_TXTIME = 61, 61
CONFIGFS = Path("/sys/kernel/config/refnic")
MS = 1_000_000
# Sending time and launch time: each is rounded once.
ROUNDING = 2
FRAME = 14 + 20 + 8


def raw() -> int:
    """The machine's clock that nobody adjusts, ns."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def against_raw(clock: Clock, readings: int = 50) -> tuple[int, int]:
    """How far the clock is ahead of raw(): at least, and at most."""
    least, most = -(1 << 63), 1 << 63
    for _ in range(readings):
        before = raw()
        shown = clock.now
        after = raw()
        least, most = max(least, shown - after), min(most, shown - before)
    return least, most


def steady_clock(env: Env, end: End) -> Clock:
    """Its clock, at the rate of raw() and at the time of the machine."""
    clock = Clock(end)

    def plain() -> None:
        clock.adjust(modes=ADJ_FREQUENCY, freq=0)
        clock.set(time.time_ns())

    plain()
    env.later(plain)
    return clock


def port(env: Env, knob: str) -> Path:
    """A knob of the port that the device is in."""
    path = CONFIGFS / (env.pci or "-") / knob
    if not path.exists():
        raise Skip("not the reference NIC: its wire has no knobs")
    return path


def test_config(env: Env) -> None:
    """What times there are is told and can be set; what there is not is refused."""
    Clock(env.dut)
    text = env.dut.run("ethtool -T {}")
    for word in ("hardware-transmit", "hardware-raw-clock"):
        check(word in text, f"ethtool -T has no {word}")
    # Of all frames, or of none
    every = FILTER_ALL if "hardware-receive" in text else 0

    def ioctl(command: int, *config: int) -> list[int]:
        buffer = ctypes.create_string_buffer(struct.pack("=3i", *config))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, command, struct.pack("=16sQ16x", env.dut.ifname.encode(),
                                                ctypes.addressof(buffer)))
        return list(struct.unpack("=3i", buffer.raw[:12]))

    env.later(lambda: timestamping(env.dut, False, False))
    # Whichever packets are wanted, all get it.
    for wanted in (FILTER_ALL, 3, 12) if every else (0,):
        equal(ioctl(SIOCSHWTSTAMP, 0, 1, wanted), [0, 1, every], f"filter {wanted}")
        equal(ioctl(SIOCGHWTSTAMP, 0, 0, 0), [0, 1, every], "configuration")
    for wrong in ((0, 2, every), (0, 3, every), (0, 1, 99), (8, 1, every),
                  *(() if every else ((0, 1, FILTER_ALL), (0, 1, 12)))):
        try:
            ioctl(SIOCSHWTSTAMP, *wrong)
        except OSError:
            pass
        else:
            check(False, f"{wrong} is taken")
        equal(ioctl(SIOCGHWTSTAMP, 0, 0, 0), [0, 1, every], "configuration after a refusal")
    equal(ioctl(SIOCSHWTSTAMP, 0, 0, 0), [0, 0, 0], "nothing")


def test_arithmetic(env: Env) -> None:
    """Set, moved and adjusted, the clock shows what arithmetic says."""
    clock = steady_clock(env, env.dut)

    def shows(least: int, most: int, what: str) -> None:
        low, high = against_raw(clock)
        say(f"{what}: {low} to {high}, wanted {least} to {most}")
        check(low <= most and least <= high, f"{what}: {low} to {high}, not {least} to {most}")

    wanted = 1_000_000_000_000_000_123
    before = raw()
    clock.set(wanted)
    shows(wanted - raw(), wanted - before, "set")
    for delta in (5_000_000_007, -5_000_000_007, 1, -86_400_000_000_000):
        low, high = against_raw(clock)
        sec, nsec = divmod(delta, 1_000_000_000)
        clock.adjust(modes=ADJ_SETOFFSET | ADJ_NANO, sec=sec, nsec=nsec)
        shows(low + delta, high + delta, f"moved by {delta}")
    for ppm in (30_000, -30_000, 1, 0):
        clock.adjust(modes=ADJ_FREQUENCY, freq=ppm << 16)
        before, readings = raw(), []
        first = against_raw(clock, 1)
        at = [before, raw()]
        while raw() - before < 1_000_000_000:
            readings.append(clock.now)
        check(readings == sorted(readings), f"at {ppm} ppm the clock runs back")
        at.append(raw())
        last = against_raw(clock, 1)
        at.append(raw())
        # What it gained, between the times that it could have been doing so
        low, high = last[0] - first[1], last[1] - first[0]
        spans = [(at[2] - at[1]) * ppm / 1e6, (at[3] - at[0]) * ppm / 1e6]
        check(low <= max(spans) + ROUNDING and min(spans) - ROUNDING <= high,
              f"{ppm} ppm: {low} to {high} ns gained, not {spans}")


def differences(env: Env, n: int = 10) -> set[int]:
    """Receive time less transmit time, of packets one after the other."""
    found = []
    last = 0
    with timed_socket(env.dut, TX_HARDWARE) as tx, timed_socket(env.peer, RX_HARDWARE) as rx:
        for i in range(n):
            tx.sendto(bytes([i]) * 100, rx.getsockname())
            arrived, left = stamp(rx.recvmsg(2000, 512)[1]), sent(tx)
            check(left > last, f"packet {i} was sent before the one before it")
            found.append(arrived - left)
            last = left
    return set(found)


def test_wire(env: Env) -> None:
    """What a packet takes from device to device is the wire's latency, to the ns."""
    knob = port(env, "latency_ns")
    env.later(lambda: write(knob, 0))
    ours, theirs = steady_clock(env, env.dut), steady_clock(env, env.peer)
    for end in env.pairs[0].ends:
        timed(env, end, tx=True, rx=True)
    seen = {}
    for latency in (0, 1_000_000, 20_000_000, 50_000):
        write(knob, latency)
        (low, high), (low2, high2) = against_raw(ours), against_raw(theirs)
        took = differences(env)
        say(f"{latency} ns: {took}")
        check(max(took) - min(took) <= ROUNDING, f"{latency} ns: {took}")
        seen[latency] = min(took)
        check(low2 - high - ROUNDING <= seen[latency] - latency <= high2 - low + ROUNDING,
              f"{latency} ns, and it took {seen[latency]}, clocks {low2 - high} to {high2 - low} apart")
    for latency, took in seen.items():
        check(abs(took - seen[0] - latency) <= ROUNDING,
              f"{latency} ns: {took - seen[0]} more than without")


def launch(tx: socket.socket, to: tuple[str, int], at: int, data: bytes) -> None:
    """A packet with a launch time."""
    tx.sendmsg([data], [(socket.SOL_SOCKET, SCM_TXTIME, struct.pack("=Q", at))], 0, to)


def received(rx: socket.socket, n: int, seconds: float) -> list[tuple[int, int]]:
    """What a packet says, and its time; as many as come."""
    found = []
    rx.settimeout(seconds)
    try:
        while len(found) < n:
            data, ancillary, _, _ = rx.recvmsg(2000, 512)
            found.append((data[0], stamp(ancillary)))
    except TimeoutError:
        pass
    return found


def test_launch(env: Env) -> None:
    """Packets leave at their launch times, to the ns, whatever their order."""
    ours = steady_clock(env, env.dut)
    env.dut.run("tc qdisc replace dev {} root handle 100: mq")
    env.later(lambda: env.dut.run("tc qdisc del dev {} root"))
    etf = "tc qdisc replace dev {} parent 100:%u etf clockid CLOCK_TAI delta 500000000 offload"
    queues = range(1, env.channel_limits()[0] + 1)
    try:
        for i in queues:
            env.dut.run(etf % i)
    except Failure as e:
        if env.driver == "ceth_ref":
            raise
        raise Skip(f"no launch times: {e}") from None
    timed(env, env.dut, tx=True)
    timed(env, env.peer, rx=True)
    n, gap = 8, 2 * MS
    # Where it runs may decide on the queue.
    cpus = os.sched_getaffinity(0)
    env.later(lambda: os.sched_setaffinity(0, cpus))
    os.sched_setaffinity(0, {min(cpus)})

    def round_trip() -> bool:
        """False: the machine was too slow for it to mean anything."""
        low, high = against_raw(ours)
        tai = time.clock_gettime_ns(time.CLOCK_TAI) - raw()
        ours.adjust(modes=ADJ_SETOFFSET | ADJ_NANO, **dict(zip(
            ("sec", "nsec"), divmod(tai - (low + high) // 2, 1_000_000_000))))
        with timed_socket(env.dut, TX_HARDWARE) as tx, timed_socket(env.peer, RX_HARDWARE) as rx:
            tx.setsockopt(socket.SOL_SOCKET, SO_TXTIME,
                          struct.pack("=iI", time.CLOCK_TAI, 0))
            base = time.clock_gettime_ns(time.CLOCK_TAI) + 900 * MS
            order = list(range(n))
            random.shuffle(order)
            for i in order:
                launch(tx, rx.getsockname(), base + i * gap, bytes([i]) * 100)
            got = received(rx, n, 5)
            say(f"{order}: {got}")
            # The queueing discipline throws away what it gets too late.
            if len(got) < n:
                return False
            equal([i for i, _ in got], list(range(n)), "order of arrival")
            for i, (_, at) in enumerate(got):
                check(abs(at - got[0][1] - i * gap) <= ROUNDING,
                      f"packet {i}: {at - got[0][1]} ns after the first, not {i * gap}")
            for i in range(n):
                late = sent(tx) - (base + i * gap)
                check(0 <= late <= ROUNDING, f"packet {i}: {late} ns after its launch time")
        return True

    for change in ("", "ethtool -G {} tx 256", "ethtool -G {} tx 1024"):
        if change:
            env.dut.run(change)
            env.ready()
        check(any(round_trip() for _ in range(5)), "no round in which all packets were sent")


def test_launch_wrong(env: Env) -> None:
    """Launch times that make no sense hold nothing up, and are counted."""
    state = Path(f"/sys/kernel/debug/refnic/{env.pci or '-'}/state")
    if not state.exists() or "tx_late" not in read(state):
        raise Skip("the device counts no launch times")

    def counter(name: str) -> int:
        lines = dict(line.split()[:2] for line in read(state).splitlines() if line)
        return int(lines[name])

    ours = steady_clock(env, env.dut)
    env.dut.run("tc qdisc replace dev {} root handle 100: mq")
    env.later(lambda: env.dut.run("tc qdisc del dev {} root"))
    for i in range(1, env.channel_limits()[0] + 1):
        env.dut.run(f"tc qdisc replace dev {{}} parent 100:{i} etf clockid CLOCK_TAI "
                    "delta 500000000 offload")
    timed(env, env.peer, rx=True)
    # By the device's clock all of that is long ago; then, far ahead.
    for hours, name, arrive in ((1, "tx_late", True), (-1, "tx_far", False)):
        ours.set(time.time_ns() + hours * 3600 * 1_000_000_000)
        before = counter(name)
        with timed_socket(env.dut, 0) as tx, timed_socket(env.peer, RX_HARDWARE) as rx:
            tx.setsockopt(socket.SOL_SOCKET, SO_TXTIME, struct.pack("=iI", time.CLOCK_TAI, 0))

            def one(tx: socket.socket = tx, rx: socket.socket = rx) -> bool:
                launch(tx, rx.getsockname(),
                       time.clock_gettime_ns(time.CLOCK_TAI) + 400 * MS, bytes(100))
                return bool(received(rx, 1, 1))

            seen = [one() for _ in range(3)]
            wait_for(lambda n=name, b=before: counter(n) > b, name)
            equal(any(seen), arrive, f"{name}: arrival")


def arrivals(env: Env, n: int, size: int, flows: int) -> list[int]:
    """When packets arrive that are sent as fast as can be."""
    with timed_socket(env.peer, RX_HARDWARE) as rx:
        rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        with in_ns(env.dut.ns):
            socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]
        for i in range(n):
            socks[i % flows].sendto(bytes(size), rx.getsockname())
        times = sorted(stamp(rx.recvmsg(2000, 512)[1]) for _ in range(n))
        for s in socks:
            s.close()
    return times


def limited(env: Env, mbps: float, what: str, n: int = 60, flows: int = 1) -> None:
    """The rate is that: not more, and that unless the sender is slower."""
    size = 1200
    times = arrivals(env, n, size, flows)
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    gap = (size + FRAME) * 8 * 1000 / mbps
    mean = (times[-1] - times[0]) / (n - 1)
    say(f"{what}: {mean:.0f} ns between packets, mostly {gaps[n // 2]}, wanted {gap:.0f}")
    # Not each by itself: two queues may be late on the wire, one after the other.
    check(mean >= gap * 0.95, f"{what}: {mean:.0f} ns between packets, not {gap:.0f}")
    check(gaps[n // 2] <= gap * 1.01, f"{what}: mostly {gaps[n // 2]} ns, not {gap:.0f}")


def unlimited(env: Env) -> None:
    """After a limit that lets two packets through in a second: more than that."""
    times = arrivals(env, 20, 1200, 1)
    check(times[-1] - times[0] < 3_000_000_000, f"{times[-1] - times[0]} ns without a limit")


def refused(action: Callable[[], object], why: str) -> None:
    """It does not work, and the reason is told."""
    try:
        action()
    except NetlinkError as e:
        check(why in e.text, f"refused for another reason: {e}")
        return
    check(False, f"accepted in spite of: {why}")


def shaped(env: Env) -> Shapers:
    """Shapers of a device whose peer gives times to what arrives."""
    shapers = Shapers(env)
    timed(env, env.peer, rx=True)
    # The default one drops what has to wait for long.
    env.dut.run("tc qdisc replace dev {} root pfifo limit 1000")
    env.later(lambda: env.dut.run("tc qdisc del dev {} root"))
    return shapers


def test_shaper(env: Env) -> None:
    """Limits of queue and port hold, and outlive whatever the device goes through."""
    shapers = shaped(env)
    n = env.channel_limits()[0]
    equal(shapers.all(), {}, "shapers at first")
    for i in range(n):
        shapers.set(QUEUE, i, 1_000_000)
    limited(env, 1, "queue")
    for what in ("ethtool -G {} tx 256", "ethtool -G {} tx 1024", "recovery", "up"):
        if what == "recovery":
            restart(env)
        elif what == "up":
            env.dut.run("ip link set {} down")
            env.configure(env.pairs[0])
            env.dut.run("tc qdisc replace dev {} root pfifo limit 1000")
        else:
            env.dut.run(what)
        env.ready()
        limited(env, 1, what)
    shapers.clear()
    shapers.set(NETDEV, 0, 2_000_000)
    limited(env, 2, "port", flows=8)
    shapers.set(QUEUE, 0, 100_000_000)
    limited(env, 2, "port and a queue", flows=8)
    # A burst goes at once.
    shapers.set(NETDEV, 0, 20_000, 20 * (1200 + FRAME))
    unlimited(env)
    shapers.clear()
    unlimited(env)


def test_group(env: Env) -> None:
    """Queues of a node share its limit; a queue's own holds besides."""
    shapers = shaped(env)
    n = env.channel_limits()[0]
    if n < 2:
        raise Skip("needs two queues")
    node = shapers.group(list(range(n)), 1_000_000)
    limited(env, 1, "node", flows=8)
    env.dut.run("ethtool -G {} tx 256")
    env.later(lambda: env.dut.run("ethtool -G {} tx 1024"))
    env.ready()
    limited(env, 1, "node, other rings", flows=8)
    shapers.set(NODE, node, 2_000_000)
    limited(env, 2, "node, another rate", flows=8)
    shapers.set(NODE, node, 20_000)
    shapers.delete(NODE, node)
    equal(shapers.all(), {(QUEUE, i): 0 for i in range(n)}, "shapers without the node")
    unlimited(env)
    shapers.clear()
    equal(shapers.all(), {}, "shapers")


def test_shaper_refused(env: Env) -> None:
    """What the device cannot do is refused, changes nothing, and says why."""
    shapers = shaped(env)
    knob = f"/sys/class/net/{env.dut.ifname}/queues/tx-0/tx_maxrate"
    refused(lambda: shapers.set(NETDEV, 0, 999), "1000 bit/s")
    equal(shapers.all(), {}, "shapers after a refusal")
    write(knob, 2)
    env.later(lambda: write(knob, 0))
    refused(lambda: shapers.set(QUEUE, 0, 1_000_000), "tx_maxrate")
    refused(lambda: shapers.group([1, 0], 1_000_000), "tx_maxrate")
    equal(shapers.all(), {}, "shapers after a refusal")
    # Nor has the first queue of that group a shaper now.
    write(knob.replace("tx-0", "tx-1"), 3)
    write(knob.replace("tx-0", "tx-1"), 0)
    write(knob, 0)
    shapers.set(QUEUE, 0, 1_000_000)
    try:
        write(knob, 2)
    except OSError:
        pass
    else:
        check(False, "tx_maxrate of a queue with a shaper is taken")
    equal(read(knob).strip(), "0", "tx_maxrate")
    equal(shapers.all(), {(QUEUE, 0): 1_000_000}, "shapers")
    # Or the queue's other limit could not be put back.
    shapers.clear()


if __name__ == "__main__":
    main(cases(test_config, test_arithmetic, test_wire, test_launch, test_launch_wrong,
               test_shaper, test_group, test_shaper_refused))
