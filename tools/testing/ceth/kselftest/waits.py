#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""waits.py PROGRAM [ARGUMENT...]: run one of the kernel's Python selftests with
more patience.

An emulated CPU is 20 to 50 times slower than a real one, and the tests' library
gives up on a command after seconds. The program and its library stay as they
are on disk: only how long the library waits for something to happen is changed,
in memory, before the program starts. What counts as a pass is not touched.
"""

from __future__ import annotations

import importlib
import runpy
import select
import sys
from pathlib import Path
from typing import Any, Callable

# How much longer than on real hardware
FACTOR = 6
# The library's usual limit for a command, in seconds; some callers have less.
COMMAND = 20
# For how long csum listens, in seconds, whether or not all has come
CSUM = 8


def stretch(function: Callable[..., Any], name: str) -> None:
    """Multiply the default of this parameter, also for those who have imported
    the function already."""
    code = function.__code__
    parameters = code.co_varnames[:code.co_argcount]
    defaults = list(function.__defaults__ or ())
    defaults[parameters.index(name) - len(parameters)] *= FACTOR
    function.__defaults__ = tuple(defaults)


class PatientSelect:
    """Stands in for the module of that name, where a descriptor is waited for."""

    @staticmethod
    def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> Any:
        """Until a helper program says that it is ready, or a packet is there."""
        return select.select(rlist, wlist, xlist, timeout and timeout * FACTOR)


def stretch_csum(cmd: Any) -> None:
    """It has an option for that, which nobody uses."""
    begin = cmd.__init__

    def init(self: Any, comm: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(comm, str) and "/csum -i " in comm:
            comm += f" -L {CSUM}"
        begin(self, comm, *args, **kwargs)

    cmd.__init__ = init


def stretch_library() -> None:
    """The waits of net/lib/py and of drivers/net/lib/py."""
    importlib.import_module("lib.py")
    utils = sys.modules["net.lib.py.utils"]
    ksft = sys.modules["net.lib.py.ksft"]
    stretch(utils.cmd.__init__, "timeout")
    stretch(utils.cmd.process, "timeout")
    stretch(utils.wait_port_listen, "deadline")
    stretch(utils.wait_file, "deadline")
    stretch(ksft.ksft_busy_wait, "deadline")
    stretch_csum(utils.cmd)
    utils.select = PatientSelect  # type: ignore[attr-defined]

    ends = utils.cmd._process_terminate

    def process_terminate(self: Any, terminate: bool, timeout: float | None) -> Any:
        return ends(self, terminate, timeout and max(timeout, COMMAND * FACTOR))

    utils.cmd._process_terminate = process_terminate

    # The same file has two names, depending on where a program is.
    for name in ("lib.py.load", "drivers.net.lib.py.load"):
        if name in sys.modules:
            stretch_load(sys.modules[name].GenerateTraffic)


def stretch_load(traffic: Any) -> None:
    """Until iperf3's streams run, and until they are gone."""
    wait = traffic._wait_pkts

    def wait_pkts(self: Any, pkt_cnt: int | None = None, pps: int | None = None) -> bool:
        return any(wait(self, pkt_cnt=pkt_cnt, pps=pps) for _ in range(FACTOR))

    traffic._wait_pkts = wait_pkts
    stretch(traffic._wait_client_stopped, "timeout")


def main() -> None:
    """Patch, and become the program."""
    program = Path(sys.argv[1]).resolve()
    # As if the program itself had been started
    sys.argv = sys.argv[1:]
    sys.path[0] = str(program.parent)
    stretch_library()
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
