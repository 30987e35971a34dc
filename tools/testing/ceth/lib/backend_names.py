#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check that a backend knows hardware only.

A backend that names one of Linux's networking objects does work that belongs
in the core, once, where every backend gets it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

NAMES = re.compile(
    r"\b(?:sk_buff|skb_\w+|xdp_buff|xdp_frame|xdp_md|net_device|page_pool\w*|xsk_\w+"
    r"|ethtool_\w+|devlink_\w+|genl_\w+|genlmsg_\w+)\b")
HEADERS = re.compile(
    r'^\s*#\s*include\s*[<"](?:linux/(?:netdevice|skbuff|ethtool\w*|filter|bpf\w*)'
    r"|net/(?:xdp\w*|xsk\w*|devlink|genetlink|netlink|page_pool/\w+|netdev_\w+))\.h")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def without_comments(text: str) -> str:
    """Comments and strings replaced by as many line ends as they have."""
    def blank(m: re.Match[str]) -> str:
        # The file name of an #include looks like a string, and is wanted.
        before = text[text.rfind("\n", 0, m.start()) + 1:m.start()]
        if before.lstrip().startswith("#include"):
            return m.group()
        return "\n" * m.group().count("\n") or " "
    return COMMENT_OR_STRING.sub(blank, text)


def main() -> int:
    """Print one line per violation."""
    bad = 0
    for name in sys.argv[1:]:
        code = without_comments(Path(name).read_text(encoding="utf-8"))
        for number, line in enumerate(code.split("\n"), 1):
            for m in [*NAMES.finditer(line), *HEADERS.finditer(line)]:
                print(f"{name}:{number}: a backend must not use {m.group().strip()}")
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
