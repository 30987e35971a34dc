#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Queues that the stack restarts one by one."""

from __future__ import annotations

import fcntl
import functools
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cethtest.bpf import TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast
from cethtest.nl import NLA_F_NESTED, NetlinkError, attr, u32
from cethtest.remains import Usage
from cethtest.stats import at_rest, ethtool_stats
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, equal, read, rounds, run, write
from cethtest.xsk import Xsk
from cethtest.xskuse import SIZES, census, flood, receive, transmit

# Of netdev-genl
BIND_RX, QUEUE_CREATE = 13, 16
QUEUE_ID, QUEUE_TYPE = 1, 3
DMABUF_IFINDEX, DMABUF_QUEUES, DMABUF_FD = 1, 2, 3
UDMABUF_CREATE = 0x40187542
EOPNOTSUPP = 95
MODULE = Path("/sys/module/ceth_requeue/parameters")
PER_QUEUE = 16


def restart(env: Env, queue: int, times: int = 1, how: str = "restart") -> None:
    """Have the stack restart a receive queue so often."""
    if not MODULE.exists():
        module = Path(os.environ.get("CETH_KO", "/ceth-ko")) / "ceth_requeue.ko"
        if not module.exists():
            raise Skip("no ceth_requeue.ko: tools/testing/ceth/build makes it")
        run(f"insmod {module}")
        env.later(lambda: run("rmmod ceth_requeue"))
    write(MODULE / how, f"{env.dut.ifname} {queue} {times}")


def refused(act: Callable[[], object], what: str) -> OSError:
    """What somebody says who does not do it."""
    try:
        act()
    except OSError as e:
        say(f"{what}: {e}")
        return e
    raise Failure(f"{what} is not refused")


def prepare(env: Env, least: int = 2) -> int:
    """All queues that there are, and that they can be restarted."""
    env.need_ceth("restarting queues")
    queues = min(4, env.channel_limits()[1])
    if queues < least:
        raise Skip(f"needs {least} queue pairs")
    env.channels(queues)
    try:
        restart(env, 0)
    except OSError as e:
        # An emulated NIC may be told not to; the reference NIC always can.
        if e.errno == EOPNOTSUPP and env.bus == "pci":
            raise Skip("the device cannot restart single queues") from e
        raise
    return queues


def steer(env: Env, words: str) -> None:
    """By the indirection table, for this case."""
    if run(f"ethtool -X {env.dut.ifname} {words}", ok=False).returncode:
        raise Skip("nothing steers frames to queues")
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))


def pools(env: Env) -> set[int]:
    """Memory of the receive queues; a queue that is another one has its own."""
    return {pool["id"] for pool in env.netdev.page_pools(env.dut.ifindex)
            if "detached" not in pool}


@contextmanager
def undisturbed(env: Env) -> Iterator[None]:
    """The device is not restarted meanwhile, and its link does not go down."""
    changes = f"/sys/class/net/{env.dut.ifname}/carrier_changes"
    before = read(changes), ethtool_stats(env.dut).get("recoveries")
    yield
    equal((read(changes), ethtool_stats(env.dut).get("recoveries")), before,
          "changes of the carrier, restarts of the device")


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
    before = at_rest(env)
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, patience=2) as both:
        both.wait(20)
        for i in range(3 * queues):
            restart(env, i % queues)
        both.wait(40)
        into, out = both.demand("queues restarted under traffic", loss=True)
    equal(out.lost, 0, "frames of the stack that were lost")
    after = at_rest(env)
    say(f"{into.lost} of {into.sent} found no queue")
    # virtio-net has no such counter.
    if (key := "dev_rx_no_queue") in after.ethtool:
        equal(into.lost, after.ethtool[key] - before.ethtool[key], "frames lost, those counted")
    steady(env.dut, env.peer, "after restarts of queues")


def test_refused(env: Env) -> None:
    """The device does not take the new queue: the old one goes on as it was."""
    queues = prepare(env)
    before = pools(env)
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, patience=2) as both:
        both.wait(20)
        for i in range(queues):
            refused(lambda q=i: restart(env, q, how="refuse"), "a new queue")
        both.wait(40)
        both.demand("new queues refused", loss=True)
    equal(pools(env), before, "page pools")
    steady(env.dut, env.peer, "with the old queues")


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


@functools.cache
def by_flow(env: Env) -> Bpf:
    """Frames of a queue to its socket, if it has one."""
    bpf = Bpf(env, "xsk")
    bpf.maps["each"].set(0, struct.pack("=I", 1))
    return bpf


def enter(env: Env, xsk: Xsk, queue: int) -> None:
    """What the queue gets is the socket's."""
    check(xsk.zerocopy, "bound without zero-copy")
    by_flow(env).maps["xsks"].set(queue * PER_QUEUE, struct.pack("=I", xsk.sock.fileno()))


def test_socket(env: Env) -> None:
    """The queue that comes has the socket of the one that goes, and all its chunks."""
    prepare(env)
    env.channels(1)
    env.channels(1, env.peer)
    by_flow(env).attach("by_flow")
    with Xsk(env.dut) as xsk:
        enter(env, xsk, 0)
        xsk.fill_up()
        for i in range(6):
            flood(xsk, Kind(run=49), env, 0)
            restart(env, 0, 2)
            equal(xsk.drain(), 0, "chunks that do not come back")
            receive(env, xsk, Kind(run=40 + i), SIZES, 40).demand("to the socket", order=True)
        restart(env, 0, 3)
        refused(lambda: restart(env, 0, how="refuse"), "a new queue")
        transmit(env, xsk, Kind(run=50), SIZES, 128).demand("from the socket", order=True)
        census(env, xsk, Kind(run=51))
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


def test_endure(env: Env) -> None:
    """Queue after queue, often: nothing is left of those that went."""
    queues, times, took = prepare(env), rounds(24), 0.0
    with undisturbed(env), Both(env.dut, env.peer, udp=True, flows=16, rate=100, patience=2) as both:
        for i in range(4 * queues):
            restart(env, i % queues)
        usage = Usage(env)
        for i in range(times):
            started = time.monotonic()
            restart(env, i % queues)
            took += time.monotonic() - started
        say(f"{times} restarts, {took * 1000 / times:.1f} ms each")
        both.wait(20)
        say(usage.demand(times, "restarts of queues"))
        tallies = both.demand("queues restarted often", loss=True)
        say("; ".join(map(str, tallies)))
    steady(env.dut, env.peer, "after many restarts")


@contextmanager
def dmabuf() -> Iterator[int]:
    """Memory that a device can have, and the kernel cannot read."""
    if not Path("/dev/udmabuf").exists():
        raise Skip("no /dev/udmabuf")
    pages = 64 * mmap.PAGESIZE
    memory = os.memfd_create("ceth", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memory, pages)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        with open("/dev/udmabuf", "rb") as device:
            buf = fcntl.ioctl(device, UDMABUF_CREATE,
                              bytearray(struct.pack("=IIQQ", memory, 1, 0, pages)))
        try:
            yield buf
        finally:
            os.close(buf)
    finally:
        os.close(memory)


def can_lease(env: Env) -> bool:
    """Does this kernel know of leases?"""
    try:
        env.netdev.call(QUEUE_CREATE, b"")
    except NetlinkError as e:
        return e.errno != EOPNOTSUPP
    return True


def test_memory(env: Env) -> None:
    """Memory that the kernel cannot read is refused with a reason; the queue works on."""
    prepare(env)
    before = pools(env)
    if "split" in run(f"ethtool -G {env.dut.ifname} tcp-data-split on", ok=False).stderr:
        say("no headers apart")
    else:
        env.later(lambda: env.dut.run("ethtool -G {} tcp-data-split auto", ok=False))
        before = pools(env)
    queue = attr(DMABUF_QUEUES | NLA_F_NESTED, u32(QUEUE_ID, 0) + u32(QUEUE_TYPE, 0))
    with dmabuf() as buf:
        why = refused(lambda: env.netdev.call(
            BIND_RX, u32(DMABUF_IFINDEX, env.dut.ifindex) + queue + u32(DMABUF_FD, buf)),
            "memory of others")
    # Older kernels leave no way to say why.
    check(not can_lease(env) or getattr(why, "text", ""), "no reason is given")
    equal(pools(env), before, "page pools")
    steady(env.dut, env.peer, "after memory was refused")


if __name__ == "__main__":
    main(cases(test_others, test_busy, test_refused, test_program, test_socket, test_down,
               test_endure, test_memory))
