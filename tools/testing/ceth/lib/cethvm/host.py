# SPDX-License-Identifier: GPL-2.0
"""Keep what a run makes on the host inside namespaces that die with it."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For a child between fork and exec: SIGKILL it when its parent dies."""
    parent = os.getppid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def sandbox(script: str) -> list[str]:
    """Arguments that run a shell script in namespaces of its own.

    The script is process 1 of a PID namespace: when it goes, all of it goes,
    and the kernel takes the mounts, the taps and their wiring down with it.
    """
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
            "--propagation", "private", "bash", "-c", script]
