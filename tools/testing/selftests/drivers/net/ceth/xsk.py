#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""AF_XDP zero-copy: frames between the wire and a program's memory, with every
chunk accounted for."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import re
import signal
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cethtest import inet
from cethtest.bpf import DROP, PASS, REDIRECT, TX, Bpf
from cethtest.env import Env
from cethtest.flow import Flow
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast
from cethtest.nl import number, u32
from cethtest.pci import Function
from cethtest.stats import Delta, Snapshot
from cethtest.tap import cases, main, say
from cethtest.times import Clock
from cethtest.tool import KernelLog, Skip, check, equal, read, run, wait_for, write
from cethtest.xsk import (META_LEN, TXMD_CHECKSUM, TXMD_LAUNCH, TXMD_TIMESTAMP, Group, Options,
                          Xsk)
from cethtest.xskuse import CHUNK, COUNT, SIZES, census, collect, flood, receive, transmit

JUMBO = [60, 1514, 3500, 4096, 5000, 9014]


@functools.cache
def bpf_of(env: Env) -> Bpf:
    """Programs are loaded once."""
    return Bpf(env)


def prepare(env: Env, prog: str = "to_xsk", verdict: int = REDIRECT, every: int = 0,
            queues: int = 1) -> Bpf:
    """One queue, whose frames go to a socket."""
    env.need_ceth("AF_XDP zero-copy")
    env.channels(queues)
    # QEMU wakes what waits for chunks by queue of the sender.
    env.channels(queues, env.peer)
    bpf = bpf_of(env)
    bpf.configure(verdict=verdict, port=every)
    bpf.attach(prog)
    return bpf


def listen(bpf: Bpf, xsk: Xsk, queue: int = 0) -> None:
    """Frames of the queue are the socket's, and the first chunks the kernel's."""
    bpf.maps["xsks"].set(queue, struct.pack("=I", xsk.sock.fileno()))
    xsk.fill_up()


@contextlib.contextmanager
def bound(env: Env, bpf: Bpf, opt: Options | None = None, queue: int = 0) -> Iterator[Xsk]:
    """A socket that has its queue's frames, and chunks for them."""
    with Xsk(env.dut, queue, opt) as xsk:
        check(xsk.zerocopy, "bound without zero-copy")
        listen(bpf, xsk, queue)
        yield xsk


def both(env: Env, opt: Options, run: int, sizes: list[int] | None = None,
         prog: str = "to_xsk") -> None:
    """Frames to a socket of these options, and from it."""
    sizes = sizes or SIZES
    bpf = prepare(env, prog)
    with bound(env, bpf, opt) as xsk:
        before = Snapshot(env)
        receive(env, xsk, Kind(run=run), sizes).demand("received", order=True)
        transmit(env, xsk, Kind(run=run + 1), sizes).demand("sent", order=True)
        delta = Delta(before, Snapshot(env))
        equal(delta.queue("xdp_redirect"), COUNT, "xdp_redirect")
        equal(delta.queue("xsk_packets", "tx"), COUNT, "xsk_packets")
        lost = {k: v for k, v in xsk.statistics().items() if v and k != "fill_empty" and
                k != "tx_empty"}
        check(not lost, f"the kernel counted {lost}")
        census(env, xsk, Kind(run=run + 2))


def test_rx_tx(env: Env) -> None:
    """Both directions."""
    both(env, Options(), 10)


def test_no_need_wakeup(env: Env) -> None:
    """Without the flag that says when to call."""
    both(env, Options(wakeup=False), 14)


def test_chunk_2048(env: Env) -> None:
    """Small chunks."""
    both(env, Options(chunk=2048), 18)


def test_headroom(env: Env) -> None:
    """Room for the program before each frame."""
    both(env, Options(headroom=128), 22)


def test_unaligned(env: Env) -> None:
    """Chunks anywhere."""
    env.huge_pages(8, least=2)
    both(env, Options(unaligned=True, huge=True), 26)


def test_huge_pages(env: Env) -> None:
    """Memory of huge pages."""
    env.huge_pages(8, least=2)
    both(env, Options(huge=True), 30)


def test_multi(env: Env) -> None:
    """Frames of several chunks, both ways."""
    env.mtu(9000)
    both(env, Options(multi=True), 34, JUMBO, "to_xsk_frags")


def to_stack(env: Env, kind: Kind, sizes: list[int]) -> Tally:
    """Frames that the stack gets of what is sent to it."""
    tally = Tally(kind)
    with Capture(env.dut) as capture:
        while tally.sent < COUNT:
            tally.sent += blast(env.peer, EVERYBODY, kind, sizes, CHUNK, tally.sent)
            capture.into(tally, sizes=sizes)
    return tally


def test_pass(env: Env) -> None:
    """What is for the stack is copied, and its chunks stay in use."""
    for prog, opt, sizes in (("to_xsk", Options(), SIZES),
                             ("to_xsk_frags", Options(multi=True), JUMBO)):
        bpf = prepare(env, prog, verdict=PASS, every=1)
        env.mtu(9000 if opt.multi else 1500)
        with bound(env, bpf, opt) as xsk:
            before = Snapshot(env)
            tally = to_stack(env, Kind(run=40 + opt.multi), sizes)
            tally.demand("passed to the stack", order=True)
            equal(xsk.gather(1, seconds=0.3), [], "frames of the socket")
            delta = Delta(before, Snapshot(env))
            equal(delta.queue("xsk_copied"), tally.sent, "xsk_copied")
            bpf.configure()
            census(env, xsk, Kind(run=42))


def test_no_program(env: Env) -> None:
    """A socket that sends only: the stack goes on receiving."""
    env.need_ceth("AF_XDP zero-copy")
    env.channels(1)
    with Xsk(env.dut) as xsk:
        xsk.fill_up()
        to_stack(env, Kind(run=42), SIZES).demand("received by the stack", order=True)
        transmit(env, xsk, Kind(run=43), SIZES).demand("sent", order=True)


def verdicts(env: Env, prog: str, opt: Options, verdict: int, sizes: list[int],
             run_of: int) -> None:
    """Every other frame comes back to the peer, the others are the socket's."""
    bpf = prepare(env, prog, verdict, every=2)
    kind = Kind(run=run_of)
    with bound(env, bpf, opt) as xsk:
        back, got = Tally(kind), Tally(kind)
        with Capture(env.peer) as capture:
            for first in range(0, COUNT, CHUNK):
                blast(env.peer, EVERYBODY, kind, sizes, CHUNK, first)
                back.sent += CHUNK
                for frame in xsk.gather(CHUNK // 2):
                    got.add(frame, size=sizes[(got.received * 2) % len(sizes)])
                capture.into(back, wanted=back.sent // 2, sizes=sizes)
        equal(back.received, back.sent // 2, "frames sent back")
        equal(got.received, back.sent // 2, "frames of the socket")
        check(not back.corrupted and not back.duplicated, f"sent back: {back}")
        check(not got.corrupted and not got.duplicated, f"of the socket: {got}")
        equal(back.seen & got.seen, set(), "frames that went both ways")
        bpf.configure()
        census(env, xsk, Kind(run=run_of + 1))


def test_tx_verdict(env: Env) -> None:
    """XDP_TX of frames in a socket's memory."""
    # Counters are those of the queues in use.
    prepare(env)
    before = Snapshot(env)
    verdicts(env, "to_xsk", Options(), TX, SIZES, 44)
    verdicts(env, "to_xsk", Options(chunk=2048, wakeup=False), TX, SIZES, 46)
    delta = Delta(before, Snapshot(env))
    equal(delta.queue("xdp_tx"), delta.queue("xdp_packets", "tx"), "xdp_tx")
    bpf_of(env).attach("to_xsk_frags")
    env.mtu(9000)
    verdicts(env, "to_xsk_frags", Options(multi=True), TX, JUMBO[::2], 48)


def test_redirect(env: Env) -> None:
    """XDP_REDIRECT of frames in a socket's memory, to a port."""
    bpf_of(env).maps["ports"].set(0, struct.pack("=I", env.dut.ifindex))
    before = Snapshot(env)
    verdicts(env, "to_xsk", Options(), REDIRECT, SIZES, 50)
    equal(Delta(before, Snapshot(env)).queue("xdp_redirect_err"), 0, "xdp_redirect_err")


def test_drop(env: Env) -> None:
    """XDP_DROP of frames in a socket's memory."""
    bpf = prepare(env, verdict=DROP, every=2)
    with bound(env, bpf) as xsk:
        before = Snapshot(env)
        blast(env.peer, EVERYBODY, Kind(run=52), SIZES, COUNT // 4)
        equal(len(xsk.gather(COUNT // 8)), COUNT // 8, "frames of the socket")
        equal(Delta(before, Snapshot(env)).queue("xdp_drop"), COUNT // 8, "xdp_drop")
        bpf.configure()
        census(env, xsk, Kind(run=53))


def test_no_frags(env: Env) -> None:
    """Frames of several chunks that the program, or the socket, does not take."""
    env.mtu(9000, env.peer)
    for prog, opt, counter in (("to_xsk", Options(multi=True), "drop_xdp_frags"),
                               ("to_xsk_frags", Options(), "drop_len")):
        bpf = prepare(env, prog)
        with bound(env, bpf, opt) as xsk:
            before = Snapshot(env)
            blast(env.peer, EVERYBODY, Kind(run=54), [9014], 8)
            receive(env, xsk, Kind(run=55), SIZES, 64).demand("between others")
            delta = Delta(before, Snapshot(env))
            # What is too long for its MTU a device may keep to itself.
            check(delta.queue(counter) in (0, 8), f"{counter}: {delta.queue(counter)}")
            say(f"{counter}: {delta.queue(counter)}")
            equal(delta.queue("xdp_redirect"), 64, "xdp_redirect")
            census(env, xsk, Kind(run=56))


def test_starved(env: Env) -> None:
    """An empty fill ring stops reception; filling it is enough to go on."""
    for wakeup in (True, False):
        bpf = prepare(env)
        with Xsk(env.dut, 0, Options(wakeup=wakeup)) as xsk:
            bpf.maps["xsks"].set(0, struct.pack("=I", xsk.sock.fileno()))
            before = Snapshot(env)
            blast(env.peer, EVERYBODY, Kind(run=58), SIZES, CHUNK)
            time.sleep(0.2)
            check(not wakeup or xsk.fill.need_wakeup(), "the ring does not say that it is empty")
            check(Delta(before, Snapshot(env)).queue("xsk_starved") or
                  before.ethtool["rx0_xsk_starved"], "starvation is not counted")
            xsk.fill_up()
            # What had to wait in the device may come now, or was lost.
            xsk.gather(CHUNK, seconds=1)
            receive(env, xsk, Kind(run=59), SIZES, 128).demand(f"after starvation, {wakeup=}")
            # Few chunks: each has to come back before there is one again.
            for n in range(8):
                xsk.gather(1 << 20, seconds=0.1)
                blast(env.peer, EVERYBODY, Kind(run=60), [60], 2 * xsk.group.chunks)
                xsk.gather(1 << 20, seconds=0.2)
                receive(env, xsk, Kind(run=61 + n), SIZES, 16).demand("after a flood")
            census(env, xsk, Kind(run=70))


def test_full(env: Env) -> None:
    """A socket that takes nothing: what is lost is counted, and nothing else."""
    bpf = prepare(env)
    with bound(env, bpf, Options(chunks=1024, rx_ring=256)) as xsk:
        before = Snapshot(env)
        sent = 0
        while sent < 512:
            sent += blast(env.peer, EVERYBODY, Kind(run=71), [60], CHUNK, sent)
            wait_for(lambda n=sent: Delta(before, Snapshot(env)).queue("xdp_redirect") +
                     Delta(before, Snapshot(env)).queue("xsk_full") >= n, f"{sent} frames")
        delta = Delta(before, Snapshot(env))
        equal(delta.queue("xdp_redirect"), 256, "xdp_redirect")
        equal(delta.queue("xsk_full"), sent - 256, "xsk_full")
        equal(delta.link("rx_dropped"), sent - 256, "rx_dropped")
        equal(xsk.statistics()["rx_full"], sent - 256, "the kernel's rx_ring_full")
        equal(len(xsk.gather(256)), 256, "frames of the socket")


def test_stack_too(env: Env) -> None:
    """The stack sends on the same queue, however much the socket does."""
    bpf = prepare(env)
    with bound(env, bpf) as xsk:
        with Flow(env.dut, env.peer, rate=300) as flow:
            wait_for(lambda: flow.arrived >= 50, "the stack's frames")
            transmit(env, xsk, Kind(run=80), SIZES).demand("sent beside the stack", order=True)
            n, seq, end = flow.arrived, 0, time.monotonic() + 60
            while flow.arrived < n + 100 or seq < 2000:
                seq = flood(xsk, Kind(run=81), env, seq)
                check(time.monotonic() < end, f"{flow.arrived - n} of the stack's frames were "
                                              f"sent, and {seq} of the socket's")
            flow.stop().demand("the stack's own", order=True)
        equal(xsk.drain(), 0, "chunks that do not come back")


def test_prompt(env: Env) -> None:
    """Completions come without being asked for, each one."""
    bpf = prepare(env)
    with bound(env, bpf) as xsk:
        for n in range(1, 33):
            for seq in range(n):
                xsk.post(Kind(run=82).frame(EVERYBODY, env.dut.mac, seq, 300))
            xsk.push()
            end = time.monotonic() + 10
            while xsk.outstanding:
                xsk.complete()
                check(time.monotonic() < end, f"{xsk.outstanding} of {n} do not complete")
                time.sleep(0.001)


def test_busy_poll(env: Env) -> None:
    """The program's calls do all the work."""
    bpf = prepare(env)
    sysfs = Path(f"/sys/class/net/{env.dut.ifname}")
    for knob, value in (("napi_defer_hard_irqs", 2), ("gro_flush_timeout", 200_000_000)):
        before = read(sysfs / knob)
        write(sysfs / knob, value)
        env.later(lambda k=knob, v=before: write(sysfs / k, v))
    with bound(env, bpf) as xsk:
        xsk.busy_poll()
        xsk.call_rx()
        before = Snapshot(env)
        tally = Tally(Kind(run=83))
        while tally.sent < COUNT:
            tally.sent += blast(env.peer, EVERYBODY, tally.kind, SIZES, CHUNK, tally.sent)
            quiet = time.monotonic()
            while tally.lost and time.monotonic() - quiet < 10:
                xsk.call_rx()
                frames = xsk.receive()
                for frame in frames:
                    tally.add(frame)
                quiet = time.monotonic() if frames else quiet
        tally.demand("received by busy polling", order=True)
        tally = Tally(Kind(run=84))
        with Capture(env.peer) as capture:
            for tally.sent in range(CHUNK, COUNT + 1, CHUNK):
                for seq in range(tally.sent - CHUNK, tally.sent):
                    xsk.post(tally.kind.frame(EVERYBODY, env.dut.mac, seq,
                                              SIZES[seq % len(SIZES)]))
                end = time.monotonic() + 10
                while xsk.outstanding and time.monotonic() < end:
                    xsk.push()
                    xsk.complete()
                equal(xsk.outstanding, 0, "chunks that do not come back")
                capture.into(tally, sizes=SIZES)
        tally.demand("sent by busy polling", order=True)
        # The first call is a wake-up: the socket does not know yet whom to poll.
        wakeups = Delta(before, Snapshot(env)).queue("xsk_wakeups")
        check(wakeups <= 2, f"{wakeups} wake-ups: nobody polled")


def test_others_forward(env: Env) -> None:
    """Binding and unbinding loses nothing on other queues, and no carrier."""
    limit = env.channel_limits()[1]
    if limit < 2:
        raise Skip("needs two queues")
    bpf = prepare(env, queues=2)
    changes = read(f"/sys/class/net/{env.dut.ifname}/carrier_changes")
    # Into the stack: steered by the table to queue 0
    run(f"ethtool -X {env.dut.ifname} equal 1", ok=False)
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))
    bpf.configure(verdict=PASS, port=1)
    with Flow(env.peer, env.dut, Kind(udp=True), rate=300) as flow:
        for _ in range(25):
            n = flow.arrived
            with Xsk(env.dut, 1) as xsk:
                xsk.fill_up()
                wait_for(lambda m=n: flow.arrived >= m + 10, "frames on the other queue")
        flow.stop().demand("on the other queue")
    equal(read(f"/sys/class/net/{env.dut.ifname}/carrier_changes"), changes, "carrier changes")


def test_again(env: Env) -> None:
    """Bound and unbound, many times, with frames under way in both directions."""
    bpf = prepare(env)
    with Flow(env.peer, env.dut, rate=200) as flow:
        for i in range(30):
            opt = Options(wakeup=bool(i & 1), chunk=2048 if i & 2 else 4096, multi=bool(i & 4))
            with bound(env, bpf, opt) as xsk:
                flood(xsk, Kind(run=90), env, 0)
                if i % 5:
                    wait_for(xsk.receive, "frames of the socket")
        flow.halt()
    bpf.configure(verdict=PASS, port=1)
    with Flow(env.peer, env.dut, rate=300) as flow:
        wait_for(lambda: flow.arrived > 100, "frames of the stack")
        flow.stop().demand("without a socket")


def disturbed(env: Env, disturb: Callable[[int], None], times: int, what: str,
              opt: Options | None = None) -> None:
    """A socket that sends and receives all the time while something happens.

    Frames may get lost then, but no chunk.
    """
    bpf = prepare(env)
    with bound(env, bpf, opt) as xsk:
        xsk.umem.free = xsk.umem.free[:128]
        with Flow(env.peer, env.dut, rate=200) as flow:
            child = multiprocessing.get_context("fork").Process(
                target=lambda: [(time.sleep(0.1), disturb(i)) for i in range(times)], daemon=True)
            child.start()
            end, seq = time.monotonic() + 120, 0
            while child.is_alive():
                seq = flood(xsk, Kind(run=91), env, seq)
                xsk.receive()
                if time.monotonic() > end:
                    child.kill()
                    check(False, f"{what}: does not end")
            child.join()
            equal(child.exitcode, 0, f"{what}: exit status")
            flow.halt()
        env.ready()
        equal(xsk.drain(20), 0, f"{what}: chunks to send that do not come back")
        equal(len(set(xsk.umem.free)), 128, f"{what}: chunks to send")
        xsk.kick_rx()
        census(env, xsk, Kind(run=92))
        receive(env, xsk, Kind(run=93), SIZES, 128).demand(f"after {what}")
        transmit(env, xsk, Kind(run=94), SIZES, 128).demand(f"after {what}, sent")


def test_down(env: Env) -> None:
    """Taken down and up under traffic."""
    name = env.dut.ifname
    disturbed(env, lambda i: run(f"ip link set {name} {'up' if i & 1 else 'down'}"), 8,
              "down and up")


def test_rings(env: Env) -> None:
    """Other ring sizes under traffic."""
    name = env.dut.ifname
    found = re.findall(r"^[RT]X:\s+(\d+)", run(f"ethtool -g {name}").stdout, re.M)
    rx, tx = int(found[2]), int(found[3])
    env.later(lambda: run(f"ethtool -G {name} rx {rx} tx {tx}", ok=False))
    disturbed(env, lambda i: run(f"ethtool -G {name} rx {rx >> (~i & 1)} tx {tx >> (~i & 1)}"),
              8, "ring sizes")


def test_reset(env: Env) -> None:
    """The device is restarted under traffic."""
    where = f"{env.bus}/{env.pci}"
    disturbed(env, lambda i: run(f"devlink health test {where} reporter device"), 6, "resets")


def test_unbind(env: Env) -> None:
    """The driver gives the device up under traffic: all comes back before."""
    function = Function(env)
    for _ in range(3):
        bpf = prepare(env)
        with bound(env, bpf) as xsk:
            with Flow(env.peer, env.dut, rate=200) as flow:
                seq = 0
                while seq < 1000:
                    seq = flood(xsk, Kind(run=99), env, seq)
                    xsk.receive()
                function.unbind()
                flow.halt()
            # No call reaches anybody; what there was is in the ring.
            xsk.complete()
            equal(xsk.outstanding - xsk.tx.count(), 0, "chunks that do not come back")
        function.bind()
        env.ready()


def test_programs(env: Env) -> None:
    """Programs are exchanged under traffic: not a frame is lost."""
    bpf = prepare(env)
    with bound(env, bpf) as xsk:
        tally = Tally(Kind(run=95))
        for i in range(40):
            tally.sent += blast(env.peer, EVERYBODY, tally.kind, SIZES, CHUNK // 2, tally.sent)
            bpf.attach("to_xsk_frags" if i & 1 else "to_xsk")
            while frames := xsk.gather(tally.lost, seconds=5):
                for frame in frames:
                    tally.add(frame)
        tally.demand("while programs change", order=True)


def killed(env: Env, bpf: Bpf, ready: object) -> None:
    """A program that floods until it dies."""
    with bound(env, bpf) as xsk:
        seq = 0
        while True:
            seq = flood(xsk, Kind(run=96), env, seq)
            xsk.receive()
            ready.set()  # type: ignore[attr-defined]


def test_killed(env: Env) -> None:
    """The program dies while it works; the queue is the stack's, or another one's."""
    bpf = prepare(env)
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        ready = context.Event()
        child = context.Process(target=killed, args=(env, bpf, ready), daemon=True)
        with Flow(env.peer, env.dut, rate=200) as flow:
            child.start()
            check(ready.wait(30), "the program does not begin")
            time.sleep(0.1)
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            flow.halt()
        with bound(env, bpf) as xsk:
            receive(env, xsk, Kind(run=97), SIZES, 64).demand("by the next one")
            transmit(env, xsk, Kind(run=98), SIZES, 64).demand("by the next one, sent")


def test_shared(env: Env) -> None:
    """Memory that sockets of several queues share."""
    queues = min(4, env.channel_limits()[1])
    bpf = prepare(env, queues=queues)
    with contextlib.ExitStack() as stack:
        opt = Options(chunks=1024)
        socks = [stack.enter_context(Xsk(env.dut, 0, opt, part=0, parts=queues))]
        for q in range(1, queues):
            socks.append(stack.enter_context(
                Xsk(env.dut, q, share=socks[0], part=q, parts=queues)))
        for q, xsk in enumerate(socks):
            check(xsk.zerocopy, f"queue {q} without zero-copy")
            listen(bpf, xsk, q)
        # Frames of whatever queue: each arrives at one socket.
        kind = Kind(run=100, udp=True, flows=16)
        tally = Tally(kind)
        while tally.sent < COUNT:
            tally.sent += blast(env.peer, EVERYBODY, kind, SIZES, CHUNK, tally.sent)
            quiet = time.monotonic()
            while tally.lost and time.monotonic() - quiet < 10:
                for xsk in socks:
                    for frame in xsk.receive():
                        tally.add(frame)
                        quiet = time.monotonic()
        tally.demand("received by all", order=True)
        for q, xsk in enumerate(socks):
            transmit(env, xsk, Kind(run=101 + q), SIZES, 128).demand(f"sent on queue {q}",
                                                                     order=True)


def test_sixteen(env: Env) -> None:
    """Sixteen sockets on four queues, all of which send at once."""
    queues = min(4, env.channel_limits()[1])
    bpf = prepare(env, queues=queues)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(Xsk(env.dut, 0, Options(chunks=2048, ring=256),
                                         part=0, parts=queues))]
        groups: dict[int, Group] = {0: socks[0].group}
        owners = {0: socks[0]}
        for i in range(1, 16):
            q = i % queues
            owner = owners.get(q, socks[0])
            socks.append(stack.enter_context(Xsk(env.dut, q, share=owner, part=q, parts=queues)))
            owners.setdefault(q, socks[-1])
            groups.setdefault(q, socks[-1].group)
        for q, xsk in owners.items():
            xsk.fill_up()
            bpf.maps["xsks"].set(q, struct.pack("=I", xsk.sock.fileno()))
        each = 48
        tallies = [Tally(Kind(run=110 + i), sent=each) for i in range(16)]
        with Capture(env.peer) as capture:
            for i, xsk in enumerate(socks):
                for seq in range(each):
                    check(xsk.post(Kind(run=110 + i).frame(
                        EVERYBODY, env.dut.mac, seq, SIZES[seq % len(SIZES)])) is not None,
                        "no room to post")
            collect(capture, socks, tallies)
        for q, xsk in owners.items():
            equal(xsk.drain(), 0, f"queue {q}: chunks that do not come back")
        # Each socket of the first queue can be the one that receives.
        for i in range(0, 16, queues):
            bpf.maps["xsks"].set(0, struct.pack("=I", socks[i].sock.fileno()))
            env.channels(queues)
            sender = Kind(run=130 + i)
            blast(env.peer, EVERYBODY, sender, [60], 32)
            got = Tally(sender, sent=32)
            quiet = time.monotonic()
            while got.lost and time.monotonic() - quiet < 5:
                for xsk in (*socks[i:i + 1], *(owners[q] for q in range(1, queues))):
                    for frame in xsk.receive():
                        got.add(frame)
            got.demand(f"received by socket {i}")


def udp_frame(env: Env, data: bytes) -> bytes:
    """A datagram whose checksum is left to compute."""
    src, dst = b"\xc6\x33\x64\x01", b"\xc6\x33\x64\x02"
    head = struct.pack("!HHHH", 7, 9, 8 + len(data), inet.pseudo(src, dst, 17, 8 + len(data)))
    return (EVERYBODY + env.dut.mac + struct.pack("!H", inet.ETH_IP) +
            inet.ipv4(src, dst, 17, 8 + len(data)) + head + data)


def features(env: Env) -> int:
    """What sockets can ask the device for: 1 time, 2 checksum, 4 launch time."""
    found = env.netdev.call(1, u32(1, env.dut.ifindex))[0]
    return number(found.get(6, b"\0"))


def test_checksum(env: Env) -> None:
    """The device computes a checksum for a socket."""
    prepare(env)
    if "tx-checksum-ip-generic: on" not in run(f"ethtool -k {env.dut.ifname}").stdout:
        raise Skip("the device computes no checksums")
    check(features(env) & 2, "the feature is not shown")
    data = bytes(range(200))
    with Xsk(env.dut, 0, Options(metadata=True)) as xsk, Capture(env.peer, inet.ETH_IP) as capture:
        before = Snapshot(env)
        frame = udp_frame(env, data)
        meta = struct.pack("=QHH", TXMD_CHECKSUM, 34, 6).ljust(META_LEN, b"\0")
        xsk.send([frame] * 8, metas=meta)
        frames = capture.all(lambda found: len(found) >= 8)
        equal(len(frames), 8, "frames")
        for got in frames:
            # Where no wire is between them, the peer may be left to compute it.
            check(capture.unsummed or not inet.faults(got), f"checksum: {inet.faults(got)}")
            equal(got[42:], data, "data")
        equal(xsk.drain(), 0, "chunks that do not come back")
        delta = Delta(before, Snapshot(env))
        check(delta.qstat("tx_needs_csum") >= 8, "tx_needs_csum")
        # Outside of the frame: sent as it is, and nothing else is written to.
        meta = struct.pack("=QHH", TXMD_CHECKSUM, 34, 60000).ljust(META_LEN, b"\0")
        xsk.send([frame], metas=meta)
        equal(capture.all(lambda found: len(found) >= 1), [frame], "frame")
        equal(xsk.drain(), 0, "chunks that do not come back")


def test_times(env: Env) -> None:
    """The device tells a socket when a frame was sent, and sends when it was told to."""
    clock = Clock(env.dut)
    prepare(env)
    check(features(env) & 1, "the feature is not shown")
    with Xsk(env.dut, 0, Options(metadata=True)) as xsk:

        def go(flags: int, launch: int) -> int:
            first = xsk.post(Kind(run=140).frame(EVERYBODY, env.dut.mac, 0, 300),
                             struct.pack("=QHHI", flags, 0, 0, 0)[:16] + struct.pack("=Q", launch))
            xsk.kick_tx()
            wait_for(lambda: xsk.complete() or not xsk.outstanding, "completion")
            return struct.unpack_from("=Q", xsk.umem.map, first + 8)[0]

        for _ in range(8):
            before = clock.now
            sent = go(TXMD_TIMESTAMP, 0)
            check(before <= sent <= clock.now, f"sent at {sent}, not {before} to {clock.now}")
        if not features(env) & 4:
            return
        for _ in range(4):
            launch = clock.now + 300_000_000
            sent = go(TXMD_TIMESTAMP | TXMD_LAUNCH, launch)
            check(launch <= sent <= clock.now, f"sent at {sent}, not {launch} to {clock.now}")
        # One that waits comes back when its queue goes.
        while True:
            launch = clock.now + 900_000_000
            xsk.post(Kind(run=141).frame(EVERYBODY, env.dut.mac, 0, 300),
                     struct.pack("=QQQ", TXMD_LAUNCH, 0, launch))
            xsk.kick_tx()
            back = xsk.complete()
            if clock.now < launch:
                break
            wait_for(lambda: xsk.complete() or not xsk.outstanding, "completion")
        equal(back, 0, "chunks that came back before their time")
        run(f"ip link set {env.dut.ifname} down")
        run(f"ip link set {env.dut.ifname} up")
        env.ready()
        equal(xsk.drain(), 0, "chunks that do not come back")


def refused(what: str, code: int, bind: Callable[[], Xsk]) -> None:
    """Binding has to fail."""
    try:
        bind().close()
    except OSError as exc:
        equal(exc.errno, code, what)
        return
    check(False, f"{what}: bound")


def test_refused(env: Env) -> None:
    """What cannot be: an error, a message, and everything as before."""
    bpf = prepare(env, "to_xsk_frags")
    log = KernelLog()
    name = env.dut.ifname

    def says(word: str) -> None:
        lines = [line for line in log.lines() if "AF_XDP" in line]
        check(any(word in line for line in lines), f"no message says {word}: {lines}")

    env.mtu(9000)
    refused("MTU", 22, lambda: Xsk(env.dut))
    env.mtu(1500)
    for queue in (1, 77):
        refused(f"queue {queue} of one", 22, lambda q=queue: Xsk(env.dut, q))
    with bound(env, bpf) as xsk:
        refused("other memory", 16, lambda: Xsk(env.dut, 0, patience=0))
        log.lines()
        done = run(f"ip link set {name} mtu 9000", ok=False)
        check(done.returncode, "the MTU changes, and frames do not fit the chunks")
        says("XDP_USE_SG")
        done = run(f"ethtool -G {name} tcp-data-split on", ok=False)
        check(done.returncode, "headers are split, and frames have to be whole")
        receive(env, xsk, Kind(run=150), SIZES, 64).demand("afterwards")
    if not run(f"ethtool -G {name} tcp-data-split on", ok=False).returncode:
        env.later(lambda: run(f"ethtool -G {name} tcp-data-split off"))
        for opt in (Options(), Options(multi=True)):
            refused("split headers", 22, lambda o=opt: Xsk(env.dut, 0, o))
            says("tcp-data-split")
    log.close()


if __name__ == "__main__":
    main(cases(test_rx_tx, test_no_need_wakeup, test_chunk_2048, test_headroom, test_unaligned,
               test_huge_pages, test_multi, test_pass, test_no_program, test_tx_verdict,
               test_redirect, test_drop, test_no_frags, test_starved, test_full, test_stack_too,
               test_prompt, test_busy_poll, test_others_forward, test_again, test_down,
               test_rings, test_reset, test_unbind, test_programs, test_killed, test_shared, test_sixteen,
               test_checksum, test_times, test_refused))
