#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Functions: devices that a device puts beside itself, each with a network
device of its own."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from cethtest.bpf import DROP, PASS, Bpf
from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import Capture, Kind, blast, exchange
from cethtest.funcs import BUS, CONFIGFS, Func, devlink, parent
from cethtest.stats import link_stats
from cethtest.tap import cases, main, say
from cethtest.tool import KernelLog, Skip, check, equal, read, run, run_json, wait_for, write

EVERYBODY = b"\xff" * 6
SIZES = [60, 600, 1514]
ROUNDS = int(os.environ.get("CETH_TEST_ROUNDS", "50"))


def test_show(env: Env) -> None:
    """What devlink shows of a function, from its making to its end."""
    func = Func(env, 88, pairs=0, active=False)
    shown = func.shown
    equal((shown["flavour"], shown["pfnum"], shown["sfnum"]), ("pcisf", 0, 88), "port")
    state = shown["function"]
    assert isinstance(state, dict)
    equal((state["hw_addr"], state["state"], state["opstate"]),
          (func.mac, "inactive", "detached"), "at first")
    func.activate()
    state = func.shown["function"]
    assert isinstance(state, dict)
    equal((state["state"], state["opstate"]), ("active", "attached"), "active")
    check(f"{parent(env)}." in run("devlink dev show").stdout, "it has no devlink of its own")
    func.set("state inactive")
    func.vanished()
    state = func.shown["function"]
    assert isinstance(state, dict)
    equal((state["state"], state["opstate"]), ("inactive", "detached"), "inactive again")
    func.activate()
    equal(func.end.mac.hex(":"), func.mac, "address")
    func.remove()
    check(func.port not in run("devlink port show").stdout, "the port is still there")


def test_traffic(env: Env) -> None:
    """With the peer, with the device, with each other; none of the latter on the wire."""
    one, two = Func(env, 1), Func(env, 2)
    for a, b in ((one.end, env.peer), (two.end, env.peer), (env.dut, one.end),
                 (one.end, two.end), (env.dut, env.peer)):
        steady(a, b, f"{a.ifname} and {b.ifname}")
    env.peer.run("ip link set {} promisc on")
    env.later(lambda: env.peer.run("ip link set {} promisc off"))
    time.sleep(0.2)
    with Capture(env.peer) as wire:
        for src, dst in ((one.end, two.end), (env.dut, one.end), (two.end, env.dut)):
            exchange(src, dst, SIZES, 60, Kind(run=71)).demand("inside the port")
        check(not wire.all(lambda f: bool(f), 0.5), "frames between functions are on the wire")


def test_broadcast(env: Env) -> None:
    """From each to all others, once, and to the wire."""
    one, two = Func(env, 1), Func(env, 2)
    ends = [one.end, two.end, env.dut, env.peer]
    for src in ends:
        with contextlib.ExitStack() as stack:
            others = [(e, stack.enter_context(Capture(e))) for e in ends if e != src]
            own = stack.enter_context(Capture(src))
            blast(src, EVERYBODY, Kind(run=72), [60], 20)
            for end, capture in others:
                got = capture.all(lambda f: len(f) >= 20)
                equal(len(got), 20, f"broadcasts of {src.ifname} that {end.ifname} has got")
            time.sleep(0.1)
            for end, capture in others:
                check(capture.get() is None, f"{end.ifname} has got some twice")
            check(own.get() is None, "its own broadcasts come back")


def test_addresses(env: Env) -> None:
    """Each gets what is for it."""
    one, two = Func(env, 1), Func(env, 2)
    with Capture(one.end) as mine, Capture(two.end) as others:
        blast(env.peer, one.end.mac, Kind(run=73), [60], 10)
        equal(len(mine.all(lambda f: len(f) >= 10)), 10, "frames for the function")
        blast(env.peer, env.dut.mac, Kind(run=73), [60], 10)
        blast(env.peer, bytes.fromhex("0200c0ffee01"), Kind(run=73), [60], 10)
        check(not mine.all(bool, 0.5), "it gets frames for others")
        check(not others.all(bool, 0.1), "it gets frames for others")


def test_xdp(env: Env) -> None:
    """A program on a function sees the function's frames and no others."""
    one = Func(env, 1)
    bpf = Bpf(env)
    bpf.configure(verdict=DROP)
    bpf.attach("verdict", one.end)
    before = link_stats(env, one.end)["rx_packets"]
    blast(env.peer, one.end.mac, Kind(run=74), SIZES, 90)
    wait_for(lambda: link_stats(env, one.end)["rx_packets"] - before >= 90, "frames for XDP")
    steady(env.dut, env.peer, "a function that drops")
    with Capture(one.end) as capture:
        blast(env.peer, one.end.mac, Kind(run=75), SIZES, 30)
        check(not capture.all(bool, 0.5), "what the program drops comes through")
    bpf.configure(verdict=PASS)
    steady(one.end, env.peer, "a program that passes")
    bpf.detach(one.end)


def test_queues(env: Env) -> None:
    """As many pairs as were asked for."""
    most = env.channel_limits()[1]
    for n in sorted({1, 2, most}):
        one = Func(env, n, pairs=n)
        equal(env.channel_limits(one.end)[1], n, "queues at most")
        one.end.run(f"ethtool -L {{}} combined {n}", ok=False)
        steady(one.end, env.peer, f"{n} pairs")
        one.remove()


def test_refused(env: Env) -> None:
    """What cannot be is refused, with a reason."""
    most = env.channel_limits()[1]
    add = f"port add {parent(env)} flavour pcisf pfnum"
    one = Func(env, 88, active=False)
    for words, reason in ((f"{add} 0 sfnum 88", "sfnum 88 is in use"),
                          (f"{add} 1 sfnum 89", "pfnum 0"),
                          (f"port add {parent(env)} flavour pcipf pfnum 0", "only flavour pcisf")):
        said = devlink(words, ok=False)
        check(reason in said, f"{words}: said: {said}")
    for words, reason in (("hw_addr 00:00:00:00:00:00", "not zero"),
                          ("hw_addr 01:00:5e:00:00:01", "unicast"),
                          (f"hw_addr {env.dut.mac.hex(':')}", "the device has that address"),
                          ("max_io_eqs 0", f"1 to {most}, not 0"),
                          (f"max_io_eqs {most + 1}", f"1 to {most}, not {most + 1}")):
        said = one.set(words, ok=False)
        check(reason in said, f"{words}: said: {said}")
    two = Func(env, 90, active=False)
    check("sfnum 88 has that address" in two.set(f"hw_addr {one.mac}", ok=False), "twice")
    devlink(f"{add} 0 sfnum 91")
    port = next(k for k, v in run_json("devlink -j port show")["port"].items()
                if v.get("sfnum") == 91)
    said = devlink(f"port function set {port} state active", ok=False)
    check("set hw_addr first" in said, f"without address: said: {said}")
    devlink(f"port del {port}")
    one.activate()
    check("inactive first" in one.set("hw_addr 52:45:46:80:80:80", ok=False), "address, active")
    check("inactive first" in one.set("max_io_eqs 1", ok=False), "queues, active")
    steady(one.end, env.peer, "refusals")
    made = []
    for n in range(200, 260):
        done = run(f"devlink {add} 0 sfnum {n}", ok=False)
        if done.returncode:
            check("all are in use" in done.stderr, f"too many: said: {done.stderr}")
            break
        made.append(n)
    equal(len(made), 14, "functions beside the two")
    ports = run_json("devlink -j port show")["port"]
    for port, info in ports.items():
        if info.get("sfnum") in made:
            devlink(f"port del {port}")


def test_parent(env: Env) -> None:
    """Resets, and the device down: nothing of a function's gets lost."""
    one = Func(env, 1)
    env.later(lambda: env.configure(env.pairs[0]))
    with Both(one.end, env.peer, udp=True, flows=8) as both:
        both.wait(30)
        run(f"devlink health test {parent(env)} reporter device")
        both.wait(30)
        env.ready()
        env.dut.run("ip link set {} down")
        both.wait(30)
        two = Func(env, 2)
        steady(one.end, two.end, "made while the device is down")
        two.remove()
        env.dut.run("ip link set {} up")
        env.ready()
        both.wait(30)
        both.demand("while the device is reset and down")


def test_link(env: Env) -> None:
    """A function's link is the port's."""
    one = Func(env, 1)
    cable = CONFIGFS / (env.pci or "-") / "cable"
    env.later(lambda: write(cable, 1))
    write(cable, 0)
    wait_for(lambda: not env.carrier(one.end), "the function's link to go down")
    write(cable, 1)
    wait_for(lambda: env.carrier(one.end), "the function's link to come up")
    env.ready()
    steady(one.end, env.peer, "link")


def test_traffic_removed(env: Env) -> None:
    """Removed under traffic, with the wire and inside the port."""
    for _ in range(5):
        one, two = Func(env, 1), Func(env, 2)
        with Flow(env.peer, one.end, rate=300) as flow, Flow(two.end, one.end, rate=300) as inner, \
                Flow(one.end, env.peer, rate=300) as back:
            for f in (flow, inner, back):
                wait_for(lambda f=f: f.arrived >= 20, "traffic")
            one.remove()
        two.remove()
    steady(env.dut, env.peer, "functions removed")


def test_parent_removed(env: Env) -> None:
    """Reloaded, unbound, pulled out: functions go along."""
    port = CONFIGFS / (env.pci or "-") / "power"
    drivers = BUS / "drivers" / "ceth_ref"
    if not port.exists():
        raise Skip("only the reference NIC can be pulled out")

    def back() -> None:
        write(port, 1)
        if not (BUS / "devices" / str(env.pci) / "driver").exists():
            write(BUS / "drivers_probe", env.pci)
        wait_for(lambda: env.dut.exists, "the device to come back")
        env.configure(env.pairs[0])

    env.later(back)
    for what, how in (("reload", lambda: run(f"devlink dev reload {parent(env)}")),
                      ("unbind", lambda: write(drivers / "unbind", env.pci)),
                      ("pulled out", lambda: write(port, 0))):
        funcs = [Func(env, n) for n in (1, 2, 3)]
        with Flow(env.peer, funcs[0].end, rate=300) as flow:
            wait_for(lambda f=flow: f.arrived >= 20, "traffic")
            for func in funcs:
                func.gone = True
            how()
            for func in funcs:
                func.vanished()
        say(what)
        back()
        check("pcisf" not in run("devlink port show").stdout, f"{what}: ports are left")
        steady(env.dut, env.peer, what)


def _slab() -> int:
    """Memory that the kernel's objects take, kB."""
    return int(re.findall(r"^SUnreclaim:\s+(\d+)", read("/proc/meminfo"), re.M)[0])


def test_loop(env: Env) -> None:
    """Made and removed many times under traffic: nothing is left."""
    log = KernelLog()
    first = 0
    before = sorted(p.name for p in Path("/sys/class/net").iterdir())
    irqs = len(read("/proc/interrupts").splitlines())
    one = Func(env, 500, pairs=1, active=False)
    with Both(env.dut, env.peer, udp=True, flows=8) as both:
        both.wait(20)
        for n in range(ROUNDS):
            one.set("state active")
            wait_for(one.netdev, "the interface")
            if n % 4 == 0:
                run(f"ip link set {one.netdev()} up")
                blast(env.peer, bytes.fromhex(one.mac.replace(":", "")), Kind(run=76), [60], 5)
            one.set("state inactive")
            one.vanished()
            if n % 10 == 0:
                one.remove()
                one = Func(env, 500 + n, pairs=1, active=False)
            if n == ROUNDS // 4:
                first = _slab()
        both.wait(20)
        both.demand("functions come and go")
    one.remove()
    grown = _slab() - first
    say(f"{ROUNDS} rounds, the kernel's objects take {grown} kB more")
    check(grown < 3000, f"{grown} kB more in the kernel's objects")
    equal(sorted(p.name for p in Path("/sys/class/net").iterdir()), before, "interfaces")
    equal(len(read("/proc/interrupts").splitlines()), irqs, "interrupts")
    bad = [li for li in log.lines() if re.search(r"WARNING|BUG|refcount|leak", li)]
    check(not bad, f"kernel log: {bad}")


if __name__ == "__main__":
    main(cases(test_show, test_traffic, test_broadcast, test_addresses, test_xdp, test_queues,
               test_refused, test_parent, test_link, test_traffic_removed, test_parent_removed,
               test_loop))
