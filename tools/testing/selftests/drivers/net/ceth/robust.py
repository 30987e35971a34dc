#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""When there is no memory: frames are lost and counted, nothing else.

Memory is filled by a child, the first one that the kernel would kill. Frames
pin buffers in a socket that nobody reads, so that the receive queues need new
pages; a reserve that is suddenly large makes the kernel refuse them.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing as mp
import os
import re
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from cethtest import tcp
from cethtest.env import Env
from cethtest.flow import steady
from cethtest.frames import Capture, Kind, blast
from cethtest.stats import Delta, Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, in_ns, read, run, sysctl, wait_for

KEEP_KB = 90_000


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
    """Free memory is short meanwhile."""
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


class Pktgen:
    """Frames that the kernel sends from the peer without allocating any."""

    def __init__(self, env: Env, count: int) -> None:
        if run("modprobe pktgen", ok=False).returncode:
            raise Skip("this kernel has no pktgen")
        self.env = env
        # Its files belong to a namespace, that of the thread that opens them.
        with self._inside():
            self._tell("kpktgend_0", "rem_device_all")
            self._tell("kpktgend_0", f"add_device {env.peer.ifname}")
            for line in (f"count {count}", "clone_skb 100000", "pkt_size 60", "delay 20000",
                         f"dst_mac {env.dut.mac.hex(':')}", "dst 198.51.100.2",
                         "src_min 198.51.100.1", "src_max 198.51.100.1"):
                self._tell(env.peer.ifname, line)

    def _inside(self) -> contextlib.AbstractContextManager[None]:
        return in_ns(self.env.peer.ns)

    @staticmethod
    def _tell(name: str, line: str) -> None:
        # Not by way of /proc/net, which is the namespace of the process.
        path = Path(f"/proc/thread-self/net/pktgen/{name}")
        path.write_text(line + "\n", encoding="ascii")

    def start(self) -> int:
        """Send in a child; returns its process id."""
        pid = os.fork()
        if pid:
            return pid
        try:
            with self._inside():
                self._tell("pgctrl", "start")
        finally:
            os._exit(0)

    def stop(self, pid: int) -> None:
        """Until it has ended."""
        with self._inside():
            self._tell("pgctrl", "stop")
        os.waitpid(pid, 0)
        with self._inside():
            self._tell("kpktgend_0", "rem_device_all")


def test_receive_starved(env: Env) -> None:
    """No page for receive buffers; afterwards the queues fill up again."""
    before_kb = int(read("/proc/sys/vm/min_free_kbytes"))
    pktgen = Pktgen(env, 40000)
    before = Snapshot(env)
    with little_memory(), Capture(env.dut, 0x0800, 64):
        pid = pktgen.start()
        try:
            time.sleep(0.2)
            sysctl("vm/min_free_kbytes", KEEP_KB * 4)
            time.sleep(0.7)
        finally:
            sysctl("vm/min_free_kbytes", before_kb)
            pktgen.stop(pid)
    after = at_rest(env)
    check(not after.went_back(before), f"counters went backwards: {after.went_back(before)}")
    delta = Delta(before, after)
    failed = delta.qstat("rx_alloc_fail")
    say(f"{delta.link('rx_packets')} frames received, {failed} pages refused")
    steady(env.dut, env.peer, "memory was short")
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 1 << 20, 4, "memory was short")
    if not failed:
        raise Skip("memory never ran out: nothing is proven")


def test_open_starved(env: Env) -> None:
    """Queues that cannot be had: refused, and the old ones work on."""
    env.need_ceth("changes that roll back")
    rx = int(re.findall(r"^RX:\s+(\d+)", env.dut.run("ethtool -g {}"), re.M)[1])
    env.later(lambda: env.dut.run(f"ethtool -G {{}} rx {rx}", ok=False))
    with little_memory(40_000):
        for size in (64, 1024, 64, 1024):
            done = run(f"ethtool -G {env.dut.ifname} rx {size}", ok=False)
            if done.returncode:
                say(f"rx {size}: {done.stderr.strip()}")
    steady(env.dut, env.peer, "changes while memory was short")


def test_socket_flood(env: Env) -> None:
    """More frames than any socket takes pin many pages, and give them back."""
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
    main(cases(test_socket_flood, test_open_starved, test_receive_starved))
