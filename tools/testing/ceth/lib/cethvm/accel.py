# SPDX-License-Identifier: GPL-2.0
"""Choose an accelerator by trying it.

/dev/kvm may exist and still not run a kernel (nested virtualisation that only
goes part of the way), so a kernel is booted as far as its initial RAM disk.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from .config import CACHE, TREE, Config, boot_folder
from .host import sandbox

TCG_CPU = "max,la57=off"
# A CPU that is fast with string instructions has the kernel copy and clear memory by
# them; emulated they go byte by byte.
TCG_COPIES = ",erms=off,fsrm=off"


def _works(kernel: str) -> bool:
    script = f"""
set -e
mount --rbind /dev {TREE}/dev
mount -t proc proc {TREE}/proc
mount -t tmpfs tmpfs {TREE}/mnt
mkdir {TREE}/mnt/boot
mount --bind {shlex.quote(str(boot_folder(kernel)))} {TREE}/mnt/boot
exec chroot {TREE} qemu-system-x86_64 -machine q35 -accel kvm -cpu host -m 512 -nodefaults \\
	-no-reboot -display none -serial stdio -kernel /mnt/boot/vmlinuz-{kernel} \\
	-initrd /mnt/boot/ceth-initrd-{kernel} -append 'console=ttyS0 panic=-1 ceth.probe'
"""
    try:
        done = subprocess.run(sandbox(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=20, check=False)
        return b"ceth-initrd: alive" in done.stdout
    except subprocess.TimeoutExpired:
        return False


def kvm_works(kernel: str) -> bool:
    """The verdict holds for as long as this machine runs."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    known = CACHE / "kvm-verdict"
    try:
        for line in known.read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[:2] == [boot, kernel]:
                return fields[2] == "yes"
    except (OSError, IndexError):
        pass
    verdict = _works(kernel)
    with known.open("a", encoding="ascii") as f:
        f.write(f"{boot} {kernel} {'yes' if verdict else 'no'}\n")
    return verdict


def choose(cfg: Config, kernel: str) -> str:
    """"kvm" or "tcg"; plugins and instruction counting exist with TCG only."""
    if cfg.plugin or cfg.icount:
        return "tcg"
    if cfg.accel != "auto":
        return cfg.accel
    return "kvm" if kvm_works(kernel) else "tcg"


def qemu_args(cfg: Config, accel: str) -> list[str]:
    """The -accel and -cpu arguments."""
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    thread = "single" if cfg.icount else cfg.tcg_thread
    # What is counted stays what a real CPU would execute.
    cpu = TCG_CPU + ("" if cfg.plugin or cfg.icount else TCG_COPIES)
    args = ["-accel", f"tcg,thread={thread},tb-size=512", "-cpu", cpu]
    if cfg.icount:
        args += ["-icount", cfg.icount]
    return args
