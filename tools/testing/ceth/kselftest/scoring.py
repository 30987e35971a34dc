# SPDX-License-Identifier: GPL-2.0
"""From what a selftest prints to results of its cases, and what was expected of
them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

RESULT = re.compile(r"^(?P<not>not )?ok (?P<number>\d+)? ?-? ?(?P<name>.*?)"
                    r"(?:\s*#\s*(?P<kind>SKIP|XFAIL)\b:?\s*(?P<why>.*))?$")
PLAN = re.compile(r"^1\.\.(?P<count>\d+)(?:\s*# SKIP:?\s*(?P<why>.*))?$")
# Programs from before TAP have forms of their own.
OLD_RESULTS = (
    re.compile(r"^(?P<kind>PASS|FAIL|SKIP|XFAIL): (?:[a-z]+\d+: )?(?P<name>.*)$"),
    re.compile(r"^TEST: (?P<name>.*?)\s+\[\s*(?P<kind>OK|FAIL|SKIP|XFAIL)\s*\]$"),
)
# What says why, in order of preference
REASONS = tuple(re.compile(r) for r in (
    r"Check failed|Expected exception|Waiting for condition",
    r"^# Exception\| *(?!File |Traceback)[\w.]*(?:Error|Failure|Ex|Exception|Expired)\b",
    r"STDERR|rror:|: ",
))
RESULTS = ("pass", "fail", "xfail", "skip")
PROGRAM = "(program)"
STATUS_SKIP = 4
STATUS_TIMEOUT = (124, 137)
STATUS_NO_NIC = 97


@dataclass
class Case:
    """A case of a test; result is one of RESULTS."""

    test: str
    name: str
    result: str
    why: str = ""
    output: tuple[str, ...] = ()


class Score:
    """The results of one test, fed line by line."""

    def __init__(self, test: str) -> None:
        self.test = test
        self.planned: int | None = None
        self.count = 0
        self.skipped_all = ""
        self.names: dict[str, int] = {}
        self.output: list[str] = []

    def _case(self, name: str, result: str, why: str) -> Case:
        # AF_XDP's test says it in the name, too, or has nothing but the reason.
        name = re.sub(r"^(PASS|FAIL|SKIP): ", "", name.strip() or why)
        name = re.sub(rf"^{re.escape(self.test)}(\.sh)?\.", "", name.strip()).replace(" ", "_")
        name = name.replace("#", "") or f"case_{self.count}"
        # Some tests use a name twice.
        self.names[name] = self.names.get(name, 0) + 1
        if self.names[name] > 1:
            name += f":{self.names[name]}"
        if result != "pass" and not why:
            why = self._reason()
        case = Case(self.test, name, result, why, tuple(self.output[-40:]))
        self.output = []
        return case

    def _reason(self) -> str:
        for pattern in REASONS:
            fits = [line for line in self.output if pattern.search(line)]
            if fits:
                text = re.sub(r"^# ?((Defer )?Exception\| ?)?", "", fits[-1]).strip()
                return re.sub(r"\s+", " ", text)[:160]
        return self.output[-1][:160] if self.output else ""

    def feed(self, line: str) -> Case | None:
        """A line of output; the case whose result it is."""
        line = line.rstrip("\r\n")
        plan = PLAN.match(line)
        if plan:
            self.planned = int(plan["count"])
            self.skipped_all = plan["why"] or ("empty plan" if self.planned == 0 else "")
            return None
        m = RESULT.match(line)
        if m:
            self.count += 1
            result = "fail" if m["not"] else (m["kind"] or "pass").lower()
            return self._case(m["name"], result, m["why"] or "")
        m = next(filter(None, (form.match(line) for form in OLD_RESULTS)), None)
        if m and self.planned is None:
            self.count += 1
            return self._case(m["name"], m["kind"].lower().replace("ok", "pass"), "")
        if line.strip():
            self.output = [*self.output[-200:], line]
        return None

    def finish(self, status: int | None) -> Case | None:
        """After the last line: a case for the program, if there is something
        to say about it as a whole."""
        if status is None:
            return self._case(PROGRAM, "fail", "the guest did not come to its end")
        if status == STATUS_NO_NIC:
            return self._case(PROGRAM, "fail", "no NIC to test: " + self._reason())
        if status in STATUS_TIMEOUT:
            return self._case(PROGRAM, "fail", "took too long")
        if self.planned is not None and self.planned != self.count:
            return self._case(PROGRAM, "fail", f"planned {self.planned} cases, ran {self.count}")
        if self.count:
            return None
        if status == STATUS_SKIP or (self.skipped_all and status == 0):
            return self._case(PROGRAM, "skip", self.skipped_all)
        return self._case(PROGRAM, "fail" if status else "pass", "")


@dataclass
class Expectation:
    """A line of a table: the result of the cases whose name fits a pattern."""

    where: str
    test: str
    pattern: str
    result: str
    reason: str
    used: bool = False

    def fits(self, case: Case) -> bool:
        """Whether it is about a case."""
        return self.test == case.test and fnmatchcase(case.name, self.pattern)


class Expected:
    """A table of results that are not passes, or that a table says may vary."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Expectation] = []
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.split(None, 3)
            where = f"{path.name}:{number}"
            if len(fields) != 4 or not set(fields[2].split("|")) <= set(RESULTS):
                raise ValueError(f"{where}: not of the form: test case result reason")
            self.lines.append(Expectation(where, *fields))

    def find(self, case: Case) -> Expectation | None:
        """The first line that is about a case."""
        for line in self.lines:
            if line.fits(case):
                line.used = True
                return line
        return None

    def judge(self, case: Case) -> tuple[bool, str, str]:
        """Whether a result is as expected, a TAP directive, and a remark."""
        line = self.find(case)
        if line is None:
            return case.result == "pass", "", "" if case.result == "pass" else "expected: pass"
        allowed = line.result.split("|")
        good = case.result in allowed
        remark = "" if good else f"{line.where} says: {line.result} ({line.reason})"
        if not good or case.result == "pass":
            return good, "", remark
        kind = "SKIP" if case.result == "skip" else "XFAIL"
        return True, f" # {kind} {line.reason}", remark

    def unused(self, tests: set[str]) -> list[Expectation]:
        """Lines about tests that were run, but about none of their cases."""
        return [line for line in self.lines if line.test in tests and not line.used]

    def update(self, cases: list[Case]) -> None:
        """Make the table that of these cases: of the lines about their tests,
        those that are right stay, and every case that has none left gets one."""
        tests = {c.test for c in cases}
        first = {(c.test, c.name): self.find(c) for c in cases}
        wrong = []
        for line in self.lines:
            mine = [c for c in cases if first[c.test, c.name] is line]
            if line.test in tests and not (mine and all(
                    c.result in line.result.split("|") for c in mine)):
                wrong.append(line)
        numbers = {line.where.rpartition(":")[2] for line in wrong}
        old = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        text = "".join(f"{line}\n" for number, line in enumerate(old.splitlines(), 1)
                       if str(number) not in numbers)
        self.lines = [line for line in self.lines if line not in wrong]
        new = [c for c in cases if c.result != "pass" and not self.find(c)]
        if new:
            text += "\n# New\n" + "".join(
                f"{c.test:14} {c.name:28} {c.result:6} {c.why or '?'}\n" for c in new)
        self.path.write_text(text, encoding="utf-8")
