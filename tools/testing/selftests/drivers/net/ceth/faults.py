#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A device that misbehaves: the driver survives, recovers by itself, says so.

Only for a device that can be told to: the reference NIC, whose knobs are in
debugfs. Meanwhile traffic may be lost, but what arrives is whole.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

from cethtest.bpf import DROP, PASS, REDIRECT, TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, Flow, steady
from cethtest.frames import EVERYBODY, Capture, Kind, Tally, blast
from cethtest.nl import NetlinkError
from cethtest.stats import Snapshot, at_rest, ethtool_stats, summed
from cethtest.tap import cases, main, say
from cethtest.tcp import Stream, transfer
from cethtest.tool import (KernelLog, Skip, check, equal, read, run, run_json, wait_for,
                           write)

DEBUGFS = Path("/sys/kernel/debug/refnic")
# Bits of chaos_mask: rx_dup and tx_dup
TWICE = 1 << 1 | 1 << 8


class Knobs:
    """What the device can be made to do wrong."""

    def __init__(self, env: Env) -> None:
        self.dir = DEBUGFS / (env.pci or "-")
        if not self.dir.is_dir():
            raise Skip("the device cannot be told to misbehave")
        env.later(self.well)

    def well(self) -> None:
        """No misbehaviour any more."""
        for knob in self.dir.iterdir():
            if knob.name not in ("done", "chaos_mask", "state"):
                write(knob, 0)

    def set(self, knob: str, times: int) -> None:
        """So many times, at the next occasions."""
        write(self.dir / knob, times)

    def left(self, knob: str) -> int:
        """How many of them are still to come."""
        return int(read(self.dir / knob))

    @property
    def done(self) -> int:
        """What has been done wrong, ever."""
        return int(read(self.dir / "done"))


def driver_counter(env: Env, name: str) -> int:
    """A counter of ethtool -S."""
    return ethtool_stats(env.dut).get(name, 0)


def errors(env: Env, reporter: str) -> int:
    """What devlink says a health reporter has reported."""
    shown = run_json("devlink -j health show")["health"]
    return sum(r.get("error", 0) for key, list_ in shown.items()
               if key.startswith(f"{env.bus}/{env.pci}")
               for r in list_ if r["reporter"] == reporter)


@contextlib.contextmanager
def storm(env: Env, damage: bool = False) -> Iterator[Both]:
    """Traffic on all queues that may lose what it likes, but not damage it (or
    that, too)."""
    with Both(env.dut, env.peer, rate=400, udp=True, flows=32, patience=1.0) as both:
        both.wait(20)
        yield both
        if not damage:
            both.demand("meanwhile", loss=True, least=1)


def provoke(env: Env, knob: str, fault: str, reporter: str, times: int = 1) -> None:
    """One kind of misbehaviour, the fault that it is counted as, the recovery."""
    knobs = Knobs(env)
    with storm(env) as both:
        for _ in range(3):
            before = (driver_counter(env, f"fault_{fault}"), driver_counter(env, "recoveries"),
                      errors(env, reporter))
            knobs.set(knob, times)
            wait_for(lambda b=before: driver_counter(env, f"fault_{fault}") > b[0],
                     f"fault_{fault}", 60)
            wait_for(lambda b=before: driver_counter(env, "recoveries") > b[1], "recovery", 60)
            knobs.set(knob, 0)
            env.ready()
            both.wait(20)
            wait_for(lambda b=before: errors(env, reporter) > b[2], f"a report of {reporter}")
    steady(env.dut, env.peer, knob)


def harmless(env: Env, knob: str, times: int) -> None:
    """What the driver need not care for: nothing is restarted."""
    knobs = Knobs(env)
    before = driver_counter(env, "recoveries")
    with storm(env) as both:
        for _ in range(5):
            knobs.set(knob, times)
            both.wait(10)
    check(driver_counter(env, "recoveries") == before, f"{knob} restarts the device")
    steady(env.dut, env.peer, knob)


def test_rx_id(env: Env) -> None:
    """A completion of an id that there is not."""
    provoke(env, "rx_id", "rx_desc", "rx")


def test_rx_dup(env: Env) -> None:
    """A completion of an id that the device does not have."""
    provoke(env, "rx_dup", "rx_desc", "rx")


def test_rx_len(env: Env) -> None:
    """More bytes than the buffer has."""
    provoke(env, "rx_len", "rx_desc", "rx")


def test_rx_empty(env: Env) -> None:
    """A frame of no bytes."""
    provoke(env, "rx_empty", "rx_desc", "rx")


def test_rx_chain(env: Env) -> None:
    """A frame of more buffers than any frame has."""
    provoke(env, "rx_chain", "rx_desc", "rx")


def test_rx_program(env: Env) -> None:
    """The same while a program sees the frames, and sends them back."""
    knobs = Knobs(env)
    bpf = Bpf(env)
    for verdict in (PASS, TX):
        bpf.configure(verdict=PASS)
        bpf.attach("verdict")
        with storm(env) as both:
            bpf.configure(verdict=verdict)
            for knob in ("rx_id", "rx_dup", "rx_len", "rx_empty", "rx_chain"):
                before = driver_counter(env, "fault_rx_desc")
                knobs.set(knob, 3)
                wait_for(lambda b=before: driver_counter(env, "fault_rx_desc") > b, knob, 60)
            knobs.well()
            env.ready()
            bpf.configure(verdict=PASS)
            both.wait(20)
    bpf.detach()
    steady(env.dut, env.peer, "programs")


def test_rx_lost(env: Env) -> None:
    """Completions that never come, until no buffer is left."""
    rx = int(re.findall(r"^RX:\s+(\d+)", env.dut.run("ethtool -g {}"), re.M)[1])
    env.dut.run("ethtool -G {} rx 64")
    env.later(lambda: env.dut.run(f"ethtool -G {{}} rx {rx}"))
    provoke(env, "rx_lost", "rx_stall", "rx", 5000)


def test_rx_stuck(env: Env) -> None:
    """A receive queue that takes no frame any more."""
    provoke(env, "rx_stuck", "rx_stall", "rx")


def test_tx_id(env: Env) -> None:
    """A completion of a packet that there is not."""
    provoke(env, "tx_id", "tx_desc", "tx")


def test_tx_dup(env: Env) -> None:
    """A packet that is completed twice."""
    provoke(env, "tx_dup", "tx_desc", "tx")


def test_tx_lost(env: Env) -> None:
    """Packets that are never completed, in queues that fill."""
    provoke(env, "tx_lost", "tx_stall", "tx", 100000)


def test_tx_lost_quiet(env: Env) -> None:
    """One packet that is never completed, and no other after it."""
    knobs = Knobs(env)
    for _ in range(2):
        before = driver_counter(env, "fault_tx_stall"), errors(env, "tx")
        timeouts = summed(ethtool_stats(env.dut), "timeouts", "tx")
        knobs.set("tx_lost", 1)
        blast(env.dut, env.peer.mac, Kind(run=71), [60], 1)
        wait_for(lambda: not knobs.left("tx_lost"), "a completion to get lost")
        wait_for(lambda b=before: driver_counter(env, "fault_tx_stall") > b[0], "tx_stall", 60)
        wait_for(lambda b=before: errors(env, "tx") > b[1], "a report of tx")
        equal(summed(ethtool_stats(env.dut), "timeouts", "tx"), timeouts,
              "the stack's watchdog, which knows of nothing")
        env.ready()
    steady(env.dut, env.peer, "a completion lost")


def test_tx_stuck(env: Env) -> None:
    """A transmit queue that stops."""
    provoke(env, "tx_stuck", "tx_stall", "tx")


def test_tx_stuck_xdp(env: Env) -> None:
    """The same of a queue that only XDP sends on."""
    bpf = Bpf(env)
    bpf.configure(verdict=TX)
    bpf.attach("verdict")
    before, knobs = driver_counter(env, "fault_tx_stall"), Knobs(env)
    with Flow(env.peer, env.peer, dst_mac=EVERYBODY, rate=100) as back:
        wait_for(lambda: back.arrived, "frames that are sent back")
        knobs.set("tx_stuck", 1)
        wait_for(lambda: driver_counter(env, "fault_tx_stall") > before, "the stall to be seen", 60)
        mark = back.arrived
        wait_for(lambda: back.arrived > mark + 20, "frames that are sent back afterwards", 60)
    bpf.detach()
    steady(env.dut, env.peer, "with a queue that was stuck")


def test_tx_stuck_given_up(env: Env) -> None:
    """A transmit queue that has stopped, and is done without: nobody waits for it."""
    limits = Path(f"/sys/class/net/{env.dut.ifname}/queues")

    def full() -> list[int]:
        return [n for n in range(1, 4)
                if int(read(limits / f"tx-{n}/byte_queue_limits/inflight")) >
                int(read(limits / f"tx-{n}/byte_queue_limits/limit"))]

    if env.channel_limits()[1] < 4:
        raise Skip("needs four queues")
    env.channels(4)
    log, knobs = KernelLog(), Knobs(env)
    with storm(env) as both:
        knobs.set("tx_stuck", 4)
        wait_for(lambda: not knobs.left("tx_stuck") and full(), "a queue that is full", 60)
        run(f"ethtool -L {env.dut.ifname} combined 1")
        log.lines()
        # Twice as long as the stack waits for a queue.
        time.sleep(11)
        both.wait(20)
    # The first queue may have stopped, too, and is still there.
    bad = [line for line in log.lines() if re.search(r"WATCHDOG.* queue [1-3] ", line)]
    check(not bad, f"it is waited for: {bad}")
    env.channels(4)
    steady(env.dut, env.peer, "with all queues again")


def test_irq_spurious(env: Env) -> None:
    """Interrupts without cause."""
    harmless(env, "irq_spurious", 100)


def test_irq_lost(env: Env) -> None:
    """Interrupts that never come, under traffic: noticed, and no restart."""
    knobs = Knobs(env)
    before = (driver_counter(env, "fault_irq_lost"), driver_counter(env, "recoveries"),
              errors(env, "rx"))
    with storm(env) as both:
        for _ in range(3):
            knobs.set("irq_lost", 8)
            wait_for(lambda: not knobs.left("irq_lost"), "interrupts to get lost", 60)
            both.wait(50)
    check(driver_counter(env, "fault_irq_lost") > before[0], "no lost interrupt is counted")
    check(errors(env, "rx") > before[2], "no lost interrupt is reported")
    equal(driver_counter(env, "recoveries"), before[1], "restarts for want of an interrupt")
    steady(env.dut, env.peer, "interrupts lost")


def test_irq_lost_quiet(env: Env) -> None:
    """The interrupt of the only frame there is, either way."""
    knobs = Knobs(env)
    for src, dst in ((env.peer, env.dut), (env.dut, env.peer)):
        # No other frame comes while nobody sends one: earlier ones must be through.
        at_rest(env)
        before = driver_counter(env, "fault_irq_lost")
        tally = Tally(Kind(run=72))
        with Capture(dst) as capture:
            knobs.set("irq_lost", 1)
            tally.sent = blast(src, dst.mac, tally.kind, [60], 1)
            capture.into(tally, seconds=30)
        tally.demand(f"{src.ifname} to {dst.ifname}")
        wait_for(lambda b=before: driver_counter(env, "fault_irq_lost") > b, "fault_irq_lost")
        equal(knobs.left("irq_lost"), 0, "interrupts still to lose")
    steady(env.dut, env.peer, "an interrupt lost")


def test_link_flap(env: Env) -> None:
    """The link says that it has changed, and has not."""
    harmless(env, "link_flap", 1)


def test_stats(env: Env) -> None:
    """Counters that cannot be: noticed, and no reason for a restart."""
    before = driver_counter(env, "dev_bad_stats")
    harmless(env, "stats", 2)
    wait_for(lambda: driver_counter(env, "dev_bad_stats") > before, "dev_bad_stats")


def test_admin_stuck(env: Env) -> None:
    """No answer to a command."""
    knobs = Knobs(env)
    with storm(env) as both:
        for _ in range(3):
            before = driver_counter(env, "recoveries")
            knobs.set("admin_stuck", 1)
            run(f"ip link set {env.dut.ifname} promisc on")
            wait_for(lambda b=before: driver_counter(env, "recoveries") > b, "recovery", 60)
            run(f"ip link set {env.dut.ifname} promisc off")
            env.ready()
            both.wait(20)
    steady(env.dut, env.peer, "no answer")


def test_admin_error(env: Env) -> None:
    """Commands that the device refuses: so are the changes, or it restarts."""
    knobs = Knobs(env)
    n, most = env.channel_limits()
    with storm(env) as both:
        for _ in range(5):
            for change in (f"ethtool -L {env.dut.ifname} combined {max(most - 1, 1)}",
                           f"ethtool -L {env.dut.ifname} combined {n}",
                           f"ethtool -G {env.dut.ifname} rx 128",
                           f"ethtool -G {env.dut.ifname} rx 1024"):
                knobs.set("admin_error", 1)
                run(change, ok=False)
                knobs.set("admin_error", 0)
            both.wait(10)
        run(f"ethtool -L {env.dut.ifname} combined {n}", ok=False)
        run(f"ethtool -G {env.dut.ifname} rx 1024", ok=False)
        env.ready()
        both.wait(20)
    steady(env.dut, env.peer, "refused")


def test_reset(env: Env) -> None:
    """The device forgets everything, by itself."""
    provoke(env, "reset", "device", "device")


def test_fail(env: Env) -> None:
    """The device says that it has failed."""
    provoke(env, "fail", "device", "device")


def change_anything(env: Env, bpf: Bpf) -> None:
    """Some change of the configuration; the device may refuse it."""
    ifname = env.dut.ifname
    command = random.choice((
        "promisc", "channels", "rings", "offload", "mtu", "coalesce", "program", "program"))
    if command == "promisc":
        run(f"ip link set {ifname} promisc {random.choice(('on', 'off'))}", ok=False)
    elif command == "channels":
        run(f"ethtool -L {ifname} combined {random.randint(1, 4)}", ok=False)
    elif command == "rings":
        run(f"ethtool -G {ifname} rx {random.choice((128, 512, 1024))}", ok=False)
    elif command == "offload":
        run(f"ethtool -K {ifname} rx {random.choice(('on', 'off'))}", ok=False)
    elif command == "mtu":
        run(f"ip link set {ifname} mtu {random.choice((1500, 3000))}", ok=False)
    elif command == "coalesce":
        run(f"ethtool -C {ifname} rx-usecs {random.choice((0, 50))}", ok=False)
    else:
        bpf.configure(verdict=random.choice((PASS, TX, REDIRECT, DROP)))
        with contextlib.suppress(NetlinkError):
            env.rtnl().set_xdp(env.dut.ifindex, random.choice((bpf.progs["verdict"], -1)))


def calm(env: Env, bpf: Bpf) -> None:
    """What the changes have left behind is taken back, as a user would do it."""
    ifname = env.dut.ifname
    bpf.detach()
    for command in (f"ip link set {ifname} promisc off", f"ip link set {ifname} mtu 1500",
                    f"ethtool -L {ifname} combined {min(4, env.cpus)}",
                    f"ethtool -G {ifname} rx 1024", f"ethtool -K {ifname} rx on",
                    f"ethtool -C {ifname} rx-usecs 0"):
        # What is so already, ethtool calls an error.
        run(command, ok=False)


def memory() -> int:
    """KiB that could be had."""
    write("/proc/sys/vm/drop_caches", 3)
    return int(re.findall(r"^MemAvailable:\s+(\d+)", read("/proc/meminfo"), re.M)[0])


def nothing_held(env: Env) -> None:
    """Page pools that are gone have got all of their pages back."""
    ifindex = env.dut.ifindex
    wait_for(lambda: not any("detached" in p for p in env.netdev.page_pools(ifindex)),
             "pages of page pools that are gone", 60)


def rage(env: Env, knobs: Knobs, bpf: Bpf, seconds: float, mask: int) -> None:
    """Misbehaviour at random, of those kinds, while the configuration changes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        knobs.set("chaos_mask", (random.getrandbits(32) | random.getrandbits(32)) & mask)
        knobs.set("chaos_ppm", random.choice((300, 1000, 5000, 20000)))
        for _ in range(4):
            change_anything(env, bpf)
            time.sleep(0.3)
    knobs.well()
    # From here on nobody helps: not even by a change, which may restart queues.
    bpf.configure(verdict=PASS)


def test_chaos(env: Env) -> None:
    """Everything at random, under traffic of all kinds and changes.

    First all but what completes twice: a device that is done with a buffer, and
    uses it all the same, and then vouches for the sum, can damage any packet.
    """
    seconds = float(os.environ.get("CETH_CHAOS_SECONDS", "120")) / 2
    seed = int(os.environ.get("CETH_SEED", time.time_ns() % 1000000))
    random.seed(seed)
    say(f"CETH_SEED={seed}")
    log = KernelLog()
    knobs, bpf = Knobs(env), Bpf(env)
    mask = int(read(knobs.dir / "chaos_mask"))
    env.later(lambda: write(knobs.dir / "chaos_mask", mask))
    env.later(lambda: calm(env, bpf))
    bpf.redirect_to(env.dut)
    faults = [name for name in ethtool_stats(env.dut) if name.startswith("fault_")]
    before = Snapshot(env)
    reported = {r: errors(env, r) for r in ("rx", "tx", "device")}
    done, free = knobs.done, memory()
    with storm(env) as both:
        streams = [Stream(env.peer, env.dut), Stream(env.dut, env.peer)]
        rage(env, knobs, bpf, seconds, mask & ~TWICE)
        both.wait(100, 90)
        for stream in streams:
            mark = stream.sink.length
            wait_for(lambda s=stream, m=mark: s.sink.length > m, "TCP to go on", 120)
            stream.stop()
    with storm(env, damage=True) as both:
        rage(env, knobs, bpf, seconds, mask)
        both.wait(100, 90)
    calm(env, bpf)
    env.ready()
    transfer(env.peer, env.dut, 1 << 18, what="afterwards")
    transfer(env.dut, env.peer, 1 << 18, what="afterwards")
    after = at_rest(env)
    counts = {name: after.ethtool[name] - before.ethtool[name] for name in faults}
    say(f"{knobs.done - done} wrongs, "
        f"{after.ethtool['recoveries'] - before.ethtool['recoveries']} recoveries, {counts}")
    check(not after.went_back(before), f"counters go backwards: {after.went_back(before)}")
    # Which of them, is left to chance; each has a case of its own.
    check(sum(count > 0 for count in counts.values()) >= 3, "hardly any fault is counted")
    check(sum(errors(env, r) - was for r, was in reported.items()) >= 10,
          "devlink's reporters say nothing")
    bad = [line for line in log.lines() if re.search(r"cut here|BUG|WARNING:|Oops|Call Trace", line)]
    check(not bad, f"the kernel complains: {bad}")
    nothing_held(env)
    steady(env.dut, env.peer, "everything at random")
    # Restarts by the hundred: one page for each would be seen.
    lost = free - memory()
    say(f"{lost} KiB less memory than before")
    check(lost < 24 << 10, f"{lost} KiB of memory are gone")


if __name__ == "__main__":
    main(cases(test_rx_id, test_rx_dup, test_rx_len, test_rx_empty, test_rx_chain, test_rx_program,
               test_rx_lost, test_rx_stuck, test_tx_id, test_tx_dup, test_tx_lost,
               test_tx_lost_quiet, test_tx_stuck, test_tx_stuck_xdp, test_tx_stuck_given_up,
               test_irq_spurious, test_irq_lost, test_irq_lost_quiet, test_link_flap, test_stats,
               test_admin_stuck, test_admin_error, test_reset, test_fail, test_chaos))
