#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""NAPI: threads, busy polling, interrupts, and how all that is linked."""

from __future__ import annotations

import os
import random
import re
import socket
import struct
from pathlib import Path

from cethtest import inet, irq, tcp
from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.frames import raw_socket
from cethtest.nl import NetlinkError, u32
from cethtest.rxhash import random_packet
from cethtest.stats import at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, in_ns, read, write

SO_BUSY_POLL, SO_INCOMING_NAPI_ID, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET = 46, 56, 69, 70
NETDEV_NAPI_SET = 14


def knob(env: Env, name: str) -> Path:
    """A file of the device in sysfs."""
    path = Path(f"/sys/class/net/{env.dut.ifname}/{name}")
    if not path.exists():
        raise Skip(f"this kernel has no {name} of a device")
    return path


def turn(env: Env, name: str, value: object) -> None:
    """Change it for this case."""
    path = knob(env, name)
    before = read(path)
    write(path, value)
    env.later(lambda: write(path, before))


def napi_threads(env: Env) -> list[str]:
    """Kernel threads that poll for the device."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if name.startswith(f"napi/{env.dut.ifname}"[:15]):
            found.append(name)
    return found


def test_threaded(env: Env) -> None:
    """Polling in threads, on and off under traffic, loses nothing."""
    path = knob(env, "threaded")
    env.later(lambda: write(path, 0))
    with Both(env.dut, env.peer, udp=True, flows=16) as both:
        for state in (1, 0, 1, 0, 1):
            write(path, state)
            equal(int(read(path)), state, "threaded")
            both.wait(50)
        check(napi_threads(env), "no thread polls")
        both.demand("threaded on and off", loss=not env.is_ceth)
    tcp.transfer(env.peer, env.dut, 1 << 20, 4, "threaded")


def test_threaded_changes(env: Env) -> None:
    """Threads stay on when queues come and go."""
    path = knob(env, "threaded")
    env.later(lambda: write(path, 0))
    write(path, 1)
    now, most = env.channel_limits()
    env.later(lambda: env.configure(env.pairs[0]))
    env.later(lambda: env.dut.run(f"ethtool -L {{}} combined {now}"))
    with Both(env.dut, env.peer, udp=True, flows=16) as both:
        for n in (1, most, now):
            env.dut.run(f"ethtool -L {{}} combined {n}")
            both.wait(20)
        env.rtnl().set_up(env.dut.ifindex, False)
        env.rtnl().set_up(env.dut.ifindex, True)
        env.ready()
        both.wait(20)
        both.demand("threaded, queues change", loss=True)
    steady(env.dut, env.peer, "threaded, queues change")
    equal(read(path), "1", "threaded afterwards")
    check(napi_threads(env), "no thread polls")


def _busy_polls() -> int:
    lines = read("/proc/net/netstat").splitlines()
    for head, values in zip(lines, lines[1:]):
        if head.startswith("TcpExt: S"):
            table = dict(zip(head.split(), values.split()))
            return int(table.get("BusyPollRxPackets", 0))
    return 0


def _echo(env: Env, rounds: int) -> None:
    """Questions and answers over sockets that poll the device themselves."""
    with in_ns(env.peer.ns):
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with far, near:
        far.bind((env.peer.ip4, 0))
        near.bind((env.dut.ip4, 0))
        near.connect(far.getsockname())
        far.connect(near.getsockname())
        far.settimeout(20)
        # Not settimeout(): that would wait in poll(), and never poll the device.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 20, 0))
        near.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 2000)
        near.setsockopt(socket.SOL_SOCKET, SO_PREFER_BUSY_POLL, 1)
        near.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL_BUDGET, 64)
        for n in range(rounds):
            question = tcp.pattern(64 + n % 1300, n)
            near.send(question)
            equal(far.recv(2000) == question, True, f"question {n} arrives")
            far.send(question)
            equal(near.recv(2000) == question, True, f"answer {n} arrives")
        napi = struct.unpack("=I", near.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID, 4))[0]
    check(napi > 0, "packets do not say which NAPI instance they came by")
    if env.is_ceth:
        ids = {n["id"] for n in env.netdev.napis(env.dut.ifindex)}
        check(napi in ids, f"NAPI {napi} is none of the device's: {sorted(ids)}")


def test_busy_poll(env: Env) -> None:
    """Sockets poll the device, with interrupts and with them held back."""
    before = _busy_polls()
    _echo(env, 300)
    turn(env, "napi_defer_hard_irqs", 2)
    turn(env, "gro_flush_timeout", 2000000)
    _echo(env, 300)
    polled = _busy_polls() - before
    say(f"{polled} packets of 600 by busy polling")
    check(polled > 0, "no packet came by busy polling")


def test_defer_irqs(env: Env) -> None:
    """Interrupts that are held back lose nothing and stop nothing."""
    turn(env, "napi_defer_hard_irqs", 5)
    turn(env, "gro_flush_timeout", 100000)
    with Both(env.dut, env.peer, udp=True, flows=16) as both:
        both.wait(200)
        both.demand("interrupts deferred")
    tcp.transfer(env.peer, env.dut, 2 << 20, 4, "interrupts deferred")
    tcp.transfer(env.dut, env.peer, 2 << 20, 4, "interrupts deferred")


def test_linkage(env: Env) -> None:
    """netdev-genl shows each queue's NAPI instance, and each instance's interrupt."""
    env.need_ceth("showing queues, NAPI instances and interrupts")
    for n in {1, env.channel_limits()[1]}:
        env.channels(n)
        queues = env.netdev.queues(env.dut.ifindex)
        equal([(k, i) for k, i, _ in queues], [(k, i) for k in (0, 1) for i in range(n)],
              "queues (type, index)")
        rx = [napi for kind, _, napi in queues if kind == 0]
        tx = [napi for kind, _, napi in queues if kind == 1]
        check(None not in rx + tx, f"queues without NAPI instance: {queues}")
        equal(tx, rx, "NAPI instances of transmit and receive queues")
        napis = {i["id"]: i for i in env.netdev.napis(env.dut.ifindex)}
        equal(sorted(set(x for x in rx if x)), sorted(napis), "NAPI instances of queues, and all")
        irqs = [napis[x].get("irq", 0) for x in rx if x]
        check(len(set(irqs)) == n and 0 not in irqs, f"interrupts of {n} instances: {irqs}")
        device = irq.of_device(env.dut)
        check(set(irqs) <= set(device), f"interrupts {irqs} are not the device's {device}")


def test_linkage_down(env: Env) -> None:
    """A device that is down has no queues that work."""
    env.need_ceth("showing queues")
    env.later(lambda: env.configure(env.pairs[0]))
    env.rtnl().set_up(env.dut.ifindex, False)
    try:
        equal(env.netdev.napis(env.dut.ifindex), [], "NAPI instances while down")
    except NetlinkError as e:
        say(f"napi-get while down: {e}")


def test_irq_names(env: Env) -> None:
    """Interrupts are called what their device and queue are called."""
    env.need_ceth("names of interrupts")
    text = Path("/proc/interrupts").read_text(encoding="utf-8", errors="replace")
    n = env.channel_limits()[0]
    names = re.findall(rf"\S*{re.escape(env.dut.ifname)}\S*", text)
    say("interrupts: " + " ".join(names))
    check(len(names) >= n, f"{n} queue pairs, interrupts named after the device: {names}")


def _queue_irqs(env: Env) -> list[int]:
    return sorted(n["irq"] for n in env.netdev.napis(env.dut.ifindex) if "irq" in n)


def test_affinity_survives(env: Env) -> None:
    """Where the user lets an interrupt run holds through changes."""
    env.need_ceth("keeping the affinity of interrupts")
    env.need_cpus(2)
    irqs = irq.Irqs(env, env.dut)
    irqs.pin(1)
    mine = _queue_irqs(env)
    check(mine, "no interrupts of queues")
    rx = int(re.findall(r"^RX:\s+(\d+)", env.dut.run("ethtool -g {}"), re.M)[1])
    now, most = env.channel_limits()
    env.later(lambda: env.configure(env.pairs[0]))
    env.later(lambda: env.dut.run(f"ethtool -L {{}} combined {now}"))
    env.later(lambda: env.dut.run(f"ethtool -G {{}} rx {rx}"))
    for step in ("ethtool -G {} rx 128", "ip link set {} down", "ip link set {} up",
                 "ethtool -L {} combined 1", f"ethtool -L {{}} combined {most}",
                 f"ethtool -L {{}} combined {now}", "ip link set {} mtu 4000",
                 "ip link set {} mtu 1500"):
        env.dut.run(step)
        where = {i: irq.affinity(i) for i in mine}
        check(set(where.values()) == {"1"}, f"after {step}: interrupts may run on {where}")
    equal(_queue_irqs(env), mine, "interrupts of the queues")


def test_irq_spread(env: Env) -> None:
    """Without a user's word interrupts are spread over the CPUs."""
    env.need_ceth("suggesting CPUs for interrupts")
    env.need_cpus(2)
    n = env.channel_limits()[0]
    if n < 2:
        raise Skip("one queue pair only")
    hints = [read(f"/proc/irq/{i}/affinity_hint") for i in _queue_irqs(env)]
    say("hints: " + " ".join(hints))
    check(len(set(hints)) > 1, f"all interrupts have the same hint: {hints}")


def _xps(env: Env) -> list[int]:
    """Masks of the CPUs that each transmit queue sends for."""
    queues = sorted(Path(f"/sys/class/net/{env.dut.ifname}/queues").glob("tx-*"),
                    key=lambda q: int(q.name[3:]))
    return [int(read(q / "xps_cpus").replace(",", ""), 16) for q in queues]


def _sent(env: Env) -> list[int]:
    """Packets that each transmit queue has sent."""
    queues = sorted((q for q in at_rest(env).queues if q["type"]), key=lambda q: q["id"])
    return [q["tx_packets"] for q in queues]


def test_send_queues(env: Env) -> None:
    """A CPU sends on the queues whose interrupts it is to get; the user may change that."""
    env.need_ceth("suggesting CPUs for transmit queues")
    env.need_cpus(2)
    now, most = env.channel_limits()
    if most < 2:
        raise Skip("one queue pair only")
    env.later(lambda: env.channels(now))
    env.channels(1)
    env.channels(most)
    hints = [int(read(f"/proc/irq/{i}/affinity_hint").replace(",", ""), 16)
             for i in _queue_irqs(env)]
    equal(sorted(_xps(env)), sorted(hints), "CPUs of the transmit queues")
    rng = random.Random(1)
    cpus = os.sched_getaffinity(0)
    env.later(lambda: os.sched_setaffinity(0, cpus))
    for cpu in (0, 1):
        os.sched_setaffinity(0, {cpu})
        before = _sent(env)
        with raw_socket(env.dut) as sock:
            for i in range(64):
                sock.send(random_packet(rng, 4, inet.UDP).frame(env.peer.mac, env.dut.mac, i))
        sent = [n - was for n, was in zip(_sent(env), before)]
        say(f"from CPU {cpu}, by queue: {sent}")
        check(sum(sent) >= 64, "not all was sent")
        for mask, count in zip(_xps(env), sent):
            # The system has something to say at times.
            check(mask >> cpu & 1 or count < 16, f"CPU {cpu} sent on the queue of CPUs {mask:x}")
    path = Path(f"/sys/class/net/{env.dut.ifname}/queues/tx-0/xps_cpus")
    was = read(path)
    env.later(lambda: write(path, was))
    write(path, "3")
    env.later(lambda: env.configure(env.pairs[0]))
    for step in ("ip link set {} down", "ip link set {} up", "ethtool -L {} combined 1",
                 f"ethtool -L {{}} combined {most}", "ip link set {} mtu 1400",
                 "ip link set {} mtu 1500"):
        env.dut.run(step)
        equal(int(read(path).replace(",", ""), 16), 3, f"what the user has set, after {step}")
    equal(sorted(_xps(env)[1:]), sorted(hints[1:]), "CPUs of the other queues")


def test_napi_settings(env: Env) -> None:
    """Settings of one NAPI instance hold through down and up."""
    env.need_ceth("NAPI settings that persist")
    napis = env.netdev.napis(env.dut.ifindex)
    if not napis or "defer_hard_irqs" not in napis[0]:
        raise Skip("this kernel has no settings of a NAPI instance")
    first = min(n["id"] for n in napis)
    try:
        env.netdev.call(NETDEV_NAPI_SET, u32(2, first) + u32(5, 77) + u32(6, 5000))
    except NetlinkError as e:
        raise Skip(f"this kernel cannot set them: {e}") from e
    env.later(lambda: env.netdev.call(NETDEV_NAPI_SET, u32(2, first) + u32(5, 0) + u32(6, 0)))
    env.later(lambda: env.configure(env.pairs[0]))
    env.rtnl().set_up(env.dut.ifindex, False)
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    after = {n["id"]: n for n in env.netdev.napis(env.dut.ifindex)}
    check(first in after, f"NAPI {first} has another id after down and up: {sorted(after)}")
    equal((after[first]["defer_hard_irqs"], after[first]["gro_flush_timeout"]), (77, 5000),
          "defer-hard-irqs and gro-flush-timeout after down and up")


if __name__ == "__main__":
    main(cases(test_threaded, test_threaded_changes, test_busy_poll, test_defer_irqs,
               test_linkage, test_linkage_down, test_irq_names, test_affinity_survives,
               test_irq_spread, test_send_queues, test_napi_settings))
