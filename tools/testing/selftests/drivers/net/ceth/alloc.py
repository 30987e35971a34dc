#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whatever changes queues or makes a device: the first of its allocations fails,
then the second, and so on until none does. Each time it is refused or done,
nothing is lost, and the device is as usable as before.

Needs a kernel with fault injection. Only allocations that the driver is on the
call stack of count.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from cethtest import tcp
from cethtest.bpf import PASS, Bpf
from cethtest.env import Env
from cethtest.fault import PAGES, SLAB, failing, module_text
from cethtest.flow import Both, steady
from cethtest.lease import Box, can_lease, leases
from cethtest.mem import Zcrx, provided
from cethtest.nl import NLA_F_NESTED, Genl, attr, u32
from cethtest.pci import Function
from cethtest.requeue import restart
from cethtest.settings import rings, set_channels, set_rings, set_split
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, equal, run, wait_for, write
from cethtest.xsk import Options, Xsk
from cethtest.xskuse import pools, unbound

FAIL_NTH = Path("/proc/thread-self/fail-nth")
# The first so many one by one; then most are the same, of one queue after another.
ALL_OF = 48
RX_SIZE, TX_SIZE = 64, 64
DEVLINK_PORT_SET, DEVLINK_PORT_NEW, DEVLINK_PORT_DEL = 6, 7, 8
DEVLINK_BUS, DEVLINK_DEV, DEVLINK_INDEX = 1, 2, 3
DEVLINK_FLAVOUR, DEVLINK_PF, DEVLINK_FUNCTION, DEVLINK_SF = 77, 127, 145, 164
# How often it is seen that traffic flows: that takes longer than an attempt.
EVERY = 8
NEVER = "never refused: no allocation of it fails"


def each(env: Env, act: Callable[[], object], after: Callable[[bool], None]) -> int:
    """Let one allocation of act() fail after the other; how often it was refused.

    act() is refused when it raises OSError; after() is told whether it was done, and
    sees to it that act() can be repeated.
    """
    refused = tried = 0
    if not FAIL_NTH.exists():
        raise Skip("this kernel has no fault injection")
    with failing([SLAB, PAGES], module_text("ceth", env.driver), waiting=True):
        nth = 1
        while True:
            FAIL_NTH.write_text(str(nth), encoding="ascii")
            done = True
            try:
                act()
            except OSError:
                done = False
            finally:
                left = int(FAIL_NTH.read_text(encoding="ascii"))
                FAIL_NTH.write_text("0", encoding="ascii")
            tried += 1
            refused += not done
            after(done)
            if left:
                check(done, "refused although no allocation failed")
                break
            nth += 1 if nth < ALL_OF else nth // 8
            if nth > 20000:
                raise Failure("allocates for ever")
    say(f"about {nth - left} allocations; {tried} tries, {refused} refused")
    return refused


def _small(env: Env, queues: int = 1) -> int:
    """Few pairs of queues, with few buffers; returns the transmit ring's size."""
    env.need_ceth("changes that roll back")
    rx, tx = rings(env.dut)
    env.later(lambda: env.dut.run(f"ethtool -G {{}} rx {rx} tx {tx}"))
    env.channels(queues)
    env.dut.run(f"ethtool -G {{}} rx {RX_SIZE} tx {TX_SIZE}", ok=False)
    equal(rings(env.dut)[0], RX_SIZE, "rx ring")
    return rings(env.dut)[1]


def _two(env: Env) -> None:
    """Two pairs; frames come in on the first alone."""
    if env.channel_limits()[1] < 2:
        raise Skip("the device has one pair of queues")
    _small(env, 2)
    if run(f"ethtool -X {env.dut.ifname} equal 1", ok=False).returncode:
        raise Skip("nothing steers frames to queues")
    env.later(lambda: run(f"ethtool -X {env.dut.ifname} default", ok=False))


@contextlib.contextmanager
def _traffic(env: Env, what: str, loss: bool = True) -> Iterator[Callable[[], None]]:
    """Frames go both ways meanwhile; a function for each attempt, which sees now and
    then that they still do."""
    with Both(env.dut, env.peer, rate=100, udp=True, flows=8) as both:
        both.wait(5)
        attempts = itertools.count()

        def flows() -> None:
            if next(attempts) % EVERY == 0:
                env.ready()
                both.wait(2)

        yield flows
        both.demand(what, loss=loss)


def test_up(env: Env) -> None:
    """Setting it up."""
    _small(env)
    env.later(lambda: env.configure(env.pairs[0]))
    rtnl, index = env.rtnl(), env.dut.ifindex
    rtnl.set_up(index, False)

    def after(done: bool) -> None:
        equal(bool(rtnl.link(index).flags & 1), done, "up")
        if done:
            rtnl.set_up(index, False)

    check(each(env, lambda: rtnl.set_up(index, True), after), NEVER)
    env.configure(env.pairs[0])
    steady(env.dut, env.peer, "set up")


def test_rings(env: Env) -> None:
    """Other sizes of the rings, under traffic."""
    tx = _small(env)

    with _traffic(env, "rings") as flows:
        def after(done: bool) -> None:
            equal(rings(env.dut), (2 * RX_SIZE if done else RX_SIZE, tx), "rings")
            flows()
            if done:
                set_rings(env.dut, RX_SIZE, tx)

        check(each(env, lambda: set_rings(env.dut, 2 * RX_SIZE, tx), after), NEVER)
    steady(env.dut, env.peer, "other rings")


def test_channels(env: Env) -> None:
    """More queues, under traffic."""
    if env.channel_limits()[1] < 2:
        raise Skip("the device has one pair of queues")
    _small(env)

    with _traffic(env, "channels") as flows:
        def after(done: bool) -> None:
            equal(env.channel_limits()[0], 2 if done else 1, "queues")
            flows()
            if done:
                set_channels(env.dut, 1)

        check(each(env, lambda: set_channels(env.dut, 2), after), NEVER)
    steady(env.dut, env.peer, "more queues")


def test_program(env: Env) -> None:
    """Attaching a program, under traffic."""
    _small(env)
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    env.later(bpf.detach)

    with _traffic(env, "program") as flows:
        def after(done: bool) -> None:
            equal(bool(env.rtnl().link(env.dut.ifindex).xdp_mode), done, "program")
            flows()
            if done:
                bpf.detach()

        # May need no memory at all
        each(env, lambda: env.rtnl().set_xdp(env.dut.ifindex, bpf.progs["verdict"]), after)
    steady(env.dut, env.peer, "programs")


def test_socket(env: Env) -> None:
    """Binding an AF_XDP socket with zero-copy, under traffic."""
    _small(env)
    bound: list[Xsk] = []

    def act() -> None:
        bound.append(Xsk(env.dut, 0, Options(chunks=64, ring=64, rx_ring=64)))

    with _traffic(env, "sockets") as flows:
        def after(done: bool) -> None:
            equal(len(bound), done, "sockets")
            while bound:
                bound.pop().close()
                unbound(env)
            flows()

        check(each(env, act, after), NEVER)
    steady(env.dut, env.peer, "sockets that were refused")


def test_restart(env: Env) -> None:
    """The stack restarts a queue, under traffic."""
    _small(env)
    restart(env, 0)

    with _traffic(env, "restarts") as flows:
        def after(_: bool) -> None:
            equal(len(pools(env)), 1, "page pools")
            flows()

        check(each(env, lambda: restart(env, 0), after), NEVER)
    steady(env.dut, env.peer, "restarts")


def _split(env: Env) -> None:
    """Queues have header buffers."""
    if env.bus != "refnic":
        raise Skip("the device does not split headers from data")
    set_split(env.dut, True)
    env.later(lambda: set_split(env.dut, False))


def test_headers(env: Env) -> None:
    """Queues get header buffers, under traffic; those that have some are resized and
    restarted."""
    _split(env)
    set_split(env.dut, False)
    tx = _small(env)
    restart(env, 0)

    with _traffic(env, "header buffers") as flows:
        def after(done: bool) -> None:
            equal(len(pools(env)), 1, "page pools")
            flows()
            if done:
                set_split(env.dut, False)

        check(each(env, lambda: set_split(env.dut, True), after), NEVER)
        set_split(env.dut, True)

        def resized(done: bool) -> None:
            equal(rings(env.dut), (2 * RX_SIZE if done else RX_SIZE, tx), "rings")
            flows()
            if done:
                set_rings(env.dut, RX_SIZE, tx)

        check(each(env, lambda: set_rings(env.dut, 2 * RX_SIZE, tx), resized), NEVER)
        check(each(env, lambda: restart(env, 0), lambda _: flows()), NEVER)
    tcp.transfer(env.peer, env.dut, 1 << 18, what="headers split")
    steady(env.dut, env.peer, "header buffers")


def test_memory(env: Env) -> None:
    """A program gives a queue its memory, under traffic: that it is refused changes
    nothing."""
    _split(env)
    _two(env)
    given: list[Zcrx] = []

    with _traffic(env, "memory of programs", loss=False) as flows:
        def after(done: bool) -> None:
            equal((len(given), provided(env.netdev, env.dut)), (int(done), [1] if done else []),
                  "memory of programs, queues that have some")
            while given:
                given.pop().close()
            wait_for(lambda: not provided(env.netdev, env.dut), "the queue to be the kernel's")
            flows()

        check(each(env, lambda: given.append(Zcrx(env.dut, 1, pages=64)), after), NEVER)
    steady(env.dut, env.peer, "memory of programs")


def test_lease(env: Env) -> None:
    """A socket in a container is bound to a queue that is leased, under traffic of others."""
    if not can_lease(env):
        raise Skip("this kernel leases no queues")
    _two(env)
    box = Box(env)
    mine = box.lease(env.dut, 1)
    bound: list[Xsk] = []

    def act() -> None:
        bound.append(Xsk(box.device, mine, Options(chunks=64, ring=64, rx_ring=64)))

    with _traffic(env, "leases", loss=False) as flows:
        def after(done: bool) -> None:
            equal(len(bound), done, "sockets")
            equal(leases(env), [1], "queues that are leased")
            while bound:
                bound.pop().close()
                unbound(env)
            flows()

        check(each(env, act, after), NEVER)
    box.end()
    wait_for(lambda: not leases(env), "the lease to end")
    steady(env.dut, env.peer, "leases that were refused")


class Slice:
    """A function of the device, by netlink of this thread's own."""

    NUMBER = 77

    def __init__(self, env: Env) -> None:
        self.devlink = Genl("devlink")
        self.handle = (attr(DEVLINK_BUS, env.bus.encode() + b"\0") +
                       attr(DEVLINK_DEV, env.pci.encode() + b"\0"))

    def _call(self, command: int, payload: bytes) -> None:
        self.devlink.call(command, self.handle + payload)

    def make(self) -> None:
        """There, with an address, and active; or not there at all."""
        function = (attr(1, bytes.fromhex("0200c0ffee77")) + attr(2, b"\1"))
        self._call(DEVLINK_PORT_NEW, u32(DEVLINK_INDEX, self.NUMBER) +
                   attr(DEVLINK_FLAVOUR, struct.pack("=H", 7)) +
                   attr(DEVLINK_PF, struct.pack("=H", 0)) + u32(DEVLINK_SF, self.NUMBER))
        try:
            self._call(DEVLINK_PORT_SET, u32(DEVLINK_INDEX, self.NUMBER) +
                       attr(DEVLINK_FUNCTION | NLA_F_NESTED, function))
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Not there any more."""
        self._call(DEVLINK_PORT_DEL, u32(DEVLINK_INDEX, self.NUMBER))


def test_slice(env: Env) -> None:
    """Making a function, under traffic of the device that it belongs to."""
    _small(env)
    if env.bus != "refnic":
        raise Skip("the device has no functions")
    it = Slice(env)

    with _traffic(env, "functions", loss=False) as flows:
        def after(done: bool) -> None:
            if done:
                it.remove()
            flows()

        check(each(env, it.make, after), NEVER)
    it.make()
    it.remove()
    steady(env.dut, env.peer, "functions")


def test_bind(env: Env) -> None:
    """Binding it to the driver."""
    env.need_ceth("a failed probe that leaves nothing behind")
    function = Function(env)
    if not (function.path / "enable").exists():
        raise Skip("the device is not on PCI")
    function.unbind()
    write(function.path / "driver_override", function.driver)
    # Enabled already, so that the driver's allocations are not those of the
    # firmware's interpreter, which does not take it well when they fail.
    write(function.path / "enable", 1)
    env.later(function.bind)
    env.later(lambda: write(function.path / "enable", 0))
    env.later(lambda: function.bound and function.unbind())

    def act() -> None:
        write(function.bus / "drivers_probe", function.address)
        if not function.bound:
            raise OSError("the driver does not take it")

    def after(done: bool) -> None:
        equal(bool(function.netdev()), done, "an interface")
        if done:
            function.unbind()

    check(each(env, act, after), NEVER)
    write(function.path / "enable", 0)
    function.bind()
    steady(env.dut, env.peer, "bound")
    function.unbind()
    write(function.path / "enable", 1)


if __name__ == "__main__":
    main(cases(test_up, test_rings, test_channels, test_program, test_socket, test_restart,
               test_headers, test_memory, test_lease, test_slice, test_bind))
