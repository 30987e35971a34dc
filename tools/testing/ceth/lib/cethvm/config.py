# SPDX-License-Identifier: GPL-2.0
"""What a run consists of, and where things are on the host."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2]
REPO = TOOLS.parents[2]
SELFTESTS = "tools/testing/selftests/drivers/net/ceth"
CACHE = Path(os.environ.get("CETH_CACHE", "/var/cache/ceth"))
TREE = Path(os.environ.get("CETH_TREE", CACHE / "tree"))
# What tools/testing/ceth/debug-kernel builds
DEBUG_KERNEL = CACHE / "debug-kernel"


class VmError(Exception):
    """A run that cannot start; the message is for the user."""


@dataclass
class Config:
    """One run. The command line of `vm` maps onto it field by field."""

    command: list[str] = field(default_factory=list)
    kernel: str = "6.12"
    cpus: int = 4
    mem: int = 2048
    pairs: list[str] = field(default_factory=list)
    nics: list[str] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    out: Path | None = None
    modules: Path | None = None
    plugin: str | None = None
    append: list[str] = field(default_factory=list)
    qemu: list[str] = field(default_factory=list)
    allow: list[str] = field(default_factory=list)
    timeout: float = 1200
    accel: str = "auto"
    icount: str | None = None
    tcg_thread: str = "multi"
    mitigations: bool | None = None
    keep_going: bool = False
    shell: bool = False
    verbose: bool = False
    lock: bool = True


def version_key(release: str) -> list[int]:
    """Orders kernel releases: 6.12.117 is newer than 6.12.94."""
    return [int(n) for n in re.findall(r"\d+", release)]


def _kernels_in(boot: Path) -> list[str]:
    found = [p.name.removeprefix("ceth-initrd-") for p in boot.glob("ceth-initrd-*")]
    return sorted(found, key=version_key)


def guest_kernels() -> list[str]:
    """Releases of the distribution's kernels that can boot, oldest first."""
    return _kernels_in(TREE / "boot")


def debug_kernel() -> str:
    """Release of the debug kernel, "" if it is not built."""
    return "".join(_kernels_in(DEBUG_KERNEL / "boot")[-1:])


def boot_folder(release: str) -> Path:
    """Where the kernel and its initial RAM disk are."""
    return (DEBUG_KERNEL if release == debug_kernel() else TREE) / "boot"


def resolve_kernel(name: str) -> str:
    """The newest kernel that a short name ("6.12", "debug") or a full release stands for."""
    debug = debug_kernel()
    if name in ("debug", debug):
        if not debug:
            raise VmError("no debug kernel yet: run tools/testing/ceth/debug-kernel")
        return debug
    fits = [k for k in guest_kernels() if k == name or k.startswith((name + ".", name + "+"))]
    if not fits:
        raise VmError(f'no kernel "{name}" in the guest tree; there are: {" ".join(guest_kernels())}')
    return fits[-1]
