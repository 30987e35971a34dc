#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""latency.py ROUNDS: runs in a guest, for `latency`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "selftests/drivers/net/ceth"))

from cethtest.env import Env  # noqa: E402  pylint: disable=wrong-import-position
from cethtest.funcs import Func  # noqa: E402  pylint: disable=wrong-import-position
from cethtest.requeue import restart  # noqa: E402  pylint: disable=wrong-import-position
from cethtest.tool import run, wait_for  # noqa: E402  pylint: disable=wrong-import-position

QUEUES = (1, 8, 64)
SFNUM = 9


def median(act: Callable[[], object], rounds: int, after: Callable[[], object] = lambda: None) -> float:
    """Milliseconds."""
    took = []
    for _ in range(rounds):
        start = time.monotonic()
        act()
        took.append((time.monotonic() - start) * 1000)
        after()
    return statistics.median(took)


def make_slice(env: Env, queues: int) -> Func:
    """Until its network device is there."""
    func = Func(env, SFNUM, queues, active=False)
    func.set("state active")
    wait_for(func.netdev, "the slice", every=0.002)
    return func


def main() -> int:
    """A line for each number of queues."""
    rounds = int(sys.argv[1])
    env = Env()
    ifname = env.dut.ifname
    print("# milliseconds, median of", rounds)
    print(f"{'queues':>6} {'restart':>9} {'one more':>9} {'one less':>9} {'slice':>9}")
    for queues in QUEUES:
        run(f"ethtool -L {ifname} combined {queues}")
        # Beside 64 there is no other.
        few = min(queues, max(QUEUES) - 1)
        restarted = median(lambda: restart(env, 0), rounds)
        run(f"ethtool -L {ifname} combined {few}")
        more = median(lambda n=few + 1: run(f"ethtool -L {ifname} combined {n}"), rounds,
                      lambda n=few: run(f"ethtool -L {ifname} combined {n}"))
        run(f"ethtool -L {ifname} combined {few + 1}")
        less = median(lambda n=few: run(f"ethtool -L {ifname} combined {n}"), rounds,
                      lambda n=few + 1: run(f"ethtool -L {ifname} combined {n}"))
        slices: list[Func] = []
        made = median(lambda n=queues: slices.append(make_slice(env, n)), max(3, rounds // 4),
                      lambda: slices.pop().remove())
        print(f"{queues:>6} {restarted:>9.1f} {more:>9.1f} {less:>9.1f} {made:>9.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
