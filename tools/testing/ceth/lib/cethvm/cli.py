# SPDX-License-Identifier: GPL-2.0
"""The command line of `vm`; the table of test suites has the same options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .config import Config

DESCRIPTION = """\
Boot a guest with a stock kernel and the NICs that are asked for, run a
command in it as root, and exit with its status.

In the guest:
  /ceth      the repository (changes stay in the guest's memory)
  /ceth-ko   the modules that tools/testing/ceth/build made for its kernel
  /out       a folder of the host, writable
  /share/... what --share asks for
  /ceth/tools/testing/ceth/guest/lib.sh      shell functions: load and bind drivers
  /ceth/tools/testing/ceth/guest/monitor     unplug, plug, link: commands to QEMU
The environment holds DUT0_PCI, DUT0_MAC, DUT0_QUEUES, PEER0_PCI, ... for every
NIC. No driver is bound to them: nothing loads by itself in the guest.

Exit status: the command's own; 98 the guest died or did not start, 99 the kernel
complained (warning, oops, lockdep, refcount, stall, ...), 124 it took too long.
"""

EPILOGUE = """\
A SPEC is MODEL[,queues=N][,PROPERTY=VALUE...]. MODEL is virtio, e1000e, vmxnet3,
igb or any other QEMU network device; properties are QEMU's. Of a pair:
  peer=MODEL         the peer's model (default: virtio)
  peerqueues=N       the peer's queues (default: as many, if it is virtio)
  peer.PROPERTY=V    a property of the peer
MODEL refnic is the reference NIC: both ends are ports of the module ceth_refhw.
virtio devices under test have, unless the SPEC says otherwise, mq=on, two vectors
per queue and two more, rss=on, hash=on, iommu_platform=on, disable-legacy=on,
rx_queue_size=1024.

examples:
  vm --pair virtio,queues=4 -- 'lspci -nn; ip -br link'
  vm --kernel 7.2 --pair virtio,queues=4,packed=on --pair virtio,peer=e1000e --shell
  vm --pair virtio --allow 'NETDEV WATCHDOG' -- /ceth/some/test.sh argument
"""


def parse(argv: list[str]) -> Config:
    """The command line as a Config."""
    p = argparse.ArgumentParser(
        prog="vm", description=DESCRIPTION, epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kernel", default=os.environ.get("KVER") or "6.12", metavar="K",
                   help='short ("6.12", "7.2", "debug") or full release; default $KVER, or 6.12')
    p.add_argument("--cpus", type=int, default=4, metavar="N", help="default 4")
    p.add_argument("--mem", type=int, default=2048, metavar="MB", help="default 2048")
    p.add_argument("--pair", dest="pairs", action="append", default=[], metavar="SPEC",
                   help="a device under test and a peer, wired together")
    p.add_argument("--nic", dest="nics", action="append", default=[], metavar="SPEC",
                   help="a device with nothing at the other end of its wire")
    p.add_argument("--share", dest="shares", action="append", default=[],
                   metavar="DIR[=/share/NAME]", help="show a folder of the host, not writable")
    p.add_argument("--out", type=Path, metavar="DIR",
                   help="the folder that is /out in the guest (default: a new one in the cache)")
    p.add_argument("--modules", type=Path, metavar="DIR", help="the folder that is /ceth-ko")
    p.add_argument("--plugin", metavar="SO[,ARGS]",
                   help="QEMU TCG plugin; @OUT@ in ARGS stands for the folder that is /out")
    p.add_argument("--append", action="append", default=[], metavar="WORDS",
                   help="kernel command line")
    p.add_argument("--qemu", action="append", default=[], metavar="ARG",
                   help="one more QEMU argument (repeat for each word)")
    p.add_argument("--accel", choices=("auto", "kvm", "tcg"),
                   default=os.environ.get("CETH_ACCEL", "auto"),
                   help="default: KVM if it really boots this kernel, else TCG")
    p.add_argument("--icount", metavar="SHIFT", help="TCG's deterministic time (one thread)")
    p.add_argument("--tcg-thread", choices=("multi", "single"),
                   default=os.environ.get("CETH_TCG_THREAD", "multi"),
                   help="one host thread per CPU, or one for all: that is faster on a busy host, "
                        "where CPUs that wait for each other wait for the scheduler")
    p.add_argument("--mitigations", action="store_true", default=None,
                   help="CPU mitigations in the guest, also where it is emulated")
    p.add_argument("--mitigations-off", dest="mitigations", action="store_false",
                   help="none, also with KVM")
    p.add_argument("--timeout", type=float, default=1200, metavar="S", help="default 1200")
    p.add_argument("--allow", action="append", default=[], metavar="REGEX",
                   help="kernel message that this run provokes on purpose")
    p.add_argument("--keep-going", action="store_true",
                   help="let the guest go on after an oops (it still fails the run)")
    p.add_argument("--no-lock", dest="lock", action="store_false",
                   help="do not wait for other runs (also: CETH_VM_PARALLEL=1)")
    p.add_argument("-v", "--verbose", action="store_true", help="show the guest's console")
    p.add_argument("--shell", action="store_true",
                   help="an interactive shell; Ctrl-A X kills the guest")
    p.add_argument("command", nargs="*", metavar="COMMAND",
                   help="after --; a single argument is a shell script")
    args = p.parse_args(argv)
    if bool(args.command) == args.shell:
        p.error("give either a COMMAND (after --) or --shell")
    return Config(**vars(args))
