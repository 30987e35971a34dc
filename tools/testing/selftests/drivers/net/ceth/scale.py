#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Many ports of the reference NIC, with many queues: what an idle one costs, and
that nothing of it is left behind.

Memory is what the kernel says is available, before and after; the bounds leave room
for what a kernel does beside that. The figures are printed, so that the documentation
can have them.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from cethtest.env import Env
from cethtest.tap import cases, main, say
from cethtest.tool import Skip, check, equal, read, run, settle, wait_for, write

PORTS = Path("/sys/kernel/config/refnic")
DEVICES = Path("/sys/bus/refnic/devices")
MOST = 64
# KiB
PORT_1 = 400
PORT_PAIR = 24
QUEUE = 96
RING_64 = 64 * 4


def free() -> int:
    """KiB that are available, once nobody is busy giving some back."""
    write("/proc/sys/vm/drop_caches", 3)
    return int(settle(lambda: round(_available() / 256), 1.0)) * 256


def _available() -> int:
    """With what processors keep for themselves: megabytes, after buffers have come
    and gone."""
    free_kib = int(re.findall(r"^MemAvailable:\s+(\d+)", read("/proc/meminfo"), re.M)[0])
    kept = sum(map(int, re.findall(r"^\s+count:\s+(\d+)", read("/proc/zoneinfo"), re.M)))
    return free_kib + kept * 4


def account() -> dict[str, int]:
    """KiB by what they are used for: kinds of memory, and slab caches."""
    found = {name: int(kib) for name, kib in
             re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo"), re.M)}
    for line in read("/proc/slabinfo").splitlines()[2:]:
        # name, objects in use, objects, size, objects of a slab, pages of a slab
        words = line.split()
        found[words[0]] = int(words[14]) * int(words[5]) * 4
    return found


def differ(before: dict[str, int], n: int = 10) -> str:
    """What has changed most."""
    now = account()
    change = {k: v - before.get(k, 0) for k, v in now.items()}
    most = sorted(change, key=lambda k: -abs(change[k]))[:n]
    return ", ".join(f"{k} {change[k]:+}" for k in most)


def threads(prefix: str) -> list[str]:
    """Kernel threads of ports with names that begin so."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            name = read(comm)
            if name.startswith(prefix):
                found.append(name)
    return sorted(found)


def port(name: str) -> Path:
    """Where it is configured."""
    return PORTS / name


def make(names: list[str], queues: int) -> None:
    """Ports with a device each, which has an interface when this returns."""
    for name in names:
        port(name).mkdir()
        write(port(name) / "queues", queues)
        write(port(name) / "power", 1)
    for name in names:
        wait_for(lambda n=name: list((DEVICES / n).glob("net/*")), f"an interface of {name}")


def remove(names: list[str]) -> None:
    """No port, no device, no interface."""
    for name in names:
        if port(name).exists():
            port(name).rmdir()


def ifname(name: str) -> str:
    """Interface of a port."""
    return next((DEVICES / name).glob("net/*")).name


def need(env: Env) -> None:
    """Ports can be made."""
    if env.bus != "refnic":
        raise Skip("not a port of the reference NIC")


def test_ports(env: Env) -> None:
    """64 ports, of one pair of queues and of 64: what each takes."""
    need(env)
    names = [f"sc{n}" for n in range(MOST)]
    env.later(lambda: remove(names))
    for pairs, bound in ((1, PORT_1), (MOST, PORT_1 + MOST * PORT_PAIR)):
        # The first ones make caches that stay.
        make(names[:2], pairs)
        remove(names[:2])
        before = free()
        make(names, pairs)
        each = (before - free()) / MOST
        say(f"a port with {pairs} pairs, down: {each:.0f} KiB, {each / pairs:.1f} for a pair")
        equal(threads("sc"), sorted(f"{name}-adm" for name in names), "threads of idle ports")
        check(each < bound, f"{each:.0f} KiB for a port that is down, more than {bound}")
        remove(names)
        kept = before - free()
        say(f"{kept} KiB are not free again")
        check(kept < MOST * PORT_1 // 4, f"{kept} KiB are gone after {MOST} ports")


def test_queues(env: Env) -> None:
    """64 pairs of queues that are up: what each takes beside its buffers."""
    need(env)
    names = ["sc0", "sc1"]
    env.later(lambda: remove(names))
    make(names, MOST)
    write(port("sc0") / "peer", "sc1")
    for name in names:
        run(f"ethtool -L {ifname(name)} combined {MOST}", ok=False)
        run(f"ethtool -G {ifname(name)} rx 64 tx 64")
        # Alone on its wire, it has nothing to say.
        write(f"/proc/sys/net/ipv6/conf/{ifname(name)}/disable_ipv6", 1)
    # Once before, for the caches that stay
    for state in ("up", "down"):
        for name in names:
            run(f"ip link set {ifname(name)} {state}")
    before, used = free(), account()
    for name in names:
        run(f"ip link set {ifname(name)} up")
    for name in names:
        wait_for(lambda n=name: read(DEVICES / n / "net" / ifname(n) / "carrier") == "1", "carrier")
        equal(len(list((DEVICES / name / "net" / ifname(name)).glob("queues/rx-*"))), MOST,
              f"receive queues of {name}")
    each = (before - free()) / (2 * MOST)
    say(f"a pair of queues, up, with rings of 64: {each:.0f} KiB, {RING_64} of them buffers")
    say(f"KiB for {2 * MOST} pairs: {differ(used)}")
    check(each < RING_64 + QUEUE, f"{each:.0f} KiB for a pair of queues")
    equal(threads("sc"), ["sc0-adm", "sc1-adm"], "threads of queues that send nothing")
    for name in names:
        run(f"ip link set {ifname(name)} down")
    kept = before - free()
    check(kept < 4096, f"{kept} KiB are gone after the queues")


def test_loop(env: Env) -> None:
    """Ports come and go, wired and used; nothing stays."""
    need(env)
    names = ["lp0", "lp1"]
    env.later(lambda: remove(names))

    def once() -> None:
        make(names, 4)
        write(port("lp0") / "peer", "lp1")
        write(port("lp0") / "latency_ns", 1000)
        for name in names:
            run(f"ip link set {ifname(name)} up")
        remove(names[::-1])

    rounds = 15
    for _ in range(rounds):
        once()
    before, used = free(), account()
    links, irqs = len(list(Path("/sys/class/net").iterdir())), read("/proc/interrupts").count("\n")
    for _ in range(rounds):
        once()
    kept = before - free()
    say(f"{kept} KiB after {rounds} rounds: {differ(used)}")
    # The buffers of a single queue of each round would be ten times as much.
    check(kept < 12 << 10, f"{kept} KiB are gone after {rounds} rounds")
    equal(len(list(Path("/sys/class/net").iterdir())), links, "interfaces")
    equal(read("/proc/interrupts").count("\n"), irqs, "interrupts")
    equal(threads("lp"), [], "threads of ports that are gone")


if __name__ == "__main__":
    main(cases(test_ports, test_queues, test_loop))
