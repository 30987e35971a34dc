#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A device that misbehaves: the driver survives, recovers by itself, says so.

Only for a device that can be told to: the reference NIC, whose knobs are in
debugfs. Meanwhile traffic may be lost, but what arrives is whole.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from cethtest.bpf import PASS, TX, Bpf
from cethtest.env import Env
from cethtest.flow import Both, steady
from cethtest.stats import Snapshot, at_rest
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, read, run, run_json, wait_for, write

DEBUGFS = Path("/sys/kernel/debug/refnic")


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
    """A line of ethtool -S."""
    found = re.findall(rf"^\s*{name}: (\d+)$", env.dut.run("ethtool -S {}"), re.M)
    return int(found[0]) if found else 0


def errors(env: Env, reporter: str) -> int:
    """What devlink says a health reporter has reported."""
    shown = run_json("devlink -j health show")["health"]
    return sum(r.get("error", 0) for key, list_ in shown.items()
               if key.startswith(f"{env.bus}/{env.pci}")
               for r in list_ if r["reporter"] == reporter)


def explain(env: Env) -> None:
    """What the devices look like from the inside."""
    for state in sorted(DEBUGFS.glob("*/state")):
        say(f"{state}:\n{read(state)}")
    say(env.dut.run("ethtool -S {}", ok=False))


@contextlib.contextmanager
def storm(env: Env) -> Iterator[Both]:
    """Traffic on all queues that may lose what it likes, but not damage it."""
    with Both(env.dut, env.peer, rate=400, udp=True, flows=32) as both:
        both.wait(20)
        try:
            yield both
        except Failure:
            explain(env)
            raise
        both.demand("meanwhile", loss=True, least=1)


def restart(env: Env) -> None:
    """By hand: what is broken and not noticed yet is not looked for. (recover
    does nothing for a device that is taken to be well.)"""
    run(f"devlink health test {env.bus}/{env.pci} reporter device", ok=False)


def provoke(env: Env, knob: str, fault: str, reporter: str, times: int = 1,
            hidden: bool = False) -> None:
    """One kind of misbehaviour, the fault that it is counted as, the recovery."""
    knobs = Knobs(env)
    for _ in range(3):
        before = (driver_counter(env, f"fault_{fault}"), driver_counter(env, "recoveries"),
                  errors(env, reporter))
        with storm(env) as both:
            knobs.set(knob, times)
            wait_for(lambda b=before: driver_counter(env, f"fault_{fault}") > b[0],
                     f"fault_{fault}", 60)
            wait_for(lambda b=before: driver_counter(env, "recoveries") > b[1], "recovery", 60)
            knobs.set(knob, 0)
            if hidden:
                restart(env)
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
    """Packets that are never completed: the watchdog sees it in a queue that fills."""
    provoke(env, "tx_lost", "tx_stall", "tx", 100000, hidden=True)


def test_tx_stuck(env: Env) -> None:
    """A transmit queue that stops."""
    provoke(env, "tx_stuck", "tx_stall", "tx")


def test_irq_spurious(env: Env) -> None:
    """Interrupts without cause."""
    harmless(env, "irq_spurious", 100)


def test_irq_lost(env: Env) -> None:
    """Interrupts that never come: frames wait until somebody looks, here we."""
    knobs = Knobs(env)
    with storm(env) as both:
        for _ in range(3):
            knobs.set("irq_lost", 8)
            wait_for(lambda: knobs.left("irq_lost") < 8, "interrupts to get lost", 60)
            knobs.set("irq_lost", 0)
            restart(env)
            env.ready()
            both.wait(50)
    steady(env.dut, env.peer, "interrupts lost")


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
    for _ in range(3):
        before = driver_counter(env, "recoveries")
        with storm(env) as both:
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


def test_all_at_once(env: Env) -> None:
    """Everything at random, under traffic and changes."""
    knobs = Knobs(env)
    before, mask = driver_counter(env, "recoveries"), read(knobs.dir / "chaos_mask")
    done = knobs.done
    env.later(lambda: write(knobs.dir / "chaos_mask", mask))
    with storm(env) as both:
        knobs.set("chaos_ppm", 3000)
        for i in range(40):
            run(f"ip link set {env.dut.ifname} promisc {'on' if i % 2 else 'off'}", ok=False)
            run(f"ethtool -L {env.dut.ifname} combined {1 + i % 4}", ok=False)
        wait_for(lambda: driver_counter(env, "recoveries") > before + 10, "recoveries", 200)
        knobs.well()
        run(f"ethtool -L {env.dut.ifname} combined 4", ok=False)
        # What is broken now is found by the next thing that is tried.
        restart(env)
        env.ready()
        both.wait(20)
    say(f"{knobs.done - done} wrongs, {driver_counter(env, 'recoveries') - before} recoveries")
    after = at_rest(env)
    check(not Snapshot(env).went_back(after), "counters go backwards")
    steady(env.dut, env.peer, "everything at random")


if __name__ == "__main__":
    main(cases(test_rx_id, test_rx_dup, test_rx_len, test_rx_empty, test_rx_chain, test_rx_program,
               test_rx_lost, test_rx_stuck, test_tx_id, test_tx_dup, test_tx_lost, test_tx_stuck,
               test_irq_spurious, test_irq_lost, test_link_flap, test_stats, test_admin_stuck, test_admin_error,
               test_reset, test_fail, test_all_at_once))
