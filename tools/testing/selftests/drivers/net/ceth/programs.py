#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Programs of others, as distributions ship them, do on CETH what they do
elsewhere: DPDK's testpmd, and xdp-tools."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cethtest import inet
from cethtest.env import End, Env
from cethtest.frames import ETH_P_ALL, HEAD, Capture, Kind, Tally, raw_socket
from cethtest.stats import Delta, Snapshot, at_rest, link_stats
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, equal, run, run_json, sysctl, wait_for

COUNT = 600
# What no ring on the way is too short for
CHUNK = 60
SIZES = [60, 61, 300, 1024, 1514]
# Each queue's fill ring and send ring, in testpmd's own sizes
MBUFS = 2 * 2048 + 1024
MBUF_BYTES = 2432
# What the generator is told
GENERATED = 200
PINS = Path("/sys/fs/bpf/xdp")
Change = Callable[[bytes], bytes]


class Program:
    """A program that runs, and what it says."""

    def __init__(self, argv: list[str]) -> None:
        self.name = argv[0]
        self.lines: list[str] = []
        try:
            # Its output is waited for: it must not keep it to itself.
            # pylint: disable-next=consider-using-with
            self.child = subprocess.Popen(["stdbuf", "-oL", *argv], text=True,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
        except FileNotFoundError as e:
            raise Skip("stdbuf is not installed") from e
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    def said(self, pattern: str) -> None:
        """Wait until it has said something."""
        def there() -> bool:
            if self.child.poll() is not None:
                raise Failure(f"{self.name} has ended with {self.child.returncode}:\n{self.text}")
            return bool(re.search(pattern, self.text, re.M))

        try:
            wait_for(there, pattern, 60)
        except Failure as e:
            raise Failure(f"{e}\n{self.text}") from e

    def number(self, label: str) -> int:
        """A number of its summary."""
        found = re.search(rf"{label}\s*:?\s*([\d,]+)", self.text)
        if not found:
            raise Failure(f"{self.name} says nothing of {label}:\n{self.text}")
        return int(found[1].replace(",", ""))

    def ended(self, *status: int) -> None:
        """Wait for its end."""
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired as e:
            raise Failure(f"{self.name} does not end:\n{self.text}") from e
        self.reader.join(10)
        check(self.child.returncode in (status or (0,)),
              f"{self.name} has ended with {self.child.returncode}:\n{self.text}")

    def interrupt(self) -> None:
        """End it as its user does."""
        self.child.send_signal(signal.SIGINT)
        self.ended()

    def kill(self) -> None:
        """Whatever becomes of it."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def programs_loaded() -> set[int]:
    """BPF programs that there are in the kernel."""
    return {p["id"] for p in run_json("bpftool -j prog show")}


def sockets() -> dict[tuple[int, int], bool]:
    """AF_XDP sockets by interface and queue, and whether they are zero-copy."""
    run("modprobe -q xsk_diag", ok=False)
    text = run("ss --xdp --all --extended --no-header").stdout
    return {(int(index), int(queue)): zc == "1"
            for index, queue, zc in re.findall(r"ifindex:(\d+),qid:(\d+),zc:(\d)", text)}


@contextlib.contextmanager
def nothing_left(env: Env, program: str) -> Iterator[None]:
    """What is in the kernel afterwards was there before."""
    env.need_ceth("the counters of XDP and AF_XDP")
    if run(["sh", "-c", f"command -v {program}"], ok=False).returncode:
        raise Skip(f"{program} is not installed")
    if not Path("/sys/fs/bpf").is_mount():
        run("mount -t bpf bpf /sys/fs/bpf")
    # One that fails must not spoil what comes after.
    env.later(lambda: shutil.rmtree(PINS, ignore_errors=True))
    before = programs_loaded()
    yield
    for pair in env.pairs:
        equal(env.rtnl().link(pair.dut.ifindex).xdp_id, 0, f"program on {pair.dut.ifname}")
    equal(list(PINS.glob("*")), [], "pinned programs")
    # Programs and sockets go when nobody can be in them any more.
    wait_for(lambda: not sockets(), "no socket is left")
    wait_for(lambda: programs_loaded() <= before, "no BPF program is left")


@contextlib.contextmanager
def running(*argv: str) -> Iterator[Program]:
    """A program, which does not outlive the case."""
    program = Program(list(argv))
    try:
        yield program
    finally:
        program.kill()


def same(frame: bytes) -> bytes:
    """As it was sent."""
    return frame


def swapped(frame: bytes) -> bytes:
    """With its two hardware addresses exchanged."""
    return frame[6:12] + frame[:6] + frame[12:]


def carry(src: End, dst: End, kind: Kind, macs: tuple[bytes, bytes],
          change: Change = same) -> None:
    """Send frames with these addresses (to, from) at one end; at the other come
    just these, changed as they should be, each once, in the order of its flow."""
    tally = Tally(kind)
    frames: list[bytes] = []
    with Capture(dst, kind.ethertype) as capture, raw_socket(src) as out:
        out.patience(30)

        def take() -> bool:
            while True:
                data = capture.get()
                if data is None:
                    return len(tally.seen) >= tally.sent
                if tally.add(data):
                    check(not tally.duplicated, f"a frame came twice: {tally}")
                    seq = HEAD.unpack_from(data, kind.offset)[3]
                    if data != change(frames[seq]):
                        equal(data.hex(" "), change(frames[seq]).hex(" "), "a frame")

        while tally.sent < COUNT:
            for _ in range(CHUNK):
                size = SIZES[len(frames) % len(SIZES)]
                frames.append(kind.frame(*macs, len(frames), size))
            out.send_all(frames[-CHUNK:])
            tally.sent = len(frames)
            try:
                wait_for(take, "frames")
            except Failure as e:
                raise Failure(f"{e}: {tally}") from e
        tally.demand(f"{src.ifname} to {dst.ifname}", order=True)
        check(not capture.unsummed, "frames without checksum")


# --- DPDK -------------------------------------------------------------------------


@contextlib.contextmanager
def testpmd(env: Env, queues: int, options: str = "") -> Iterator[None]:
    """DPDK's own test of forwarding, between the two devices under test."""
    duts = [pair.dut for pair in env.pairs]
    mbufs = 2 * queues * MBUFS
    # DPDK has things of its own to keep there, too.
    pages = -(-mbufs * MBUF_BYTES // (2 << 20)) + 20
    env.huge_pages(pages, least=pages)
    for dut in duts:
        # It leaves it on.
        env.later(lambda d=dut: d.run("ip link set {} promisc off"))
    vdevs = [word for i, dut in enumerate(duts) for word in
             ("--vdev", f"net_af_xdp{i},iface={dut.ifname},queue_count={queues}{options}")]
    with running("dpdk-testpmd", "--in-memory", "--no-pci", "--no-telemetry", "--iova-mode=va",
                 "-l", "0,1", *vdevs, "--", "--forward-mode=io", "--auto-start",
                 f"--rxq={queues}", f"--txq={queues}", f"--total-num-mbufs={mbufs}") as pmd:
        pmd.said("Press enter to exit")
        equal(sockets(), {(d.ifindex, q): True for d in duts for q in range(queues)},
              "sockets, and whether they are zero-copy")
        for pair in env.pairs:
            env.ready(pair)
        yield
        assert pmd.child.stdin
        pmd.child.stdin.write("\n")
        pmd.child.stdin.flush()
        pmd.ended()


def forwards(env: Env, kind: Kind, busy: bool) -> None:
    """Both ways, unchanged, and without a copy."""
    for a, b in (env.pairs, env.pairs[::-1]):
        before = [Snapshot(env, e) for e in (a.dut, b.dut)]
        carry(a.peer, b.peer, kind, (b.peer.mac, a.peer.mac))
        came, went = (Delta(s, at_rest(env, e)) for s, e in zip(before, (a.dut, b.dut)))
        equal(came.queue("xdp_redirect"), COUNT, "frames that sockets took")
        # Of frames that are copied to be sent, this counts none.
        equal(went.queue("xsk_packets", "tx"), COUNT, "frames that sockets sent")
        equal(went.link("tx_packets"), COUNT, "frames sent in all")
        equal(came.queue("xsk_copied"), 0, "frames copied for the stack")
        queues = [k for k, v in went.after.ethtool.items()
                  if k.endswith("_xsk_packets") and v > went.before.ethtool[k]]
        say(f"{a.dut.ifname} to {b.dut.ifname}: sent from {len(queues)} queues, "
            f"{went.queue('xsk_wakeups')} calls")
        check(kind.flows == 1 or len(queues) > 1, "one queue had all flows")
        # One that polls has no need to wake anybody.
        equal(went.queue("xsk_wakeups") == 0, busy, "it was polled")


def test_testpmd(env: Env) -> None:
    """All queues, busy polling, as it comes."""
    with nothing_left(env, "dpdk-testpmd"), testpmd(env, env.channel_limits()[0]):
        forwards(env, Kind(run=71, udp=True, flows=32), busy=True)


def test_testpmd_wakeup(env: Env) -> None:
    """One queue, which interrupts drive."""
    for pair in env.pairs:
        for end in pair.ends:
            env.channels(1, end)
    with nothing_left(env, "dpdk-testpmd"), testpmd(env, 1, ",busy_budget=0"):
        forwards(env, Kind(run=72), busy=False)


# --- xdp-tools ----------------------------------------------------------------------


@contextlib.contextmanager
def bench(env: Env, *argv: str) -> Iterator[Program]:
    """xdp-bench, while it counts; what it has counted is right."""
    with nothing_left(env, "xdp-bench"), running("xdp-bench", *argv, "-i", "1") as program:
        # Its first report: from now on it counts.
        program.said(" rx/s")
        for pair in env.pairs:
            env.ready(pair)
        yield program
        program.interrupt()
        equal(program.number("Packets received"), COUNT, f"xdp-bench {argv[0]}: received")


def counted(env: Env, end: End, before: Snapshot, name: str, prefix: str = "rx") -> None:
    """The device has counted all frames in a counter."""
    equal(Delta(before, at_rest(env, end)).queue(name, prefix), COUNT, f"{prefix}: {name}")


def blind(env: Env) -> None:
    """Send what nobody will see; wait for the device to have counted it."""
    kind = Kind(run=74)
    want = link_stats(env, env.dut)["rx_packets"] + COUNT
    with raw_socket(env.peer) as out:
        macs = env.dut.mac, env.peer.mac
        for seq in range(0, COUNT, CHUNK):
            out.send_all(kind.frame(*macs, n, SIZES[n % len(SIZES)])
                         for n in range(seq, seq + CHUNK))
            floor = want - COUNT + seq + CHUNK
            wait_for(lambda f=floor: link_stats(env, env.dut)["rx_packets"] >= f, f"frame {seq}")


def test_bench_drop(env: Env) -> None:
    """xdp-bench drop."""
    with bench(env, "drop", env.dut.ifname) as program:
        before = Snapshot(env)
        blind(env)
        counted(env, env.dut, before, "xdp_drop")
    equal(program.number("Rx dropped"), COUNT, "xdp-bench: dropped")


def test_bench_pass(env: Env) -> None:
    """xdp-bench pass."""
    with bench(env, "pass", env.dut.ifname):
        before = Snapshot(env)
        carry(env.peer, env.dut, Kind(run=75), (env.dut.mac, env.peer.mac))
        counted(env, env.dut, before, "xdp_pass")


def test_bench_tx(env: Env) -> None:
    """xdp-bench tx."""
    with bench(env, "tx", env.dut.ifname):
        before = Snapshot(env)
        carry(env.peer, env.peer, Kind(run=76), (env.dut.mac, env.peer.mac), swapped)
        counted(env, env.dut, before, "xdp_tx")


def test_bench_redirect(env: Env) -> None:
    """xdp-bench redirect, from one device to the other."""
    a, b = env.pairs
    with bench(env, "redirect", "-s", a.dut.ifname, b.dut.ifname) as program:
        before = Snapshot(env, a.dut), Snapshot(env, b.dut)
        # To be another's after the exchange
        carry(a.peer, b.peer, Kind(run=77), (a.dut.mac, b.peer.mac), swapped)
        counted(env, a.dut, before[0], "xdp_redirect")
        counted(env, b.dut, before[1], "xdp_packets", "tx")
    equal(program.number("Packets transmitted"), COUNT, "xdp-bench: transmitted")


def test_bench_redirect_cpu(env: Env) -> None:
    """xdp-bench redirect-cpu."""
    env.need_cpus(2)
    with bench(env, "redirect-cpu", "-c", "1", env.dut.ifname):
        before = Snapshot(env)
        carry(env.peer, env.dut, Kind(run=78), (env.dut.mac, env.peer.mac))
        counted(env, env.dut, before, "xdp_redirect")


@contextlib.contextmanager
def bench_xsk(env: Env, *argv: str) -> Iterator[Program]:
    """A mode of xdp-bench with a socket, which is zero-copy."""
    for pair in env.pairs[:1]:
        for end in pair.ends:
            env.channels(1, end)
    with nothing_left(env, "xdp-bench"), \
            running("xdp-bench", *argv, "-C", "zero-copy", "-i", "1", env.dut.ifname) as program:
        wait_for(sockets, "a socket")
        equal(sockets(), {(env.dut.ifindex, 0): True}, "sockets, and whether they are zero-copy")
        program.said(" rx/s")
        env.ready()
        yield program
        program.interrupt()


def test_bench_xsk_tx(env: Env) -> None:
    """xdp-bench xsk-tx. Without busy polling it does not ask for its last frames
    to be sent: it counts on more to come."""
    with bench_xsk(env, "xsk-tx", "-B"):
        before = Snapshot(env)
        carry(env.peer, env.peer, Kind(run=79), (env.dut.mac, env.peer.mac), swapped)
        counted(env, env.dut, before, "xdp_redirect")
        counted(env, env.dut, before, "xsk_packets", "tx")


def test_bench_xsk_drop(env: Env) -> None:
    """xdp-bench xsk-drop."""
    with bench_xsk(env, "xsk-drop", "-p"):
        before = Snapshot(env)
        blind(env)
        counted(env, env.dut, before, "xdp_redirect")


@contextlib.contextmanager
def generated(env: Env, counter: str, *argv: str) -> Iterator[tuple[Program, Snapshot]]:
    """What the generator sends arrives; what does not was counted. With the
    counters of before it started."""
    with nothing_left(env, "xdp-trafficgen"), Capture(env.peer, ETH_P_ALL) as capture:
        before = at_rest(env)
        with running("xdp-trafficgen", *argv, "-m", env.peer.mac.hex(":"),
                     env.dut.ifname) as program:
            yield program, before
        delta = Delta(before, at_rest(env))
        sent = delta.queue(counter, "tx")
        say(f"{sent} frames sent")
        # A ring may be too short for frames that come as fast as that.
        equal(sent + delta.queue("xdp_full", "tx"), COUNT, f"{program.text}\nframes sent, or not")
        check(sent >= CHUNK, f"only {sent} frames were sent")
        frames = capture.all(lambda found: len(found) >= sent)
        equal(len(frames), sent, f"{program.text}\nframes that arrived")
        # Its sizes are with the four bytes that hardware adds.
        equal({len(f) for f in frames}, {GENERATED - 4}, "their length")
        equal({f[:12] for f in frames}, {env.peer.mac + env.dut.mac}, "their addresses")
        equal({inet.faults(f) for f in frames}, {""}, "their checksums")


def test_trafficgen_udp(env: Env) -> None:
    """xdp-trafficgen udp: frames that the kernel makes and XDP redirects."""
    with generated(env, "xdp_packets", "udp", "-n", str(COUNT), "-I", "1", "-s",
                   str(GENERATED)) as (program, _):
        # Having sent all, it reports failure in some versions.
        program.ended(0, 1)


def test_trafficgen_xsk(env: Env) -> None:
    """xdp-trafficgen xsk-udp: from the memory of a socket."""
    with generated(env, "xsk_packets", "xsk-udp", "-c", str(COUNT), "-s", str(GENERATED),
                   "-C", "zero-copy") as (program, before):
        wait_for(lambda: Delta(before, Snapshot(env)).queue("xsk_packets", "tx") == COUNT,
                 "all to be sent")
        program.said("xmit/s")
        program.interrupt()
        equal(program.number(r"Totals:\n\s+TX"), COUNT, "xdp-trafficgen: transmitted")


def routed(to: bytes, by: bytes) -> Change:
    """What a router makes of a frame."""
    def change(frame: bytes) -> bytes:
        head = frame[14:22] + bytes([frame[22] - 1]) + frame[23:24] + b"\0\0" + frame[26:34]
        head = head[:10] + inet.csum(head).to_bytes(2, "big") + head[12:]
        return to + by + frame[12:14] + head + frame[34:]

    return change


def test_forward(env: Env) -> None:
    """xdp-forward: routing by the kernel's tables, without its stack."""
    a, b = env.pairs
    sysctl("net/ipv4/ip_forward", 1)
    env.later(lambda: sysctl("net/ipv4/ip_forward", 0))
    b.dut.run(f"ip route add 198.51.100.2/32 via {b.peer.ip4} dev {{}}")
    env.later(lambda: b.dut.run("ip route del 198.51.100.2/32 dev {}"))
    with nothing_left(env, "xdp-forward"):
        names = [a.dut.ifname, b.dut.ifname]
        run(["xdp-forward", "load", *names])
        try:
            env.ready(a)
            env.ready(b)
            before = Snapshot(env, a.dut), Snapshot(env, b.dut)
            carry(a.peer, b.peer, Kind(run=80, udp=True, flows=8), (a.dut.mac, a.peer.mac),
                  routed(b.peer.mac, b.dut.mac))
            counted(env, a.dut, before[0], "xdp_redirect")
            counted(env, b.dut, before[1], "xdp_packets", "tx")
        finally:
            run(["xdp-forward", "unload", *names])


if __name__ == "__main__":
    main(cases(test_testpmd, test_testpmd_wakeup, test_bench_drop, test_bench_pass, test_bench_tx,
               test_bench_redirect, test_bench_redirect_cpu, test_bench_xsk_tx,
               test_bench_xsk_drop, test_trafficgen_udp, test_trafficgen_xsk, test_forward), pairs=2)
