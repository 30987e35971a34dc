#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Clock, times of packets, rate limits, VLAN tags, header split.

Figures are the device's own: times by its clock, rates by the times.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from pathlib import Path

from cethtest import tcp
from cethtest.bpf import PASS, Bpf
from cethtest.env import End, Env
from cethtest.flow import Both, steady
from cethtest.pci import Function
from cethtest.stats import Snapshot, at_rest, restart
from cethtest.tap import cases, main, say
from cethtest.times import (ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, RX_HARDWARE, TX_HARDWARE, Clock,
                            sent, stamp, timed, timed_socket, timestamping)
from cethtest.tool import (SO_RCVBUFFORCE, Skip, check, equal, in_ns, read, run, run_json,
                           wait_for, write)


def test_clock(env: Env) -> None:
    """The clock runs forward, can be set, moved, and made faster."""
    clock = Clock(env.dut)
    times = [clock.now for _ in range(200)]
    equal(times, sorted(times), "readings")
    check(times[0] < times[-1], "the clock stands still")
    clock.set(1_000_000_000_000)
    now = clock.now
    check(now >= 1_000_000_000_000, f"set to 1000 s, and it is {now}")
    clock.adjust(modes=ADJ_SETOFFSET | ADJ_NANO, sec=5000, nsec=7)
    check(clock.now >= now + 5000_000_000_007, "moved by 5000 s, and it is not")
    other = Clock(env.peer)
    clock.adjust(modes=ADJ_FREQUENCY, freq=30_000 << 16)
    env.later(lambda: clock.adjust(modes=ADJ_FREQUENCY, freq=0))
    a, b = clock.now, other.now
    wait_for(lambda: other.now - b > 3_000_000_000, "time to pass")
    ours, theirs = clock.now - a, other.now - b
    say(f"{ours} ns against {theirs} ns")
    check(1.02 < ours / theirs < 1.04, f"3 % faster: {ours / theirs:.4f}")
    clock.set(time.time_ns())
    clock.adjust(modes=ADJ_FREQUENCY, freq=0)


def test_rx_time(env: Env) -> None:
    """Received packets have the time of the device's clock."""
    clock = timed(env, env.dut, rx=True)
    with timed_socket(env.dut, RX_HARDWARE) as rx, timed_socket(env.peer, 0) as tx:
        last = 0
        for i in range(20):
            before = clock.now
            tx.sendto(bytes([i]) * 100, rx.getsockname())
            _, ancillary, _, _ = rx.recvmsg(2000, 512)
            at = stamp(ancillary)
            check(before <= at <= clock.now, f"packet {i}: not while it was under way: {at}")
            check(at > last, f"packet {i} came before the one before it")
            last = at
        timestamping(env.dut, False, False)
        tx.sendto(b"late", rx.getsockname())
        _, ancillary, _, _ = rx.recvmsg(2000, 512)
        equal(stamp(ancillary), 0, "time when none is wanted")


def test_tx_time(env: Env) -> None:
    """Packets that ask for it are told when they were sent."""
    clock = timed(env, env.dut, tx=True)
    with timed_socket(env.dut, TX_HARDWARE) as tx, timed_socket(env.peer, 0) as rx:
        for i in range(20):
            before = clock.now
            tx.sendto(bytes([i]) * 100, rx.getsockname())
            check(before <= sent(tx) <= clock.now, f"packet {i}: not while it was under way")


def test_tx_rate(env: Env) -> None:
    """tx_maxrate holds, by the times of arrival; without it there is no limit."""
    knobs = list(Path(f"/sys/class/net/{env.dut.ifname}/queues").glob("tx-*/tx_maxrate"))
    mbps = 2
    try:
        for knob in knobs:
            write(knob, mbps)
    except OSError as e:
        raise Skip(f"the device limits no rates: {e}") from None

    def off() -> None:
        for knob in knobs:
            write(knob, 0)

    env.later(off)
    # The default one drops what has to wait for long.
    env.dut.run("tc qdisc replace dev {} root pfifo limit 1000")
    env.later(lambda: env.dut.run("tc qdisc del dev {} root"))
    timed(env, env.peer, rx=True)

    def arrivals(n: int) -> list[int]:
        with timed_socket(env.peer, RX_HARDWARE) as rx, timed_socket(env.dut, 0) as tx:
            # Sending waits for the device; nobody reads meanwhile.
            rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            for _ in range(n):
                tx.sendto(bytes(1400), rx.getsockname())
            return [stamp(rx.recvmsg(2000, 512)[1]) for _ in range(n)]

    for change in ("", "ethtool -G {} tx 256", "ethtool -G {} tx 1024"):
        if change:
            env.dut.run(change)
            env.ready()
        times = arrivals(250)
        # Of most: where the sender, or BQL, is late, the queue has nothing to send.
        gaps = sorted(b - a for a, b in zip(times, times[1:]))
        rate = (1400 + 28 + 14) * 8 / gaps[len(gaps) // 2] * 1000
        say(f"{rate:.3f} Mbit/s of {mbps}")
        check(abs(rate - mbps) < mbps * 0.05, f"{rate:.3f} Mbit/s instead of {mbps}")
    off()
    steady(env.dut, env.peer, "rates limited and not")


def test_vlan(env: Env) -> None:
    """Tags that the device puts in and takes off are those that the kernel would."""
    state = run_json(f"ethtool --json -k {env.dut.ifname}")[0]
    if state["tx-vlan-offload"]["fixed"] or state["rx-vlan-offload"]["fixed"]:
        raise Skip("the device has nothing to do with tags")
    for i, end in enumerate((env.dut, env.peer)):
        end.run("ip link add link {} name ceth-v5 type vlan id 5")
        env.later(lambda e=end: e.run("ip link del ceth-v5"))
        run(f"ip addr add 198.51.100.{i + 1}/24 dev ceth-v5", end.ns)
        run("ip link set ceth-v5 up", end.ns)
    for tx in (True, False):
        for rx in (True, False):
            got = env.offload(env.dut, tx_vlan_offload=tx, rx_vlan_offload=rx)
            equal(got, {"tx_vlan_offload": tx, "rx_vlan_offload": rx}, "features")
            for size in (10, 1400, 1472):
                run(f"ping -q -c 2 -i 0.05 -W 10 -s {size} 198.51.100.2")
    # With a program tags stay where they are.
    env.offload(env.dut, tx_vlan_offload=True, rx_vlan_offload=True)
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    bpf.attach("verdict")
    run("ping -q -c 2 -i 0.05 -W 10 198.51.100.2")
    bpf.detach()
    a, b = End("ceth-v5", None, "198.51.100.1", ""), End("ceth-v5", env.peer.ns, "198.51.100.2", "")
    tcp.transfer(a, b, 1 << 20, what="tags by the device")
    tcp.transfer(b, a, 1 << 20, what="tags by the device")


def test_data_split(env: Env) -> None:
    """Headers in buffers of their own: TCP is none the worse."""
    def split(state: str) -> bool:
        return run(f"ethtool -G {env.dut.ifname} tcp-data-split {state}", ok=False).returncode == 0

    if not split("on"):
        raise Skip("the device does not split headers from data")
    env.later(lambda: split("off"))
    check("on" in re.findall(r"^TCP data split:\s+(\w+)", env.dut.run("ethtool -g {}"), re.M),
          "tcp-data-split is not shown")
    for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
        tcp.transfer(src, dst, 1 << 20, what="headers split")
    with Both(env.dut, env.peer, udp=True, flows=16) as both:
        for _ in range(3):
            check(split("off"), "tcp-data-split off")
            both.wait(10)
            check(split("on"), "tcp-data-split on")
            both.wait(10)
        both.demand("headers split and not", loss=True)
    env.mtu(9000)
    tcp.transfer(env.peer, env.dut, 1 << 20, what="headers split, jumbo frames")


class Rules:
    """Steering rules for a case."""

    def __init__(self, env: Env) -> None:
        self.env = env
        env.later(self.clear)
        if env.channel_limits()[0] < 3:
            raise Skip("fewer than three queue pairs")

    def locations(self) -> list[int]:
        """Rules that there are."""
        text = self.env.dut.run("ethtool -n {}", ok=False)
        return [int(n) for n in re.findall(r"^Filter: (\d+)", text, re.M)]

    def clear(self) -> None:
        """None any more."""
        for loc in self.locations():
            self.env.dut.run(f"ethtool -N {{}} delete {loc}", ok=False)

    def add(self, words: str) -> bool:
        """One more."""
        done = run(f"ethtool -N {self.env.dut.ifname} flow-type {words}", ok=False)
        return done.returncode == 0

    def queues(self, port: int, n: int = 60) -> set[int]:
        """Where datagrams to a port come in, from as many flows; none: nowhere."""
        env = self.env
        before = at_rest(env)
        with in_ns(env.peer.ns):
            for _ in range(n):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.bind((env.peer.ip4, 0))
                    s.sendto(b"x" * 100, (env.dut.ip4, port))
        after = at_rest(env)

        def packets(snapshot: Snapshot) -> dict[int, int]:
            return {q["id"]: q["rx_packets"] for q in snapshot.queues if q["type"] == 0}

        old, new = packets(before), packets(after)
        return {q for q in new if new[q] - old[q] > 0}


def test_rules(env: Env) -> None:
    """Rules steer, drop, are shown, and outlive queues and resets."""
    rules = Rules(env)
    if not rules.add("udp4 dst-port 7001 action 2 loc 5"):
        raise Skip("the device has no steering rules")
    # Answers of "nobody listens" would come back otherwise.
    with contextlib.ExitStack() as stack:
        for port in (7001, 7002, 7003):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((env.dut.ip4, port))
        check(rules.add("udp4 dst-port 7002 action -1 loc 6"), "a rule that drops")
        equal(rules.locations(), [5, 6], "rules shown")
        for change in ("", "ethtool -G {} rx 256", "ethtool -G {} rx 1024"):
            if change:
                env.dut.run(change)
                env.ready()
            equal(rules.queues(7001), {2}, f"queues of what is steered to 2 ({change})")
            equal(rules.queues(7002), set(), "queues of what is dropped")
            check(len(rules.queues(7003)) > 1, "what no rule is for comes in on one queue")
        restart(env)
        equal(rules.queues(7001), {2}, "queues of what is steered to 2, after a reset")
        check(rules.add(f"udp4 src-ip {env.peer.ip4} dst-port 7001 action 1 loc 1"), "a rule before")
        equal(rules.queues(7001), {1}, "queues when another rule comes first")
        env.dut.run("ethtool -N {} delete 1")
        equal(rules.queues(7001), {2}, "queues when that is gone")


def test_rules_refused(env: Env) -> None:
    """What the device cannot match is refused, and so are queues that rules need."""
    rules = Rules(env)
    most = env.channel_limits()[0]
    if not rules.add(f"tcp4 dst-port 80 action {most - 1} loc 0"):
        raise Skip("the device has no steering rules")
    for words in ("udp4 dst-port 0x1000 m 0x0fff action 1 loc 2",
                  "udp4 dst-port 1 action 99 loc 2", "udp4 dst-port 1 action 1 loc 99999",
                  "sctp4 dst-port 1 action 1 loc 2"):
        check(not rules.add(words), f"not refused: {words}")
    equal(rules.locations(), [0], "rules afterwards")
    done = run(f"ethtool -L {env.dut.ifname} combined 1", ok=False)
    check(done.returncode != 0, "channels that a rule needs are taken away")
    equal(env.channel_limits()[0], most, "channels")


def test_revisions(env: Env) -> None:
    """Older and newer hardware: what it has is offered, and it works."""
    function = Function(env)
    port = Path("/sys/kernel/config/refnic") / env.pci
    if not (port / "caps").exists():
        raise Skip("the device has one revision")
    caps = int(read(port / "caps"), 0)
    bits = [bit for bit in range(64) if caps >> bit & 1]

    def swap(value: int) -> None:
        write(port / "power", 0)
        write(port / "caps", value)
        with function.no_autoprobe():
            write(port / "power", 1)
        function.bind()
        env.ready()

    env.later(lambda: swap(caps))
    # The base set; all of the next revision; each capability missing or alone.
    for value in [0, caps | 1 << 63, *(caps & ~(1 << bit) for bit in bits),
                  *(1 << bit for bit in bits)]:
        swap(value)
        state = run_json(f"ethtool --json -k {env.dut.ifname}")[0]
        for bit, names in ((0, ("rx-checksumming",)), (1, ("tx-checksum-ip-generic",)),
                           (4, ("receive-hashing",)), (9, ("tx-vlan-offload",))):
            for name in names:
                equal(not state[name]["fixed"], bool(value >> bit & 1),
                      f"caps {value:#x}: {name} can be switched")
        table = run(f"ethtool -x {env.dut.ifname}", ok=False).stdout
        equal(" 0: " in table, bool(value >> 4 & 1), f"caps {value:#x}: indirection table")
        steady(env.dut, env.peer, f"caps {value:#x}")
        if value in (0, caps | 1 << 63, caps & ~2):
            tcp.transfer(env.dut, env.peer, 1 << 18, what=f"caps {value:#x}")
            tcp.transfer(env.peer, env.dut, 1 << 18, what=f"caps {value:#x}")


if __name__ == "__main__":
    main(cases(test_clock, test_rx_time, test_tx_time, test_tx_rate, test_vlan, test_data_split,
               test_rules, test_rules_refused, test_revisions))
