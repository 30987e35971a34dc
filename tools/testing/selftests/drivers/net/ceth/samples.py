#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The programs of samples/ceth do what they say."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cethtest import inet
from cethtest.env import End, Env
from cethtest.frames import ETH_P_ALL, ETHERTYPE, Capture, raw_socket
from cethtest.funcs import parent
from cethtest.rxhash import random_packet, shown_context
from cethtest.tap import cases, main, say
from cethtest.times import Clock, timed, timestamping
from cethtest.tool import Failure, Skip, check, equal, in_ns, read, run, run_json, wait_for

HERE = Path(__file__).resolve().parent
FRAMES = 200
PORT = 9
CAP_NET_RAW = 13


def sample(name: str) -> str:
    """A compiled one."""
    for folder in (HERE / "samples", HERE.parents[5] / "samples/ceth"):
        if (folder / name).exists():
            return str(folder / name)
    raise Skip(f"samples/ceth/{name} is not compiled")


@contextlib.contextmanager
def running(env: Env, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A sample that runs; it has to end well when it is told to."""
    with subprocess.Popen([sample(argv[0]), *argv[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env=os.environ | {"HINTS_BPF": sample("hints.bpf.o"),
                                             "FORWARD_BPF": sample("forward.bpf.o")}) as child:
        # Whatever becomes of it
        env.later(lambda: run(f"ip link set {env.dut.ifname} xdp off", ok=False))
        try:
            yield child
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
    equal(child.returncode, 0, f"exit status of {argv[0]}")


def told(child: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The next line that fits."""
    assert child.stdout is not None
    seen = []
    for line in child.stdout:
        seen.append(line)
        found = re.search(pattern, line)
        if found:
            return found
    raise Failure(f"no line with {pattern}: {''.join(seen)}")


def exchange(env: Env, sender: End, receiver: End, swapped: bool, size: int = 100) -> None:
    """What is sent at one end comes out at the other, whole, once each."""
    rng = random.Random(3)
    kind = ETHERTYPE.to_bytes(2, "big")
    got: list[bytes] = []
    with raw_socket(sender) as out, Capture(receiver) as back:
        out.settimeout(30)

        def collect() -> bool:
            while data := back.get():
                got.append(data)
            return len(got) >= len(sent)

        sent: list[bytes] = []
        for i in range(FRAMES):
            payload = i.to_bytes(4, "big") + rng.randbytes(size)
            out.send(env.dut.mac + sender.mac + kind + payload)
            head = sender.mac + env.dut.mac if swapped else env.dut.mac + sender.mac
            sent.append(head + kind + payload)
            # No faster than a slow machine forwards: nothing is to be lost.
            if i % 20 == 19:
                wait_for(collect, f"frame {i}")
        equal(sorted(got), sorted(sent), "frames that came back")


def test_forward(env: Env) -> None:
    """With one NIC frames go back where they came from, in every mode."""
    for words in (["-m", "poll"], ["-m", "busy"], ["-m", "wakeup"], ["-c"]):
        with running(env, "forward", *words, "-q", "2", env.dut.ifname) as child:
            how = [told(child, r"queue (\d): (.*)")[2] for _ in range(2)]
            env.ready()
            exchange(env, env.peer, env.peer, swapped=True)
            count = told(child, r"/s, ([1-9]\d*) frames")
            say(f"{' '.join(words)}: {how[0]}, {count[0]}")


def test_forward_queues(env: Env) -> None:
    """Flows of all queues are forwarded."""
    n = env.channel_limits()[0]
    with running(env, "forward", "-q", str(n), env.dut.ifname) as child:
        told(child, f"queue {n - 1}:")
        env.ready()
        rng = random.Random(5)
        packets = [random_packet(rng, 4, inet.UDP) for _ in range(64)]
        with raw_socket(env.peer) as out, Capture(env.peer, ETH_P_ALL) as back:
            for i, packet in enumerate(packets):
                out.send(packet.frame(env.dut.mac, env.peer.mac, i))
            got: list[bytes] = []

            def collect() -> bool:
                while data := back.get():
                    got.append(data)
                return sum(b"RXHASH" in data for data in got) >= len(packets)

            wait_for(collect, "packets of all flows")


def test_forward_jumbo(env: Env) -> None:
    """Frames of several chunks."""
    env.mtu(9000)
    env.channels(1)
    with running(env, "forward", "-s", env.dut.ifname) as child:
        told(child, "queue 0:")
        env.ready()
        exchange(env, env.peer, env.peer, swapped=True, size=8000)


def test_forward_two(env: Env) -> None:
    """From one NIC to another, both ways."""
    first, second = env.pairs[0], env.pairs[1]
    for end in (*first.ends, *second.ends):
        end.run("ip link set {} promisc on")
        env.later(lambda e=end: e.run("ip link set {} promisc off"))
    env.later(lambda: run(f"ip link set {second.dut.ifname} xdp off", ok=False))
    with running(env, "forward", "-m", "poll", first.dut.ifname, second.dut.ifname) as child:
        told(child, f"{second.dut.ifname}, queue 0:")
        env.ready(first)
        env.ready(second)
        exchange(env, first.peer, second.peer, swapped=False)
        exchange(env, second.peer, first.peer, swapped=False)


def test_hints(env: Env) -> None:
    """Time, hash and tag as they are."""
    context = shown_context(env.dut)
    if not context or "receive-hashing: on" not in env.dut.run("ethtool -k {}"):
        raise Skip("the device computes no hash")
    env.channels(1)
    clocked = False
    with contextlib.suppress(Skip):
        clock = timed(env, env.dut, rx=True)
        clocked = True
    rng = random.Random(7)
    with running(env, "hints", env.dut.ifname) as child, raw_socket(env.peer) as out:
        wait_for(lambda: "xdp" in env.dut.run("ip link show {}"), "the program")
        env.ready()
        for version in (4, 6):
            packet = random_packet(rng, version, inet.TCP)
            before = clock.now if clocked else 0
            out.send(packet.frame(env.dut.mac, env.peer.mac, 0))
            line = told(child, f"hash {context.hash(packet):#010x} of TCP/IPv{version}")
            found = re.search(r"time (\d+)\.(\d+)", line.string)
            equal(bool(found), clocked, f"there is a time in {line.string}")
            if found:
                at = int(found[1]) * 1_000_000_000 + int(found[2])
                check(before <= at <= clock.now, "the time is not that of the frame")


def test_txtime(env: Env) -> None:
    """Frames arrive, with checksums, and none is sent before its time."""
    Clock(env.dut)
    env.later(lambda: timestamping(env.dut, False, False))
    # The stack verifies the checksums.
    env.peer.run("ethtool -K {} rx off")
    env.later(lambda: env.peer.run("ethtool -K {} rx on"))
    with in_ns(env.peer.ns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.bind((env.peer.ip4, PORT))
        sock.settimeout(30)
        for words in ([], ["-l", "500000"]):
            done = run([sample("txtime"), *words, "-n", "16", env.dut.ifname,
                        env.peer.mac.hex(":"), env.dut.ip4, env.peer.ip4], timeout=120)
            times = re.findall(r"frame (\d+): sent (\d+)\.(\d+)(, \d+ ns after)?", done.stdout)
            equal([int(t[0]) for t in times], list(range(16)), "frames that were sent")
            stamps = [int(t[1] + t[2]) for t in times]
            check(stamps[0] and stamps == sorted(stamps), f"times: {stamps}")
            equal([bool(t[3]) for t in times], [bool(words)] * 16, "launch times")
            if words:
                check(stamps[-1] - stamps[0] >= 15_000_000 - 1_000_000, "all at the same time")
            equal([int.from_bytes(sock.recv(100), "big") for _ in range(16)], list(range(16)),
                  "numbers that arrived")


class Agent:
    """samples/ceth/node-agent, until it is told to end."""

    def __init__(self, *argv: str) -> None:
        self.argv = [sample("node-agent"), "--forward", sample("forward"),
                     "--bpf", sample("forward.bpf.o"), *argv]

    def __enter__(self) -> Agent:
        self.before = left()
        self.child = subprocess.Popen(self.argv, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)
        try:
            self.memory = told(self.child, "memory: .*")[0]
            self.pid = int(told(self.child, r"container: process (\d+)")[1])
            self.name = told(self.child, r"^(?:slice|lease): .*?(\w+)$")[1]
            told(self.child, "queue .: zero-copy")
        except BaseException:
            self.child.kill()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.child.send_signal(signal.SIGTERM)
        try:
            rest = self.child.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            self.child.kill()
            rest = "it does not end"
        if kind:
            return
        equal((self.child.returncode, "node-agent:" in rest), (0, False), f"its end: {rest}")
        check(not Path(f"/proc/{self.pid}").exists(), "the process in the container is left")
        wait_for(lambda: left() == self.before, f"nothing to be left of {self.before}: {left()}")

    def powerless(self) -> None:
        """The container is nobody, with one capability, and that over nothing of ours."""
        status = dict(re.findall(r"^(\w+):\s+(.*)$", read(f"/proc/{self.pid}/status"), re.M))
        equal(set(status["Uid"].split()), {"65534"}, "user of the container")
        equal({int(status[f"Cap{of}"], 16) for of in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
              {1 << CAP_NET_RAW}, "its capabilities")
        equal(status["NoNewPrivs"], "1", "no new ones")
        for of in ("user", "net", "mnt", "pid"):
            check(os.readlink(f"/proc/{self.pid}/ns/{of}") != os.readlink(f"/proc/self/ns/{of}"),
                  f"it is in our {of} namespace")

    def frames(self) -> None:
        """It counts."""
        say(told(self.child, r"/s, [1-9]\d* frames.*").string)


def left() -> dict[str, object]:
    """What an agent makes."""
    shown = run_json("ip -d -j link show")
    return {"interfaces": sorted(link["ifname"] for link in shown),
            "programs": sorted(link["ifname"] for link in shown if "xdp" in link),
            "ports": sorted(run_json("devlink -j port show")["port"]),
            "pins": sorted(map(str, Path("/sys/fs/bpf").glob("*"))),
            "maps": len(run_json("bpftool -j map show") or [])}


def test_agent_slice(env: Env) -> None:
    """A container without rights forwards what comes to its slice."""
    say(f"unprivileged_bpf_disabled: {read('/proc/sys/kernel/unprivileged_bpf_disabled')}")
    device = parent(env)
    mac = "52:45:46:80:00:99"
    for huge in (False, True):
        with contextlib.suppress(Skip):
            if huge:
                env.huge_pages(12, 8)
        with Agent("slice", "--rate", "500mbit", device, "99", mac) as agent:
            say(agent.memory)
            agent.powerless()
            back(env, bytes.fromhex(mac.replace(":", "")), b"")
            agent.frames()


def test_agent_refused(env: Env) -> None:
    """What cannot be is refused with the reason, and nothing is left."""
    device, before = parent(env), left()
    for words, reason in (([device, "99", env.dut.mac.hex(":")], "the device has that address"),
                          (["--queues", "5", device, "99", "52:45:46:80:00:99"], "max_io_eqs"),
                          (["--queues", "64000", device, "99", "52:45:46:80:00:99"], "memory"),
                          (["refnic/nobody", "99", "52:45:46:80:00:99"], "")):
        done = run([sample("node-agent"), "--forward", sample("forward"),
                    "--bpf", sample("forward.bpf.o"), "slice", *words], ok=False)
        check(done.returncode == 1 and re.search(f"node-agent: .*{reason}", done.stderr),
              f"{words}: {done.returncode} {done.stderr}")
        wait_for(lambda: left() == before, "nothing to be left")


def test_agent_lease(env: Env) -> None:
    """A container without rights forwards what a rule steers to the queue that it leases."""
    env.need_ceth("leasing queues")
    queue = env.channel_limits()[0] - 1
    if not queue:
        raise Skip("needs two queues")
    try:
        with Agent("lease", env.dut.ifname, str(queue), f"flow-type udp4 dst-port {PORT}") as agent:
            agent.powerless()
            back(env, env.dut.mac, udp_head())
            agent.frames()
    except Failure as e:
        if re.search(r"node-agent: (this kernel leases no queues|.*ethtool -N)", str(e)):
            raise Skip("this kernel leases no queues, or the device has no rules") from e
        raise


def udp_head() -> bytes:
    """What steers a frame to the agent's queue."""
    length = 8 + 104
    return (inet.ipv4(socket.inet_aton("198.51.100.1"), socket.inet_aton("198.51.100.2"),
                      inet.UDP, length) + (10000).to_bytes(2, "big") + PORT.to_bytes(2, "big") +
            length.to_bytes(2, "big") + bytes(2))


def back(env: Env, mac: bytes, head: bytes) -> None:
    """What the peer sends to that address comes back, whole, once each."""
    kind = (inet.ETH_IP if head else ETHERTYPE).to_bytes(2, "big")
    rng = random.Random(4)
    got: list[bytes] = []
    sent: list[bytes] = []
    with raw_socket(env.peer) as out, Capture(env.peer, int.from_bytes(kind, "big")) as capture:
        out.settimeout(30)

        def collect() -> bool:
            while data := capture.get():
                got.append(data)
            return len(got) >= len(sent)

        for i in range(FRAMES):
            payload = kind + head + i.to_bytes(4, "big") + rng.randbytes(100)
            out.send(mac + env.peer.mac + payload)
            sent.append(env.peer.mac + mac + payload)
            if i % 20 == 19:
                wait_for(collect, f"frame {i}")
    equal(sorted(got), sorted(sent), "frames that came back")


if __name__ == "__main__":
    main(cases(test_forward, test_forward_queues, test_forward_jumbo, test_forward_two,
               test_hints, test_txtime, test_agent_slice, test_agent_lease,
               test_agent_refused), pairs=2)
