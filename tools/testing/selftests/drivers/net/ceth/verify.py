#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The verifying mode: a backend that breaks the contract is told so, and by which
sentence of it.

ceth_refbug.ko is the driver of the reference NIC with mistakes, one of which the
parameter "bug" chooses. The device under test is given to it for each case, and back
to its own driver afterwards.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cethtest.env import Env
from cethtest.flow import steady
from cethtest.frames import Kind, blast
from cethtest.pci import Function, module_file
from cethtest.stats import ethtool_stats
from cethtest.tap import cases, main, say
from cethtest.tool import KernelLog, Skip, check, equal, run, wait_for, write

DRIVER, BUGGY = "ceth_ref", "ceth_refbug"
VERIFY = Path("/sys/module/ceth/parameters/verify")
BUG = Path(f"/sys/module/{BUGGY}/parameters/bug")
BROKEN = re.compile(r"ceth: contract (\w+): (.*)")
FLOWS = Kind(udp=True, flows=32)
SECONDS = 90


class Broken:
    """Sentences of the contract that the kernel has called broken since."""

    def __init__(self) -> None:
        self.log = KernelLog()
        self.found: list[str] = []

    def __call__(self) -> list[str]:
        for line in self.log.lines():
            match = BROKEN.search(line)
            if match:
                say(match.group())
                self.found.append(match[1])
        return self.found


@contextlib.contextmanager
def bound(env: Env, bug: str, verify: bool = True) -> Iterator[Function]:
    """The device belongs to the driver with this mistake meanwhile, or to nobody if that
    does not take it."""
    if env.driver != DRIVER:
        raise Skip(f"the mistakes are those of {DRIVER}'s device")
    function = Function(env)
    if not BUG.exists():
        run(f"insmod {module_file(BUGGY)}")
    function.unbind()
    try:
        write(BUG, bug)
        write(VERIFY, int(verify))
        with contextlib.suppress(OSError):
            write(function.bus / "drivers" / BUGGY / "bind", function.address)
        if function.bound:
            function.restore()
        yield function
    finally:
        write(VERIFY, 0)
        if function.bound:
            function.unbind()
        run(f"rmmod {BUGGY}")
        function.bind()


@contextlib.contextmanager
def flood(env: Env) -> Iterator[None]:
    """Frames from the peer to one queue of the device, as fast as can be."""
    over = threading.Event()

    def send() -> None:
        mac = env.dut.mac
        while not over.is_set():
            with contextlib.suppress(OSError):
                blast(env.peer, mac, Kind(udp=True), (60,), 256)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def caught(env: Env, bug: str, rule: str, meet: Callable[[Env], object] = lambda _: None,
           again: bool = False, under: bool = True) -> None:
    """A mistake is called by its sentence, before any other; `meet`: when it shows."""
    broken = Broken()
    with bound(env, bug):
        with flood(env) if under else contextlib.nullcontext():
            meet(env)
            wait_for(lambda: broken() or (again and meet(env) and False),
                     f"the kernel to call {bug} a violation of {rule}", SECONDS)
        wait_for(lambda: ethtool_stats(env.dut).get("fault_contract", 0) > 0,
                 "fault_contract", SECONDS)
    equal(broken()[0], rule, f"what is wrong with {bug}")
    steady(env.dut, env.peer, f"without {bug}")


def refused(env: Env, bug: str, rule: str) -> None:
    """A device is not made, in either mode."""
    for verify in (False, True):
        broken = Broken()
        with bound(env, bug, verify) as function:
            check(not function.bound, f"{bug}: a device was made")
            # Python writes twice what was not taken.
            equal(set(broken()), {rule}, f"what is wrong with {bug}")
    steady(env.dut, env.peer, f"without {bug}")


def down_up(env: Env) -> None:
    """All queues stop and start."""
    env.dut.run("ip link set {} down")
    env.dut.run("ip link set {} up")


def sent(env: Env) -> None:
    """Frames of the device's, no more than a socket may have in flight."""
    with contextlib.suppress(OSError):
        blast(env.dut, env.peer.mac, FLOWS, (60, 1514), 64)


def test_control(env: Env) -> None:
    """Without a mistake nothing is reported, whatever happens."""
    broken = Broken()
    with bound(env, "none"):
        with flood(env):
            for size in (128, 1024):
                env.dut.run(f"ethtool -G {{}} rx {size} tx {size}")
                sent(env)
                down_up(env)
        env.ready()
        steady(env.dut, env.peer, "in the verifying mode")
        equal(ethtool_stats(env.dut)["fault_contract"], 0, "fault_contract")
    equal(broken(), [], "sentences that are called broken")


def test_off(env: Env) -> None:
    """Without the verifying mode a mistake that does no harm goes unseen."""
    broken = Broken()
    with bound(env, "noisy", verify=False):
        steady(env.dut, env.peer, "without the verifying mode")
        equal(ethtool_stats(env.dut)["fault_contract"], 0, "fault_contract")
    equal(broken(), [], "sentences that are called broken")


def test_caps(env: Env) -> None:
    """A capability without its callback."""
    refused(env, "caps", "B1")


def test_callback(env: Env) -> None:
    """No ring_stop."""
    refused(env, "callback", "B2")


def test_positive(env: Env) -> None:
    """A callback returns neither 0 nor an errno."""
    caught(env, "positive", "B3", under=False)


def test_locked(env: Env) -> None:
    """A callback leaves bottom halves off."""
    caught(env, "locked", "B4", under=False)


def test_locked_flush(env: Env) -> None:
    """A function of the fast path does."""
    caught(env, "locked_flush", "B4", sent)


def test_late_irq(env: Env) -> None:
    """Interrupts after dev_reset."""
    caught(env, "late_irq", "B5", down_up, again=True, under=False)


def test_late_ring(env: Env) -> None:
    """Writes to a ring after ring_stop."""
    caught(env, "late_ring", "B6", down_up, again=True, under=False)


def test_late_buffer(env: Env) -> None:
    """Writes to a buffer after ring_stop."""
    caught(env, "late_buffer", "B6", down_up, again=True, under=False)


def test_dirty(env: Env) -> None:
    """A ring that is not empty after ring_init."""
    caught(env, "dirty", "B7", under=False)


def test_behind(env: Env) -> None:
    """A descriptor behind the ring."""
    caught(env, "behind", "B8", under=False)


def test_stubborn(env: Env) -> None:
    """Tags are taken out of frames though that was switched off."""
    def tagged(env: Env) -> None:
        if Path(f"/sys/class/net/{env.dut.ifname}.5").exists():
            env.peer.run("ping -q -c 5 -i 0.2 -W 1 198.51.100.2", ok=False)
            return
        env.dut.run("ethtool -K {} rxvlan off")
        for end, last in ((env.dut, 2), (env.peer, 1)):
            end.run("ip link add link {0} name {0}.5 type vlan id 5")
            end.ip("link set {}.5 up", f"addr add 198.51.100.{last}/24 dev {{}}.5")
        env.peer.run(f"ip neigh replace 198.51.100.2 lladdr {env.dut.mac.hex(':')} dev {{}}.5")
        env.later(lambda: env.peer.run("ip link del {}.5"))

    caught(env, "stubborn", "B9", tagged, again=True, under=False)


def test_stats(env: Env) -> None:
    """One counter more than there are."""
    caught(env, "stats", "B10")


def test_pair(env: Env) -> None:
    """A fault of a pair that there is not."""
    caught(env, "pair", "B11", under=False)


def test_hasty(env: Env) -> None:
    """rx_next takes completions off the ring."""
    caught(env, "hasty", "B12")


def test_greedy(env: Env) -> None:
    """More completions than were asked for."""
    caught(env, "greedy", "B13")


def test_endless(env: Env) -> None:
    """There is always more."""
    caught(env, "endless", "B14")


def test_overwrite(env: Env) -> None:
    """A descriptor over one that the device has, receive."""
    caught(env, "overwrite", "B15", under=False)


def test_overwrite_tx(env: Env) -> None:
    """The same, transmit."""
    caught(env, "overwrite_tx", "B15", sent, again=True, under=False)


def test_mute(env: Env) -> None:
    """No doorbell for packets."""
    caught(env, "mute", "B16", sent, under=False)


def test_mute_rx(env: Env) -> None:
    """No doorbell for buffers."""
    def meet(env: Env) -> None:
        env.dut.run("ethtool -G {} rx 64")
        blast(env.peer, env.dut.mac, FLOWS, (60,), 2048)

    caught(env, "mute_rx", "B16", meet, under=False)


def test_noisy(env: Env) -> None:
    """A doorbell for nothing."""
    caught(env, "noisy", "B17")


def test_blind(env: Env) -> None:
    """irq_arm overlooks what is there."""
    caught(env, "blind", "B18")


def test_meta(env: Env) -> None:
    """A flag of nothing that was declared."""
    caught(env, "meta", "B20")


def test_hash(env: Env) -> None:
    """A hash of two types."""
    caught(env, "hash", "B20")


if __name__ == "__main__":
    main(cases(test_control, test_off, test_caps, test_callback, test_positive, test_locked,
               test_locked_flush, test_late_irq, test_late_ring, test_late_buffer, test_dirty,
               test_behind, test_stubborn, test_stats, test_pair, test_hasty, test_greedy,
               test_endless, test_overwrite, test_overwrite_tx, test_mute, test_mute_rx,
               test_noisy, test_blind, test_meta, test_hash))
