#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Queues that the stack restarts one by one, and that a device in a container leases."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cethtest.bpf import TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast
from cethtest.lease import Box, can_lease, leases
from cethtest.mem import Devmem
from cethtest.remains import Usage
from cethtest.requeue import restart
from cethtest.settings import most_rings, rings, set_rings
from cethtest.stats import Delta, Snapshot, at_rest, ethtool_stats, summed
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, equal, read, rounds, run, wait_for
from cethtest.xsk import Options, Xsk
from cethtest.xskuse import (SIZES, by_flow, census, enter, flood, pools, receive, transmit,
                             unbound)

EOPNOTSUPP = 95
# Microseconds from a frame to its interrupt
WAIT = 10000
# The queue that is leased
LEASED = 2
# Frames that come in a burst have room in the shortest.
SIZES_OF_RINGS = (64, 128, 256, 512, 1024)


def refused(act: Callable[[], object], what: str) -> OSError:
    """What somebody says who does not do it."""
    try:
        act()
    except OSError as e:
        say(f"{what}: {e}")
        return e
    raise Failure(f"{what} is not refused")


def able(env: Env) -> bool:
    """Does the device offer to restart queues?"""
    env.need_ceth("restarting queues")
    try:
        restart(env, 0)
    except OSError as e:
        # An emulated NIC may be told not to; the reference NIC always can.
        if e.errno == EOPNOTSUPP and env.bus == "pci":
            return False
        raise
    return True


def prepare(env: Env, least: int = 2) -> int:
    """All queues that there are, and that they can be restarted."""
    if not able(env):
        raise Skip("the device cannot restart single queues")
    queues = min(4, env.channel_limits()[1])
    if queues < least:
        raise Skip(f"needs {least} queue pairs")
    env.channels(queues)
    return queues


def steer(env: Env, words: str) -> None:
    """By the indirection table, for this case."""
    if run(f"ethtool -X {env.dut.ifname} {words}", ok=False).returncode:
        raise Skip("nothing steers frames to queues")
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))


@contextmanager
def undisturbed(env: Env) -> Iterator[None]:
    """The device is not restarted meanwhile, and its link does not go down."""
    changes = f"/sys/class/net/{env.dut.ifname}/carrier_changes"
    before = read(changes), ethtool_stats(env.dut).get("recoveries")
    yield
    equal((read(changes), ethtool_stats(env.dut).get("recoveries")), before,
          "changes of the carrier, restarts of the device")


def lost_by_device(env: Env) -> int | None:
    """Frames for which the device had no queue, one that was just going, or no buffer; if
    it counts them."""
    found = [v for k, v in at_rest(env).ethtool.items()
             if k in ("dev_rx_no_queue", "dev_rx_error", "dev_rx_no_buffer")]
    return sum(found) if found else None


def sent_lost(env: Env) -> int:
    """Frames that were sent, and had not completed when their queue went."""
    return summed(ethtool_stats(env.dut), "lost", "tx")


def test_others(env: Env) -> None:
    """A queue is restarted over and over: nothing that others carry is lost."""
    queues = prepare(env)
    steer(env, f"equal {queues - 1}")
    before = pools(env)
    equal(len(before), queues, "page pools")
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16) as both:
        for _ in range(4):
            restart(env, queues - 1, 10)
            both.wait(20)
        both.demand("another queue restarted")
    now = pools(env)
    equal((len(now), len(now - before)), (queues, 1), "page pools, those that are new")


def test_busy(env: Env) -> None:
    """Queues that carry traffic are restarted: only what came meanwhile is lost."""
    queues = prepare(env)
    # So that something always waits to be fetched, if the device can do that.
    shown = run(f"ethtool -c {env.dut.ifname}", ok=False).stdout
    old = re.findall(r"^(rx-usecs|rx-frames):\t(\d+)$", shown, re.M)
    adaptive = re.search(r"Adaptive RX: (on|off)", shown)
    if adaptive and len(old) == 2:
        env.dut.run(f"ethtool -C {{}} adaptive-rx off rx-usecs {WAIT} rx-frames 200")
        words = " ".join(f"{name} {value}" for name, value in old)
        env.later(lambda: env.dut.run(f"ethtool -C {{}} {words} adaptive-rx {adaptive[1]}"))
    before = lost_by_device(env)
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, rate=800,
                                patience=2) as both:
        both.wait(20)
        for i in range(3 * queues):
            restart(env, i % queues)
        both.wait(40)
        into, out = both.demand("queues restarted under traffic", loss=True)
    equal(out.lost, 0, "frames of the stack that were lost")
    after = lost_by_device(env)
    say(f"{into.lost} of {into.sent} found no queue")
    # virtio-net has no such counters.
    if before is not None and after is not None:
        equal(into.lost, after - before, "frames lost, those that the device counted")
    steady(env.dut, env.peer, "after restarts of queues")


def test_refused(env: Env) -> None:
    """The device does not take the new queue: the old one goes on as it was."""
    queues = prepare(env)
    before = pools(env)
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, patience=2) as both:
        both.wait(20)
        for i in range(queues):
            refused(lambda q=i: restart(env, q, how="refuse"), "a new queue")
        both.wait(60)
        both.demand("new queues refused", loss=True)
    equal(pools(env), before, "page pools")


def test_program(env: Env) -> None:
    """The queue that comes has the program of the one that goes."""
    queues = prepare(env)
    bpf = Bpf(env)
    bpf.configure(verdict=TX)
    bpf.attach("verdict")
    kind = Kind(run=30, udp=True, flows=16)
    tally = Tally(kind)
    with Capture(env.peer, kind.ethertype) as capture:
        for i in range(2 * queues):
            restart(env, i % queues, 2)
            tally.sent += blast(env.peer, EVERYBODY, kind, [60, 1514], 48, tally.sent)
            capture.into(tally)
    tally.demand("sent back by the program")
    equal(bpf.count(TX), tally.sent, "frames that the program has seen")


def test_socket(env: Env) -> None:
    """The queue that comes has the socket of the one that goes, and all its chunks."""
    prepare(env)
    env.channels(1)
    env.channels(1, env.peer)
    by_flow(env).attach("by_flow")
    with Xsk(env.dut) as xsk:
        enter(env, xsk)
        xsk.fill_up()
        for i in range(4):
            flood(xsk, Kind(run=49), env, 0)
            restart(env, 0, 2)
            equal(xsk.drain(), 0, "chunks that do not come back")
            receive(env, xsk, Kind(run=40 + i), SIZES, 40).demand("to the socket", order=True)
        restart(env, 0, 3)
        refused(lambda: restart(env, 0, how="refuse"), "a new queue")
        transmit(env, xsk, Kind(run=50), SIZES, 128).demand("from the socket", order=True)
        census(env, xsk, Kind(run=51))
    unbound(env)
    by_flow(env).detach()
    steady(env.dut, env.peer, "without the socket")


def test_down(env: Env) -> None:
    """A queue that is not there is refused; one of a device that is down does no harm."""
    prepare(env)
    for queue in (env.channel_limits()[0], 4000):
        refused(lambda q=queue: restart(env, q), f"queue {queue}")
    env.later(lambda: env.configure(env.pairs[0]))
    env.rtnl().set_up(env.dut.ifindex, False)
    try:
        restart(env, 0, 3)
        say("done while the device is down")
    except OSError as e:
        say(f"while the device is down: {e}")
    equal(pools(env), set(), "page pools of a device that is down")
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    steady(env.dut, env.peer, "after down and up")


def test_grow(env: Env) -> None:
    """From one queue to all, one by one, and back: what stays loses nothing."""
    prepare(env)
    most = env.channel_limits()[1]
    env.channels(1)
    # Frames without a hash come in on the first queue.
    with undisturbed(env), Flow(env.peer, env.dut, rate=200) as stays, \
            Flow(env.peer, env.dut, Kind(udp=True, flows=16), rate=200) as all_over:
        for n in [*range(2, most + 1), *range(most - 1, 0, -1)]:
            env.channels(n)
            mark = stays.arrived + 20
            wait_for(lambda m=mark: stays.arrived >= m, "frames on the first queue")
            equal(len(pools(env)), n, "page pools")
        for flow in (stays, all_over):
            flow.halt()
        stays.stop().demand("on the first queue", order=True)
        say(f"on all queues: {all_over.stop()}")
    steady(env.dut, env.peer, "with one queue")


def test_endure(env: Env) -> None:
    """Queue after queue, often: nothing is left of those that went."""
    queues, times, took = prepare(env), rounds(24), []
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, rate=100, patience=2) as both:
        for i in range(4 * queues):
            restart(env, i % queues)
        usage = Usage(env)
        for i in range(times):
            started = time.monotonic()
            restart(env, i % queues)
            took.append((time.monotonic() - started) * 1000)
        say(f"{times} restarts, {sum(took) / times:.1f} ms each, {max(took):.0f} at most")
        both.wait(20)
        say(usage.demand(times, "restarts of queues"))
        tallies = both.demand("queues restarted often", loss=True)
        say("; ".join(map(str, tallies)))
    steady(env.dut, env.peer, "after many restarts")


def test_endure_rings(env: Env) -> None:
    """Rings get longer and shorter, often, under traffic: what the device has had no queue
    for is lost, and nothing else; nothing is left."""
    queues, times, took = prepare(env), rounds(24), []
    rng, now, most = random.Random(4), rings(env.dut), most_rings(env.dut)
    env.later(lambda: set_rings(env.dut, *now))

    def resize() -> None:
        """One of them, or both; never to what they are."""
        which, sizes = rng.randrange(1, 4), list(rings(env.dut))
        for i in range(2):
            if which >> i & 1:
                sizes[i] = rng.choice([n for n in SIZES_OF_RINGS if sizes[i] != n <= most[i]])
        started = time.monotonic()
        set_rings(env.dut, *sizes)
        took.append((time.monotonic() - started) * 1000)
        equal(rings(env.dut), tuple(sizes), "rings")

    before, cut_off = lost_by_device(env), sent_lost(env)
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, rate=100, patience=2) as both:
        both.wait(20)
        for _ in range(8):
            resize()
        set_rings(env.dut, *now)
        usage = Usage(env)
        took.clear()
        for i in range(times):
            resize()
            if i % 1000 == 999:
                say(f"{i + 1} of {times}")
        set_rings(env.dut, *now)
        took.sort()
        say(f"{times} resizes of {queues} pairs, ms each: {sum(took) / times:.1f}, median "
            f"{took[times // 2]:.1f}, {took[-1]:.0f} at most")
        both.wait(20)
        say(usage.demand(times, "resizes of rings"))
        into, out = both.demand("rings resized often", loss=True)
    equal((out.lost, sent_lost(env) - cut_off), (0, 0),
          "frames of the stack that were lost, those that did not complete")
    after = lost_by_device(env)
    say(f"in: {into}; out: {out}; the device says it lost {after} then, {before} before")
    if before is not None and after is not None:
        equal(into.lost, after - before, "frames lost, those that the device counted")
    steady(env.dut, env.peer, "after many resizes")


def test_memory(env: Env) -> None:
    """Memory that the kernel cannot read is refused with a reason, where headers are not
    apart; the queue works on."""
    prepare(env)
    before = pools(env)
    why = refused(lambda: Devmem(env.dut, 0).close(), "memory of others")
    # Older kernels leave no way to say why.
    check(not can_lease(env) or getattr(why, "text", ""), "no reason is given")
    equal(pools(env), before, "page pools")


def box_of(env: Env) -> Box:
    """A container, and a device that has a queue for it."""
    env.need_ceth("leasing queues")
    if not can_lease(env):
        raise Skip("this kernel leases no queues")
    prepare(env, LEASED + 1)
    by_flow(env).attach("by_flow")
    return Box(env)


def arrive(env: Env, xsk: Xsk, kind: Kind, mine: Callable[[int], bool], what: str) -> None:
    """Of the frames that come, those are the socket's, the others the stack's: all."""
    to_box, to_stack = Tally(kind), Tally(kind)
    sent = 0
    with Capture(env.dut, kind.ethertype) as capture:
        for _ in range(4):
            sent += blast(env.peer, env.dut.mac, kind, [60, 1514], 64, sent)
            wanted = sum(map(mine, range(sent)))
            for frame in xsk.gather(wanted - len(to_box.seen)):
                to_box.add(frame)
            capture.into(to_stack, wanted=sent - wanted)
        for frame in xsk.gather(1, 0.2):
            to_box.add(frame)
    for tally, of_box, where in ((to_box, True, "container"), (to_stack, False, "stack")):
        theirs = {n for n in range(sent) if mine(n) == of_box}
        equal((len(theirs - tally.seen), len(tally.seen - theirs)), (0, 0),
              f"{what}: frames that the {where} lacks, and those that are not its own")
        tally.sent = len(tally.seen)
        tally.demand(f"{what}: to the {where}")


def over(env: Env, box: Box) -> None:
    """The lease ends: the queue is the stack's again, and works."""
    box.end()
    wait_for(lambda: not leases(env), "the lease to end")
    unbound(env)
    by_flow(env).detach()
    env.dut.run("ethtool -X {} default")
    steady(env.dut, env.peer, "the lease ended")


def test_lease(env: Env) -> None:
    """A socket in a container has a queue of the device, with zero-copy."""
    box = box_of(env)
    with Xsk(box.device, box.lease(env.dut, LEASED)) as xsk:
        enter(env, xsk, queue=LEASED)
        xsk.fill_up()
        kind = Kind(run=60, udp=True, flows=16)
        for words, all_of_it in ((f"equal {LEASED}", False), (f"equal 1 start {LEASED}", True)):
            steer(env, words)
            kind = Kind(run=kind.run + 1, udp=True, flows=16)
            arrive(env, xsk, kind, lambda n, it=all_of_it: it, words)
        restart(env, LEASED, 2)
        arrive(env, xsk, Kind(run=65, udp=True, flows=16), lambda n: True, "queue restarted")
        before, kind = Snapshot(env), Kind(run=66)
        tally = Tally(kind, sent=200)
        with Capture(env.peer) as there:
            xsk.send(kind.frame(EVERYBODY, env.dut.mac, seq, 300) for seq in range(200))
            there.into(tally)
        tally.demand("from the container", order=True)
        equal(xsk.drain(), 0, "chunks that do not come back")
        equal(Delta(before, Snapshot(env)).queue("xsk_packets", "tx"), 200, "xsk_packets")
    over(env, box)


def test_endure_others(env: Env) -> None:
    """One queue is restarted, and now and then leased and given back, often: the others
    lose nothing, and nothing is left."""
    queues, times = prepare(env), rounds(24)
    steer(env, f"equal {queues - 1}")
    leasing = can_lease(env)

    def lease() -> None:
        box = Box(env)
        with Xsk(box.device, box.lease(env.dut, queues - 1)) as xsk:
            xsk.fill_up()
        box.end()
        wait_for(lambda: not leases(env), "the lease to end")

    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, rate=100) as both:
        for _ in range(8):
            restart(env, queues - 1)
        if leasing:
            lease()
            unbound(env)
        usage, leased = Usage(env), 0
        for i in range(times):
            if leasing and i % 50 == 5:
                lease()
                leased += 1
            else:
                restart(env, queues - 1)
            if i % 1000 == 999:
                say(f"{i + 1} of {times}")
        both.wait(20)
        unbound(env)
        say(usage.demand(times, "restarts and leases"))
        tallies = both.demand("another queue restarted and leased")
        say(f"{times - leased} restarts, {leased} leases; {'; '.join(map(str, tallies))}")


def test_lease_rules(env: Env) -> None:
    """Single flows go to the container: by a rule to the queue, or to a context."""
    box = box_of(env)
    steer(env, f"equal {LEASED}")
    with Xsk(box.device, box.lease(env.dut, LEASED)) as xsk:
        enter(env, xsk, queue=LEASED)
        xsk.fill_up()
        for run_of, words in ((70, f"action {LEASED}"), (71, "context 1")):
            if "context" in words:
                if run(f"ethtool -X {env.dut.ifname} context new start {LEASED} equal 1",
                       ok=False).returncode:
                    raise Skip("the device has one context of steering")
                env.later(lambda: env.dut.run("ethtool -X {} context 1 delete"))
            # Flows have a port each, beginning there.
            if run(f"ethtool -N {env.dut.ifname} flow-type udp4 src-port 10003 {words} loc 3",
                   ok=False).returncode:
                raise Skip("the device has no rules of steering")
            env.later(lambda: env.dut.run("ethtool -N {} delete 3", ok=False))
            arrive(env, xsk, Kind(run=run_of, udp=True, flows=16), lambda n: n % 16 == 3, words)
            env.dut.run("ethtool -N {} delete 3")


def test_lease_guarded(env: Env) -> None:
    """A queue is leased once, stays while it is leased, and is free afterwards."""
    for again in range(3):
        box = box_of(env)
        mine = box.lease(env.dut, LEASED)
        equal(leases(env), [LEASED], "queues that are shown as leased")
        if not again:
            for what, queue in (("leased twice", LEASED), ("leased beyond the last", 4000)):
                refused(lambda q=queue: box.lease(env.dut, q), what)
            # Not the queue that is leased, and none below it.
            done = run(f"ethtool -L {env.dut.ifname} combined 1", ok=False)
            check(done.returncode, "the queues were taken away under the lease")
            say(done.stderr.strip())
            refused(lambda: Xsk(env.dut, LEASED, patience=0.5), "a socket of the device itself")
        for i in range(2):
            with Xsk(box.device, mine) as xsk:
                enter(env, xsk, queue=LEASED)
                xsk.fill_up()
                steer(env, f"equal 1 start {LEASED}")
                arrive(env, xsk, Kind(run=75 + i, udp=True, flows=16), lambda n: True,
                       "socket of a lease")
        with Xsk(env.dut, 0, Options()) as xsk:
            refused(lambda: box.lease(env.dut, 0), "lease of a queue with a socket")
        # The last time its device goes before the socket.
        if again == 2:
            with Xsk(box.device, mine):
                box.device.run("ip link del {}")
        over(env, box)
    env.channels(1)
    steady(env.dut, env.peer, "one queue, none leased")


def test_lease_outlived(env: Env) -> None:
    """The device goes while it is leased and a socket works: so does the lease."""
    name = f"{env.bus}/{env.pci}"
    if name not in run("devlink dev show").stdout:
        raise Skip("no devlink instance")
    box = box_of(env)
    old = env.dut.ifindex
    with Xsk(box.device, box.lease(env.dut, LEASED)) as xsk:
        enter(env, xsk, queue=LEASED)
        xsk.fill_up()
        run(f"devlink dev reload {name}")
        wait_for(lambda: env.dut.exists and env.dut.ifindex != old, "the device to come back")
        check(not box.device.exists, "what leased a queue of the old device is still there")
    env.configure(env.pairs[0])
    equal(leases(env), [], "leases")
    steady(env.dut, env.peer, "after the device went below a lease")
    # What has come in its place can be leased from.
    box.end()
    box = box_of(env)
    with Xsk(box.device, box.lease(env.dut, LEASED)) as xsk:
        enter(env, xsk, queue=LEASED)
        xsk.fill_up()
        steer(env, f"equal 1 start {LEASED}")
        arrive(env, xsk, Kind(run=77, udp=True, flows=16), lambda n: True, "another device")
    over(env, box)


def test_unable(env: Env) -> None:
    """A device that would have to stop for it leases no queue, and that is said."""
    if able(env):
        raise Skip("the device can restart single queues")
    if not can_lease(env):
        raise Skip("this kernel leases no queues")
    box = Box(env)
    why = refused(lambda: box.lease(env.dut, 0), "a lease")
    check(getattr(why, "text", ""), "no reason is given")
    equal(leases(env), [], "leases")


if __name__ == "__main__":
    main(cases(test_others, test_busy, test_refused, test_program, test_socket, test_down, test_grow,
               test_endure, test_endure_others, test_endure_rings, test_memory, test_lease, test_lease_rules,
               test_lease_guarded, test_lease_outlived, test_unable))
