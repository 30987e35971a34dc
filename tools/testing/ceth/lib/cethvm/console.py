# SPDX-License-Identifier: GPL-2.0
"""Find what a kernel complains about in its log."""

from __future__ import annotations

import re

PATTERN = re.compile("|".join((
    r"WARNING:", r"BUG:", r"\bOops\b", r"general protection", r"Kernel panic",
    r"rcu.*\bstall", r"soft lockup", r"hard LOCKUP", r"possible circular locking", r"INFO: possible",
    r"INFO: task .* blocked for more than", r"refcount_t:", r"NETDEV WATCHDOG", r"Call Trace",
    r"\bUBSAN\b", r"\bKASAN\b", r"\bKCSAN\b", r"\bKFENCE\b", r"unreferenced object",
    r"kmemleak: \d+ new suspected", r"stalled pool shutdown", r"unregister_netdevice: waiting for",
    r"DMA-API:", r"scheduling while atomic",
    # What a debug kernel finds, or that it has stopped looking
    r"\bODEBUG:", r"list_(add|del) corruption", r"pagealloc: (single bit error|memory corruption)",
    r"ref_tracker: (.* users at|reference already)", r"suspicious RCU usage",
    r"turning off the locking correctness validator",
    r"kmemleak: (Kernel memory leak detector disabled|Cannot allocate a kmemleak_object)",
    # What CETH's verifying mode finds
    r"ceth: contract",
)))
# What a healthy boot says that looks like a complaint
HARMLESS = re.compile(
    r"kfence: initialized|rcu_cpu_stall|rcupdate\.|DMA-API: (preallocated|debugging enabled|"
    r"dma_debug_entry pool grown)", re.IGNORECASE)
# Messages of one line; the others bring a trace along.
SINGLE = re.compile(r"NETDEV WATCHDOG|ceth: contract|stalled pool shutdown|unregister_netdevice|kmemleak: |"
                    r"ODEBUG: Out of memory")
END = re.compile(r"---\[ end (trace|Kernel panic)")
# A report goes on for as long as its lines follow each other this closely.
REACH = 40


def kmsg_lines(raw: str) -> list[str]:
    """Records of /dev/kmsg in the form that the console shows them in."""
    lines = []
    for record in raw.splitlines():
        head, sep, text = record.partition(";")
        fields = head.split(",")
        if sep and len(fields) >= 4 and fields[2].isdigit():
            usec = int(fields[2])
            lines.append(f"[{usec // 1000000:5d}.{usec % 1000000:06d}] {text}")
        # Others are the continuation of a record: its device and subsystem.
    return lines


def _end_of_report(lines: list[str], start: int) -> int:
    if SINGLE.search(lines[start]):
        return start + 1
    last = start
    for i in range(start, len(lines)):
        if PATTERN.search(lines[i]):
            last = i
        if END.search(lines[i]):
            return i + 1
        if i - last >= REACH:
            break
    return min(len(lines), last + REACH // 2)


def reports(lines: list[str], allow: list[str]) -> list[list[str]]:
    """Complaints, each with its context, without those that may occur.

    A pattern in `allow` excuses the whole report that it occurs in: a warning
    comes with a call trace, which is not a complaint of its own.
    """
    allowed = [re.compile(a) for a in allow]
    found: list[list[str]] = []
    i = 0
    while i < len(lines):
        if not PATTERN.search(lines[i]) or HARMLESS.search(lines[i]):
            i += 1
            continue
        end = _end_of_report(lines, i)
        block = lines[i:end]
        if not any(a.search(line) for a in allowed for line in block):
            # Two lines before it often say what led to it.
            found.append(lines[max(0, i - 2):end])
        i = end
    return found


def stale_breakpoint(found: list[list[str]]) -> bool:
    """Whether a kernel died of a breakpoint that was no longer there, and of that alone.

    The kernel changes code that may be running with a breakpoint in its place, and
    makes all CPUs take notice before it forgets what the breakpoint was for. QEMU's
    TCG sometimes lets one of its CPUs run into it later than that: what the oops
    shows at the address is then the new code, and no breakpoint.
    """
    if not found:
        return False
    text = "\n".join(found[0])
    code = re.search(r"Code: (?:[0-9a-f]{2} )*([0-9a-f]{2}) <", text)
    return "Oops: int3" in text and bool(code) and code[1] != "cc"
