#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Programs come and go under traffic: no frame is lost, nothing flaps."""

from __future__ import annotations

from collections.abc import Callable

from cethtest.bpf import PASS, Bpf
from cethtest.env import Env
from cethtest.flow import Both
from cethtest.nl import LinkEvents, NetlinkError
from cethtest.stats import Snapshot
from cethtest.tap import cases, main, say
from cethtest.tcp import Stream
from cethtest.tool import Failure, check, equal

ROUNDS = 120


class Watch:
    """What must stay as it is while programs come and go."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.events = LinkEvents()
        self.info = env.rtnl().link(env.dut.ifindex)
        self.channels = env.channel_limits()
        self.before = Snapshot(env)

    def demand(self) -> None:
        """Fail on any change."""
        now = self.env.rtnl().link(self.env.dut.ifindex)
        equal((now.carrier_ups, now.carrier_downs),
              (self.info.carrier_ups, self.info.carrier_downs), "carrier changes (up, down)")
        states = self.events.running_flags(self.env.dut.ifindex)
        check(all(states), f"the kernel announced a link without carrier: {states}")
        self.events.close()
        equal((now.rx_queues, now.tx_queues), (self.info.rx_queues, self.info.tx_queues),
              "queues (rx, tx)")
        equal(self.env.channel_limits(), self.channels, "channels (now, most)")
        back = Snapshot(self.env).went_back(self.before)
        check(not back, f"counters go backwards: {back}")


def under_traffic(env: Env, change: Callable[[int], None], rounds: int = ROUNDS,
                  what: str = "", flows: int = 1) -> None:
    """Do something many times while numbered frames go both ways."""
    env.need_ceth("programs change without loss")
    watch = Watch(env)
    with Both(env.dut, env.peer, rate=500, udp=flows > 1, flows=flows) as both:
        for i in range(rounds):
            change(i)
        tallies = both.demand(what)
    watch.demand()
    say(f"{rounds} times, frames: {', '.join(str(t.sent) for t in tallies)}")


def test_attach_detach(env: Env) -> None:
    """A program is attached and taken away, again and again."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    fd = bpf.progs["verdict"]
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    under_traffic(env, lambda i: rtnl.set_xdp(ifindex, -1 if i % 2 else fd), what="attach, detach")
    equal(rtnl.link(ifindex).xdp_id, 0, "program at the end")


def test_attach_detach_flows(env: Env) -> None:
    """The same with frames on all queues."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    fd = bpf.progs["verdict"]
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    under_traffic(env, lambda i: rtnl.set_xdp(ifindex, -1 if i % 2 else fd),
                  what="attach, detach", flows=16)


def test_replace(env: Env) -> None:
    """One program takes the place of another; frames see one or the other."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    bpf.attach("verdict")
    names = ("pass_frags", "verdict", "pass", "verdict_frags")
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    current = ["verdict"]

    def change(i: int) -> None:
        name = names[i % 4]
        rtnl.set_xdp(ifindex, bpf.progs[name], bpf.progs[current[0]])
        current[0] = name

    under_traffic(env, change, what="replace")


def test_replace_expected(env: Env) -> None:
    """Replacing a program that is not there is refused; the right one stays."""
    bpf = Bpf(env)
    bpf.attach("verdict")
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    before = rtnl.link(ifindex).xdp_id
    try:
        rtnl.set_xdp(ifindex, bpf.progs["pass"], bpf.progs["pass_frags"])
    except NetlinkError:
        pass
    else:
        raise Failure("a program was replaced that was not attached")
    equal(rtnl.link(ifindex).xdp_id, before, "program afterwards")


def test_jumbo(env: Env) -> None:
    """With jumbo frames, which fill several buffers each."""
    env.need_ceth("programs change without loss")
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    env.mtu(9000)
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    watch = Watch(env)
    with Both(env.dut, env.peer, sizes=(60, 9014, 4000), rate=200) as both:
        for i in range(ROUNDS):
            rtnl.set_xdp(ifindex, -1 if i % 2 else bpf.progs["verdict_frags"])
        both.demand("attach, detach, jumbo frames")
    watch.demand()


def test_tcp(env: Env) -> None:
    """A TCP connection survives, whose offloads come and go with the program."""
    bpf = Bpf(env)
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    streams = [Stream(env.peer, env.dut), Stream(env.dut, env.peer)]
    for i in range(20):
        rtnl.set_xdp(ifindex, -1 if i % 2 else bpf.progs["pass"])
    for stream in streams:
        check(stream.stop() > 0, "the connection carried nothing")


def test_while_down(env: Env) -> None:
    """A program attached while the device is down works once it is up."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    env.rtnl().set_up(env.dut.ifindex, False)
    env.later(lambda: env.configure(env.pairs[0]))
    bpf.attach("verdict")
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    with Both(env.dut, env.peer) as both:
        env.wait_for(lambda: bpf.count(PASS) > 100, "frames that the program sees")
        both.demand("attached while down")
    env.rtnl().set_up(env.dut.ifindex, False)
    bpf.detach()
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    bpf.configure(verdict=PASS)
    with Both(env.dut, env.peer) as both:
        both.wait(100)
        both.demand("detached while down")
    equal(bpf.count(PASS), 0, "frames that the program saw after it was detached")


if __name__ == "__main__":
    main(cases(test_attach_detach, test_attach_detach_flows, test_replace, test_replace_expected,
               test_jumbo, test_tcp, test_while_down))
