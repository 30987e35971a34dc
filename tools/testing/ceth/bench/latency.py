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
from cethtest.requeue import restart  # noqa: E402  pylint: disable=wrong-import-position
from cethtest.tool import run, wait_for  # noqa: E402  pylint: disable=wrong-import-position

QUEUES = (1, 8, 64)
SFNUM = 9


def median(act: Callable[[], None], rounds: int, after: Callable[[], None] = lambda: None) -> float:
    """Milliseconds."""
    took = []
    for _ in range(rounds):
        start = time.monotonic()
        act()
        took.append((time.monotonic() - start) * 1000)
        after()
    return statistics.median(took)


class Slice:
    """A function with so many queues."""

    def __init__(self, env: Env, queues: int) -> None:
        self.parent, self.queues = f"{env.bus}/{env.pci}", queues
        self.net = Path(f"/sys/bus/{env.bus}/devices")
        self.known = set(self.net.iterdir())

    def _there(self) -> bool:
        return any((d / "net").exists() for d in set(self.net.iterdir()) - self.known)

    def make(self) -> None:
        """Until its network device is there."""
        port = f"{self.parent}/{SFNUM}"
        run(f"devlink port add {port} flavour pcisf pfnum 0 sfnum {SFNUM}")
        run(f"devlink port function set {port} hw_addr 02:00:00:00:00:99 "
            f"max_io_eqs {self.queues}")
        run(f"devlink port function set {port} state active")
        wait_for(self._there, "the slice", every=0.002)

    def remove(self) -> None:
        """Until it is gone."""
        run(f"devlink port del {self.parent}/{SFNUM}")
        wait_for(lambda: not set(self.net.iterdir()) - self.known, "the end of the slice")


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
        part = Slice(env, queues)
        made = median(part.make, max(3, rounds // 4), part.remove)
        print(f"{queues:>6} {restarted:>9.1f} {more:>9.1f} {less:>9.1f} {made:>9.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
