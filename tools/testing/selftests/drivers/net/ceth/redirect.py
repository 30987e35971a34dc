#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""XDP_REDIRECT from one device to another, from every CPU, with any number of
queues, with counts that are exact."""

from __future__ import annotations

import functools

from cethtest.bpf import REDIRECT, Bpf
from cethtest.env import Env
from cethtest.flow import Flow, steady
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast, raw_socket
from cethtest.irq import Irqs
from cethtest.stats import Delta, Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, run

COUNT = 1600
# Fewer at a time than the shortest ring holds: none may be lost.
CHUNK = 32
JUMBO_SIZES = [60, 1514, 3500, 3518, 3519, 4100, 7037, 8192, 9014]
COUNT_SECOND = 7


@functools.cache
def bpf_of(env: Env) -> Bpf:
    """Programs are loaded once."""
    return Bpf(env)


class Path:
    """From the first peer through both devices to the second peer."""

    def __init__(self, env: Env, prog: str = "verdict", back: bool = False) -> None:
        self.env = env
        pairs = env.pairs[::-1] if back else env.pairs
        self.src, self.into, self.out, self.dst = (pairs[0].peer, pairs[0].dut, pairs[1].dut,
                                                   pairs[1].peer)
        self.bpf = bpf_of(env)
        self.bpf.configure(verdict=REDIRECT)
        self.bpf.redirect_to(self.out)
        self.bpf.attach(prog, self.into)
        if not env.is_ceth:
            # Other drivers send redirected frames only if they have a program, too.
            self.bpf.attach("pass_frags" if prog.endswith("frags") else "pass", self.out)

    def send(self, what: str, kind: Kind, sizes: list[int], count: int = COUNT) -> None:
        """Send, and see everything arrive."""
        tally = Tally(kind)
        with Capture(self.dst, kind.ethertype) as capture, raw_socket(self.src) as sock:
            while tally.sent < count:
                n = min(CHUNK, count - tally.sent)
                tally.sent += blast(self.src, EVERYBODY, kind, sizes, n, tally.sent, sock)
                capture.into(tally)
                if tally.lost:
                    break
        tally.demand(what)
        equal(self.bpf.count(REDIRECT), count, f"{what}: frames that the program saw")

    def go(self, what: str, kind: Kind, sizes: list[int] | None = None,
           count: int = COUNT) -> tuple[Delta, Delta]:
        """Send, and see everything arrive; return what both devices counted."""
        sizes = sizes or [60, 300, 1514]
        before = at_rest(self.env, self.into), at_rest(self.env, self.out)
        self.send(what, kind, sizes, count)
        after = at_rest(self.env, self.into), at_rest(self.env, self.out)
        received, sent = Delta(before[0], after[0]), Delta(before[1], after[1])
        equal(sent.link("tx_packets"), count, f"{what}: tx_packets of {self.out.ifname}")
        if self.env.is_ceth:
            size = sum(sizes[n % len(sizes)] for n in range(count))
            equal(received.queue("xdp_redirect"), count, f"{what}: xdp_redirect")
            equal(received.link("rx_packets"), count, f"{what}: rx_packets")
            equal(sent.queue("xdp_packets", "tx"), count, f"{what}: xdp_packets")
            equal(sent.link("tx_bytes"), size, f"{what}: tx_bytes")
            equal(sent.queue("xdp_full", "tx"), 0, f"{what}: xdp_full")
        return received, sent


def test_devmap(env: Env) -> None:
    """From the first device to the second, and back."""
    Path(env).go("there", Kind(run=51))
    bpf_of(env).detach()
    bpf_of(env).detach(env.pairs[1].dut)
    Path(env, back=True).go("back", Kind(run=52))


def test_devmap_flows(env: Env) -> None:
    """With frames on all queues of the first device."""
    Path(env).go("flows", Kind(run=53, udp=True, flows=32))


def test_no_program_on_target(env: Env) -> None:
    """The target needs no program of its own."""
    env.need_ceth("sending redirected frames without a program of its own")
    path = Path(env)
    equal(env.rtnl().link(path.out.ifindex).xdp_id, 0, "program on the target")
    path.go("no program on the target", Kind(run=54))


def _on_each_cpu(env: Env, path: Path, what: str, run_id: int) -> None:
    """Let every interrupt of the receiving device run on one CPU after the other."""
    env.need_cpus(2)
    irqs = Irqs(env, path.into)
    for cpu in range(env.cpus):
        irqs.pin(cpu)
        # An interrupt moves when it comes the next time.
        path.bpf.configure(verdict=REDIRECT)
        path.send("until the interrupts have moved", Kind(run=run_id + 20, udp=True, flows=16),
                  [60], 160)
        path.bpf.configure(verdict=REDIRECT)
        path.go(f"{what}, CPU {cpu}", Kind(run=run_id, udp=True, flows=16), count=480)
        where = {i: c[0] for i, c in enumerate(path.bpf.per_cpu(REDIRECT)) if c[0]}
        check(where.get(cpu, 0) >= 470, f"frames were to be seen by CPU {cpu}, seen by {where}")


def test_each_cpu(env: Env) -> None:
    """Every CPU can send on the second device."""
    _on_each_cpu(env, Path(env), "as many queues as there are", 55)


def test_each_cpu_one_queue(env: Env) -> None:
    """Also when that has a single queue for all of them."""
    env.channels(1, env.pairs[1].dut)
    _on_each_cpu(env, Path(env), "one queue", 56)


def test_all_cpus_at_once(env: Env) -> None:
    """All of them on one queue, which the stack uses as well."""
    env.channels(1, env.pairs[1].dut)
    path = Path(env)
    Irqs(env, path.into).spread()
    with Flow(path.out, path.dst, rate=200) as flow:
        kind = Kind(run=58, udp=True, flows=64)
        tally = Tally(kind)
        with Capture(path.dst, kind.ethertype) as capture:
            while tally.sent < COUNT:
                tally.sent += blast(path.src, EVERYBODY, kind, [60, 1514], CHUNK, tally.sent)
                capture.into(tally)
        own = flow.stop()
    tally.demand("redirected, beside the stack's own")
    own.demand("the stack's own, beside redirected", order=True)
    equal(path.bpf.count(REDIRECT), tally.sent, "frames that the program saw")


def test_ring_overflow(env: Env) -> None:
    """More than fits: every frame is either sent or counted as not sent."""
    env.need_ceth("counting frames that find no room")
    out = env.pairs[1].dut
    env.channels(1, out)
    path = Path(env)
    kind = Kind(run=59, udp=True, flows=64)
    before = at_rest(env, out)
    tally = Tally(kind)
    with Capture(path.dst, kind.ethertype) as capture:
        tally.sent = blast(path.src, EVERYBODY, kind, [60], 4000)
        env.wait_for(lambda: path.bpf.count(REDIRECT) >= 4000, "frames that the program sees")
        delta = Delta(before, at_rest(env, out))
        full = delta.queue("xdp_full", "tx")
        capture.into(tally, wanted=4000 - full)
    say(f"no room for {full} frames of 4000")
    tally.demand("overflow", loss=True)
    equal(tally.lost, full, "lost frames, and xdp_full")
    equal(delta.link("tx_dropped"), full, "tx_dropped")
    equal(delta.link("tx_packets"), 4000 - full, "tx_packets")


def _jumbo(env: Env) -> None:
    if not env.netdev.xdp_features(env.dut.ifindex) & 32:
        raise Skip("no XDP on frames of many buffers")
    if not env.netdev.xdp_features(env.pairs[1].dut.ifindex) & 64:
        raise Skip("the device sends no redirected frames of many buffers")
    env.mtu(9000)


def test_frags(env: Env) -> None:
    """Frames of many buffers, from one device to the other."""
    _jumbo(env)
    Path(env, "verdict_frags").go("jumbo frames", Kind(run=60), JUMBO_SIZES)


def test_frags_one_queue(env: Env) -> None:
    """The same to a single queue."""
    _jumbo(env)
    env.channels(1, env.pairs[1].dut)
    Path(env, "verdict_frags").go("jumbo frames, one queue", Kind(run=61), JUMBO_SIZES)


def test_cpumap_stack(env: Env) -> None:
    """To another CPU, and from there to the stack."""
    env.need_cpus(2)
    bpf = bpf_of(env)
    for cpu in range(env.cpus):
        bpf.cpu_slot(cpu)
        bpf.configure(cpu=cpu)
        bpf.attach("to_cpu")
        tally = Tally(Kind(run=62))
        with Capture(env.dut) as capture:
            tally.sent = blast(env.peer, env.dut.mac, tally.kind, [60, 1514], 500)
            capture.into(tally)
        tally.demand(f"by way of CPU {cpu}", order=True)
        equal(bpf.count(REDIRECT), 500, "frames that the program saw")
        bpf.detach()


def _by_cpumap(env: Env, suffix: str, sizes: list[int], run_id: int) -> None:
    """To another CPU, whose program sends the frame on to the second device."""
    env.need_cpus(2)
    bpf = bpf_of(env)
    out, dst = env.pairs[1].dut, env.pairs[1].peer
    bpf.redirect_to(out)
    if not env.is_ceth:
        bpf.attach("pass" + suffix, out)
    for cpu in range(env.cpus):
        bpf.cpu_slot(cpu, "cpu_to_port")
        bpf.configure(cpu=cpu)
        bpf.attach("to_cpu" + suffix)
        tally = Tally(Kind(run=run_id))
        with Capture(dst) as capture:
            while tally.sent < 320:
                tally.sent += blast(env.peer, EVERYBODY, tally.kind, sizes, CHUNK, tally.sent)
                capture.into(tally)
        tally.demand(f"from CPU {cpu}")
        where = {i: c[0] for i, c in enumerate(bpf.per_cpu(COUNT_SECOND)) if c[0]}
        equal(where, {cpu: 320}, "frames by the CPU that sent them on")
        bpf.detach()


def test_cpumap_devmap(env: Env) -> None:
    """Sent by CPUs that no interrupt of the device runs on."""
    _by_cpumap(env, "", [60, 300, 1514], 63)


def test_cpumap_devmap_one_queue(env: Env) -> None:
    """The same to a device with one queue."""
    env.channels(1, env.pairs[1].dut)
    _by_cpumap(env, "", [60, 300, 1514], 64)


def test_cpumap_devmap_frags(env: Env) -> None:
    """The same with frames of many buffers."""
    _jumbo(env)
    _by_cpumap(env, "_frags", JUMBO_SIZES, 65)


def _goes_nowhere(env: Env, path: Path, what: str, run_id: int) -> None:
    tally = Tally(Kind(run=run_id))
    with Capture(path.dst) as capture:
        tally.sent = blast(path.src, EVERYBODY, tally.kind, [60], 200)
        env.wait_for(lambda: path.bpf.count(REDIRECT) >= 200, "frames that the program sees")
        capture.into(tally, seconds=0.3, wanted=1)
    equal(tally.received, 0, f"{what}: frames that arrive")


def test_target_down(env: Env) -> None:
    """Frames for a device that is down go nowhere, and again when it is up."""
    path = Path(env)
    env.rtnl().set_up(path.out.ifindex, False)
    env.later(lambda: env.configure(env.pairs[1]))
    before = Snapshot(env)
    _goes_nowhere(env, path, "the target is down", 66)
    if env.is_ceth:
        delta = Delta(before, at_rest(env))
        # Taken in bulk, and refused by the other device: either counts.
        equal(delta.queue("xdp_redirect") + delta.queue("xdp_redirect_err"), 200,
              "xdp_redirect + xdp_redirect_err")
    env.rtnl().set_up(path.out.ifindex, True)
    env.ready(env.pairs[1])
    path.bpf.configure(verdict=REDIRECT)
    path.go("the target is up again", Kind(run=67), count=320)


def test_target_changes(env: Env) -> None:
    """Queues of the target change under redirected traffic."""
    path = Path(env)
    most = env.channel_limits(path.out)[1]
    if most < 2:
        raise Skip("the device has one queue only")
    with Flow(path.src, path.dst, rate=200, dst_mac=EVERYBODY) as flow:
        for n in (1, most, 1, most):
            run(f"ethtool -L {path.out.ifname} combined {n}")
            mark = flow.arrived + 50
            env.wait_for(lambda m=mark: flow.arrived >= m, f"frames with {n} queues")
        flow.stop().demand("queues of the target change", loss=True)
    steady(path.out, path.dst, "queues of the target change")


if __name__ == "__main__":
    main(cases(test_devmap, test_devmap_flows, test_no_program_on_target, test_each_cpu,
               test_each_cpu_one_queue, test_all_cpus_at_once, test_ring_overflow, test_frags,
               test_frags_one_queue, test_cpumap_stack, test_cpumap_devmap,
               test_cpumap_devmap_one_queue, test_cpumap_devmap_frags, test_target_down,
               test_target_changes), pairs=2)
