# SPDX-License-Identifier: GPL-2.0
"""The devices under test, as the environment names them.

    NETIF, PEER, NS      a device and its peer, which is in namespace NS
    NETIF2, PEER2, NS2   a second pair
    DRIVER               what drives NETIF and NETIF2; "ceth_" begins the names
                         of drivers that promise what CETH promises

Every case starts on devices that are up, with MTU 1500, without a program,
and puts back what it changes: env.later() remembers how.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import tool
from .nl import NetdevGenl, NetlinkError, Rtnl
from .tool import Failure, Skip, in_ns, run, run_json, sysctl, wait_for

MTU = 1500
NUD = "nud permanent"
QDISC = "pfifo_fast"
BUSES = ("pci", "refnic")
SIOCETHTOOL, ETHTOOL_GCHANNELS = 0x8946, 0x3c


@dataclass(frozen=True)
class End:
    """One end of a wire: an interface, and the namespace that it is in."""

    ifname: str
    ns: str | None
    ip4: str
    ip6: str

    @property
    def ifindex(self) -> int:
        """Now: a device that came back has another one."""
        with in_ns(self.ns):
            return socket.if_nametoindex(self.ifname)

    @property
    def exists(self) -> bool:
        """Is there such an interface?"""
        try:
            return self.ifindex > 0
        except OSError:
            return False

    @property
    def mac(self) -> bytes:
        """Hardware address."""
        with in_ns(self.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            answer = fcntl.ioctl(s, 0x8927, struct.pack("=16s24x", self.ifname.encode()))
        return bytes(answer[18:24])

    def run(self, command: str, ok: bool = True) -> str:
        """A command in the namespace, {} standing for the interface."""
        return run(command.format(self.ifname), self.ns, ok).stdout

    def ethtool(self, request: bytes, room: int) -> bytes:
        """What SIOCETHTOOL answers behind a request: no process for what is often asked."""
        buffer = ctypes.create_string_buffer(request, len(request) + room)
        with in_ns(self.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCETHTOOL, struct.pack("=16sQ16x", self.ifname.encode(),
                                                    ctypes.addressof(buffer)))
        return buffer.raw[len(request):]

    def ip(self, *commands: str) -> None:
        """Commands of `ip`, by one process."""
        run("ip -batch -", self.ns, text="".join(f"{c.format(self.ifname)}\n" for c in commands))


@dataclass(frozen=True)
class Pair:
    """A device under test and its peer."""

    dut: End
    peer: End

    @property
    def ends(self) -> tuple[End, End]:
        """Both."""
        return self.dut, self.peer


def _pair(suffix: str, number: int) -> Pair:
    values = {}
    for name in ("NETIF", "PEER", "NS"):
        value = os.environ.get(name + suffix, "")
        if not value:
            raise Skip(f"{name}{suffix} is not set: no device to test")
        values[name] = value
    v4, v6 = f"192.0.2.{number * 64}", f"2001:db8:{number}::"
    head, _, last = v4.rpartition(".")
    return Pair(End(values["NETIF"], None, f"{head}.{int(last) + 1}", f"{v6}1"),
                End(values["PEER"], values["NS"], f"{head}.{int(last) + 2}", f"{v6}2"))


class Env:
    """Devices, and the state that a case changes and gives back."""

    def __init__(self, pairs: int = 1) -> None:
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.driver = os.environ.get("DRIVER", "")
        self.pairs = [_pair(str(i + 1) if i else "", i) for i in range(pairs)]
        self.dut, self.peer = self.pairs[0].dut, self.pairs[0].peer
        self.cpus = os.cpu_count() or 1
        self._stack = contextlib.ExitStack()
        self._rtnl: dict[str | None, Rtnl] = {}
        self._genl: NetdevGenl | None = None
        self._settings: dict[str, str] = {}
        # Debian's default, fq_codel, drops frames that have waited too long for
        # their turn, which on a slow machine looks like a loss of the device's.
        with contextlib.suppress(OSError):
            sysctl("net/core/default_qdisc", QDISC)
        for pair in self.pairs:
            self.configure(pair)
        self.bus, self.pci = self._where()

    # --- who is under test ------------------------------------------------------

    @property
    def is_ceth(self) -> bool:
        """Does the device promise what CETH promises?"""
        return self.driver.startswith("ceth_")

    def need_ceth(self, what: str) -> None:
        """For what other drivers do not promise."""
        if not self.is_ceth:
            raise Skip(f"{self.driver or 'this driver'} does not promise: {what}")

    def need_cpus(self, n: int) -> None:
        """For cases that are about several CPUs."""
        if self.cpus < n:
            raise Skip(f"needs {n} CPUs")

    def _where(self) -> tuple[str, str]:
        """Bus of the device, and its address there."""
        link = Path(f"/sys/class/net/{self.dut.ifname}/device")
        if not link.exists():
            return "", ""
        device = link.resolve()
        for place in (device, *device.parents):
            bus = (place / "subsystem").resolve().name
            if bus in BUSES:
                return bus, place.name
        return "", ""

    # --- connections to the kernel ------------------------------------------------

    def rtnl(self, ns: str | None = None) -> Rtnl:
        """Links of a namespace."""
        if ns not in self._rtnl:
            self._rtnl[ns] = Rtnl(ns)
        return self._rtnl[ns]

    @property
    def netdev(self) -> NetdevGenl:
        """The kernel's knowledge of queues; skips where it has none."""
        if self._genl is None:
            self._genl = NetdevGenl()
        return self._genl

    def link(self, end: End | None = None) -> object:
        """State and counters of an end."""
        end = end or self.dut
        return self.rtnl(end.ns).link(end.ifindex)

    def carrier(self, end: End) -> bool:
        """Up and running?"""
        try:
            return bool(self.rtnl(end.ns).link(end.ifindex).flags & 0x10000)
        except OSError:
            return False

    # --- configuration ------------------------------------------------------------

    def configure(self, pair: Pair) -> None:
        """Addresses, neighbours, up; nothing that sends a frame by itself."""
        for end in pair.ends:
            if not end.exists:
                raise Skip(f"there is no interface {end.ifname}")
            for name, value in (("disable_ipv6", 1), ("accept_ra", 0), ("router_solicitations", 0),
                                ("addr_gen_mode", 1), ("accept_dad", 0)):
                with contextlib.suppress(OSError):
                    sysctl(f"net/ipv6/conf/{end.ifname}/{name}", value, end.ns)
        for end, other in (pair.ends, reversed(pair.ends)):
            end.ip("addr flush dev {}", "link set {} up", f"addr add {end.ip4}/26 dev {{}}",
                   f"neigh replace {other.ip4} lladdr {other.mac.hex(':')} dev {{}} {NUD}")
            # Queues of the default kind; a device of one queue has no mq.
            now = self.rtnl(end.ns).qdiscs(end.ifindex)
            if sorted(set(now)) in ([(False, QDISC), (True, "mq")], [(True, "pfifo")]):
                continue
            if run(f"tc qdisc replace dev {end.ifname} root mq", end.ns, ok=False).returncode:
                end.run("tc qdisc replace dev {} root pfifo limit 1000", ok=False)
        self.ready(pair)

    def ready(self, pair: Pair | None = None) -> None:
        """Wait for the carrier of both ends."""
        for end in (pair or self.pairs[0]).ends:
            wait_for(lambda e=end: self.carrier(e), f"carrier of {end.ifname}")

    def ipv6(self, pair: Pair | None = None) -> None:
        """Addresses of version 6, for this case."""
        for end, other in ((pair or self.pairs[0]).ends, reversed((pair or self.pairs[0]).ends)):
            sysctl(f"net/ipv6/conf/{end.ifname}/disable_ipv6", 0, end.ns)
            self.later(lambda e=end: sysctl(f"net/ipv6/conf/{e.ifname}/disable_ipv6", 1, e.ns))
            end.ip(f"addr replace {end.ip6}/64 dev {{}} nodad",
                   f"neigh replace {other.ip6} lladdr {other.mac.hex(':')} dev {{}} {NUD}")

    def mtu(self, value: int, *ends: End) -> None:
        """An MTU for this case; by default of all ends."""
        for end in ends or [e for p in self.pairs for e in p.ends]:
            rtnl = self.rtnl(end.ns)
            limit = rtnl.link(end.ifindex).max_mtu
            if limit and limit < value:
                raise Skip(f"{end.ifname} takes an MTU of at most {limit}")
            rtnl.set_mtu(end.ifindex, value)
            self.later(lambda e=end, r=rtnl: r.set_mtu(e.ifindex, MTU))
        for pair in self.pairs:
            self.ready(pair)

    def channels(self, n: int, end: End | None = None) -> None:
        """Queue pairs for this case."""
        end = end or self.dut
        before, most = self.channel_limits(end)
        if before == n:
            return
        if n > most:
            raise Skip(f"{end.ifname} has {most} queues at most")
        end.run(f"ethtool -L {{}} combined {n}")
        self.later(lambda: end.run(f"ethtool -L {{}} combined {before}"))
        self.ready()

    def channel_limits(self, end: End | None = None) -> tuple[int, int]:
        """Queue pairs in use, and the most there can be."""
        end = end or self.dut
        try:
            found = struct.unpack("=8I", end.ethtool(struct.pack("=I", ETHTOOL_GCHANNELS), 32))
        except OSError:
            return 1, 1
        return (found[7], found[3]) if found[3] else (1, 1)

    def huge_pages(self, wanted: int, least: int) -> None:
        """Memory in huge pages for this case, and how many of them it needs."""
        before = run("sysctl -n vm.nr_hugepages").stdout.strip()
        run(f"sysctl -q -w vm.nr_hugepages={wanted}")
        self.later(lambda: run(f"sysctl -q -w vm.nr_hugepages={before}"))
        if int(run("sysctl -n vm.nr_hugepages").stdout) < least:
            raise Skip("no memory in huge pages")

    def offload(self, end: End, **wanted: bool) -> dict[str, bool]:
        """Switch features for this case; those that are fixed are left alone.

        Names are ethtool's with _ for -. Returns what is in force.
        """
        state = run_json(f"ethtool --json -k {end.ifname}", end.ns)[0]
        words, undo = [], []
        for key, on in wanted.items():
            name = key.replace("_", "-")
            now = state.get(name)
            if now is None or now["fixed"] or now["active"] == on:
                continue
            words += [name, "on" if on else "off"]
            undo += [name, "on" if now["active"] else "off"]
        if words:
            run(["ethtool", "-K", end.ifname, *words], end.ns, ok=False)
            self.later(lambda: run(["ethtool", "-K", end.ifname, *undo], end.ns, ok=False))
        state = run_json(f"ethtool --json -k {end.ifname}", end.ns)[0]
        return {k: bool(state.get(k.replace("_", "-"), {}).get("active")) for k in wanted}

    # --- cases --------------------------------------------------------------------

    def later(self, undo: Callable[[], object]) -> None:
        """Do this at the end of the case, before what was asked for earlier."""
        self._stack.callback(undo)

    def begin(self, _name: str) -> None:
        """Before each case."""
        for pair in self.pairs:
            for end in pair.ends:
                if not end.exists:
                    raise Failure(f"{end.ifname} is gone: an earlier case broke it")
            self.ready(pair)

    def end(self) -> str:
        """After each case: put everything back; what went wrong with that."""
        try:
            self._stack.close()
        except Exception:  # pylint: disable=broad-exception-caught
            return "putting things back:\n" + traceback.format_exc()
        finally:
            self._stack = contextlib.ExitStack()
        for pair in self.pairs:
            for end in pair.ends:
                with contextlib.suppress(OSError):
                    info = self.rtnl(end.ns).link(end.ifindex)
                    if info.xdp_mode:
                        with contextlib.suppress(NetlinkError):
                            self.rtnl(end.ns).set_xdp(end.ifindex, -1)
        return ""

    def close(self) -> None:
        """At the end of the program."""
        for rtnl in self._rtnl.values():
            rtnl.close()

    def wait_for(self, condition: Callable[[], object], what: str,
                 seconds: float = tool.PATIENCE) -> object:
        """As tool.wait_for()."""
        return wait_for(condition, what, seconds)
