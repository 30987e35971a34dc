# SPDX-License-Identifier: GPL-2.0
"""TAP output for kselftest: a plan, then one line for each case."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .env import Env
from .stats import ethtool_stats
from .tool import Failure, Skip, read

CONFIGFS = Path("/sys/kernel/config/refnic")
KSFT_PASS, KSFT_FAIL, KSFT_SKIP = 0, 1, 4

Case = tuple[str, Callable[[Env], None]]


def say(text: str) -> None:
    """Lines for the reader, which a TAP parser passes over."""
    for line in text.rstrip().splitlines():
        print(f"# {line}")
    sys.stdout.flush()


def cases(*functions: Callable[[Env], None]) -> list[Case]:
    """Cases that are called what their functions are called."""
    return [(f.__name__.removeprefix("test_"), f) for f in functions]


def _result(number: int, name: str, good: bool, skip: str = "") -> None:
    directive = f" # SKIP {skip}" if skip else ""
    print(f"{'ok' if good else 'not ok'} {number} {name}{directive}")
    sys.stdout.flush()


def _explain(env: Env) -> None:
    """Where frames can have got lost: every counter that is not zero."""
    for state in sorted(Path("/sys/kernel/debug/refnic").glob("*/state")):
        text = re.sub(r"^\w+ 0\n", "", read(state), flags=re.M)
        say(f"{state.parent.name}, lost on its wire "
            f"{read(CONFIGFS / state.parent.name / 'lost')}:\n{text}")
    for pair in env.pairs:
        for end in pair.ends:
            say(f"{end.ifname}: {({k: v for k, v in ethtool_stats(end).items() if v})}")


def _attempt(env: Env, name: str, func: Callable[[Env], None]) -> tuple[bool, str]:
    """Run one case; good or not, and why it was skipped."""
    try:
        env.begin(name)
        func(env)
    except Skip as e:
        return True, str(e) or "not applicable"
    except Failure as e:
        say(str(e))
        with contextlib.suppress(OSError, Failure, Skip):
            _explain(env)
        return False, ""
    except Exception:  # pylint: disable=broad-exception-caught
        # Whatever goes wrong in one case must not hide the others.
        say(traceback.format_exc())
        return False, ""
    return True, ""


def _wanted(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def main(all_cases: Sequence[Case], pairs: int = 1) -> NoReturn:
    """Run the cases whose names contain a word of the command line, or all.

    `pairs` is how many pairs of devices the program needs.
    """
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    chosen = [c for c in all_cases if _wanted(c[0], words)]
    if "-l" in sys.argv[1:] or "--list" in sys.argv[1:]:
        print("\n".join(name for name, _ in chosen))
        sys.exit(KSFT_PASS)
    print("TAP version 13")
    try:
        env = Env(pairs)
    except Skip as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(KSFT_SKIP)
    print(f"1..{len(chosen)}")
    failed = skipped = 0
    for number, (name, func) in enumerate(chosen, 1):
        started = time.monotonic()
        good, skip = _attempt(env, name, func)
        trouble = env.end()
        if trouble:
            say(trouble)
            good, skip = False, ""
        _result(number, name, good, skip)
        if os.environ.get("CETH_TEST_TIMES"):
            say(f"{time.monotonic() - started:.1f} s")
        failed += not good
        skipped += bool(skip)
    env.close()
    passed = len(chosen) - failed - skipped
    say(f"Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:0")
    if failed:
        sys.exit(KSFT_FAIL)
    sys.exit(KSFT_SKIP if skipped == len(chosen) else KSFT_PASS)
