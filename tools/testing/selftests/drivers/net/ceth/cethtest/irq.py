# SPDX-License-Identifier: GPL-2.0
"""Interrupts of a device, and the CPUs that they run on."""

from __future__ import annotations

import re
from pathlib import Path

from .env import End, Env
from .tool import Skip, read, write


def _names() -> dict[int, str]:
    """Interrupts and what /proc/interrupts calls them."""
    found = {}
    for line in Path("/proc/interrupts").read_text(encoding="ascii", errors="replace").splitlines():
        m = re.match(r"\s*(\d+):.*?\s(\S+)$", line)
        if m:
            found[int(m[1])] = m[2]
    return found


def of_device(end: End) -> list[int]:
    """Message signalled interrupts of a device that are in use."""
    link = Path(f"/sys/class/net/{end.ifname}/device").resolve()
    names = _names()
    for place in (link, *link.parents):
        if (place / "msi_irqs").is_dir():
            return sorted(int(p.name) for p in (place / "msi_irqs").iterdir()
                          if int(p.name) in names)
        if (place / "irqs").is_file():
            return sorted(int(n) for n in read(place / "irqs").split() if int(n) in names)
    raise Skip(f"{end.ifname} has no interrupts of its own")


def affinity(irq: int) -> str:
    """CPUs that an interrupt may run on, as the user has set it."""
    return read(f"/proc/irq/{irq}/smp_affinity_list")


def counts(irq: int) -> int:
    """How often an interrupt has occurred."""
    for line in Path("/proc/interrupts").read_text(encoding="ascii", errors="replace").splitlines():
        head, _, rest = line.partition(":")
        if head.strip() == str(irq):
            return sum(int(n) for n in re.findall(r"(?<=\s)\d+(?=\s)", rest))
    return 0


class Irqs:
    """Interrupts of a device, moved for a case."""

    def __init__(self, env: Env, end: End) -> None:
        self.env = env
        self.irqs = of_device(end)
        for irq in self.irqs:
            before = affinity(irq)
            env.later(lambda i=irq, b=before: self._set(i, b))

    @staticmethod
    def _set(irq: int, cpus: str) -> bool:
        try:
            write(f"/proc/irq/{irq}/smp_affinity_list", cpus)
        except OSError:
            return False
        return True

    def pin(self, cpu: int) -> None:
        """All of them to one CPU."""
        if not any([self._set(irq, str(cpu)) for irq in self.irqs]):
            raise Skip("interrupts cannot be moved here")

    def spread(self) -> None:
        """One after the other over all CPUs."""
        for i, irq in enumerate(self.irqs):
            self._set(irq, str(i % self.env.cpus))
