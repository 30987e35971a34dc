# SPDX-License-Identifier: GPL-2.0
"""What a network device sits in, on PCI or elsewhere: drivers, modules,
unplugging."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .env import Env
from .tool import Failure, Skip, check, equal, run, wait_for, write

BUSES = Path("/sys/bus")
MONITOR = "CETH_MONITOR"
MODULES = "CETH_KO"


class Function:
    """The device under test as a function of its bus."""

    def __init__(self, env: Env) -> None:
        if not env.pci:
            raise Skip(f"{env.dut.ifname} is on no bus that is known")
        self.env = env
        self.address = env.pci
        self.bus = BUSES / env.bus
        self.path = self.bus / "devices" / env.pci
        self.driver = (self.path / "driver").resolve().name

    @property
    def bound(self) -> str:
        """Its driver now, or ""."""
        link = self.path / "driver"
        return link.resolve().name if link.exists() else ""

    def _netdev_of(self, address: str) -> str:
        """Name of a device's interface, or ""; those elsewhere are not seen."""
        path = self.bus / "devices" / address
        for place in (path, *path.glob("virtio*")):
            for net in place.glob("net/*"):
                return net.name
        return ""

    def netdev(self) -> str:
        """Name of its interface, or ""."""
        return self._netdev_of(self.address)

    def unbind(self) -> None:
        """Take it from its driver."""
        write(self.path / "driver" / "unbind", self.address)
        check(not self.bound, "bound after unbind")
        check(not self.netdev(), "an interface without a driver")

    def bind(self) -> None:
        """Give it back, and set its interface up as before."""
        if self.bound and self.bound != self.driver:
            # A device that is new goes to whatever driver wants it.
            self.unbind()
        if not self.bound:
            if (self.path / "driver_override").exists():
                write(self.path / "driver_override", self.driver)
            write(self.bus / "drivers_probe", self.address)
        equal(self.bound, self.driver, f"driver of {self.address}")
        self.restore()

    def restore(self) -> None:
        """The interface that has appeared gets its old name and addresses."""
        wait_for(lambda: self.bound and self.netdev(), f"an interface of {self.address}")
        self._rename()
        self.env.configure(self.env.pairs[0])

    def _rename(self) -> None:
        """Others of the same driver may have lost their interfaces, too: the
        peer, the devices of another pair. Where those are, only whoever runs the
        tests knows. A name may be taken by who will get another."""
        wanted = {self.address: (self.env.dut.ifname, "")}
        for i, suffix in enumerate(("", "2")):
            for nic, name, ns in (("DUT", "NETIF", ""), ("PEER", "PEER", "NS")):
                address = os.environ.get(f"{nic}{i}_PCI", "")
                wanted.setdefault(address, (os.environ.get(name + suffix, ""),
                                            os.environ.get(ns + suffix, "") if ns else ""))
        back = []
        for address, (name, ns) in wanted.items():
            now = self._netdev_of(address) if address and name else ""
            if now and (now != name or ns):
                run(f"ip link set {now} name ceth-back{len(back)}")
                back.append((name, ns))
        for i, (name, ns) in enumerate(back):
            run(f"ip link set ceth-back{i} name {name}" + (f" netns {ns}" if ns else ""))

    @contextlib.contextmanager
    def no_autoprobe(self) -> Iterator[None]:
        """A device that appears meanwhile gets no driver by itself."""
        write(self.bus / "drivers_autoprobe", 0)
        try:
            yield
        finally:
            write(self.bus / "drivers_autoprobe", 1)


def monitor(words: str) -> str:
    """Have the virtual machine do something to its hardware."""
    tool = os.environ.get(MONITOR, "")
    if not tool:
        raise Skip(f"{MONITOR} is not set: nobody to unplug or pull a wire")
    done = run([tool, *words.split()], ok=False, timeout=300)
    if done.returncode:
        raise Failure(f"monitor {words}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def nic_name(address: str) -> str:
    """What the virtual machine calls the function: DUT0 and so on."""
    for nic in os.environ.get("CETH_NICS", "").split():
        if os.environ.get(f"{nic}_PCI") == address:
            return nic
    raise Skip(f"nobody says which NIC of the machine {address} is")


def module_file(name: str) -> Path:
    """A module that is not installed but built."""
    path = Path(os.environ.get(MODULES, "/nonexistent")) / f"{name}.ko"
    if not path.exists():
        raise Skip(f"{MODULES} does not name a folder with {name}.ko")
    return path
