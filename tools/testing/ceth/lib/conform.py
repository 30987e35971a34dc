# SPDX-License-Identifier: GPL-2.0
"""The tables and results of tools/testing/ceth/conformance."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[1]
REPO = TOOLS.parents[2]
HOME = TOOLS / "conformance"
PROGRAMS = REPO / "tools/testing/selftests/drivers/net/ceth"
# What an in-tree driver's result means nothing after: the test needs what only
# CETH promises.
NOT_PROMISED = "does not promise"

Results = dict[str, dict[str, str]]     # by program, by case: "pass", "fail", "skip: why"


class TableError(Exception):
    """A line that makes no sense, and where."""


@dataclass
class Backend:
    """A line of `backends`."""

    name: str
    pair: str
    module: str
    intree: str
    kernels: list[str]


@dataclass
class Guest:
    """A line of `guests`."""

    driver: str
    pairs: int
    options: list[str]
    commands: list[str]


@dataclass
class Row:
    """A line of `rows`."""

    group: str
    name: str
    dpdk: str
    cases: dict[str, list[str]] = field(default_factory=dict)
    interface: str = ""


def _lines(name: str) -> Iterator[tuple[str, str]]:
    """Lines of a table that say something, and where they are."""
    path = HOME / name
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield f"{path.relative_to(REPO)}:{number}", line


def _fields(where: str, line: str, n: int) -> list[str]:
    fields = [f.strip() for f in line.split("|")]
    if len(fields) != n:
        raise TableError(f"{where}: {n} fields are expected")
    return fields


@functools.cache
def backends() -> dict[str, Backend]:
    """By name."""
    found = {}
    for where, line in _lines("backends"):
        name, pair, module, intree, kernels = _fields(where, line, 5)
        if not kernels:
            raise TableError(f"{where}: no kernel")
        found[name] = Backend(name, pair, module, "" if intree == "-" else intree, kernels.split())
    return found


def guests(driver: str) -> list[Guest]:
    """Those for the programs of a driver: ceth or intree."""
    found = []
    for where, line in _lines("guests"):
        how, pairs, options, commands = _fields(where, line, 4)
        if how not in ("ceth", "intree"):
            raise TableError(f"{where}: neither ceth nor intree")
        if how == driver:
            found.append(Guest(how, int(pairs), shlex.split(options),
                               [c.strip() for c in commands.split(";") if c.strip()]))
    return found


@functools.cache
def listed(program: str) -> tuple[str, ...]:
    """The cases of a program of the tests."""
    done = subprocess.run([sys.executable, "-B", str(PROGRAMS / program), "--list"],
                          stdout=subprocess.PIPE, text=True, check=False)
    return tuple(done.stdout.split()) if done.returncode == 0 else ()


@functools.cache
def rows() -> tuple[Row, ...]:
    """The features, with "*" still as it is."""
    found, group = [], ""
    for where, line in _lines("rows"):
        if line.startswith("["):
            group = line.strip("[]")
            continue
        name, dpdk, cases, interface = _fields(where, line, 4)
        row = Row(group, name, "" if dpdk == "-" else dpdk, {}, "" if interface == "-" else interface)
        for part in cases.split(";"):
            program, _, words = part.partition(":")
            if not program.strip() or not words.split():
                raise TableError(f"{where}: not of the form program: case case ...")
            row.cases[program.strip()] = words.split()
        found.append(row)
    return tuple(found)


def all_programs() -> list[str]:
    """TEST_PROGS of the tests' Makefile."""
    text = (PROGRAMS / "Makefile").read_text(encoding="utf-8")
    return [p for line in re.findall(r"^TEST_PROGS\s*\+?:?=(.*)$", text, re.M) for p in line.split()]


def missing_tests() -> list[str]:
    """What the tables name and is not there, or do not name."""
    wrong = []
    for row in rows():
        for program, cases in row.cases.items():
            there = listed(program)
            wrong += [f'row "{row.name}": {program} has no case {c}'
                      for c in cases if c not in there and not (c == "*" and there)]
    run = {c.split()[0] for g in guests("ceth") for c in g.commands}
    wrong += [f"guests: no line for ceth runs {p}" for p in all_programs() if p not in run]
    return wrong


# --- results -------------------------------------------------------------------


def results_file(name: str) -> Path:
    """Where the results of a backend are."""
    return HOME / "results" / f"{name}.json"


def read_results(name: str) -> dict[str, Any]:
    """Results of a backend; empty if there are none yet."""
    path = results_file(name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_results(name: str, data: dict[str, Any]) -> None:
    """In an order that does not depend on how they were come by."""
    results_file(name).parent.mkdir(exist_ok=True)
    results_file(name).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n",
                                  encoding="utf-8")


def of_row(row: Row, results: Results) -> dict[str, str]:
    """Results of a row's cases, by "program case"; what was not run is missing."""
    found = {}
    for program, cases in row.cases.items():
        have = results.get(program, {})
        for case in (listed(program) if "*" in cases else cases):
            if case in have:
                found[f"{program} {case}"] = have[case]
            elif "(all)" in have:
                found[f"{program} {case}"] = have["(all)"]
    return found


def value(found: dict[str, str]) -> str:
    """Y, partial, -, fail; "" if nothing was run."""
    kinds = {result.partition(":")[0] for result in found.values()}
    if not kinds:
        return ""
    if "fail" in kinds:
        return "fail"
    if kinds == {"pass"}:
        return "Y"
    return "partial" if "pass" in kinds else "-"


def intree_value(row: Row, results: Results, interfaces: dict[str, bool]) -> str:
    """The same for a driver that has promised nothing: what passes counts, and where no
    case can judge, what the kernel's interfaces say, marked (i)."""
    found = {case: result for case, result in of_row(row, results).items()
             if NOT_PROMISED not in result}
    kinds = {result.partition(":")[0] for result in found.values()}
    if "pass" in kinds:
        return "Y" if kinds == {"pass"} and len(found) == len(of_row(row, results)) else "partial"
    if row.interface in interfaces:
        return "Y (i)" if interfaces[row.interface] else "\\- (i)"
    return "-" if kinds else "?"


def named() -> set[tuple[str, str]]:
    """Cases that the table of features is made of."""
    return {(program, case) for row in rows() for program, cases in row.cases.items()
            for case in (listed(program) if "*" in cases else cases)}


def disagreements(pair: str, series: str, seen: Results) -> list[str] | None:
    """Where a run with this pair has found something else than the results that the page
    of features is made from say; None: they say nothing about it. What failed has failed
    anyhow."""
    backend = next((b for b in backends().values() if b.pair == pair), None)
    if not backend:
        return None
    results = read_results(backend.name).get("kernels", {}).get(series, {})
    known: Results = results.get("ceth", {}).get("cases", {})
    if not known:
        return None
    wrong, counted = [], named()
    for program, cases in seen.items():
        for case, result in cases.items():
            if (program, case) not in counted:
                continue
            there = known.get(program, {})
            old = there.get(case, there.get("(all)", "nothing")).partition(":")[0]
            if result not in ("fail", old):
                wrong.append(f"{program} {case}: {result}, results/{backend.name}.json has {old}")
    if wrong:
        programs = " ".join(sorted({w.split()[0] for w in wrong}))
        wrong.append("the page of features is stale: make conformance "
                     f'BACKEND={backend.name} KVER={series} PROGRAMS="{programs}"')
    return wrong
