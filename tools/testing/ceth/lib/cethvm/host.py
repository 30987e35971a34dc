# SPDX-License-Identifier: GPL-2.0
"""Keep what a run makes on the host inside namespaces that die with it."""

from __future__ import annotations


def sandbox(script: str) -> list[str]:
    """Arguments that run a shell script in namespaces of its own.

    The script is process 1 of a PID namespace: when it goes, all of it goes,
    and the kernel takes the mounts, the taps and their wiring down with it.
    It goes with the thread that starts it.
    """
    return ["setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
            "--propagation", "private", "bash", "-c", script]
