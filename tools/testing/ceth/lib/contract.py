#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check that the contract, its checks and its tests name each other.

    contract.py REPOSITORY

Every sentence of contract.rst has a number and says what checks it. Tests that it
names exist, those of verify.py expect that sentence, and the checks of the verifying
mode are those that the page speaks of.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = "Documentation/networking/ceth/contract.rst"
TESTS = "tools/testing/selftests/drivers/net/ceth"
CORE = "drivers/net/ethernet/ceth/core"
BY = "Checked by:"
MODE, EITHER = "verifying mode", "either mode"
OTHERS = {EITHER, "lint", "disasm"}
PLANTED = "verify.py"

NUMBER = re.compile(r"[BC]\d+")
NAMED = re.compile(r'"([BC]\d+)"')
TEST = re.compile(r"(\w+\.py)(?: (\w+))?")
CASE = re.compile(r"^def test_(\w+)\(.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


class Page:
    """The sentences, and what checks them."""

    def __init__(self, path: Path) -> None:
        self.by: dict[str, list[str]] = {}
        self.bad: list[str] = []
        number = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if NUMBER.fullmatch(line):
                if line in self.by:
                    self.bad.append(f"{line} is there twice")
                number = line
                self.by[number] = []
            elif number and line.strip().startswith(BY):
                words = line.strip().removeprefix(BY).split(";")
                self.by[number] += [word.strip() for word in words]
            elif line and not line.startswith(" "):
                number = ""
        for number, by in self.by.items():
            if not by:
                self.bad.append(f"nobody checks {number}")
        for letter in "BC":
            count = sum(n.startswith(letter) for n in self.by)
            self.bad += [f"there is no {letter}{i}" for i in range(1, count + 1)
                         if f"{letter}{i}" not in self.by]


def named(paths: list[Path]) -> dict[str, Path]:
    """Sentences that sources name, and one of those that do."""
    return {number: path for path in paths
            for number in NAMED.findall(path.read_text(encoding="utf-8"))}


def cases(program: Path) -> dict[str, str]:
    """The cases of a program, with their text."""
    return {m[1]: m[0] for m in CASE.finditer(program.read_text(encoding="utf-8"))}


def compare(root: Path) -> list[str]:
    """Complaints."""
    page = Page(root / PAGE)
    bad = list(page.bad)
    core = named(sorted((root / CORE).glob("*.c")))
    programs: dict[str, dict[str, str]] = {}
    for path in sorted((root / TESTS).glob("*.py")):
        programs[path.name] = cases(path)

    for number, by in page.by.items():
        for what in by:
            if what == MODE and number not in core:
                bad.append(f"{number}: the verifying mode does not name it")
            if what == MODE or what in OTHERS:
                continue
            match = TEST.fullmatch(what)
            program, case = (match[1], match[2]) if match else (what, "")
            if program not in programs or (case and case not in programs[program]):
                bad.append(f"{number}: there is no {what}")
            elif program == PLANTED and f'"{number}"' not in programs[program].get(case, ""):
                bad.append(f"{number}: {what} does not expect it")
    for number, path in core.items():
        if not {MODE, EITHER} & set(page.by.get(number, ())):
            bad.append(f"{path.name} names {number}, which does not say so")
    for case, text in programs.get(PLANTED, {}).items():
        bad += [f"{PLANTED} {case} expects {number}, which does not say so"
                for number in NAMED.findall(text)
                if f"{PLANTED} {case}" not in page.by.get(number, ())]
    return bad


def main() -> int:
    """Print one line per complaint."""
    bad = compare(Path(sys.argv[1]))
    for line in bad:
        print(f"{PAGE}: {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
