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

    def netdev(self) -> str:
        """Name of its interface, or ""."""
        for place in (self.path, *self.path.glob("virtio*")):
            for net in place.glob("net/*"):
                return net.name
        return ""

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
        name, wanted = self.netdev(), self.env.dut.ifname
        if name != wanted:
            run(f"ip link set {name} name {wanted}")
        self._restore_peers()
        self.env.configure(self.env.pairs[0])


    def _restore_peers(self) -> None:
        """Peers of the same driver lose their interfaces with it. Which those
        are, only whoever runs the tests knows."""
        for i, pair in enumerate(self.env.pairs):
            place = self.bus / "devices" / os.environ.get(f"PEER{i}_PCI", "-") / "net"
            if pair.peer.exists or not place.is_dir():
                continue
            for net in place.iterdir():
                run(f"ip link set {net.name} name {pair.peer.ifname}")
                run(f"ip link set {pair.peer.ifname} netns {pair.peer.ns}")

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
