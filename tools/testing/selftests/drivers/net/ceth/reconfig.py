#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Everything that can be configured is changed under traffic.

Afterwards traffic flows and no counter has gone back; frames are lost only
where queues had to be restarted. What cannot be done is refused with a
reason, and changes nothing.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.frames import Kind, blast
from cethtest.stats import Delta, Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, KernelLog, Skip, check, equal, run, run_json

JUMBO_MTU = 9000
# An explanation is more than the name of an error.
BARE = {os.strerror(n) for n in range(1, 134)}


@contextmanager
def traffic(env: Env, what: str, loss: bool = False, flows: int = 8) -> Iterator[Both]:
    """Frames both ways on all queues, accounted for at the end."""
    before = Snapshot(env)
    with Both(env.dut, env.peer, sizes=(60, 1000), rate=300, udp=True, flows=flows) as both:
        both.wait(20)
        yield both
        both.wait(20)
        tallies = both.demand(what, loss=loss)
    say(f"{what}: lost {', '.join(f'{t.lost} of {t.sent}' for t in tallies)}")
    for tally in tallies:
        check(tally.lost < tally.sent / 2, f"{what}: more lost than not: {tally}")
    if loss:
        steady(env.dut, env.peer, what)
    back = Snapshot(env).went_back(before)
    check(not back, f"{what}: counters went backwards: {back}")


def explanation(stderr: str, log: KernelLog, ifname: str) -> str:
    """Why something was refused: the answer's text, else the kernel's log."""
    for line in stderr.splitlines():
        label, _, text = line.partition(": ")
        if label in ("netlink error", "Error") and text.strip() not in BARE:
            return text.strip()
    return next((line for line in log.lines() if ifname in line), "")


def refused(env: Env, command: str, show: str) -> None:
    """A command fails with an explanation, and what `show` prints stays the same."""
    log = KernelLog()
    command, show = command.format(env.dut.ifname), show.format(env.dut.ifname)
    before = run(show).stdout
    done = run(command, ok=False)
    check(done.returncode != 0, f"{command}: is not refused")
    equal(run(show).stdout, before, f"{command}: {show} afterwards")
    why = explanation(done.stderr + done.stdout, log, env.dut.ifname)
    say(f"{command}: {why or done.stderr.strip()}")
    log.close()
    if env.is_ceth:
        check(why, f"{command}: refused without an explanation: {done.stderr.strip()}")


def rings(env: Env) -> dict[str, int]:
    """Ring sizes and their limits."""
    done = run(f"ethtool --json -g {env.dut.ifname}", ok=False)
    if done.returncode:
        raise Skip("the device's rings have no size that is shown")
    shown = run_json(f"ethtool --json -g {env.dut.ifname}")[0]
    return {k: v for k, v in shown.items() if isinstance(v, int)}


def set_rings(env: Env, **sizes: int) -> None:
    """Change ring sizes."""
    words = " ".join(f"{k.replace('_', '-')} {v}" for k, v in sizes.items())
    done = run(f"ethtool -G {env.dut.ifname} {words}", ok=False)
    if done.returncode and "not supported" in done.stderr:
        raise Skip(f"ethtool -G {words}: {done.stderr.strip()}")
    # 80: nothing was changed
    check(done.returncode in (0, 80), f"ethtool -G {words}: {done.stderr.strip()}")


def ring_sizes(most: int, least: int = 64) -> list[int]:
    """Powers of two, up and down again."""
    up = [n for n in (64, 128, 256, 512, 1024, 2048, 4096) if least <= n <= most]
    return up + up[-2::-1]


def test_rings(env: Env) -> None:
    """Ring sizes from smallest to largest and back."""
    now = rings(env)
    env.later(lambda: set_rings(env, rx=now["rx"], tx=now["tx"]))
    with traffic(env, "ring sizes", loss=True) as both:
        for size in ring_sizes(now["rx-max"]):
            set_rings(env, rx=size)
            equal(rings(env)["rx"], size, "rx ring")
            both.wait(20)
        for size in ring_sizes(now["tx-max"]):
            set_rings(env, tx=size)
            equal(rings(env)["tx"], size, "tx ring")
            both.wait(20)


def test_rings_same(env: Env) -> None:
    """Asking for what is already there changes nothing and loses nothing."""
    env.need_ceth("no restart without a change")
    now = rings(env)
    with traffic(env, "same ring sizes") as both:
        for _ in range(5):
            set_rings(env, rx=now["rx"], tx=now["tx"])
            both.wait(10)


def test_rx_buf_len(env: Env) -> None:
    """Buffers of half a page and of a page, with frames that need several."""
    now = rings(env)
    if "rx-buf-len" not in now:
        raise Skip("the device's buffers have no size that is shown")
    env.later(lambda: set_rings(env, rx_buf_len=now["rx-buf-len"]))
    with traffic(env, "rx-buf-len", loss=True) as both:
        for size in (2048, 4096, 2048, 4096, 2048):
            set_rings(env, rx_buf_len=size)
            equal(rings(env)["rx-buf-len"], size, "rx-buf-len")
            both.wait(20)
    env.mtu(JUMBO_MTU)
    with Both(env.dut, env.peer, sizes=(60, 1514, 1472, 1473, 9014), rate=200) as both:
        both.wait(100)
        both.demand(f"rx-buf-len {rings(env)['rx-buf-len']}, jumbo frames")


def test_channels(env: Env) -> None:
    """Queue pairs from one to all and back."""
    now, most = env.channel_limits()
    if most < 2:
        raise Skip("the device has one queue pair")
    env.later(lambda: env.dut.run(f"ethtool -L {{}} combined {now}"))
    with traffic(env, "channels", loss=True, flows=32) as both:
        for n in [*range(1, most + 1), *range(most - 1, 0, -1)]:
            env.dut.run(f"ethtool -L {{}} combined {n}")
            equal(env.channel_limits()[0], n, "channels")
            both.wait(20)
        env.dut.run(f"ethtool -L {{}} combined {now}")


def test_mtu(env: Env) -> None:
    """The MTU goes up and down."""
    env.mtu(JUMBO_MTU, env.peer)
    env.later(lambda: env.rtnl().set_mtu(env.dut.ifindex, 1500))
    with traffic(env, "MTU", loss=True) as both:
        for mtu in (JUMBO_MTU, 1500, 3500, 4096, 2000, JUMBO_MTU, 1280, 1500):
            env.rtnl().set_mtu(env.dut.ifindex, mtu)
            equal(env.rtnl().link(env.dut.ifindex).mtu, mtu, "MTU")
            both.wait(20)


def _coalesce(env: Env, words: str) -> bool:
    done = run(f"ethtool -C {env.dut.ifname} {words}", ok=False)
    if done.returncode not in (0, 80):
        say(f"ethtool -C {words}: {done.stderr.strip()}")
    return done.returncode in (0, 80)


def test_coalesce(env: Env) -> None:
    """Interrupt moderation, fixed and adaptive, loses nothing."""
    done = run(f"ethtool --json -c {env.dut.ifname}", ok=False)
    if done.returncode:
        raise Skip("the device has no interrupt moderation that is shown")
    shown = run_json(f"ethtool --json -c {env.dut.ifname}")[0]
    keys = [k for k in ("rx-usecs", "rx-frames", "tx-usecs", "tx-frames")
            if shown.get(k) is not None]
    adaptive = shown.get("adaptive-rx") is not None
    if not keys:
        raise Skip("the device has no interrupt moderation")
    for key in keys:
        env.later(lambda k=key: _coalesce(env, f"{k} {shown[k]}"))
    taken = 0
    with traffic(env, "coalescing") as both:
        if adaptive:
            _coalesce(env, "adaptive-rx off")
        for key in keys:
            for value in (1, 8, 32, 0, shown[key]):
                taken += _coalesce(env, f"{key} {value}")
                both.wait(10)
        if adaptive:
            for state in ("on", "off", "on", "off"):
                check(_coalesce(env, f"adaptive-rx {state}"), f"adaptive-rx {state}")
                both.wait(10)
    check(taken, "no value was taken")


def _has_rss(env: Env) -> int:
    """Entries of the indirection table."""
    text = run(f"ethtool -x {env.dut.ifname}", ok=False).stdout
    entries = re.findall(r"^\s*\d+:((?:\s+\d+)+)$", text, re.M)
    if not entries:
        raise Skip("the device has no indirection table")
    return sum(len(line.split()) for line in entries)


def test_rss(env: Env) -> None:
    """Indirection table and key change under traffic, and nothing is lost."""
    _has_rss(env)
    n = env.channel_limits()[0]
    if n < 2:
        raise Skip("one queue pair only")
    env.later(lambda: env.dut.run("ethtool -X {} default", ok=False))
    old = re.search(r"^((?:[0-9a-f]{2}:)+[0-9a-f]{2})$", env.dut.run("ethtool -x {}"), re.M)
    with traffic(env, "RSS", flows=32) as both:
        for words in ("equal 1", f"equal {n}", "weight " + "1 " * n, "weight 1 3" + " 0" * (n - 2)):
            env.dut.run(f"ethtool -X {{}} {words}")
            both.wait(20)
        for _ in range(3):
            if old:
                key = random.Random(7).randbytes(len(old[1].split(":"))).hex(":")
                env.dut.run(f"ethtool -X {{}} hkey {key}")
                both.wait(20)
        env.dut.run("ethtool -X {} default")
    if old:
        env.dut.run(f"ethtool -X {{}} hkey {old[1]}")


def _rx_by_queue(before: Snapshot, after: Snapshot) -> dict[int, int]:
    def packets(s: Snapshot) -> dict[int, int]:
        return {q["id"]: q["rx_packets"] for q in s.queues if q["type"] == 0}

    old, new = packets(before), packets(after)
    if not new:
        raise Skip("the driver has no statistics of each queue")
    return {i: new[i] - old[i] for i in new}


def test_rss_steers(env: Env) -> None:
    """The table is obeyed: frames come in on the queues that it names."""
    _has_rss(env)
    n = env.channel_limits()[0]
    if n < 2:
        raise Skip("one queue pair only")
    env.later(lambda: env.dut.run("ethtool -X {} default", ok=False))
    kind = Kind(run=71, udp=True, flows=64)
    for words, allowed in (("equal 1", {0}), (f"start {n - 1} equal 1", {n - 1}),
                           (f"equal {n}", set(range(n)))):
        env.dut.run(f"ethtool -X {{}} {words}")
        before = at_rest(env)
        blast(env.peer, env.dut.mac, kind, [60], 512)
        env.wait_for(lambda b=before: Delta(b, Snapshot(env)).link("rx_packets") >= 512, "frames")
        came = _rx_by_queue(before, at_rest(env))
        used = {q for q, count in came.items() if count}
        check(used <= allowed and (len(allowed) == 1 or len(used) > 1),
              f"ethtool -X {words}: frames by queue {came}")


def test_features(env: Env) -> None:
    """Offloads are switched under traffic, and nothing is lost."""
    state = run_json(f"ethtool --json -k {env.dut.ifname}")[0]
    names = [n for n in ("rx-checksumming", "tx-checksumming", "tcp-segmentation-offload",
                         "tx-udp-segmentation", "scatter-gather", "generic-receive-offload",
                         "rx-gro-hw", "receive-hashing")
             if n in state and not state[n]["fixed"]]
    if not env.is_ceth:
        # Others restart queues for some of these.
        names = [n for n in names if n.startswith(("tx", "tcp", "scatter"))]
    keys = [n.replace("-", "_") for n in names]
    with traffic(env, "features") as both:
        for key in keys * 2:
            now = run_json(f"ethtool --json -k {env.dut.ifname}")[0][key.replace("_", "-")]
            env.offload(env.dut, **{key: not now["active"]})
            both.wait(5)


def test_rx_mode(env: Env) -> None:
    """Promiscuous mode and multicast lists change, and nothing is lost."""
    names = ("promisc", "allmulticast")
    with traffic(env, "receive filter") as both:
        for name in names:
            for state in ("on", "off", "on", "off"):
                env.dut.run(f"ip link set {{}} {name} {state}")
        for what in ("add", "del"):
            env.dut.ip(*(f"maddr {what} 33:33:00:00:01:{i:02x} dev {{}}" for i in range(80)))
            both.wait(20)
        for i in range(3):
            env.dut.run(f"ip link add link {{}} name vlan{90 + i} type vlan id {90 + i}")
            env.dut.run(f"ip link del vlan{90 + i}")


def test_mac(env: Env) -> None:
    """Another address: traffic to it arrives; then the old one again."""
    old = env.dut.mac.hex(":")
    env.later(lambda: env.configure(env.pairs[0]))
    env.later(lambda: env.dut.run(f"ip link set {{}} address {old}"))
    for mac in ("52:54:00:12:34:56", old, "02:00:00:00:00:01"):
        env.dut.run(f"ip link set {{}} address {mac}")
        equal(env.dut.mac.hex(":"), mac, "address")
        env.configure(env.pairs[0])
        env.dut.run(f"ping -q -c 3 -i 0.05 -W 10 {env.peer.ip4}")
    # The kernel itself says no to a group's address, and not why.
    done = run(f"ip link set {env.dut.ifname} address 01:00:5e:00:00:01", ok=False)
    check(done.returncode != 0, "the address of a group is not refused")
    equal(env.dut.mac.hex(":"), mac, "address afterwards")


def test_refused_rings(env: Env) -> None:
    """Impossible rings."""
    now = rings(env)
    show = "ethtool -g {}"
    refused(env, f"ethtool -G {{}} rx {now['rx-max'] * 2}", show)
    refused(env, f"ethtool -G {{}} tx {now['tx-max'] + 1}", show)
    if env.is_ceth:
        refused(env, "ethtool -G {} rx 1", show)
        refused(env, "ethtool -G {} tx 1", show)
        refused(env, "ethtool -G {} rx 0", show)
        refused(env, "ethtool -G {} rx-mini 8", show)
        refused(env, "ethtool -G {} rx-jumbo 8", show)
        if "rx-buf-len" in now:
            refused(env, "ethtool -G {} rx-buf-len 1000", show)
            refused(env, "ethtool -G {} rx-buf-len 65536", show)


def test_refused_channels(env: Env) -> None:
    """Impossible channels."""
    most = env.channel_limits()[1]
    show = "ethtool -l {}"
    refused(env, "ethtool -L {} combined 0", show)
    refused(env, f"ethtool -L {{}} combined {most + 1}", show)
    refused(env, "ethtool -L {} rx 1", show)
    refused(env, "ethtool -L {} combined 1 other 1", show)


def test_refused_coalesce(env: Env) -> None:
    """Impossible moderation."""
    if run(f"ethtool -c {env.dut.ifname}", ok=False).returncode:
        raise Skip("the device has no interrupt moderation")
    show = "ethtool -c {}"
    for word in ("rx-usecs 4000000000", "rx-frames 4000000000", "rx-usecs-irq 5", "pkt-rate-low 5"):
        refused(env, f"ethtool -C {{}} {word}", show)


def test_refused_rss(env: Env) -> None:
    """Impossible tables; ethtool asks by ioctl, which has no room for reasons."""
    _has_rss(env)
    n, most = env.channel_limits()
    before = env.dut.run("ethtool -x {}")
    for words in (f"equal {most + 1}", f"start {n} equal 1", "hfunc xor", "hkey 01:02",
                  "weight " + "1 " * (most + 1)):
        done = run(f"ethtool -X {env.dut.ifname} {words}", ok=False)
        check(done.returncode != 0, f"ethtool -X {words}: is not refused")
        equal(env.dut.run("ethtool -x {}"), before, f"ethtool -x after -X {words}")
    if n > 1:
        env.later(lambda: env.dut.run("ethtool -X {} default", ok=False))
        env.dut.run(f"ethtool -X {{}} equal {n}")
        refused(env, "ethtool -L {} combined 1", "ethtool -l {}")


def test_refused_mtu(env: Env) -> None:
    """Impossible MTUs."""
    limits = run_json(f"ip -d -j link show {env.dut.ifname}")[0]
    show = "ip -o link show {}"
    for mtu in (limits["max_mtu"] + 1, max(limits["min_mtu"] - 1, 0)):
        if 0 < mtu < 65536 and mtu != 1500:
            refused(env, f"ip link set {{}} mtu {mtu}", show)


def test_while_down(env: Env) -> None:
    """What is configured while the device is down holds when it is up."""
    now, most = env.channel_limits()
    sizes = rings(env)
    env.later(lambda: env.configure(env.pairs[0]))
    env.rtnl().set_up(env.dut.ifindex, False)
    changes: list[Callable[[], object]] = []
    if most > 1:
        env.dut.run(f"ethtool -L {{}} combined {1 if now == 2 else 2}")
        changes.append(lambda: env.dut.run(f"ethtool -L {{}} combined {now}"))
    try:
        set_rings(env, rx=128, tx=128)
        changes.append(lambda: set_rings(env, rx=sizes["rx"], tx=sizes["tx"]))
    except Failure as e:
        say(f"rings cannot be changed while down: {e}")
        check(not env.is_ceth, str(e))
    want = env.channel_limits()[0], rings(env)
    for change in changes:
        env.later(change)
    env.rtnl().set_up(env.dut.ifindex, True)
    env.ready()
    equal((env.channel_limits()[0], rings(env)), want, "configuration once it is up")
    with traffic(env, "configured while down"):
        pass


if __name__ == "__main__":
    main(cases(test_rings, test_rings_same, test_rx_buf_len, test_channels, test_mtu,
               test_coalesce, test_rss, test_rss_steers, test_features, test_rx_mode, test_mac,
               test_while_down, test_refused_rings, test_refused_channels, test_refused_coalesce,
               test_refused_rss, test_refused_mtu))
