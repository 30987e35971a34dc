# SPDX-License-Identifier: GPL-2.0
"""What the counting plugin wrote, made into readings by symbol."""

from __future__ import annotations

import bisect
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# Classes of insn.c: what the driver does for its packets, the kernel's part in
# calling it at all, and the system call above it. How many interrupts there are
# depends on how fast the machine emulates the device, so they are reported apart.
DRIVER = ("napi_full", "napi_part", "napi_idle", "xmit")
INTERRUPTS = ("softirq", "irq")
STACK = ("task",)
WEIGHT = 64
# So many full polls are enough for a figure.
ENOUGH = 16


@dataclass(frozen=True)
class PathKind:
    """How a path's figure is made of the classes."""

    title: str
    classes: tuple[str, ...]
    per: str = "packet"
    receives: bool = False
    delivers: bool = False


# The figure of receive paths that end in this machine is that of full polls.
# Where frames leave, their completion may be a poll of its own, so all that the
# driver did counts, for all packets. A TCP stream is the whole of it.
PATHS = {
    "xdp_drop": PathKind("XDP_DROP", ("napi_full",), receives=True),
    "xdp_pass": PathKind("XDP_PASS, dropped in ip_rcv", ("napi_full",), receives=True),
    "xdp_tx": PathKind("XDP_TX", DRIVER, receives=True, delivers=True),
    "xdp_redirect": PathKind("XDP_REDIRECT to a second NIC", DRIVER, receives=True, delivers=True),
    "xsk_drop": PathKind("AF_XDP receive, zero-copy", ("napi_full",), receives=True),
    "xsk_tx": PathKind("AF_XDP transmit, zero-copy", DRIVER, delivers=True),
    "xsk_forward": PathKind("AF_XDP back to the sender, zero-copy", DRIVER, receives=True,
                            delivers=True),
    "rx_stack": PathKind("stack receive, dropped in ip_rcv", ("napi_full",), receives=True),
    "tx_pktgen": PathKind("transmit, pktgen", DRIVER, delivers=True),
    "tx_udp": PathKind("transmit, UDP socket", DRIVER, delivers=True),
    "tcp_rx": PathKind("TCP stream, receive", DRIVER + INTERRUPTS + STACK, per="MB"),
    "tcp_tx": PathKind("TCP stream, transmit", DRIVER + INTERRUPTS + STACK, per="MB"),
}


class Symbols:
    """The guest's text symbols, as the helper saved them."""

    def __init__(self, path: Path) -> None:
        entries: list[tuple[int, str, str]] = []
        for line in path.read_text(encoding="ascii").splitlines():
            va, name, module = line.split(" ")
            entries.append((int(va, 16), name, module or "kernel"))
        entries.sort()
        self.addresses = [e[0] for e in entries]
        self.names = [(e[1], e[2]) for e in entries]

    def address(self, name: str) -> int | None:
        """Where a function begins."""
        found = [a for a, (n, _) in zip(self.addresses, self.names) if n == name]
        return found[0] if found else None

    def at(self, va: int) -> tuple[str, str]:
        """Name and module of the function that an address is in."""
        i = bisect.bisect_right(self.addresses, va) - 1
        return self.names[i] if i >= 0 else (f"{va:#x}", "?")


@dataclass
class ClassCount:
    """What one class of a window executed."""

    # by address and length in instructions
    blocks: Counter[tuple[int, int]] = field(default_factory=Counter)
    symbols: Counter[tuple[str, str]] = field(default_factory=Counter)
    filled: Counter[tuple[str, str]] = field(default_factory=Counter)
    copied: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: ClassCount) -> None:
        """Sum up."""
        self.blocks.update(other.blocks)
        self.symbols.update(other.symbols)
        self.filled.update(other.filled)
        self.copied.update(other.copied)


@dataclass
class Reading:
    """One window: a driver, a path, one of its repeats."""

    driver: str
    path: str
    facts: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ClassCount] = field(default_factory=dict)
    polls: list[tuple[int, int]] = field(default_factory=list)
    dropped: int = 0

    @property
    def kind(self) -> PathKind:
        """How to make the figure."""
        return PATHS[self.path]

    @property
    def full_polls(self) -> list[tuple[int, int]]:
        """Polls that used up their budget."""
        return [p for p in self.polls if p[0] >= WEIGHT]

    @property
    def amount(self) -> int:
        """What the figure is divided by: packets or megabytes."""
        if self.kind.classes == ("napi_full",):
            return sum(work for work, _ in self.full_polls)
        if self.kind.receives:
            return self.facts.get("rx", 0)
        return self.facts.get("mb", 0) or self.facts.get("sent", 0)

    def counted(self) -> ClassCount:
        """All classes of the figure together."""
        total = ClassCount()
        for name in self.kind.classes:
            if name in self.classes:
                total.add(self.classes[name])
        return total

    def per_unit(self, count: int) -> float:
        """A number of instructions, per packet or megabyte."""
        return count / self.amount if self.amount else 0.0

    @property
    def figure(self) -> float:
        """Instructions per packet or megabyte."""
        return self.per_unit(self.counted().symbols.total())

    @property
    def zeroing(self) -> float:
        """Steps of string instructions that fill memory, per packet or megabyte."""
        return self.per_unit(self.counted().filled.total())

    def beside(self, classes: tuple[str, ...]) -> float:
        """Per packet or megabyte, of classes that are not part of the figure."""
        return self.per_unit(sum(self.classes[c].symbols.total() for c in classes
                                 if c in self.classes and c not in self.kind.classes))

    @property
    def packets_per_poll(self) -> float:
        """Of the polls that found any."""
        busy = [work for work, _ in self.polls if work]
        return statistics.fmean(busy) if busy else 0.0

    def faults(self) -> list[str]:
        """Why the figure cannot be trusted; none, if all is well."""
        found = []
        if self.dropped:
            found.append(f"{self.dropped} events did not fit into the plugin's tables")
        if not self.amount:
            found.append("nothing was counted")
        sent, rx = self.facts.get("sent", 0), self.facts.get("rx", 0)
        leave = sent
        if self.kind.receives:
            leave = rx
            work = sum(w for w, _ in self.polls)
            # Where frames leave, a poll may return its budget to clean up more.
            if work != rx and not self.kind.delivers:
                found.append(f"polls returned {work} packets, the driver counted {rx}")
            if self.kind.classes == ("napi_full",) and len(self.full_polls) < ENOUGH:
                found.append(f"only {len(self.full_polls)} full polls")
        # The in-tree driver counts nothing of what AF_XDP sends.
        elif (sent and self.facts.get("tx", 0) != sent
              and (self.driver, self.path, self.facts.get("tx", 0)) != ("virtio_net", "xsk_tx", 0)):
            found.append(f"{sent} packets were handed over, the driver counted {self.facts.get('tx')}")
        if self.kind.delivers and self.facts.get("far", 0) < leave * 0.99:
            found.append(f"{leave} packets were to leave, {self.facts.get('far')} arrived")
        return found


def read(path: Path, symbol_dir: Path) -> list[Reading]:
    """All windows of a run."""
    readings: list[Reading] = []
    symbols: dict[str, Symbols] = {}
    reading: Reading | None = None
    count = ClassCount()
    names = Symbols.__new__(Symbols)
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "window":
            driver, name, _ = rest.split("/")
            if driver not in symbols:
                symbols[driver] = Symbols(symbol_dir / f"symbols.{driver}")
            names = symbols[driver]
            reading = Reading(driver, name)
        elif reading is None:
            continue
        elif word == "class":
            count = reading.classes.setdefault(rest, ClassCount())
        elif word == "poll":
            work, insns = rest.split()
            reading.polls.append((int(work), int(insns)))
        elif word == "dropped":
            reading.dropped = int(rest)
        elif word == "end":
            facts = (fact.split("=") for fact in rest.split())
            reading.facts = {key: int(value) for key, value in facts}
            readings.append(reading)
            reading = None
        elif word != "note":
            va, fields = int(word, 16), rest.split()
            symbol, executed = names.at(va), int(fields[1])
            count.symbols[symbol] += executed
            count.blocks[va, int(fields[0])] += executed
            if len(fields) == 4:
                steps = count.filled if fields[3] == "fill" else count.copied
                steps[symbol] += int(fields[2])
    return readings
