# SPDX-License-Identifier: GPL-2.0
"""Read TAP as kselftests print it, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"^(?P<indent>\s*)(?P<not>not )?ok\b\s*(?P<number>\d+)?\s*-?\s*(?P<rest>.*)$")
PLAN = re.compile(r"^(?P<indent>\s*)1\.\.(?P<count>\d+)\s*(?:#\s*(?P<note>.*))?$")
# A kselftest says SKIP, or XFAIL for what is known not to work in general.
DIRECTIVE = re.compile(r"\s*#\s*(?P<kind>SKIP|XFAIL)\b:?\s*(?P<why>.*)$", re.IGNORECASE)
KEEP = 25
SKIP_STATUS = 4


@dataclass
class Point:
    """One test point; result is "pass", "fail" or "skip"."""

    name: str
    result: str
    why: str = ""
    output: list[str] = field(default_factory=list)


class Program:
    """The output of one program.

    Subtests are indented by their program; they count, and the line that sums
    them up does not, unless it fails though none of them did.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.planned: int | None = None
        self.seen = 0
        self.points = 0
        self.failed = False
        self.skipped_all = ""
        self.depth_results: dict[int, list[str]] = {}
        self.recent: list[str] = []

    def feed(self, line: str) -> Point | None:
        """A line of output; a test point if the line is one that counts."""
        line = line.rstrip("\r\n")
        plan = PLAN.match(line)
        if plan:
            if not plan["indent"]:
                self.planned = int(plan["count"])
                note = plan["note"] or ""
                if self.planned == 0:
                    self.skipped_all = re.sub(r"(?i)^skip:?\s*", "", note) or "no reason given"
            return None
        m = RESULT.match(line)
        if not m:
            if line.strip():
                self.recent = [*self.recent[-KEEP:], line]
            return None
        return self._result(m)

    def _result(self, m: re.Match[str]) -> Point | None:
        depth = len(m["indent"].expandtabs())
        name = m["rest"]
        result, why = ("fail" if m["not"] else "pass"), ""
        directive = DIRECTIVE.search(name)
        if directive:
            name = name[:directive.start()]
            if not m["not"]:
                result = "skip"
                why = directive["why"] or directive["kind"]
        if depth == 0:
            self.seen += 1
        children = [r for d in list(self.depth_results) if d > depth for r in self.depth_results.pop(d)]
        self.depth_results.setdefault(depth, []).append(result)
        if children and not (result == "fail" and "fail" not in children):
            return None
        self.points += 1
        self.failed |= result == "fail"
        point = Point(name.strip() or f"test {m['number'] or self.points}", result, why,
                      self.recent if result == "fail" else [])
        self.recent = []
        return point

    def finish(self, status: int | None) -> Point | None:
        """After the last line; a failure if the program did not do as it said."""
        why = ""
        if status is None:
            why = "the program did not come to its end"
        elif status == 124:
            why = "took too long"
        elif status > 128:
            why = f"ended by signal {status - 128}"
        elif self.skipped_all and not self.points and status in (0, SKIP_STATUS):
            return Point("(all)", "skip", self.skipped_all)
        elif self.planned is None and status == SKIP_STATUS and not self.failed:
            return Point("(all)", "skip", self.recent[-1] if self.recent else "no reason given")
        elif self.planned is None:
            why = f"no plan, exit status {status}"
        elif self.planned != self.seen:
            why = f"planned {self.planned} tests, ran {self.seen}, exit status {status}"
        elif status not in (0, SKIP_STATUS) and not self.failed:
            why = f"exit status {status} though no test failed"
        return Point("(program)", "fail", why, self.recent) if why else None
