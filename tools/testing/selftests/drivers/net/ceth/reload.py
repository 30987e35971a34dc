#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""devlink reload, and the parameters that it puts into force."""

from __future__ import annotations

import re
from pathlib import Path

from cethtest.bpf import DROP, Bpf
from cethtest.env import Env
from cethtest.flow import Flow, steady
from cethtest.stats import restart
from cethtest.tap import cases, main
from cethtest.tool import Skip, check, equal, in_ns, read, run, run_json, wait_for


def handle(env: Env) -> str:
    """The device, as devlink calls it."""
    name = f"{env.bus}/{env.pci}"
    if name not in run("devlink dev show").stdout:
        raise Skip("no devlink instance")
    return name


def reload(env: Env, more: str = "") -> None:
    """Once, and everything as before for what follows."""
    old = env.dut.ifindex
    run(f"devlink dev reload {handle(env)} {more}")
    wait_for(lambda: env.dut.exists and env.dut.ifindex != old, f"{env.dut.ifname} to come back")
    env.configure(env.pairs[0])


def param(env: Env) -> int:
    """Of max_queues: what is set."""
    shown = run_json(f"devlink -j dev param show {handle(env)} name max_queues")["param"]
    return int(shown[handle(env)][0]["values"][0]["value"])


def set_param(env: Env, value: int, ok: bool = True) -> str:
    """Set max_queues; what devlink says to that."""
    done = run(f"devlink dev param set {handle(env)} name max_queues value {value} "
               "cmode driverinit", ok=ok)
    if not ok:
        check(done.returncode, f"max_queues {value} is not refused")
    return done.stderr


def put_back(env: Env, most: int) -> None:
    """As a device of that many queues comes up."""
    set_param(env, most)
    reload(env)


def test_reload(env: Env) -> None:
    """Another network device takes the place; the configuration is the default."""
    env.need_ceth("devlink reload")
    name, n = handle(env), env.channel_limits()
    mac = env.dut.mac
    env.dut.run("ethtool -G {} rx 128")
    env.dut.run("ip link set {} mtu 1400")
    bpf = Bpf(env)
    bpf.configure(verdict=DROP)
    bpf.attach("verdict")
    for _ in range(3):
        reload(env)
        steady(env.dut, env.peer, "reloaded")
    equal(env.dut.mac, mac, "address")
    equal(env.channel_limits(), n, "queues")
    equal(int(read(f"/sys/class/net/{env.dut.ifname}/mtu")), 1500, "MTU")
    check("128" not in env.dut.run("ethtool -g {}"), "the ring size of before")
    equal(env.link().xdp_mode, 0, "XDP program")  # type: ignore[attr-defined]
    ports = run_json("devlink -j port show")["port"]
    equal(ports[f"{name}/0"]["netdev"], env.dut.ifname, "network device of the port")
    stats = run_json(f"devlink -j -s dev show {name}")["dev"][name]
    check(stats["stats"]["reload"]["driver_reinit"]["unspecified"] >= 3, f"reloads: {stats}")


def test_param(env: Env) -> None:
    """max_queues is in force after the reload, not before."""
    env.need_ceth("max_queues")
    most = env.channel_limits()[1]
    if most < 2:
        raise Skip("one queue pair only")
    equal(param(env), most, "max_queues at first")
    env.later(lambda: put_back(env, most))
    for n in (1, most - 1, most):
        before = env.channel_limits()
        set_param(env, n)
        equal(env.channel_limits(), before, "queues before the reload")
        reload(env)
        equal(env.channel_limits()[1], n, f"queues after max_queues {n} and a reload")
        equal(param(env), n, "max_queues after the reload")
        steady(env.dut, env.peer, f"{n} queues at most")
    irqs = read("/proc/interrupts")
    equal(len(re.findall(rf"\b{env.dut.ifname}-\d+$", irqs, re.M)), env.channel_limits()[0],
          "interrupts")


def test_param_refused(env: Env) -> None:
    """Values that cannot be are refused, and change nothing."""
    env.need_ceth("max_queues")
    most = env.channel_limits()[1]
    for bad in (0, most + 1, 70000, 1 << 31):
        said = set_param(env, bad, ok=False)
        check(f"max_queues: 1 to {most}, not {bad}" in said, f"{bad}: said: {said}")
    equal(param(env), most, "max_queues")
    reload(env)
    equal(env.channel_limits()[1], most, "queues")


def test_traffic(env: Env) -> None:
    """Under traffic; and while it is down."""
    env.need_ceth("devlink reload")
    for src, dst in ((env.peer, env.dut), (env.dut, env.peer)):
        with Flow(src, dst, rate=300) as flow:
            for _ in range(4):
                mark = flow.arrived + 30
                wait_for(lambda m=mark, f=flow: f.arrived >= m, "traffic")
                reload(env)
            mark = flow.arrived + 30
            wait_for(lambda m=mark, f=flow: f.arrived >= m, "traffic in the end")
            flow.stop().demand("reloads", loss=True)
    env.rtnl().set_up(env.dut.ifindex, False)
    reload(env)
    steady(env.dut, env.peer, "reloads")


def test_fault(env: Env) -> None:
    """Faults that are reported at the same time wait for nobody for ever."""
    env.need_ceth("devlink reload")
    for _ in range(10):
        run(f"devlink health test {handle(env)} reporter device", ok=False)
        run(f"devlink health test {handle(env)} reporter rx", ok=False)
        reload(env)
    steady(env.dut, env.peer, "faults and reloads")
    restart(env)
    steady(env.dut, env.peer, "recovery")


def test_namespace(env: Env) -> None:
    """Into another namespace, and back when that goes away."""
    env.need_ceth("devlink reload")
    name = handle(env)
    run("ip netns add ceth-reload")
    env.later(lambda: run("ip netns del ceth-reload", ok=False))
    run(f"devlink dev reload {name} netns ceth-reload")
    wait_for(lambda: env.dut.ifname in run("ip -o link", "ceth-reload").stdout,
             "the interface in the other namespace")
    check(not env.dut.exists, "the interface is still here")
    check(name in run("devlink dev show", "ceth-reload").stdout, "devlink is not there")
    run(f"ip link set {env.dut.ifname} up", "ceth-reload")
    with in_ns("ceth-reload"):
        check(Path("/proc/net/dev").exists(), "a namespace")
    run("ip netns del ceth-reload")
    wait_for(lambda: env.dut.exists, "the interface here again")
    env.configure(env.pairs[0])
    check(name in run("devlink dev show").stdout, "devlink is not back")
    steady(env.dut, env.peer, "another namespace")


if __name__ == "__main__":
    main(cases(test_reload, test_param, test_param_refused, test_traffic, test_fault,
               test_namespace))
