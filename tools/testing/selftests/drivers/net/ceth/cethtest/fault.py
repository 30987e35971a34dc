# SPDX-License-Identifier: GPL-2.0
"""Fault injection: allocations that fail on purpose.

What may fail is chosen by the functions on the call stack. The bookkeeping of
DMA debugging never fails: it would switch itself off.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from .tool import Skip, read, write

DEBUGFS = Path("/sys/kernel/debug")
SLAB, PAGES = "failslab", "fail_page_alloc"
DEPTH = 32


def _symbols(module: str) -> list[tuple[int, str]]:
    """Functions of a module, or of the kernel, in the order of their addresses."""
    found = []
    with open("/proc/kallsyms", encoding="ascii") as f:
        for line in f:
            address, kind, name, *rest = line.split()
            # What the compiler thinks unlikely lies elsewhere.
            if kind in "tTwW" and not name.endswith(".cold") and \
                    (rest[0][1:-1] if rest else "") == module:
                found.append((int(address, 16), name))
    return sorted(found)


@functools.cache
def _kernel_symbols() -> list[tuple[int, str]]:
    return _symbols("")


def module_text(*names: str) -> tuple[int, int]:
    """Addresses that the code of these modules lies between."""
    found = [address for name in names for address, _ in _symbols(name)]
    if not found:
        raise Skip("no symbols of the driver's modules")
    return min(found), max(found) + 4096


def function_text(prefix: str, module: str = "") -> tuple[int, int]:
    """Addresses of functions that begin so, which lie together."""
    # A module may have been loaded anew meanwhile, elsewhere.
    symbols = _symbols(module) if module else _kernel_symbols()
    where = [i for i, (_, name) in enumerate(symbols) if name.startswith(prefix)]
    if not where:
        return 0, 0
    last = symbols[where[-1]][0]
    after = [address for address, _ in symbols[where[-1] + 1:] if address > last]
    return symbols[where[0]][0], after[0] if after else last + 4096


@contextlib.contextmanager
def failing(kinds: list[str], inside: tuple[int, int], percent: int = 0,
            waiting: bool = False) -> Iterator[None]:
    """So many allocations fail meanwhile, of those that functions with these
    addresses are behind; with `waiting` those that may wait, too."""
    for kind in kinds:
        if not (DEBUGFS / kind / "require-start").exists():
            raise Skip(f"this kernel has no fault injection ({kind}) that knows call stacks")
    start, end = inside
    if not start:
        raise Skip("this kernel has no such function")
    reject = function_text("debug_dma_")
    settings = {"verbose": 0, "interval": 1, "times": -1, "task-filter": "N", "min-order": 0,
                "ignore-gfp-wait": "N" if waiting else "Y", "stacktrace-depth": DEPTH,
                "require-start": start, "require-end": end, "reject-start": reject[0],
                "reject-end": reject[1], "probability": percent}
    # The probability is the last to be set, and the first to be taken back.
    before = []
    try:
        for kind in kinds:
            for name, value in settings.items():
                knob = DEBUGFS / kind / name
                if knob.exists():
                    before.append((knob, read(knob)))
                    write(knob, value)
        yield
    finally:
        for knob, old in reversed(before):
            write(knob, old)
