# SPDX-License-Identifier: GPL-2.0
"""Limits of rates that a device keeps."""

from __future__ import annotations

from .env import Env
from .nl import Genl, NetlinkError, attr, attrs, number, u32
from .tool import Skip

GET, SET, DELETE, GROUP = 1, 2, 3, 4
NETDEV, QUEUE, NODE = 1, 2, 3


class Shapers(Genl):
    """net_shaper, as the kernel has it."""

    def __init__(self, env: Env) -> None:
        super().__init__("net-shaper")
        self.env = env
        self.index = u32(8, env.dut.ifindex)
        try:
            self.call(GET, self.index, dump=True)
        except NetlinkError as e:
            raise Skip(f"no shapers: {e}") from e
        env.later(self.clear)

    @staticmethod
    def handle(scope: int, ident: int = 0) -> bytes:
        """Which shaper."""
        return attr(1 | 0x8000, u32(1, scope) + (u32(2, ident) if scope != NETDEV else b""))

    def set(self, scope: int, ident: int, bps: int, burst: int = 0) -> None:
        """A limit."""
        self.call(SET, self.index + self.handle(scope, ident) + u32(2, 0) + u32(4, bps) +
                  (u32(5, burst) if burst else b""))

    def delete(self, scope: int, ident: int = 0) -> None:
        """No limit."""
        self.call(DELETE, self.index + self.handle(scope, ident))

    def group(self, queues: list[int], bps: int) -> int:
        """Queues that share a limit; its id."""
        leaves = b"".join(attr(10 | 0x8000, self.handle(QUEUE, q)) for q in queues)
        answer = self.call(GROUP, self.index + attr(1 | 0x8000, u32(1, NODE)) + u32(2, 0) +
                           u32(4, bps) + leaves)[0]
        return number(attrs(answer[1])[2])

    def all(self) -> dict[tuple[int, int], int]:
        """Limits by scope and id."""
        found = {}
        for a in self.call(GET, self.index, dump=True):
            which = attrs(a[1])
            found[number(which[1]), number(which.get(2, b""))] = number(a.get(4, b""))
        return found

    def clear(self) -> None:
        """No limits any more."""
        for scope in (QUEUE, NODE, NETDEV):
            for which in list(self.all()):
                if which[0] == scope and which in self.all():
                    self.delete(*which)
