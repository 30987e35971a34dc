#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Transmit queues for XDP alone: beside the stack's, where the device has some to
spare, and shared with the stack where it has not. Which it is changes under
traffic, and no frame is lost."""

from __future__ import annotations

import contextlib
import socket

from cethtest.bpf import PASS, REDIRECT, TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast, raw_socket
from cethtest.shaper import NETDEV, Shapers
from cethtest.stats import Delta, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, run_json, wait_for, write

SO_SNDBUFFORCE = 32
# Mbit/s: the least
SLOW = 1
# bit/s: three milliseconds for a frame
PACED = 4_000_000


def queues(env: Env, reporter: str = "tx") -> list[dict[str, object]]:
    """What the device says of its queues."""
    handle = f"{env.bus}/{env.pci}"
    return list(run_json(f"devlink -j health diagnose {handle} reporter {reporter}")["queues"])


def own(env: Env) -> dict[int, int]:
    """Queues for XDP alone: which one goes with which pair."""
    return {int(str(q["with_queue"])): int(str(q["queue"])) for q in queues(env)
            if q["type"] == "xdp"}


def most(env: Env) -> int:
    """Pairs that there can be; for devices of at least four, which the cases count on."""
    env.need_ceth("queues for XDP alone")
    return env.channel_limits()[1]


def wanted(env: Env, pairs: int) -> dict[int, int]:
    """What there is room for, from the last index on."""
    top = most(env)
    if env.driver == "ceth_virtio":
        # A receive queue has to be there for each of its queues.
        return {}
    return {i: top - 1 - i for i in range(pairs) if top - 1 - i >= pairs}


def returned(env: Env, bpf: Bpf, kind: Kind, count: int = 320) -> None:
    """The program sends frames back, each of them."""
    tally, before = Tally(kind), bpf.count(TX)
    with Capture(env.peer, kind.ethertype) as capture:
        while tally.sent < count and not tally.lost:
            tally.sent += blast(env.peer, EVERYBODY, kind, [60, 1514], 32, tally.sent)
            capture.into(tally)
    tally.demand("sent back")
    equal(bpf.count(TX) - before, count, "frames that the program has seen")


def test_room(env: Env) -> None:
    """They are there with a program, as far as there is room."""
    top = most(env)
    bpf = Bpf(env)
    bpf.configure(verdict=TX)
    equal(own(env), {}, "queues for XDP without a program")
    bpf.attach("verdict")
    for run, pairs in enumerate((1, 2, top - 1, top, 1)):
        env.channels(pairs)
        equal(own(env), wanted(env, pairs), f"queues for XDP beside {pairs}")
        before = at_rest(env)
        returned(env, bpf, Kind(run=20 + run, udp=True, flows=16))
        delta = Delta(before, at_rest(env))
        equal(delta.queue("xdp_packets", "tx"), 320, "ethtool -S xdp_packets")
        equal(delta.link("tx_packets"), 320, "tx_packets")
        equal(delta.qstat("tx_packets"), 320, "qstats tx-packets")
    bpf.detach()
    equal(own(env), {}, "queues for XDP after the program")
    steady(env.dut, env.peer, "without the program")


def test_types(env: Env) -> None:
    """What each queue is for is shown."""
    pairs = min(2, most(env))
    env.channels(pairs)
    for reporter in ("rx", "tx"):
        equal([q["type"] for q in queues(env, reporter)], ["stack"] * pairs, f"{reporter} queues")
    bpf = Bpf(env)
    bpf.attach("pass")
    equal(sorted(str(q["type"]) for q in queues(env)),
          ["stack"] * pairs + ["xdp"] * len(wanted(env, pairs)), "tx queues with a program")
    bpf.detach()


def test_down(env: Env) -> None:
    """Attached while the device is down, and down while attached."""
    most(env)
    env.channels(1)
    bpf = Bpf(env)
    bpf.configure(verdict=TX)
    env.later(lambda: env.configure(env.pairs[0]))
    for up in (False, True, False, True):
        env.rtnl().set_up(env.dut.ifindex, up)
        if not up:
            with contextlib.suppress(OSError):
                bpf.attach("verdict")
    env.ready()
    equal(own(env), wanted(env, 1), "queues for XDP")
    returned(env, bpf, Kind(run=30))
    env.rtnl().set_up(env.dut.ifindex, False)
    bpf.detach()
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    equal(own(env), {}, "queues for XDP after the program")


def test_moves(env: Env) -> None:
    """Room comes and goes under XDP_TX and redirection: what a queue that stays
    receives is sent on, every frame."""
    top = most(env)
    env.channels(1)
    bpf = Bpf(env)
    bpf.redirect_to(env.dut)
    for verdict in (TX, REDIRECT):
        bpf.configure(verdict=verdict)
        bpf.attach("verdict")
        # Frames without a hash come in on the first queue.
        with Flow(env.peer, env.peer, dst_mac=EVERYBODY, rate=400) as back:
            for i in range(12):
                env.channels((top, 1)[i & 1])
                mark = back.arrived + 20
                wait_for(lambda m=mark: back.arrived >= m, "frames that come back")
            back.halt()
            tally = back.stop()
            tally.demand("sent on")
            say(f"{tally.sent} frames")
        bpf.detach()


def test_swap(env: Env) -> None:
    """Programs come and go while frames are redirected to the device and the stack
    sends: the queue that they take is another one each time."""
    most(env)
    source = env.pairs[1]
    bpf = Bpf(env)
    bpf.redirect_to(env.dut)
    bpf.configure(verdict=REDIRECT)
    bpf.attach("verdict", source.dut)
    env.later(lambda: bpf.detach(source.dut))
    other = Bpf(env)
    other.configure(verdict=PASS)
    rtnl, ifindex = env.rtnl(), env.dut.ifindex
    with Flow(source.peer, env.peer, dst_mac=EVERYBODY, rate=400) as through, \
            Both(env.dut, env.peer, udp=True, flows=8, rate=200) as both:
        for i in range(40):
            rtnl.set_xdp(ifindex, -1 if i & 1 else other.progs["pass"])
            if i % 8 == 7:
                mark = through.arrived + 20
                wait_for(lambda m=mark: through.arrived >= m, "frames that are redirected")
        both.demand("programs come and go")
        through.halt()
        through.stop().demand("redirected")


def test_drained(env: Env) -> None:
    """A program goes while what it has sent waits in the queue: that is sent before the
    queue goes, too."""
    if not wanted(env, 1):
        raise Skip("the device has no queues for XDP alone")
    env.channels(1)
    bpf, count, waited = Bpf(env), 20, 0
    bpf.configure(verdict=TX)
    # All of them take less time than a queue is given.
    Shapers(env).set(NETDEV, 0, PACED)
    before = at_rest(env)
    for turn in range(4):
        tally, mark = Tally(Kind(run=50 + turn), count), bpf.count(TX)
        bpf.attach("verdict")
        with Capture(env.peer) as capture:
            blast(env.peer, EVERYBODY, tally.kind, [1514], count)
            wait_for(lambda m=mark: bpf.count(TX) == m + count, "frames", every=0.001)
            while (data := capture.get()) is not None:
                tally.add(data)
            waited += tally.lost
            bpf.detach()
            capture.into(tally)
        tally.demand("sent back by a program that goes", order=True)
    say(f"{waited} of {4 * count} frames had not been sent when their program went")
    check(waited, "nothing waited: nothing is shown")
    delta = Delta(before, at_rest(env))
    equal((delta.queue("xdp_packets", "tx"), delta.queue("lost", "tx")), (4 * count, 0),
          "frames of XDP, those that were lost")


def test_apart(env: Env) -> None:
    """The stack's queues are as slow as they can be: XDP's frames do not wait for
    what is in them, and it leaves them their room."""
    if not wanted(env, 1):
        raise Skip("the device has no queues for XDP alone")
    knob = f"/sys/class/net/{env.dut.ifname}/queues/tx-0/tx_maxrate"
    env.channels(1)
    try:
        write(knob, SLOW)
    except OSError:
        raise Skip("the rate of a queue cannot be limited") from None
    bpf = Bpf(env)
    bpf.configure(verdict=TX)
    bpf.attach("verdict")
    env.later(lambda: write(knob, 0))
    tally = Tally(Kind(run=41, udp=True), 900)
    with Capture(env.peer, tally.kind.ethertype) as capture, raw_socket(env.dut) as sock:
        # All of it waits in the queueing discipline.
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)
        blast(env.dut, env.peer.mac, tally.kind, [1514], tally.sent, 0, sock)
        returned(env, bpf, Kind(run=40), 64)
        while (data := capture.get()) is not None:
            tally.add(data)
        say(f"{tally.received} of the stack's frames had arrived when XDP's were back")
        check(tally.lost, "the stack's queue was not slow: nothing is shown")
        write(knob, 0)
        capture.into(tally)
    tally.demand("from the stack", order=True)


if __name__ == "__main__":
    main(cases(test_room, test_types, test_down, test_moves, test_swap, test_drained,
               test_apart),
         pairs=2)
