#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""When there is no memory: frames are lost and counted, nothing else.

Allocations that may not wait are made to fail, which needs a kernel with fault
injection: really filling the memory kills whatever else the kernel likes. What
may wait is the subject of alloc.py.
"""

from __future__ import annotations

from collections.abc import Callable

from cethtest import tcp
from cethtest.bpf import PASS, TX, Bpf
from cethtest.env import Env
from cethtest.fault import PAGES, SLAB, failing, function_text, module_text
from cethtest.flow import Both, steady
from cethtest.frames import Capture, Kind, blast
from cethtest.stats import Delta, Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import check, wait_for


def _refill(env: Env) -> tuple[int, int]:
    """What has pages allocated for buffers; sockets want some, too."""
    return function_text("ceth_rx_alloc", "ceth") if env.is_ceth else module_text(env.driver)


def _survives(env: Env, kind: str, percent: int, inside: tuple[int, int],
              refused: Callable[[Delta], int]) -> tuple[Delta, int]:
    """Traffic while allocations fail, until that has mattered; whole traffic afterwards.

    What the counters say, and how many frames did not come to the device.
    """
    before = Snapshot(env)
    # What waits in a socket that nobody reads does not come back as a buffer.
    with Capture(env.dut, 0x0800), Both(env.dut, env.peer, udp=True, flows=32) as both:
        both.wait(20)
        with failing([kind], inside, percent):
            both.wait(20)
            if env.is_ceth:
                wait_for(lambda: refused(Delta(before, Snapshot(env))) > 2,
                         "counters to tell that memory was refused", 120, 0.5)
        both.wait(20)
        lost = both.demand(f"{kind}, {percent} %", loss=True)[0].lost
    after = at_rest(env)
    check(not after.went_back(before), f"counters went backwards: {after.went_back(before)}")
    steady(env.dut, env.peer, f"{kind}, {percent} %")
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 1 << 20, 4, "memory was short")
    return Delta(before, after), lost


def test_no_pages(env: Env) -> None:
    """No pages for receive buffers: counted, and the rings fill up again."""
    delta, lost = _survives(env, PAGES, 60, _refill(env), lambda d: d.qstat("rx_alloc_fail"))
    if env.is_ceth:
        say(f"{delta.qstat('rx_alloc_fail')} pages refused, {lost} frames lost")


def test_no_slab(env: Env) -> None:
    """No memory for packets' descriptors: counted as dropped."""
    # Of packets, and not of what the stack keeps of them: sockets lose some, too.
    delta, lost = _survives(env, SLAB, 30, function_text("napi_build_skb"),
                            lambda d: d.queue("drop_nomem"))
    if env.is_ceth:
        dropped = delta.queue("drop_nomem")
        say(f"{lost} frames lost, drop_nomem {dropped}")
        check(lost <= dropped, f"{lost} frames lost, and {dropped} counted as dropped")
        check(delta.link("rx_dropped") >= dropped, "the link knows of fewer than the queues")


def test_no_pages_program(env: Env) -> None:
    """The same under programs, whose frames need no memory of their own."""
    bpf = Bpf(env)
    bpf.attach("verdict")
    for verdict in (PASS, TX):
        bpf.configure(verdict=verdict)
        with failing([PAGES], _refill(env), 60):
            blast(env.peer, env.dut.mac, Kind(run=96), [60, 1514], 500)
            wait_for(lambda: bpf.count(verdict) > 100, "frames that the program sees")
    bpf.detach()
    steady(env.dut, env.peer, "programs while memory was short")


def test_socket_flood(env: Env) -> None:
    """Frames that nobody reads pin many pages, and give them back."""
    # Where several queues share a backlog on the way, as in QEMU, one without
    # buffers can stop the others: that is not what is tested here.
    env.channels(1)
    pools = env.netdev.page_pools(env.dut.ifindex) if env.is_ceth else []
    with Capture(env.dut, megabytes=256):
        for part in range(8):
            blast(env.peer, env.dut.mac, Kind(run=95), [60, 1514], 2000, part * 2000)
        at_rest(env)
    steady(env.dut, env.peer, "many pages were pinned")
    if not pools:
        return
    limit = sum(p["inflight"] for p in pools) * 3 + 4096

    def inflight() -> int:
        return sum(p["inflight"] for p in env.netdev.page_pools(env.dut.ifindex))

    wait_for(lambda: inflight() < limit, f"pages in flight, {inflight()}, to become fewer")


if __name__ == "__main__":
    main(cases(test_socket_flood, test_no_pages, test_no_slab, test_no_pages_program))
