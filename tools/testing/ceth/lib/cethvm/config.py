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
    mitigations_off: bool = False
    keep_going: bool = False
    shell: bool = False
    verbose: bool = False
    lock: bool = True


def version_key(release: str) -> list[int]:
    """Orders kernel releases: 6.12.117 is newer than 6.12.94."""
    return [int(n) for n in re.findall(r"\d+", release)]


def guest_kernels() -> list[str]:
    """Releases of the kernels that can boot, oldest first."""
    found = [p.name.removeprefix("ceth-initrd-") for p in TREE.glob("boot/ceth-initrd-*")]
    return sorted(found, key=version_key)


def resolve_kernel(name: str) -> str:
    """The newest kernel that a short name ("6.12") or a full release stands for."""
    fits = [k for k in guest_kernels() if k == name or k.startswith((name + ".", name + "+"))]
    if not fits:
        raise VmError(f'no kernel "{name}" in the guest tree; there are: {" ".join(guest_kernels())}')
    return fits[-1]
