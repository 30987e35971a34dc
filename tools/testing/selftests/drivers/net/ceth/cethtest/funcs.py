# SPDX-License-Identifier: GPL-2.0
"""Functions of a device, as devlink makes them."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .env import End, Env
from .tool import Skip, check, read, run, run_json, sysctl, wait_for

BUS = Path("/sys/bus/refnic")
CONFIGFS = Path("/sys/kernel/config/refnic")


def devlink(words: str, ok: bool = True) -> str:
    """A devlink command, or what it says when it is refused."""
    done = run(f"devlink {words}", ok=ok)
    if not ok:
        check(done.returncode, f"devlink {words}: is not refused")
    return done.stdout if ok else done.stderr


def parent(env: Env) -> str:
    """The device, as devlink calls it."""
    if env.bus != "refnic":
        raise Skip("the device has no functions")
    return f"{env.bus}/{env.pci}"


def address(n: int) -> str:
    """Of the function with that sfnum."""
    return f"52:45:46:80:{n >> 8 & 255:02x}:{n & 255:02x}"


class Func:
    """A function, made for this case."""

    def __init__(self, env: Env, sfnum: int, pairs: int = 2, active: bool = True) -> None:
        self.env, self.sfnum = env, sfnum
        self.mac = address(sfnum)
        said = devlink(f"port add {parent(env)} flavour pcisf pfnum 0 sfnum {sfnum}")
        self.port = said.split(":")[0].strip() if said.strip() else self.find()
        self.end = End("-", None, "192.0.2.200", "::")
        self.device = Path("-")
        self.gone = False
        env.later(self.remove)
        self.set(f"hw_addr {self.mac}" + (f" max_io_eqs {pairs}" if pairs else ""))
        if active:
            self.activate()

    def find(self) -> str:
        """The port, by the number."""
        ports = run_json("devlink -j port show")["port"]
        return next(k for k, v in ports.items()
                    if k.startswith(parent(self.env) + "/") and v.get("sfnum") == self.sfnum)

    @property
    def shown(self) -> dict[str, object]:
        """What devlink shows of it."""
        ports = run_json(f"devlink -j port show {self.port}")["port"]
        return dict(ports[self.port])

    def set(self, what: str, ok: bool = True) -> str:
        """devlink port function set."""
        return devlink(f"port function set {self.port} {what}", ok)

    def netdev(self) -> str:
        """Its interface, or ""."""
        for place in BUS.glob(f"devices/{self.env.pci}.*/net/*/address"):
            with contextlib.suppress(OSError):
                if read(place) == self.mac:
                    self.device = place.parents[2]
                    return place.parent.name
        return ""

    def activate(self) -> None:
        """There, and up."""
        self.set("state active")
        name = wait_for(self.netdev, f"the interface of function {self.sfnum}")
        self.end = End(str(name), None, "192.0.2.200", "::")
        with contextlib.suppress(OSError):
            sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
        self.end.run("ip link set {} up")
        wait_for(lambda: self.env.carrier(self.end), f"carrier of {name}")

    def move(self, ns: str) -> None:
        """Its interface is in that namespace from now on."""
        self.end.run(f"ip link set {{}} netns {ns}")
        self.end = End(self.end.ifname, ns, self.end.ip4, self.end.ip6)
        self.end.run("ip link set {} up")
        wait_for(lambda: self.env.carrier(self.end), f"carrier of {self.end.ifname}")

    def vanished(self) -> None:
        """Wait until its device is gone, and the interface with it."""
        wait_for(lambda: not self.device.exists() and not self.netdev(),
                 f"function {self.sfnum} to go")

    def remove(self) -> None:
        """No such function any more."""
        if not self.gone:
            devlink(f"port del {self.port}")
        self.gone = True
        self.vanished()
