#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""AF_XDP zero-copy, for long: sockets that come, go, and die, many at once, and
whatever happens to the device meanwhile. No chunk gets lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import select
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import EVERYBODY, HEAD, UDP_OFFSET, Capture, Kind, Tally, blast
from cethtest.remains import Remains, Usage
from cethtest.stats import Snapshot, at_rest, ethtool_stats
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, read, rounds, run, settle, wait_for, write
from cethtest.xsk import Options, Umem, Xsk
from cethtest.xskuse import (SIZES, by_flow, census, collect, enter, flood, receive, transmit,
                             unbound)

# With it no flow of the tests has the first entry of the table, where frames
# without a hash go.
KEY = ":".join(f"{n:02x}" for n in random.Random(2).randbytes(40))
POISON = b"\xa5\x5a"


# What a program can be doing when it dies
STATES = ("binding", "filling", "sending", "receiving", "waiting", "calling", "closing")
_fork = multiprocessing.get_context("fork")


def hurry(env: Env) -> None:
    """Most of the time of a socket's end is spent waiting for other processors."""
    knob = "/sys/kernel/rcu_expedited"
    before = read(knob)
    write(knob, 1)
    env.later(lambda: write(knob, before))


def prepare(env: Env, least: int = 2, each: int = 1) -> int:
    """Queues, and the program; frames of hashed kinds are not for queue 0."""
    env.need_ceth("AF_XDP zero-copy")
    queues = min(4, env.channel_limits()[1])
    if queues < least:
        raise Skip(f"needs {least} queues")
    env.channels(queues)
    env.channels(queues, env.peer)
    by_flow(env, each).attach("by_flow")
    return queues


def keep_first_free(env: Env, queues: int) -> None:
    """What has a hash goes to other queues than the first, the rest to the first."""
    others = [127 // (queues - 1)] * (queues - 1)
    others[-1] += 127 - sum(others)
    if run(["ethtool", "-X", env.dut.ifname, "hkey", KEY, "weight", "1",
            *(str(n) for n in others)], ok=False).returncode:
        raise Skip("nothing steers frames to other queues")
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))


class Cycles:
    """Sockets of one queue, one after the other."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.rng = random.Random(7)
        opt = Options(chunks=64, chunk=2048, ring=64, rx_ring=64, logged=True)
        self.memories = [Umem(opt), Umem(replace(opt, chunk=4096))]
        self.poison = [POISON * (m.opt.chunk * m.opt.chunks // 4) for m in self.memories]
        self.last: Remains | None = None
        self.got = self.posted = 0

    def close(self) -> None:
        """No more of them."""
        for memory in self.memories:
            memory.close()

    def settle(self, which: int) -> None:
        """The last one's chunks are all there, and nobody's but ours."""
        if not self.last:
            return
        got, posted = self.last.settle()
        self.got, self.posted, self.last = self.got + got, self.posted + posted, None
        poison = self.poison[which]
        self.memories[which].map[:len(poison)] = poison

    def one(self, i: int) -> None:
        """Comes, works a while, and goes at whatever moment."""
        rng, memory, before = self.rng, self.memories[i & 1], ~i & 1
        memory.renew()
        opt = replace(memory.opt, wakeup=rng.random() < 0.5)
        # One whose chunks are late would have the queue polled until they come.
        opt.early = not opt.wakeup or rng.random() < 0.5
        other = self.last is not None
        xsk = Xsk(self.env.dut, 0, opt, memory=memory)
        try:
            # Now the last one is not bound any more.
            self.settle(before)
            enter(self.env, xsk)
            if not opt.early:
                xsk.fill_up()
            seq = 0
            for _ in range(rng.randrange(4)):
                if rng.random() < 0.7:
                    seq = flood(xsk, Kind(run=200), self.env, seq)
                xsk.receive()
                if rng.random() < 0.2:
                    select.select([xsk.sock], [], [], 0.01)
            self.last = Remains(xsk)
        finally:
            xsk.close()
        if other:
            poison = self.poison[before]
            check(self.memories[before].map[:len(poison)] == poison,
                  f"chunks of socket {i - 1} are written to after its end")


def test_cycles(env: Env) -> None:
    """Bound and unbound under traffic, on this queue and on others."""
    times = rounds(150)
    queues = prepare(env)
    keep_first_free(env, queues)
    hurry(env)
    changes = read(f"/sys/class/net/{env.dut.ifname}/carrier_changes")
    cycles = Cycles(env)
    with Both(env.dut, env.peer, udp=True, flows=16, rate=30) as others, \
            Flow(env.peer, env.dut, rate=100) as through:
        others.wait(20)
        for i in range(32):
            cycles.one(i)
        usage = Usage(env)
        started = time.monotonic()
        for i in range(times):
            cycles.one(i)
            if i % 1000 == 999:
                say(f"{i + 1} of {times}")
        say(f"{(time.monotonic() - started) * 1000 / times:.1f} ms each; {cycles.got} frames "
            f"received, {cycles.posted} posted")
        say(usage.demand(times, "binding"))
        through.halt()
        others.demand("on other queues")
    check(min(cycles.got, cycles.posted) > times, "hardly any traffic of the sockets")
    equal(read(f"/sys/class/net/{env.dut.ifname}/carrier_changes"), changes, "carrier changes")
    unbound(env)
    steady(env.peer, env.dut, "without sockets")


def victim(env: Env, state: Any, seed: int) -> None:
    """A program that does all that programs do, until it dies."""
    rng = random.Random(seed)
    seq = 0

    def now(what: str) -> None:
        state.value = STATES.index(what)

    while True:
        opt = Options(chunks=64, ring=64, rx_ring=64, early=rng.random() < 0.5)
        now("binding")
        xsk = Xsk(env.dut, 0, opt)
        enter(env, xsk)
        for _ in range(rng.randrange(2, 8)):
            now("filling")
            if not opt.early:
                xsk.fill_up()
                opt.early = True
            now("sending")
            seq = flood(xsk, Kind(run=210), env, seq)
            now("receiving")
            xsk.receive()
            now("waiting")
            select.select([xsk.sock], [], [], 0.01)
            now("calling")
            for _ in range(4):
                xsk.call_rx()
                xsk.push()
                xsk.statistics()
        now("closing")
        xsk.close()


def kill(env: Env, wanted: int, rng: random.Random) -> None:
    """One that dies in that state, or soon after."""
    state = _fork.Value("i", -1, lock=False)
    child = _fork.Process(target=victim, args=(env, state, rng.randrange(1 << 30)), daemon=True)
    child.start()
    try:
        wait_for(lambda: state.value == wanted or not child.is_alive(), STATES[wanted], 60,
                 0.0005)
        check(child.is_alive(), f"a program ends by itself: {child.exitcode}")
        time.sleep(rng.choice((0, 0, 0.001, 0.004)))
    finally:
        child.kill()
        child.join()


def test_killed(env: Env) -> None:
    """Programs die, whatever they are doing; the queue is the stack's, or the next one's."""
    times = rounds(28)
    queues = prepare(env)
    keep_first_free(env, queues)
    hurry(env)
    rng = random.Random(9)
    with Both(env.dut, env.peer, udp=True, flows=16, rate=30) as others, \
            Flow(env.peer, env.dut, rate=30) as through:
        others.wait(20)
        usage = None
        for i in range(-7, times):
            usage = usage or (Usage(env) if i == 0 else None)
            kill(env, i % len(STATES), rng)
            if i % 8 == 0:
                n = through.arrived
                wait_for(lambda m=n: through.arrived > m + 5, "frames of the stack")
        say(usage.demand(times, "programs that die"))
        through.halt()
        others.demand("on other queues")
    with Xsk(env.dut, 0) as xsk:
        enter(env, xsk)
        xsk.fill_up()
        receive(env, xsk, Kind(run=211), SIZES, 128).demand("by the last one", order=True)
        transmit(env, xsk, Kind(run=212), SIZES, 128).demand("by the last one, sent", order=True)
        census(env, xsk, Kind(run=213))
    unbound(env)
    steady(env.peer, env.dut, "without sockets")


def crowd(env: Env, queues: int, stack: contextlib.ExitStack) -> list[list[Xsk]]:
    """Sockets of each queue: those of every other queue have memory of their own."""
    opt = Options(chunks=1024, chunk=2048, ring=256, rx_ring=256, logged=True)
    found: list[list[Xsk]] = []
    for q in range(queues):
        lender = found[q - 1][0] if q & 1 else None
        first = stack.enter_context(Xsk(env.dut, q, opt, share=lender, part=q & 1, parts=2))
        found.append([first])
        while len(found[q]) < 16 // queues:
            found[q].append(stack.enter_context(Xsk(env.dut, q, share=first)))
        for of, xsk in enumerate(found[q]):
            enter(env, xsk, of)
        first.fill_up()
    return found


def whose(env: Env, socks: list[list[Xsk]], flows: int, kind: Kind) -> None:
    """Each flow is one socket's, the one of its number."""
    tally, owner = Tally(kind), {}
    seen: Counter[tuple[int, int]] = Counter()

    def look(q: int, of: int) -> bool:
        frames = socks[q][of].receive()
        for frame in frames:
            tally.add(frame, size=SIZES[HEAD.unpack_from(frame, UDP_OFFSET)[3] % len(SIZES)])
            flow = HEAD.unpack_from(frame, UDP_OFFSET)[2]
            equal(of, flow % len(socks[q]), f"socket of flow {flow}")
            equal(owner.setdefault(flow, q), q, f"queue of flow {flow}")
            seen[q, of] += 1
        return bool(frames)

    while tally.sent < 20 * flows:
        tally.sent += blast(env.peer, EVERYBODY, kind, SIZES, flows, tally.sent)
        quiet = time.monotonic()
        while tally.lost and time.monotonic() - quiet < 10:
            if any([look(q, of) for q, some in enumerate(socks) for of in range(len(some))]):
                quiet = time.monotonic()
    tally.demand("received", order=True)
    say(f"frames of each socket: {sorted(seen.values())}")


def test_crowd(env: Env) -> None:
    """Sixteen sockets: each receives and sends what is its own, nothing else."""
    queues = prepare(env, each=16 // min(4, env.channel_limits()[1]))
    if run(f"ethtool -X {env.dut.ifname} hkey {KEY} equal {queues}", ok=False).returncode == 0:
        env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))
    with contextlib.ExitStack() as stack:
        socks = crowd(env, queues, stack)
        flat = [xsk for some in socks for xsk in some]
        whose(env, socks, 64, Kind(run=220, udp=True, flows=64))
        each = 60
        tallies = [Tally(Kind(run=230 + i), sent=each) for i in range(len(flat))]
        with Capture(env.peer) as capture:
            posted = [0] * len(flat)

            def post(i: int) -> None:
                while posted[i] < each and flat[i].post(tallies[i].kind.frame(
                        EVERYBODY, env.dut.mac, posted[i],
                        SIZES[posted[i] % len(SIZES)])) is not None:
                    posted[i] += 1

            collect(capture, flat, tallies, post)
        whose(env, socks, 64, Kind(run=221, udp=True, flows=64))
        for q, some in enumerate(socks):
            equal(some[0].drain(), 0, f"queue {q}: chunks that do not come back")
            sent = Counter(raw[:8] for xsk in some for raw in xsk.tx.log)
            equal(Counter(some[0].group.comp.log), sent, f"queue {q}: chunks given back")
        for memory in {id(x.umem): x.umem for x in flat}.values():
            opt = memory.opt
            equal(sorted(memory.free),
                  [i * opt.chunk for i in range(opt.chunks // 2, opt.chunks)], "chunks to send")
    unbound(env)
    steady(env.peer, env.dut, "without sockets")


def disturbances(env: Env, rng: random.Random, queues: int) -> list[Callable[[], object]]:
    """What can happen to a device."""
    name, where = env.dut.ifname, f"{env.bus}/{env.pci}"
    rx, tx = [int(n) for n in re.findall(r"^[RT]X:\s+(\d+)",
                                         run(f"ethtool -g {name}").stdout, re.M)[2:]]

    def rings() -> None:
        run(f"ethtool -G {name} rx {rx >> rng.randrange(3)} tx {tx >> rng.randrange(3)}", ok=False)

    def link(end: Any) -> None:
        end.run("ip link set {} down")
        time.sleep(rng.random() / 10)
        end.run("ip link set {} up")

    env.later(lambda: run(f"ethtool -G {name} rx {rx} tx {tx}", ok=False))
    env.later(lambda: run(f"ethtool -L {name} combined {queues}", ok=False))
    return [rings, lambda: link(env.dut), lambda: link(env.peer),
            lambda: run(f"ethtool -L {name} combined {rng.randrange(2, queues + 1)}", ok=False),
            *(lambda r=r: run(f"devlink health test {where} reporter {r}", ok=False)
              for r in ("device", "tx", "rx"))]


def idle(env: Env) -> None:
    """Nobody polls for nothing."""
    at_rest(env)

    def polls() -> int:
        return sum(n for k, n in ethtool_stats(env.dut).items() if k.endswith("_polls"))

    # Once in a while somebody looks whether all is well.
    settle(lambda: polls() // 50, quiet=1)


def work(env: Env, socks: list[Xsk], child: Any, seconds: float) -> None:
    """All sockets send and receive until the child has ended."""
    end, seq = time.monotonic() + seconds, 0
    while child.is_alive():
        for xsk in socks:
            seq = flood(xsk, Kind(run=240), env, seq)
            xsk.receive()
        if time.monotonic() > end:
            child.kill()
            check(False, "what happens to the device does not end")
    child.join()
    equal(child.exitcode, 0, "exit status")


def test_disturbed(env: Env) -> None:
    """Whatever happens to the device, at whatever time: no chunk is lost."""
    times = rounds(16)
    queues = prepare(env)
    if run(f"ethtool -X {env.dut.ifname} hkey {KEY} weight 1 127", ok=False).returncode:
        raise Skip("nothing steers frames to the second queue")
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))
    rng = random.Random(int(os.environ.get("CETH_TEST_SEED", 5)))
    what = disturbances(env, rng, queues)
    picked = [rng.randrange(len(what)) for _ in range(times)]
    child = _fork.Process(target=lambda: [(time.sleep(rng.random() / 10), what[i]())
                                          for i in picked], daemon=True)
    opt = Options(chunks=256, ring=256, rx_ring=256)
    kinds = [Kind(run=241), Kind(run=242, udp=True, flows=16)]
    before = Snapshot(env)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(Xsk(env.dut, q, opt)) for q in (0, 1)]
        for xsk in socks:
            enter(env, xsk)
            xsk.fill_up()
        with Flow(env.peer, env.dut, rate=100) as plain, \
                Flow(env.peer, env.dut, Kind(udp=True, flows=16), rate=100) as hashed:
            child.start()
            work(env, socks, child, 60 + 5 * times)
            plain.halt()
            hashed.halt()
        env.ready()
        for q, xsk in enumerate(socks):
            equal(xsk.drain(20), 0, f"queue {q}: chunks to send that do not come back")
            equal(len(set(xsk.umem.free)), 128, f"queue {q}: chunks to send")
            xsk.gather(1 << 20, seconds=0.5)
        idle(env)
        for q, xsk in enumerate(socks):
            xsk.gather(1 << 20, seconds=0.2)
        after = Snapshot(env)
        check(not after.went_back(before), f"went back: {after.went_back(before)}")
        for q, xsk in enumerate(socks):
            for name, n in ((f"rx{q}_xdp_redirect", xsk.rx.produced),
                            (f"tx{q}_xsk_packets", xsk.tx.consumed)):
                equal(after.ethtool[name] - before.ethtool[name], n, name)
            say(f"queue {q}: sent {xsk.tx.consumed}, of which "
                f"{after.ethtool[f'tx{q}_lost'] - before.ethtool[f'tx{q}_lost']} were thrown away, "
                f"received {xsk.rx.produced}")
        for xsk, kind in zip(socks, kinds):
            census(env, xsk, kind)
            transmit(env, xsk, Kind(run=243 + xsk.queue), SIZES, 128).demand("sent afterwards",
                                                                            order=True)
    unbound(env)
    steady(env.peer, env.dut, "without sockets")


def test_reload(env: Env) -> None:
    """devlink reload under traffic: all comes back before the device goes."""
    for _ in range(rounds(2)):
        prepare(env)
        opt = Options(chunks=128, ring=128, rx_ring=128, logged=True)
        with Xsk(env.dut, 0, opt) as xsk:
            enter(env, xsk)
            xsk.fill_up()
            with Flow(env.peer, env.dut, rate=100) as flow:
                seq = 0
                while seq < 300 or xsk.rx.consumed < 20:
                    seq = flood(xsk, Kind(run=250), env, seq)
                    xsk.receive()
                old = env.dut.ifindex
                run(f"devlink dev reload {env.bus}/{env.pci}")
                flow.halt()
            wait_for(lambda i=old: env.dut.exists and env.dut.ifindex != i, "the device")
            Remains(xsk).settle()
        env.configure(env.pairs[0])
    unbound(env)
    steady(env.peer, env.dut, "reloaded")


def alone(env: Env, what: str, go: Callable[[int], object], done: Callable[[], int]) -> None:
    """Each time something happens by itself, an interrupt says so: no other event
    makes up for one that is lost, and the watch, which would, counts it."""
    at_rest(env)
    before = ethtool_stats(env.dut)
    for n in range(1, 33):
        seen = done()
        go(n)
        wait_for(lambda m=seen + n: done() == m, f"{what}: {n} at once", 20, 0.001)
    after = ethtool_stats(env.dut)
    equal(after["fault_irq_lost"] - before["fault_irq_lost"], 0, f"{what}: interrupts lost")


def test_alone(env: Env) -> None:
    """Single frames, each way: no call and no poll but those that they cause."""
    prepare(env, 1)
    with Xsk(env.dut, 0) as xsk:
        enter(env, xsk)
        xsk.fill_up()
        seq = 0

        def send(n: int) -> None:
            nonlocal seq
            xsk.complete()
            for _ in range(n):
                xsk.post(Kind(run=260).frame(EVERYBODY, env.dut.mac, seq, 300))
                seq += 1
            xsk.push()

        # Not counted by calls: those would poll.
        alone(env, "sent", send, lambda: xsk.group.comp.produced)
        xsk.complete()

        def come(n: int) -> None:
            xsk.receive()
            blast(env.peer, EVERYBODY, Kind(run=261), [300], n)

        alone(env, "received", come, lambda: xsk.rx.produced)


if __name__ == "__main__":
    main(cases(test_cycles, test_killed, test_crowd, test_disturbed, test_reload, test_alone))
