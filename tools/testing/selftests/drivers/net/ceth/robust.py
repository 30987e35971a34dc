#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""When there is no memory: frames are lost and counted, nothing else.

Allocations that may not wait are made to fail, which needs a kernel with fault
injection: really filling the memory kills whatever else the kernel likes.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing as mp
import re
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from cethtest import tcp
from cethtest.bpf import PASS, TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.frames import Capture, Kind, blast
from cethtest.stats import Delta, Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, read, run, wait_for, write

DEBUGFS = Path("/sys/kernel/debug")
KEEP_KB = 40_000


def meminfo(key: str) -> int:
    """A line of /proc/meminfo, kB."""
    return int(re.findall(rf"^{key}:\s+(\d+)", read("/proc/meminfo"), re.M)[0])


def _fill(pipe: Connection, keep_kb: int) -> None:
    """Take memory until little is left, and hold it."""
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    held = []
    chunk = 8 << 20
    while meminfo("MemAvailable") > keep_kb + chunk // 1024:
        block = mmap.mmap(-1, chunk)
        for page in range(0, chunk, 4096):
            block[page] = 1
        held.append(block)
    pipe.send(len(held))
    pipe.recv()


@contextlib.contextmanager
def little_memory(keep_kb: int = KEEP_KB) -> Iterator[None]:
    """Free memory is short meanwhile, but not gone."""
    if meminfo("MemTotal") > 6_000_000:
        raise Skip("too much memory here to fill it")
    context = mp.get_context("fork")
    ours, theirs = context.Pipe()
    hog = context.Process(target=_fill, args=(theirs, keep_kb), daemon=True)
    hog.start()
    try:
        if not ours.poll(300) or not ours.recv():
            raise Failure("memory cannot be filled")
        yield
    finally:
        hog.kill()
        hog.join()


@contextlib.contextmanager
def failing(kind: str, percent: int) -> Iterator[None]:
    """So many of the allocations that may not wait fail meanwhile."""
    knobs = DEBUGFS / kind
    if not knobs.is_dir():
        raise Skip(f"this kernel has no fault injection ({kind})")
    settings = {"verbose": 0, "interval": 1, "times": -1, "ignore-gfp-wait": "Y",
                "task-filter": "N", "min-order": 0, "probability": percent}
    for name, value in settings.items():
        if (knobs / name).exists():
            write(knobs / name, value)
    try:
        yield
    finally:
        write(knobs / "probability", 0)


def _survives(env: Env, kind: str, percent: int) -> Delta:
    """Traffic while allocations fail, and whole traffic afterwards."""
    before = Snapshot(env)
    with Both(env.dut, env.peer, udp=True, flows=32) as both:
        both.wait(20)
        with failing(kind, percent):
            both.wait(40)
        both.wait(20)
        both.demand(f"{kind}, {percent} %", loss=True)
    after = at_rest(env)
    check(not after.went_back(before), f"counters went backwards: {after.went_back(before)}")
    steady(env.dut, env.peer, f"{kind}, {percent} %")
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 1 << 20, 4, "memory was short")
    return Delta(before, after)


def test_no_pages(env: Env) -> None:
    """No pages for receive buffers: counted, and the rings fill up again."""
    with Capture(env.dut, 0x0800):
        # What waits in a socket that nobody reads does not come back as a buffer.
        delta = _survives(env, "fail_page_alloc", 60)
    if env.is_ceth:
        failed = delta.qstat("rx_alloc_fail")
        say(f"{failed} pages refused")
        check(failed > 0, "pages were refused, and rx-alloc-fail does not say so")


def test_no_slab(env: Env) -> None:
    """No memory for packets' descriptors: counted as dropped."""
    delta = _survives(env, "failslab", 20)
    if env.is_ceth:
        say(f"rx_dropped {delta.link('rx_dropped')}, drop_nomem {delta.queue('drop_nomem')}")


def test_no_pages_program(env: Env) -> None:
    """The same under programs, whose frames need no memory of their own."""
    bpf = Bpf(env)
    bpf.attach("verdict")
    for verdict in (PASS, TX):
        bpf.configure(verdict=verdict)
        with failing("fail_page_alloc", 60):
            blast(env.peer, env.dut.mac, Kind(run=96), [60, 1514], 500)
            wait_for(lambda: bpf.count(verdict) > 100, "frames that the program sees")
    bpf.detach()
    steady(env.dut, env.peer, "programs while memory was short")


def test_changes_starved(env: Env) -> None:
    """Queues that cannot be had: refused, and the old ones work on."""
    env.need_ceth("changes that roll back")
    rx = int(re.findall(r"^RX:\s+(\d+)", env.dut.run("ethtool -g {}"), re.M)[1])
    env.later(lambda: env.dut.run(f"ethtool -G {{}} rx {rx}", ok=False))
    refused = 0
    with little_memory():
        for size in (64, 1024, 64, 1024):
            done = run(f"ethtool -G {env.dut.ifname} rx {size}", ok=False)
            refused += done.returncode not in (0, 80)
            if done.returncode:
                say(f"rx {size}: {done.stderr.strip()}")
    say(f"{refused} of 4 changes refused")
    steady(env.dut, env.peer, "changes while memory was short")


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
    main(cases(test_socket_flood, test_changes_starved, test_no_pages, test_no_slab,
               test_no_pages_program))
