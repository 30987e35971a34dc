# SPDX-License-Identifier: GPL-2.0
"""Counters of a device, from every place that shows some."""

from __future__ import annotations

import contextlib
import re
import struct

from .env import End, Env
from .tool import Skip, run, settle, wait_for

ETHTOOL_GSTRINGS, ETHTOOL_GSTATS, ETHTOOL_GSSET_INFO = 0x1b, 0x1d, 0x37
ETH_SS_STATS = 1
ETH_GSTRING_LEN = 32


def ethtool_stats(end: End) -> dict[str, int]:
    """As ethtool -S shows them."""
    with contextlib.suppress(OSError):
        count = struct.unpack("=I", end.ethtool(struct.pack("=IIQ", ETHTOOL_GSSET_INFO, 0,
                                                            1 << ETH_SS_STATS), 4))[0]
        names = end.ethtool(struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_STATS, count),
                            count * ETH_GSTRING_LEN)
        values = end.ethtool(struct.pack("=II", ETHTOOL_GSTATS, count), count * 8)
        starts = range(0, count * ETH_GSTRING_LEN, ETH_GSTRING_LEN)
        return {names[at:at + ETH_GSTRING_LEN].partition(b"\0")[0].decode().strip(): value
                for at, value in zip(starts, struct.unpack(f"={count}Q", values))}
    return {}


def summed(stats: dict[str, int], name: str, prefix: str = "rx") -> int:
    """Sum over all queues of one of CETH's counters."""
    pattern = re.compile(rf"{prefix}\d+_{name}")
    values = [v for k, v in stats.items() if pattern.fullmatch(k)]
    if not values:
        raise Skip(f"this driver does not count {prefix}<n>_{name}")
    return sum(values)


def link_stats(env: Env, end: End) -> dict[str, int]:
    """As ip -s link shows them."""
    return env.rtnl(end.ns).link(end.ifindex).stats


class Snapshot:
    """All counters of the device under test at one time."""

    def __init__(self, env: Env, end: End | None = None) -> None:
        end = end or env.dut
        self.strict = env.is_ceth
        self.link = link_stats(env, end)
        self.ethtool = ethtool_stats(end)
        self.qstats: dict[str, int] = {}
        self.queues: list[dict[str, int]] = []
        if end.ns is None:
            try:
                self.qstats = env.netdev.qstats(end.ifindex)[0]
                self.queues = env.netdev.qstats(end.ifindex, queues=True)
            except Skip:
                pass

    def flat(self) -> dict[str, int]:
        """Every counter that must never go backwards, by source and name."""
        found = {f"link {k}": v for k, v in self.link.items()}
        found |= {f"qstats {k}": v for k, v in self.qstats.items()}
        # Page pools are made anew with their queues, and so are their counters;
        # other drivers sum up over the queues in use.
        if self.strict:
            found |= {f"ethtool {k}": v for k, v in self.ethtool.items() if "_pp_" not in k}
        for q in self.queues:
            where = f"{'tx' if q['type'] else 'rx'} queue {q['id']}"
            found |= {f"{where} {k}": v for k, v in q.items() if k not in ("type", "id")}
        return found

    def went_back(self, earlier: Snapshot) -> list[str]:
        """Counters that are smaller than in an earlier snapshot."""
        before, now = earlier.flat(), self.flat()
        return [f"{k}: {before[k]} then {now[k]}" for k in before
                if k in now and now[k] < before[k]]


def at_rest(env: Env, end: End | None = None) -> Snapshot:
    """All counters, once they have stopped moving."""
    end = end or env.dut
    rtnl, ifindex = env.rtnl(end.ns), end.ifindex
    settle(lambda: rtnl.stats(ifindex))
    return Snapshot(env, end)


def recoveries(env: Env) -> int:
    """How often the driver has restarted the device under test."""
    return ethtool_stats(env.dut)["recoveries"]


def restart(env: Env) -> None:
    """Have the device restarted, as after a fault."""
    before = recoveries(env)
    run(f"devlink health test {env.bus}/{env.pci} reporter device")
    wait_for(lambda: recoveries(env) > before, "a restart")
    env.ready()


class Delta:
    """How much counters of ethtool -S and the link have grown."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self.before, self.after = before, after

    def link(self, name: str) -> int:
        """One of `ip -s link`."""
        return self.after.link[name] - self.before.link[name]

    def qstat(self, name: str) -> int:
        """One of the device's qstats."""
        if name not in self.after.qstats:
            raise Skip(f"this driver has no queue statistic {name}")
        return self.after.qstats[name] - self.before.qstats[name]

    def queue(self, name: str, prefix: str = "rx") -> int:
        """One of CETH's queue counters in ethtool -S, over all queues."""
        return summed(self.after.ethtool, name, prefix) - summed(self.before.ethtool, name, prefix)
