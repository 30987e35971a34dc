# SPDX-License-Identifier: GPL-2.0
"""Commands, network namespaces, bounded waits, kernel messages."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# An emulated machine on a busy host is slow, not broken: nothing but the
# final "it never happened" depends on this.
PATIENCE = 30.0
SO_RCVBUFFORCE = 33     # the socket module lacks it

_HOME_NS = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Failure(Exception):
    """A case went wrong; the message says what was expected and what seen."""


class Skip(Exception):
    """A case does not apply here; the message says why."""


def check(condition: object, message: str) -> None:
    """Fail with the message unless the condition holds."""
    if not condition:
        raise Failure(message)


def equal(seen: object, expected: object, what: str) -> None:
    """Fail unless both are equal."""
    if seen != expected:
        raise Failure(f"{what}: expected {expected}, seen {seen}")


def rounds(normally: int) -> int:
    """How often something is repeated."""
    return int(os.environ.get("CETH_TEST_ROUNDS", normally))


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE,
             every: float = 0.05) -> Any:
    """Wait until the condition holds, and return its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(every)


def settle(sample: Callable[[], object], quiet: float = 0.5, seconds: float = PATIENCE) -> Any:
    """Wait until a value stays the same for a while, and return it."""
    last = sample()
    since = time.monotonic()
    end = since + seconds
    while time.monotonic() - since < quiet:
        time.sleep(quiet / 5)
        value = sample()
        if value != last:
            last, since = value, time.monotonic()
        if time.monotonic() > end:
            raise Failure(f"does not come to rest within {seconds:.0f} s: {last}")
    return last


class _Here(threading.local):
    """The namespace that a thread is in; each begins in the program's own."""

    name: str | None = None


_here = _Here()


def _enter(name: str | None) -> None:
    if name is None:
        os.setns(_HOME_NS, os.CLONE_NEWNET)
    else:
        fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.setns(fd, os.CLONE_NEWNET)
        finally:
            os.close(fd)
    _here.name = name


@contextlib.contextmanager
def in_ns(name: str | None) -> Iterator[None]:
    """Let this thread work in a network namespace; None: the one it began in.

    Sockets and children made meanwhile stay there.
    """
    before = _here.name
    if name == before:
        # Asked for everywhere, and five system calls for nothing
        yield
        return
    _enter(name)
    try:
        yield
    finally:
        _enter(before)


def run(command: str | list[str], ns: str | None = None, ok: bool = True,
        timeout: float = 120.0, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command, which reads `text`; with `ok` a failure of it is one of the case."""
    words = command.split() if isinstance(command, str) else command
    with in_ns(ns):
        # A command that never ends is a hang of the driver more often than
        # not; the case fails and the others get their turn.
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False,
                                  timeout=timeout, **({"input": text} if text else
                                                      {"stdin": subprocess.DEVNULL}))
        except subprocess.TimeoutExpired as e:
            raise Failure(f"{' '.join(words)}: does not end") from e
        except FileNotFoundError as e:
            raise Skip(f"{words[0]} is not installed") from e
    if ok and done.returncode:
        raise Failure(f"{' '.join(words)}: exit status {done.returncode}: "
                      f"{(done.stderr or done.stdout).strip()}")
    return done


def run_json(command: str | list[str], ns: str | None = None) -> Any:
    """Output of a command that prints JSON."""
    return json.loads(run(command, ns).stdout or "null")


def read(path: str | Path) -> str:
    """Text of a small file, without the newline."""
    return Path(path).read_text(encoding="ascii", errors="replace").strip()


def write(path: str | Path, text: object) -> None:
    """Write to a file of sysfs, procfs or tracefs."""
    Path(path).write_text(f"{text}\n", encoding="ascii")


def sysctl(name: str, value: object, ns: str | None = None) -> None:
    """Set a variable of the namespace."""
    with in_ns(ns):
        write("/proc/sys/" + name, value)


class KernelLog:
    """What the kernel says from now on."""

    def __init__(self) -> None:
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self) -> list[str]:
        """Messages since the last call."""
        found = []
        while True:
            try:
                record = os.read(self.fd, 8192)
            except BlockingIOError:
                return found
            except BrokenPipeError:
                # Overwritten before it was read; go on with what there is.
                continue
            text = record.decode("utf-8", "replace").partition(";")[2]
            found.append(text.partition("\n")[0])

    def close(self) -> None:
        """No more of it."""
        os.close(self.fd)
