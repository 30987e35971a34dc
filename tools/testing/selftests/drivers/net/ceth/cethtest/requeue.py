# SPDX-License-Identifier: GPL-2.0
"""The stack restarts single receive queues, as it does for memory providers: a module
has it do so."""

from __future__ import annotations

import os
from pathlib import Path

from .env import Env
from .tool import Skip, run, write

MODULE = Path("/sys/module/ceth_requeue/parameters")


def restart(env: Env, queue: int, times: int = 1, how: str = "restart") -> None:
    """Have the stack restart a receive queue so often."""
    if not MODULE.exists():
        module = Path(os.environ.get("CETH_KO", "/ceth-ko")) / "ceth_requeue.ko"
        if not module.exists():
            raise Skip("no ceth_requeue.ko: tools/testing/ceth/build makes it")
        run(f"insmod {module}")
        env.later(lambda: run("rmmod ceth_requeue"))
    write(MODULE / how, f"{env.dut.ifname} {queue} {times}")
