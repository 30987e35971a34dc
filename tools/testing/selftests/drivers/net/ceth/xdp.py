#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Native XDP: every verdict and every adjustment, with counts that are exact.

The peer sends numbered frames; what the program saw, what the driver counted,
and what arrived where it should are compared to the frame.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from cethtest import tcp
from cethtest.bpf import ABORTED, DROP, PASS, REDIRECT, TX, VERDICTS, Bpf
from cethtest.env import Env
from cethtest.frames import ETH_ZLEN, EVERYBODY, HEAD, Capture, Kind, Tally, blast, filling
from cethtest.nl import XDP_FEATURES, NetlinkError
from cethtest.stats import Delta, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, KernelLog, Skip, check, equal, wait_for, write

COUNT = 3000
JUMBO_MTU = 9000
# Around the ends of one buffer, two, three; the last one is the MTU.
JUMBO_SIZES = [60, 1514, 2000, 3500, 3517, 3518, 3519, 3776, 3777, 4100, 5000, 7037, 7300,
               8192, 9000, 9014]
TRACE = Path("/sys/kernel/tracing")
COUNT_ERROR, COUNT_META = 5, 6


@functools.cache
def bpf_of(env: Env) -> Bpf:
    """Programs are loaded once."""
    return Bpf(env)


class Run:
    """Frames from the peer to a device with a program."""

    def __init__(self, env: Env, prog: str = "verdict", sizes: list[int] | None = None,
                 kind: Kind = Kind(run=31), count: int = COUNT, dst: bytes = b"",
                 counted: bool = True, **config: int) -> None:
        self.env, self.kind, self.count, self.dst = env, kind, count, dst or env.dut.mac
        self.sizes = sizes or [60, 200, 1514]
        self.bpf = bpf_of(env)
        self.bpf.configure(**config)
        if env.rtnl().link(env.dut.ifindex).xdp_id == 0:
            self.bpf.attach(prog)
        # Which takes half a second, for those who look at the counters
        self.before = at_rest(env) if counted else None

    @property
    def sent_bytes(self) -> int:
        """Of all frames."""
        return sum(self.sizes[n % len(self.sizes)] for n in range(self.count))

    def send(self, arrive: Capture | None = None, tally: Tally | None = None) -> None:
        """Send all, in pieces that no queue on the way is too short for: the shortest
        ring has 256 descriptors, and a slow peer lets it fill.

        From one CPU: on its way to another the sender would change queues, and
        frames would overtake each other before they get here.
        """
        sent = 0
        cpus = os.sched_getaffinity(0)
        while sent < self.count:
            n = min(200, self.count - sent)
            os.sched_setaffinity(0, {min(cpus)})
            try:
                blast(self.env.peer, self.dst, self.kind, self.sizes, n, sent)
            finally:
                os.sched_setaffinity(0, cpus)
            sent += n
            if arrive and tally:
                tally.sent = sent
                arrive.into(tally)
            else:
                self.seen_by_program(sent)

    def seen_by_program(self, wanted: int) -> None:
        """Wait until programs have seen so many frames; more is wrong, too."""

        def total() -> int:
            return sum(self.bpf.count(k) for k in range(COUNT_ERROR + 1))

        try:
            wait_for(lambda: total() >= wanted, "")
        except Failure:
            pass
        equal(total(), wanted, "frames that the program saw")

    def delta(self) -> Delta:
        """What has been counted."""
        assert self.before
        return Delta(self.before, at_rest(self.env))

    def verdicts(self, verdict: int) -> Delta:
        """Check that the program's and the driver's counters agree; return these."""
        name = VERDICTS[verdict]
        self.seen_by_program(self.count)
        equal(self.bpf.count(verdict), self.count, f"frames with verdict {name}")
        equal(self.bpf.bytes(verdict), self.sent_bytes, "bytes that the program saw")
        delta = self.delta()
        if self.env.is_ceth:
            for other, key in enumerate(VERDICTS):
                equal(delta.queue(f"xdp_{key.lower()}"), self.count if other == verdict else 0,
                      f"ethtool -S xdp_{key.lower()}")
            equal(delta.link("rx_packets"), self.count, "rx_packets")
            equal(delta.link("rx_bytes"), self.sent_bytes, "rx_bytes")
            equal(delta.qstat("rx_packets"), self.count, "qstats rx-packets")
            equal(delta.qstat("rx_bytes"), self.sent_bytes, "qstats rx-bytes")
            equal(delta.link("rx_dropped"), self.count if verdict == ABORTED else 0, "rx_dropped")
            equal(delta.link("rx_errors"), 0, "rx_errors")
        return delta


def nothing_arrives(capture: Capture, run: Run) -> None:
    """Fail if frames of the series come out."""
    tally = Tally(run.kind)
    capture.into(tally, seconds=0.3, wanted=1)
    equal(tally.received, 0, "frames that come out though they should not")


def _drop(env: Env, **more: object) -> None:
    run = Run(env, verdict=DROP, **more)  # type: ignore[arg-type]
    with Capture(env.dut, run.kind.ethertype) as to_stack, \
            Capture(env.peer, run.kind.ethertype) as back:
        run.send()
        run.verdicts(DROP)
        nothing_arrives(to_stack, run)
        nothing_arrives(back, run)


def test_drop(env: Env) -> None:
    """Every frame is seen once and goes nowhere."""
    _drop(env)


def test_drop_flows(env: Env) -> None:
    """The same over all queues."""
    _drop(env, kind=Kind(run=32, udp=True, flows=32))


def _pass(env: Env, **more: object) -> None:
    run = Run(env, verdict=PASS, **more)  # type: ignore[arg-type]
    tally = Tally(run.kind)
    with Capture(env.dut, run.kind.ethertype) as capture:
        run.send(capture, tally)
    tally.demand("to the stack", order=not run.kind.udp)
    run.verdicts(PASS)


def test_pass(env: Env) -> None:
    """Every frame reaches the stack unchanged."""
    _pass(env)


def test_pass_flows(env: Env) -> None:
    """The same over all queues."""
    _pass(env, kind=Kind(run=33, udp=True, flows=32))


def _tx(env: Env, **more: object) -> None:
    run = Run(env, verdict=TX, **more)  # type: ignore[arg-type]
    tally = Tally(run.kind)
    with Capture(env.peer, run.kind.ethertype) as capture:
        run.send(capture, tally)
    # Other drivers may send on the queue of whatever CPU they happen to run on.
    tally.demand("sent back", order=env.is_ceth and not run.kind.udp)
    delta = run.verdicts(TX)
    equal(delta.link("tx_packets"), run.count, "tx_packets")
    if env.is_ceth:
        equal(delta.link("tx_bytes"), run.sent_bytes, "tx_bytes")
        equal(delta.queue("xdp_packets", "tx"), run.count, "ethtool -S tx xdp_packets")
        equal(delta.link("tx_dropped"), 0, "tx_dropped")


def test_tx(env: Env) -> None:
    """Every frame comes back whole."""
    _tx(env)


def test_tx_flows(env: Env) -> None:
    """The same over all queues."""
    _tx(env, kind=Kind(run=34, udp=True, flows=32))


def test_tx_one_queue(env: Env) -> None:
    """The same with a single queue pair."""
    env.channels(1)
    _tx(env, kind=Kind(run=35, udp=True, flows=8))


def _redirect(env: Env, **more: object) -> None:
    bpf_of(env).redirect_to(env.dut)
    # A frame keeps the address that it was sent to; the peer has to take it. (Not
    # by a promiscuous mode, which a driver may turn on any time later.)
    run = Run(env, verdict=REDIRECT, dst=EVERYBODY, **more)  # type: ignore[arg-type]
    tally = Tally(run.kind)
    with Capture(env.peer, run.kind.ethertype) as capture:
        run.send(capture, tally)
    tally.demand("redirected")
    delta = run.verdicts(REDIRECT)
    equal(delta.link("tx_packets"), run.count, "tx_packets")
    if env.is_ceth:
        equal(delta.link("tx_bytes"), run.sent_bytes, "tx_bytes")


def test_redirect_self(env: Env) -> None:
    """Redirected to the device itself: out again."""
    _redirect(env)


def test_redirect_nowhere(env: Env) -> None:
    """A target that does not exist: counted as an error, lost, nothing worse."""
    bpf = bpf_of(env)
    bpf.redirect_to(env.dut)
    run = Run(env, verdict=REDIRECT, port=3, count=500)
    run.send()
    equal(bpf.count(REDIRECT), 500, "frames that the program saw")
    delta = run.delta()
    if env.is_ceth:
        # The helper finds no such slot and says XDP_ABORTED itself.
        equal(delta.queue("xdp_aborted") + delta.queue("xdp_redirect_err"), 500,
              "ethtool -S xdp_aborted + xdp_redirect_err")
        equal(delta.queue("xdp_redirect"), 0, "ethtool -S xdp_redirect")
        equal(delta.link("rx_dropped"), 500, "rx_dropped")
        equal(delta.link("rx_packets"), 500, "rx_packets")


class Exceptions:
    """The tracepoint xdp_exception of this device."""

    def __init__(self, env: Env) -> None:
        self.dir = TRACE / "instances" / f"ceth-{env.dut.ifname}"
        if not TRACE.is_dir() or not (TRACE / "events/xdp/xdp_exception").is_dir():
            raise Skip("no tracefs, or no XDP tracepoints")
        self.dir.mkdir(exist_ok=True)
        env.later(self.dir.rmdir)
        write(self.dir / "buffer_size_kb", 4096)
        write(self.dir / "events/xdp/xdp_exception/enable", 1)
        env.later(lambda: write(self.dir / "events/xdp/xdp_exception/enable", 0))
        self.needle = f"ifindex={env.dut.ifindex}"

    def count(self, action: str = "") -> int:
        """Events of this device; the kernel's name for an unknown verdict varies."""
        text = (self.dir / "trace").read_text(encoding="utf-8", errors="replace")
        return sum(1 for line in text.splitlines()
                   if "xdp_exception:" in line and f"action={action}" in line and
                   line.endswith(self.needle))


def test_aborted(env: Env) -> None:
    """Counted as dropped, and traced, each of them."""
    traced = Exceptions(env)
    run = Run(env, verdict=ABORTED, count=1000)
    with Capture(env.dut, run.kind.ethertype) as to_stack:
        run.send()
        run.verdicts(ABORTED)
        nothing_arrives(to_stack, run)
    equal(traced.count("ABORTED"), 1000, "events of xdp_exception")


def test_invalid(env: Env) -> None:
    """A verdict that no kernel knows is as good as an abort."""
    traced = Exceptions(env)
    log = KernelLog()
    run = Run(env, verdict=77, count=1000)
    with Capture(env.dut, run.kind.ethertype) as to_stack:
        run.send()
        equal(run.bpf.count(ABORTED), 1000, "frames that the program saw")
        nothing_arrives(to_stack, run)
    if env.is_ceth:
        equal(run.delta().queue("xdp_aborted"), 1000, "ethtool -S xdp_aborted")
    equal(traced.count(), 1000, "events of xdp_exception")
    check(any("Illegal XDP return value" in line for line in log.lines()) or not env.is_ceth,
          "the kernel does not warn of the verdict")


# --- adjustments -----------------------------------------------------------------------


def _adjusted(env: Env, verdict: int, prog: str, sizes: list[int], head: int, tail: int) -> None:
    """Frames grow or shrink by that much, and are otherwise as they were."""
    run = Run(env, prog, sizes, Kind(run=36), len(sizes) * 6, counted=False,
              verdict=verdict, head=head, tail=tail)
    dst = env.dut if verdict == PASS else env.peer
    what = f"{VERDICTS[verdict]}, head {head:+}, tail {tail:+}, {prog}"
    with Capture(dst, run.kind.ethertype) as capture:
        run.send()
        equal(run.bpf.count(COUNT_ERROR), 0, f"{what}: adjustments that failed")
        frames = capture.all(lambda f: len(f) >= run.count)
    equal(len(frames), run.count, f"{what}: frames that arrive")
    for n, frame in enumerate(frames):
        size = sizes[n % len(sizes)]
        # A real peer pads what it sends or receives, with zeros.
        length = size + head + tail
        if len(frame) <= ETH_ZLEN and not any(frame[length:]):
            frame = frame[:length]
        equal(len(frame), length, f"{what}: length of frame {n}, {size} bytes")
        # The original payload begins `head` bytes later, or has lost its start.
        payload = HEAD.pack(b"CETH", 36, 0, n) + filling(n, size - 14 - HEAD.size)
        kept = payload[max(0, -head):len(payload) + min(0, tail)]
        at = 14 + max(0, head)
        if frame[at:at + len(kept)] != kept:
            raise Failure(f"{what}: frame {n}, {size} bytes, arrives changed")
        if tail > 0 and frame[len(frame) - tail:] != bytes(tail):
            raise Failure(f"{what}: frame {n}, {size} bytes: what was added is not zero")
    run.bpf.detach()


def test_adjust_head(env: Env) -> None:
    """Bytes added in front and taken away, for PASS and TX."""
    for verdict in (PASS, TX):
        for head in (-20, -1, 1, 20, 128, 192):
            _adjusted(env, verdict, "verdict", [64, 300, 1300], head, 0)


def test_adjust_tail(env: Env) -> None:
    """Bytes added at the end and taken away, for PASS and TX."""
    for verdict in (PASS, TX):
        for tail in (-20, -1, 1, 20, 200):
            _adjusted(env, verdict, "verdict", [64, 300, 1300], 0, tail)
        _adjusted(env, verdict, "verdict", [64, 300, 1300], -10, 10)


def test_adjust_frags(env: Env) -> None:
    """The same on frames of many buffers."""
    need_frags(env)
    env.mtu(JUMBO_MTU)
    sizes = [64, 1500, 3600, 5000, 8000]
    for verdict in (PASS, TX):
        # Room at the end of a fragment is something that not every driver leaves.
        more = [(0, 20)] if env.is_ceth else []
        for head, tail in [(-20, 0), (20, 0), (192, 0), (0, -20), (0, -3), *more]:
            _adjusted(env, verdict, "verdict_frags", sizes, head, tail)
    # Whole fragments are cut off.
    _adjusted(env, PASS, "verdict_frags", [8000], 0, -6000)
    _adjusted(env, TX, "verdict_frags", [8000, 9014], 0, -7900)


def test_adjust_too_much(env: Env) -> None:
    """What does not fit is refused to the program; the frame is none the worse."""
    bpf = bpf_of(env)
    for config in ({"head": 300}, {"tail": 4000}, {"head": -1600}, {"tail": -1600}):
        run = Run(env, count=100, counted=False, verdict=PASS, **config)
        run.send()
        equal(bpf.count(COUNT_ERROR), 100, f"{config}: refusals")
        bpf.detach()


def test_metadata(env: Env) -> None:
    """What a program stores in front of a frame arrives with it."""
    bpf = bpf_of(env)
    pin = Path(f"/sys/fs/bpf/ceth_meta_{env.dut.ifname}")
    bpf.pin("see_meta", pin)
    env.later(pin.unlink)
    env.dut.run("tc qdisc add dev {} clsact")
    env.later(lambda: env.dut.run("tc qdisc del dev {} clsact"))
    env.dut.run(f"tc filter add dev {{}} ingress bpf da object-pinned {pin}")
    for meta in (4, 8, 32):
        run = Run(env, kind=Kind(run=37), count=500, counted=False, verdict=PASS, meta=meta)
        tally = Tally(run.kind)
        with Capture(env.dut) as capture:
            run.send(capture, tally)
        tally.demand(f"{meta} bytes of metadata", order=True)
        equal(bpf.count(COUNT_ERROR), 0, f"{meta} bytes: refusals")
        equal(bpf.count(COUNT_META), 500, f"{meta} bytes: frames that carry it")
        equal(bpf.bytes(COUNT_META), 500 * meta, f"{meta} bytes: bytes of it")
        bpf.detach()


# --- frames of many buffers --------------------------------------------------------------


def features(env: Env) -> set[str]:
    """What the device says programs may do."""
    bits = env.netdev.xdp_features(env.dut.ifindex)
    return {name for name, bit in XDP_FEATURES.items() if bits & bit}


def need_frags(env: Env) -> None:
    """For programs on frames of many buffers."""
    if "rx_sg" not in features(env):
        raise Skip("the device says that it has no XDP on frames of many buffers")


def test_frags_drop(env: Env) -> None:
    """Jumbo frames to the program and nowhere else."""
    need_frags(env)
    env.mtu(JUMBO_MTU)
    _drop(env, prog="verdict_frags", sizes=JUMBO_SIZES, kind=Kind(run=38))


def test_frags_sample(env: Env) -> None:
    """Programs read the right bytes, wherever in the frame they are."""
    need_frags(env)
    env.mtu(JUMBO_MTU)
    for offset in (100, 3400, 3600, 5000, 7500, 8990):
        run = Run(env, "verdict_frags", [9014], Kind(run=39), 200, counted=False, verdict=DROP,
                  sample=offset)
        run.send()
        equal(run.bpf.count(COUNT_ERROR), 0, f"offset {offset}: reads that failed")
        at = offset - 14 - HEAD.size
        equal(run.bpf.sample(DROP), sum(filling(n, at + 1)[at] for n in range(200)),
              f"sum of the bytes at offset {offset}")


def test_frags_pass(env: Env) -> None:
    """Jumbo frames through the program to the stack."""
    need_frags(env)
    env.mtu(JUMBO_MTU)
    _pass(env, prog="verdict_frags", sizes=JUMBO_SIZES, kind=Kind(run=40))


def test_frags_tx(env: Env) -> None:
    """Jumbo frames back to where they came from."""
    need_frags(env)
    env.mtu(JUMBO_MTU)
    _tx(env, prog="verdict_frags", sizes=JUMBO_SIZES, kind=Kind(run=41))


def test_frags_redirect(env: Env) -> None:
    """Jumbo frames redirected to the device itself."""
    need_frags(env)
    if "ndo_xmit_sg" not in features(env):
        raise Skip("the device says that it sends no redirected frames of many buffers")
    env.mtu(JUMBO_MTU)
    _redirect(env, prog="verdict_frags", sizes=JUMBO_SIZES, kind=Kind(run=42))


def test_frags_refused(env: Env) -> None:
    """A program that knows one buffer only does not get jumbo frames."""
    bpf = bpf_of(env)
    env.mtu(JUMBO_MTU)
    try:
        bpf.attach("verdict")
    except NetlinkError as e:
        check(e.text, "refused without an explanation")
        say(f"refused: {e.text}")
    else:
        raise Failure("attached at MTU 9000")
    equal(env.rtnl().link(env.dut.ifindex).xdp_id, 0, "program afterwards")
    _traffic_still_flows(env, [60, 9014])


def test_mtu_refused(env: Env) -> None:
    """Nor is the MTU raised under such a program."""
    env.need_ceth("refusing an MTU that the program cannot do")
    log = KernelLog()
    bpf_of(env).attach("verdict")
    bpf_of(env).configure(verdict=PASS)
    try:
        env.rtnl().set_mtu(env.dut.ifindex, JUMBO_MTU)
    except NetlinkError as e:
        said = e.text or next((line for line in log.lines() if env.dut.ifname in line), "")
        check(said, "refused without an explanation, neither an answer nor in the log")
        say(f"refused: {said}")
    else:
        env.later(lambda: env.rtnl().set_mtu(env.dut.ifindex, 1500))
        raise Failure("MTU 9000 is taken")
    equal(env.rtnl().link(env.dut.ifindex).mtu, 1500, "MTU afterwards")
    _traffic_still_flows(env, [60, 1514])


def _traffic_still_flows(env: Env, sizes: list[int]) -> None:
    tally = Tally(Kind(run=43))
    with Capture(env.dut) as capture:
        tally.sent = blast(env.peer, env.dut.mac, tally.kind, sizes, 200)
        capture.into(tally)
    tally.demand("afterwards")


def test_features(env: Env) -> None:
    """What the device says programs may do is what they can."""
    said = features(env)
    say("xdp-features: " + " ".join(sorted(said)))
    check({"basic"} <= said, f"basic is missing: {said}")
    if env.is_ceth:
        wanted = {"basic", "redirect", "ndo_xmit", "ndo_xmit_sg"}
        check(wanted <= said, f"missing: {wanted - said}")
        check("hw_offload" not in said, "hw_offload is no feature of it")
    try:
        env.rtnl().set_mtu(env.dut.ifindex, JUMBO_MTU)
        env.later(lambda: env.rtnl().set_mtu(env.dut.ifindex, 1500))
        bpf_of(env).attach("verdict_frags")
        can_sg = True
    except NetlinkError:
        can_sg = False
    if env.is_ceth:
        equal("rx_sg" in said, can_sg, "rx-sg, and a program with frags at MTU 9000")


def test_tcp_with_program(env: Env) -> None:
    """Offloads give way to a program, and traffic does not notice."""
    bpf_of(env).attach("pass")
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 2 << 20, 4, "with a program")
    bpf_of(env).detach()
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 2 << 20, 4, "after the program")


def test_program_shown(env: Env) -> None:
    """Mode and id are shown."""
    bpf_of(env).attach("pass")
    info = env.rtnl().link(env.dut.ifindex)
    equal(info.xdp_mode, 1, "mode (1: native)")
    check(info.xdp_id > 0, "no program id")


if __name__ == "__main__":
    main(cases(test_features, test_drop, test_drop_flows, test_pass, test_pass_flows, test_tx,
               test_tx_flows, test_tx_one_queue, test_redirect_self, test_redirect_nowhere,
               test_aborted, test_invalid, test_adjust_head, test_adjust_tail,
               test_adjust_too_much, test_metadata, test_frags_drop, test_frags_sample,
               test_frags_pass, test_frags_tx, test_frags_redirect, test_adjust_frags,
               test_frags_refused, test_mtu_refused, test_tcp_with_program, test_program_shown))
