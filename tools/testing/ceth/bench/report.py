# SPDX-License-Identifier: GPL-2.0
"""Readings as a table, as JSON, and against limits."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counts import INTERRUPTS, PATHS, STACK, Reading

TOP = 12


@dataclass(frozen=True)
class Bound:
    """A line of the limits file: so many instructions, or so much of a figure."""

    value: float
    of_reference: bool

    def allows(self, figure: float, reference: float | None) -> bool | None:
        """None: there is nothing to compare with."""
        if not self.of_reference:
            return round(figure, 1) <= self.value
        return None if reference is None else figure <= self.value * reference

    def __str__(self) -> str:
        return f"{self.value:g} of it" if self.of_reference else f"{self.value:,.0f}"


class Limits:
    """The limits file.

    KIND PATH VALUE [WORD...]: KIND is target or limit, VALUE instructions or, with
    an x behind it, a part of the in-tree driver's; WORDs are what the run must
    be (a kernel, a device, a ring format) for the line to apply. The line with the most
    words wins.
    """

    def __init__(self, path: Path) -> None:
        self.lines: list[tuple[str, str, Bound, set[str]]] = []
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) < 3 or words[0] not in ("target", "limit") or words[1] not in PATHS:
                raise ValueError(f"{path}:{number}: cannot read: {line}")
            bound = Bound(float(words[2].rstrip("x")), words[2].endswith("x"))
            self.lines.append((words[0], words[1], bound, set(words[3:])))

    def find(self, kind: str, path: str, run: set[str]) -> Bound | None:
        """The bound that applies to a path in such a run."""
        fits = [(len(words), bound) for k, p, bound, words in self.lines
                if k == kind and p == path and words <= run]
        return max(fits, key=lambda fit: fit[0])[1] if fits else None


@dataclass
class Row:
    """All repeats of a path with a driver."""

    readings: list[Reading]

    @property
    def middle(self) -> Reading:
        """The repeat with the median figure."""
        ordered = sorted(self.readings, key=lambda r: r.figure)
        return ordered[(len(ordered) - 1) // 2]

    @property
    def spread(self) -> float:
        """From the least to the largest figure."""
        figures = [r.figure for r in self.readings]
        return max(figures) - min(figures)

    def faults(self) -> list[str]:
        """Of any repeat, each once."""
        return sorted({fault for r in self.readings for fault in r.faults()})


def shown(figure: float) -> str:
    """A number of instructions, as exact as it is worth."""
    return f"{figure:,.1f}" if figure < 1000 else f"{figure:,.0f}"


class Report:
    """The results of one machine and one ring format."""

    def __init__(self, readings: list[Reading], drivers: list[str], paths: list[str],
                 limits: Limits, words: set[str]) -> None:
        self.drivers = drivers
        self.paths = paths
        self.limits = limits
        self.words = words
        self.rows: dict[tuple[str, str], Row] = {}
        for reading in readings:
            row = self.rows.setdefault((reading.driver, reading.path), Row([]))
            row.readings.append(reading)

    @property
    def reference(self) -> str:
        """The driver that the others are compared with: the first one."""
        return self.drivers[0]

    def subject(self) -> str | None:
        """The driver that bounds apply to: the first of CETH's."""
        return next((d for d in self.drivers if d.startswith("ceth")), None)

    def figure(self, driver: str | None, path: str) -> float | None:
        """A figure, if there is one."""
        row = self.rows.get((driver or "", path))
        return row.middle.figure if row else None

    def verdict(self, kind: str, path: str) -> tuple[Bound | None, bool | None]:
        """A bound and whether it holds."""
        bound = self.limits.find(kind, path, self.words)
        figure = self.figure(self.subject(), path)
        if bound is None or figure is None:
            return bound, None
        reference = self.figure(self.reference, path)
        return bound, bound.allows(figure, reference if self.reference != self.subject() else None)

    # --- text -----------------------------------------------------------------

    def table(self) -> str:
        """The comparison, a line for each path."""
        head = ["path", "per"]
        for driver in self.drivers:
            head += [driver, "zeroing"]
        head += [f"{d}/{self.reference}" for d in self.drivers[1:]]
        head += ["target", ""]
        lines = [head]
        for path in self.paths:
            cells = [path, PATHS[path].per]
            for driver in self.drivers:
                row = self.rows.get((driver, path))
                if row is None:
                    cells += ["-", ""]
                    continue
                cells.append(shown(row.middle.figure) + (" ?" if row.faults() else ""))
                cells.append(f"+{row.middle.zeroing:,.0f}" if row.middle.zeroing >= 0.5 else "")
            base = self.figure(self.reference, path)
            for driver in self.drivers[1:]:
                figure = self.figure(driver, path)
                cells.append(f"{figure / base:.2f}" if figure is not None and base else "-")
            bound, met = self.verdict("target", path)
            cells.append(str(bound) if bound else "")
            cells.append({True: "met", False: "missed", None: ""}[met])
            lines.append(cells)
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        return "\n".join(
            "  ".join(cell.ljust(w) if i in (0, 1) or i >= len(head) - 1 else cell.rjust(w)
                      for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
            for line in lines)

    def conditions(self) -> str:
        """How full the polls were, how far the repeats lie apart, what went wrong."""
        lines = []
        for driver in self.drivers:
            for path in self.paths:
                row = self.rows.get((driver, path))
                if row is None:
                    lines.append(f"  {driver} {path}: no reading")
                    continue
                middle = row.middle
                words = [f"{middle.amount:,} {middle.kind.per}s" if middle.kind.per == "packet"
                         else f"{middle.amount} MB"]
                if middle.kind.receives:
                    words.append(f"{middle.packets_per_poll:.1f} packets per busy poll")
                for what, classes in (("in interrupts", INTERRUPTS), ("above the driver", STACK)):
                    beside = middle.beside(classes)
                    if beside >= 0.5 and middle.kind.classes != ("napi_full",):
                        words.append(f"{beside:,.0f} more {what}")
                if len(row.readings) > 1:
                    words.append(f"{len(row.readings)} repeats within {row.spread:,.1f}")
                lines.append(f"  {driver} {path}: " + ", ".join(words))
                lines += [f"  {driver} {path}: NOT RELIABLE: {fault}" for fault in row.faults()]
        return "\n".join(lines)

    def top(self, driver: str, path: str, many: int = TOP) -> str:
        """Where the instructions of a path go."""
        row = self.rows.get((driver, path))
        if row is None:
            return ""
        middle = row.middle
        total = middle.counted()
        modules: Counter[str] = Counter()
        for (_, module), insns in total.symbols.items():
            modules[module] += insns
        lines = [f"{path}, {driver}: {middle.figure:,.1f} per {middle.kind.per}: " + ", ".join(
            f"{module} {middle.per_unit(insns):,.1f}" for module, insns in modules.most_common()
            if middle.per_unit(insns) >= 0.5)]
        for (name, module), insns in total.symbols.most_common(many):
            steps = total.filled[(name, module)]
            note = f"  (+{middle.per_unit(steps):,.0f} steps that fill memory)" if steps else ""
            lines.append(f"  {middle.per_unit(insns):10,.1f}  {name} [{module}]{note}")
        return "\n".join(lines)

    # --- the rest -------------------------------------------------------------

    def gate(self) -> list[str]:
        """What is over a limit or could not be judged."""
        failures = []
        subject = self.subject()
        for path in self.paths:
            bound, within = self.verdict("limit", path)
            row = self.rows.get((subject or "", path))
            if bound is None:
                continue
            if row is None:
                failures.append(f"{path}: no reading of {subject}")
            elif row.faults():
                failures.append(f"{path}: not reliable: {row.faults()[0]}")
            elif within is None:
                failures.append(f"{path}: nothing to compare with")
            elif not within:
                failures.append(f"{path}: {row.middle.figure:,.1f} instructions, limit {bound}")
        return failures

    def as_json(self) -> list[dict[str, Any]]:
        """Every reading, with every symbol."""
        return [_reading_json(r) for row in self.rows.values() for r in row.readings]


def _named(counter: Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{name} [{module}]": n for (name, module), n in counter.most_common()}


def _reading_json(r: Reading) -> dict[str, Any]:
    per_poll = sorted(insns / work for work, insns in r.full_polls)
    return {
        "driver": r.driver,
        "path": r.path,
        "title": r.kind.title,
        "per": r.kind.per,
        "instructions": round(r.figure, 2),
        "zeroing_steps": round(r.zeroing, 2),
        "classes_counted": list(r.kind.classes),
        "amount": r.amount,
        "counters": r.facts,
        "faults": r.faults(),
        "polls": {
            "full": len(per_poll),
            "partial": sum(1 for work, _ in r.polls if 0 < work < 64),
            "empty": sum(1 for work, _ in r.polls if not work),
            "packets_per_busy_poll": round(r.packets_per_poll, 2),
            "full_min_median_max": [round(per_poll[0], 1),
                                    round(statistics.median(per_poll), 1),
                                    round(per_poll[-1], 1)] if per_poll else [],
        },
        "classes": {
            name: {
                "instructions": c.symbols.total(),
                "filled_steps": c.filled.total(),
                "copied_steps": c.copied.total(),
                "symbols": _named(c.symbols),
                "filled_by": _named(c.filled),
                "copied_by": _named(c.copied),
            } for name, c in r.classes.items() if c.symbols
        },
    }
