#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Devices come and go, links break, drivers are exchanged, all under traffic.

That the kernel does not complain meanwhile is for whoever runs this to see;
here: every time, traffic flows afterwards, and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cethtest.bpf import PASS, Bpf
from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import Kind
from cethtest.pci import Function, module_file, monitor, nic_name
from cethtest.tap import cases, main, say
from cethtest.tool import (Failure, KernelLog, Skip, check, equal, read, run, run_json, wait_for,
                           write)


@contextlib.contextmanager
def storm(env: Env, rate: int = 400) -> Iterator[Both]:
    """Traffic on all queues that may lose what it likes, but not damage it."""
    with Both(env.dut, env.peer, rate=rate, udp=True, flows=32) as both:
        both.wait(20)
        yield both
        both.demand("meanwhile", loss=True, least=1)


@contextlib.contextmanager
def incoming(env: Env, rate: int = 400) -> Iterator[Flow]:
    """Traffic from the peer, which stays when the device goes."""
    with Flow(env.peer, env.dut, Kind(udp=True, flows=32), rate=rate) as flow:
        wait_for(lambda: flow.arrived > 20, "traffic")
        yield flow
        flow.stop().demand("meanwhile", loss=True)


def memory() -> dict[str, int]:
    """Kernel memory in use, in kB."""
    table = dict(re.findall(r"^(\w+):\s+(\d+) kB$", read("/proc/meminfo"), re.M))
    return {k: int(table.get(k, 0)) for k in ("SUnreclaim", "Percpu", "VmallocUsed", "KernelStack")}


def no_leak(what: str, loop: Callable[[], object], warm: int, rounds: int,
            bound_kb: int = 3000) -> None:
    """Repeat something; kernel memory must not grow with it."""
    for _ in range(warm):
        loop()
    run("sync")
    before = memory()
    for _ in range(rounds):
        loop()
    grown: dict[str, int] = {}

    def small() -> bool:
        now = memory()
        grown.update({k: now[k] - before[k] for k in now})
        return sum(grown.values()) < bound_kb

    try:
        # What waits for a grace period or a work item is no leak.
        wait_for(small, "", 20)
    except Failure:
        raise Failure(f"{what}: {rounds} rounds leave {grown} kB behind") from None
    say(f"{what}: {rounds} rounds, memory in use changes by {sum(grown.values())} kB")


def no_pools_left(env: Env) -> None:
    """Page pools of queues that are gone are gone, too."""
    if not env.is_ceth:
        return

    def detached() -> int:
        return sum(1 for p in env.netdev.page_pools(env.dut.ifindex) if "detached" in p)

    try:
        wait_for(lambda: detached() == 0, "")
    except Failure:
        raise Failure(f"{detached()} page pools wait for pages that do not come back") from None


def test_up_down(env: Env) -> None:
    """Down and up, fifty times."""
    env.later(lambda: env.configure(env.pairs[0]))
    rtnl, index = env.rtnl(), env.dut.ifindex
    with storm(env) as both:
        for i in range(50):
            rtnl.set_up(index, False)
            rtnl.set_up(index, True)
            if i % 10 == 0:
                env.ready()
                both.wait(5)
        env.ready()
        both.wait(20)
    steady(env.dut, env.peer, "down and up")
    no_pools_left(env)


def test_up_down_program(env: Env) -> None:
    """The same with a program, which stays attached."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    bpf.attach("verdict")
    env.later(lambda: env.configure(env.pairs[0]))
    rtnl, index = env.rtnl(), env.dut.ifindex
    with storm(env) as both:
        for _ in range(10):
            rtnl.set_up(index, False)
            rtnl.set_up(index, True)
        env.ready()
        bpf.configure(verdict=PASS)
        both.wait(20)
        check(bpf.count(PASS) > 0, "the program sees nothing any more")
    steady(env.dut, env.peer, "down and up with a program")


def test_up_down_memory(env: Env) -> None:
    """Queues that come and go leave nothing behind."""
    env.later(lambda: env.configure(env.pairs[0]))
    rtnl, index = env.rtnl(), env.dut.ifindex

    def loop() -> None:
        rtnl.set_up(index, False)
        rtnl.set_up(index, True)

    no_leak("down and up", loop, 10, 60)
    env.ready()
    no_pools_left(env)


def test_bind(env: Env) -> None:
    """The driver gives the device up and takes it back, under traffic."""
    function = Function(env)
    with incoming(env):
        for _ in range(8):
            function.unbind()
            function.bind()
    steady(env.dut, env.peer, "unbind, bind")


def test_bind_busy(env: Env) -> None:
    """The same while the device sends, has a program, and has sockets open."""
    function = Function(env)
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    with storm(env):
        for _ in range(4):
            bpf.attach("verdict")
            function.unbind()
            function.bind()
    steady(env.dut, env.peer, "unbind, bind")


def test_bind_memory(env: Env) -> None:
    """Devices that come and go leave nothing behind."""
    function = Function(env)

    def loop() -> None:
        function.unbind()
        function.bind()

    no_leak("unbind and bind", loop, 4, 20, 4000)


def test_modules(env: Env) -> None:
    """The modules are taken out and put in again, under traffic."""
    env.need_ceth("modules of its own")
    function = Function(env)
    backend, core = module_file(env.driver), module_file("ceth")
    others = [p.name for p in (function.bus / "drivers" / env.driver).iterdir()
              if (p / "driver").exists() and p.name != env.pci]
    if others and len(env.pairs) < 2:
        say(f"also of this driver: {' '.join(others)}")
    users = [m.name for m in Path("/sys/module/ceth/holders").iterdir() if m.name != env.driver]
    for _ in range(5):
        with incoming(env):
            run(f"rmmod {env.driver}")
            for user in users:
                run(f"rmmod {user}")
            run("rmmod ceth")
            check(not function.netdev(), "an interface without a driver")
            run(f"insmod {core}")
            run(f"insmod {backend}")
            for user in users:
                run(f"insmod {module_file(user)}")
            function.bind()
    for other in others:
        if not (function.bus / "devices" / other / "driver").exists():
            (function.bus / "drivers_probe").write_text(other, encoding="ascii")
    steady(env.dut, env.peer, "modules out and in")


def test_template(env: Env) -> None:
    """The template of a backend, bound to a device, drives none, and says so."""
    env.need_ceth("a template")
    function = Function(env)
    override = function.path / "driver_override"
    if not override.exists():
        raise Skip("the template is for PCI")
    module = module_file("ceth_template")
    env.later(function.bind)
    run(f"insmod {module}")
    env.later(lambda: run("rmmod ceth_template"))
    equal(sorted(p.name for p in (function.bus / "drivers/ceth_template").iterdir()
                 if (p / "driver").exists()), [], "devices that the template took by itself")
    function.unbind()
    write(override, "ceth_template")
    log = KernelLog()
    write(function.bus / "drivers_probe", function.address)
    said = log.lines()
    log.close()
    equal(function.bound, "", "driver of a device that the template was given")
    check(any("ctmpl_identify() is not filled in" in line for line in said),
          f"no word about what is missing: {said}")


def _reporters(env: Env) -> tuple[str, list[str]]:
    """The device's handle in devlink, and its health reporters."""
    shown = run_json("devlink -j health show")["health"]
    handle = f"{env.bus}/{env.pci}"
    found = [r["reporter"] for key, list_ in shown.items() if key.startswith(handle)
             for r in list_]
    if not found:
        raise Skip("the device has no health reporters")
    return handle, found


def test_recover(env: Env) -> None:
    """A reset by every health reporter, again and again, under traffic."""
    handle, reporters = _reporters(env)
    say(f"reporters: {' '.join(reporters)}")
    with storm(env) as both:
        for _ in range(5):
            for reporter in reporters:
                # A healthy reporter has nothing to recover: report first.
                done = run(f"devlink health test {handle} reporter {reporter}", ok=False)
                check(done.returncode == 0, f"test {reporter}: {done.stderr.strip()}")
                env.ready()
                both.wait(5)
    steady(env.dut, env.peer, "recovered")
    no_pools_left(env)


def test_diagnose(env: Env) -> None:
    """What the reporters show can be shown, up and down."""
    handle, reporters = _reporters(env)
    env.later(lambda: env.configure(env.pairs[0]))
    for up in (True, False):
        env.rtnl().set_up(env.dut.ifindex, up)
        for reporter in reporters:
            done = run(f"devlink health diagnose {handle} reporter {reporter}", ok=False)
            check(done.returncode == 0 or not up, f"diagnose {reporter}: {done.stderr.strip()}")
    run(f"devlink dev info {handle}")


def _plug(function: Function, nic: str) -> None:
    with function.no_autoprobe():
        monitor(f"plug {nic}")
        wait_for(function.path.exists, "the device to appear")


def test_unplug(env: Env) -> None:
    """The hardware disappears under traffic, and another appears."""
    function = Function(env)
    nic = nic_name(function.address)
    monitor("info status")
    for _ in range(3):
        # Slow: it takes a while, and what waits for the device must not pile up.
        with incoming(env, 50):
            monitor(f"unplug {nic}")
            wait_for(lambda: not function.path.exists(), "the device to disappear")
            _plug(function, nic)
            function.bind()
    steady(env.dut, env.peer, "unplugged and plugged")


def test_unplug_busy(env: Env) -> None:
    """The same while the device sends and has a program."""
    function = Function(env)
    nic = nic_name(function.address)
    monitor("info status")
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    bpf.attach("verdict")
    with storm(env, 50):
        monitor(f"unplug {nic}")
        wait_for(lambda: not env.dut.exists, "the interface to disappear")
        _plug(function, nic)
        function.bind()
    steady(env.dut, env.peer, "unplugged and plugged")


def test_link(env: Env) -> None:
    """The wire is pulled: carrier says so; it is put back: traffic goes on."""
    nic = nic_name(Function(env).address)
    monitor("info status")
    env.later(lambda: monitor(f"link {nic} on"))
    before = env.rtnl().link(env.dut.ifindex)
    with storm(env) as both:
        for _ in range(3):
            monitor(f"link {nic} off")
            wait_for(lambda: not env.carrier(env.dut), "no carrier")
            equal(read(f"/sys/class/net/{env.dut.ifname}/carrier"), "0", "carrier in sysfs")
            monitor(f"link {nic} on")
            env.ready()
            both.wait(10)
    after = env.rtnl().link(env.dut.ifindex)
    equal((after.carrier_downs - before.carrier_downs, after.carrier_ups - before.carrier_ups),
          (3, 3), "carrier changes (down, up)")
    steady(env.dut, env.peer, "wire pulled")


def test_link_while_down(env: Env) -> None:
    """What happens to the wire while the device is down is known once it is up."""
    nic = nic_name(Function(env).address)
    monitor("info status")
    env.later(lambda: env.configure(env.pairs[0]))
    env.later(lambda: monitor(f"link {nic} on"))
    env.rtnl().set_up(env.dut.ifindex, False)
    monitor(f"link {nic} off")
    env.rtnl().set_up(env.dut.ifindex, True)
    check(not env.carrier(env.dut), "carrier without a wire")
    monitor(f"link {nic} on")
    env.ready()


def test_namespaces(env: Env) -> None:
    """The device moves to another namespace and back, under traffic."""
    run("ip netns add ceth-elsewhere")
    env.later(lambda: env.configure(env.pairs[0]))
    env.later(lambda: run("ip netns del ceth-elsewhere"))
    name = env.dut.ifname
    with incoming(env):
        for _ in range(5):
            run(f"ip link set {name} netns ceth-elsewhere")
            run(f"ip link set {name} up", "ceth-elsewhere")
            run(f"ip link set {name} netns 1", "ceth-elsewhere")
            env.configure(env.pairs[0])
    steady(env.dut, env.peer, "moved")


def test_namespace_dies(env: Env) -> None:
    """A namespace that ends gives its device back."""
    run("ip netns add ceth-elsewhere")
    env.later(lambda: env.configure(env.pairs[0]))
    name = env.dut.ifname
    run(f"ip link set {name} netns ceth-elsewhere")
    run(f"ip link set {name} up", "ceth-elsewhere")
    run("ip netns del ceth-elsewhere")
    wait_for(lambda: env.dut.exists, "the device to come back")
    env.configure(env.pairs[0])
    steady(env.dut, env.peer, "came back")


def test_rename(env: Env) -> None:
    """The interface is renamed, up and under traffic."""
    name = env.dut.ifname
    env.later(lambda: run(f"ip link set ceth-other name {name}", ok=False))
    with incoming(env):
        for _ in range(3):
            done = run(f"ip link set {name} name ceth-other", ok=False)
            check(done.returncode == 0, f"rename: {done.stderr.strip()}")
            run(f"ip link set ceth-other name {name}")
    equal(env.dut.exists, True, "interface under its old name")
    steady(env.dut, env.peer, "renamed")


if __name__ == "__main__":
    main(cases(test_up_down, test_up_down_program, test_up_down_memory, test_link,
               test_link_while_down, test_recover, test_diagnose, test_namespaces,
               test_namespace_dies, test_rename, test_bind, test_bind_busy, test_bind_memory,
               test_modules, test_template, test_unplug, test_unplug_busy))
