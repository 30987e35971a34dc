#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Receive steering: hash, table, contexts, rules into contexts.

The hash and the queue of every packet are compared with what the test computes.
"""

from __future__ import annotations

import random
import re

from cethtest import inet
from cethtest.env import Env
from cethtest.rxhash import (DADDR, DPORT, ICMP, L3, L4, OR_XOR, SADDR, SPORT, XOR, Context, Packet,
                             Watch, random_packet, shown_context)
from cethtest.stats import restart
from cethtest.tap import cases, main, say
from cethtest.tool import Failure, Skip, check, equal, run

KINDS = [(v, p) for v in (4, 6) for p in (inet.TCP, inet.UDP)]
XFRMS = {"symmetric-xor": XOR, "symmetric-or-xor": OR_XOR}
LETTERS = {SADDR: "s", DADDR: "d", SPORT: "f", DPORT: "n"}


class Steering:
    """Steering of the device under test, and what it should be."""

    def __init__(self, env: Env, queues: int = 4) -> None:
        self.env = env
        self.rng = random.Random(20)
        first = shown_context(env.dut)
        if not first:
            raise Skip("the device has no indirection table or no key")
        self.size, self.length = len(first.table), len(first.key)
        if env.channel_limits()[0] < queues:
            raise Skip(f"fewer than {queues} queue pairs")
        old = first.key.hex(":")
        env.later(lambda: env.dut.run(f"ethtool -X {{}} default hkey {old}"))
        env.later(self.clear)
        self.watch = Watch(env)
        self.main = Context(b"", [])
        self.seen: set[int] = set()

    def clear(self) -> None:
        """No rules, no contexts; hashed as at first."""
        env = self.env
        for loc in self.rules():
            env.dut.run(f"ethtool -N {{}} delete {loc}", ok=False)
        for ctx in sorted(self.seen - {0}):
            env.dut.run(f"ethtool -X {{}} context {ctx} delete", ok=False)
        env.dut.run("ethtool -X {} xfrm none", ok=False)

    def rules(self) -> list[int]:
        """Rules that there are."""
        text = self.env.dut.run("ethtool -n {}", ok=False)
        return [int(n) for n in re.findall(r"^Filter: (\d+)", text, re.M)]

    def rule(self, words: str) -> int:
        """A rule more; its location."""
        out = self.env.dut.run(f"ethtool -N {{}} flow-type {words}")
        return int(out.split()[-1]) if "Added" in out else -1

    def set(self, context: int, table: list[int] | None = None, new: bool = False,
            key: bytes | None = None) -> Context:
        """A random key, and a random table out of these queues; `new`: a new context."""
        names = table if table is not None else [0, 1, 2, 3]
        weights = [0] * (max(names) + 1)
        for queue in names:
            weights[queue] = 1 + self.rng.randrange(3)
        key = key or self.rng.randbytes(self.length)
        where = "context new" if new else f"context {context}" if context else ""
        out = self.env.dut.run(f"ethtool -X {{}} {where} hkey {key.hex(':')} weight "
                               f"{' '.join(map(str, weights))}")
        if new:
            equal(int(out.split()[-1]), context, "number of the new context")
        return self.read(context)

    def read(self, context: int) -> Context:
        """Key and table as they are shown."""
        self.seen.add(context)
        shown = shown_context(self.env.dut, context)
        if not shown or len(shown.table) != self.size:
            raise Failure(f"context {context} is not shown: {shown}")
        return shown

    def packets(self, n: int, **fields: object) -> list[Packet]:
        """Of every kind that is hashed with ports so many."""
        return [random_packet(self.rng, *kind, **fields) for kind in KINDS for _ in range(n)]

    def need_contexts(self) -> None:
        """Skip unless there can be some."""
        done = run(f"ethtool -X {self.env.dut.ifname} context new", ok=False)
        if done.returncode:
            raise Skip("the device has one context of steering")
        self.env.dut.run("ethtool -X {} context 1 delete")

    def fields(self, flow: str, fields: int, context: int = 0) -> bool:
        """Have these hashed."""
        letters = "".join(LETTERS[1 << i] for i in range(4) if fields >> i & 1)
        where = f" context {context}" if context else ""
        return run(f"ethtool -N {self.env.dut.ifname} rx-flow-hash {flow} {letters}{where}",
                   ok=False).returncode == 0


def _show(env: Env) -> str:
    """All that can be seen of steering."""
    out = [env.dut.run(f"ethtool {words}", ok=False) for words in (
        "-x {}", "-x {} context 1", "-x {} context 2", "-n {}", "-l {}")]
    out += [env.dut.run(f"ethtool -n {{}} rx-flow-hash {flow}", ok=False)
            for flow in ("tcp4", "udp4", "tcp6", "udp6")]
    return "\n".join(out)


def _refused(env: Env, *commands: str) -> None:
    before = _show(env)
    for words in commands:
        done = run(f"ethtool {words.format(env.dut.ifname)}", ok=False)
        check(done.returncode, f"not refused: ethtool {words}")
        equal(_show(env), before, f"steering after ethtool {words}")
        say(f"{words}: {' '.join(done.stderr.split())}")


def test_hash(env: Env) -> None:
    """The hash is Toeplitz, and the table says the queue, whatever key and table."""
    steering = Steering(env)
    rng = steering.rng
    others = [random_packet(rng, 4, ICMP), random_packet(rng, 4, 47), random_packet(rng, 6, 58),
              random_packet(rng, 4, inet.UDP, fragment=True),
              random_packet(rng, 4, inet.TCP, fragment=True),
              random_packet(rng, 6, 44), Packet(0, 0)]
    for queues in ([0, 1, 2, 3], [3], [1, 2]):
        context = steering.set(0, queues)
        equal(sorted(set(context.table)), queues, "queues in the table")
        packets = [p for packet in (*steering.packets(16), *others) for p in (packet, packet)]
        steering.watch.demand(packets, context, f"queues {queues}")


def test_fields(env: Env) -> None:
    """What is hashed can be chosen for every kind of packet."""
    steering = Steering(env)
    context = steering.set(0)
    everything = steering.packets(6)
    flows = [name for name in ("tcp4", "udp4", "tcp6", "udp6")]
    for flow in flows:
        env.later(lambda f=flow: steering.fields(f, L4))
    context.fields = {}
    for flow, fields in (("tcp4", L3), ("udp6", L3), ("tcp4", L4), ("udp4", L3)):
        check(steering.fields(flow, fields), f"rx-flow-hash {flow}")
        context.fields[flow] = fields
        steering.watch.demand(everything, context, f"{flow} hashed with {fields:#x}")
    if not steering.fields("tcp4", SADDR):
        raise Skip("fields cannot be left out one by one")
    for fields in (SADDR, DADDR, SADDR | SPORT, DPORT, SPORT | DPORT, SADDR | DADDR | DPORT):
        for flow in flows:
            check(steering.fields(flow, fields), f"rx-flow-hash {flow} {fields:#x}")
            context.fields[flow] = fields
        steering.watch.demand(everything, context, f"fields {fields:#x}")
    _refused(env, *(f"-N {{}} rx-flow-hash {words}" for words in (
        "tcp4 m", "udp6 v", "tcp6 sdt", "sctp4 sdfn", "ether d", "tcp6 sdl", "sctp4 s")))
    steering.watch.demand(everything, context, "after refusals")


def test_symmetric(env: Env) -> None:
    """Both directions of a flow have one hash, of both kinds."""
    steering = Steering(env)
    context = steering.set(0)
    packets = [p for packet in steering.packets(8) + [random_packet(steering.rng, 4, ICMP)]
               for p in (packet, packet.back())]
    done = 0
    for word, xfrm in XFRMS.items():
        result = run(f"ethtool -X {env.dut.ifname} xfrm {word}", ok=False)
        if result.returncode:
            say(f"{word}: {' '.join(result.stderr.split())}")
            continue
        done += 1
        check(re.search(rf"{word}: on", env.dut.run("ethtool -x {}")), f"{word} is not shown")
        context.xfrm = xfrm
        steering.watch.demand(packets, context, word)
        seen = steering.watch.send(packets)
        equal(seen[::2], seen[1::2], f"{word}: hash and queue of the two directions")
        _refused(env, "-N {} rx-flow-hash tcp4 s", "-N {} rx-flow-hash udp6 sdf")
        check(steering.fields("tcp4", L3), f"{word}: addresses only")
        context.fields = {"tcp4": L3}
        steering.watch.demand(packets, context, f"{word}, addresses only")
        check(steering.fields("tcp4", L4), f"{word}: all fields")
        context.fields = {}
        env.dut.run("ethtool -X {} xfrm none")
        context.xfrm = 0
        steering.watch.demand(packets, context, f"{word} no more")
    if not done:
        raise Skip("the device has no symmetric hash")
    if steering.fields("tcp4", SADDR):
        _refused(env, "-X {} xfrm symmetric-xor")
        steering.fields("tcp4", L4)


def test_contexts(env: Env) -> None:
    """Contexts steer what rules send there, by key, table and fields of their own."""
    steering = Steering(env)
    steering.need_contexts()
    first = steering.set(0, [0])
    contexts = {1: steering.set(1, [1, 2], new=True), 2: steering.set(2, [2, 3], new=True)}
    ports = {1: 7001, 2: 7002}
    locs = {ctx: [steering.rule(f"{flow} dst-port {port} context {ctx}")
                  for flow in ("tcp4", "udp4", "tcp6", "udp6")] for ctx, port in ports.items()}
    packets = {ctx: steering.packets(8, dport=port) for ctx, port in ports.items()}
    rest = steering.packets(8, dport=7003)

    def all_right(what: str) -> None:
        for ctx, context in contexts.items():
            steering.watch.demand(packets[ctx], context, f"{what}: context {ctx}")
        steering.watch.demand(rest, first, f"{what}: no rule")

    all_right("at first")
    text = env.dut.run(f"ethtool -n {{}} rule {locs[2][0]}")
    check(re.search(r"RSS Context (ID: )?2", text), f"the context is not shown:\n{text}")
    contexts[1] = steering.set(1, [3])
    all_right("another table")
    first = steering.set(0, [1, 3])
    all_right("another table of the first context")
    check(steering.fields("udp4", L3, 2), "fields of a context")
    contexts[2].fields = {"udp4": L3}
    all_right("fields of a context")
    if not run(f"ethtool -X {env.dut.ifname} context 1 xfrm symmetric-xor", ok=False).returncode:
        contexts[1].xfrm = XOR
        all_right("a context with a symmetric hash")
    for ctx in (2, 1):
        _refused(env, f"-X {{}} context {ctx} delete")
        for loc in locs[ctx]:
            env.dut.run(f"ethtool -N {{}} delete {loc}")
        env.dut.run(f"ethtool -X {{}} context {ctx} delete")
        del contexts[ctx]
        rest += packets[ctx]
        all_right(f"without context {ctx}")
    check(run(f"ethtool -x {env.dut.ifname} context 1", ok=False).returncode,
          "a context that is gone is shown")


def test_rules(env: Env) -> None:
    """A rule can add to the queues of a table; the first context can be named."""
    steering = Steering(env)
    steering.need_contexts()
    first = steering.set(0, [0, 1])
    other = steering.set(1, [0, 2], new=True)
    steering.rule("udp4 dst-port 7001 context 1 action 1 loc 3")
    packets = [random_packet(steering.rng, 4, inet.UDP, dport=7001) for _ in range(40)]
    steering.watch.demand(packets, other, "context 1 and 1 more", add=1)
    _refused(env, "-X {} context 1 weight 0 0 0 1", "-X {} context 1 equal 4",
             "-L {} combined 3", "-N {} flow-type udp4 dst-port 7002 context 1 action 2",
             "-N {} flow-type udp4 dst-port 7002 context 1 action -1",
             "-N {} flow-type udp4 dst-port 7002 context 2")
    # The first context, ahead of the rule before
    steering.rule("udp4 dst-port 7001 context 0 action 2 loc 2")
    steering.watch.demand(packets, first, "context 0 and 2 more", add=2)
    _refused(env, "-X {} default")
    env.dut.run("ethtool -N {} delete 2")
    steering.watch.demand(packets, other, "context 1 and 1 more, again", add=1)
    # The same match without a place takes the place of the one there is.
    equal(steering.rule("udp4 dst-port 7001 context 1"), 3, "place of the same rule")
    equal(steering.rules(), [3], "rules")
    steering.watch.demand(packets, other, "context 1")
    check(steering.rule("udp4 dst-port 7002 context 1") > 3, "place of another rule")


def test_survive(env: Env) -> None:
    """Contexts and rules outlive whatever happens to queues and device."""
    steering = Steering(env)
    steering.need_contexts()
    first = steering.set(0, [0, 1])
    contexts = {1: steering.set(1, [1, 2], new=True), 2: steering.set(2, [0, 2], new=True)}
    for ctx in contexts:
        steering.rule(f"udp4 dst-port {7000 + ctx} context {ctx}")
    steering.fields("udp4", L3, 1)
    contexts[1].fields = {"udp4": L3}
    packets = {ctx: [random_packet(steering.rng, 4, inet.UDP, dport=7000 + ctx) for _ in range(16)]
               for ctx in (0, 1, 2)}

    def all_right(what: str) -> None:
        env.ready()
        for ctx, context in ({0: first} | contexts).items():
            steering.watch.demand(packets[ctx], context, f"{what}: context {ctx}")

    all_right("at first")
    for words in ("ip link set {} down", "ip link set {} up"):
        env.dut.run(words)
    all_right("down and up")
    env.dut.run("ip link set {} down")
    contexts[1] = steering.set(1, [3])
    contexts[1].fields = {"udp4": L3}
    contexts[3] = steering.set(3, [2, 3], new=True)
    steering.rule("udp4 dst-port 7003 context 3")
    packets[3] = [random_packet(steering.rng, 4, inet.UDP, dport=7003) for _ in range(16)]
    env.dut.run("ethtool -G {} rx 512")
    env.dut.run("ip link set {} up")
    all_right("changed while down")
    for words in ("ethtool -G {} rx 256", "ethtool -G {} rx 1024"):
        env.dut.run(words)
        all_right(words)
    restart(env)
    all_right("recovered")
    _refused(env, "-L {} combined 3")
    contexts[1] = steering.set(1, [0, 2])
    contexts[1].fields = {"udp4": L3}
    contexts[3] = steering.set(3, [1])
    env.dut.run("ethtool -L {} combined 3")
    env.later(lambda: env.channels(4))
    all_right("three pairs")
    env.dut.run("ethtool -L {} combined 4")
    all_right("four pairs")


def test_many(env: Env) -> None:
    """As many contexts as there are, in any order, and not one more."""
    steering = Steering(env)
    steering.need_contexts()
    first = steering.set(0, [0])
    contexts: dict[int, Context] = {}
    while True:
        table = [1 + len(contexts) % 3]
        done = run(f"ethtool -X {env.dut.ifname} context new start {table[0]} equal 1", ok=False)
        if done.returncode:
            break
        ctx = int(done.stdout.split()[-1])
        contexts[ctx] = steering.read(ctx)
        equal(sorted(set(contexts[ctx].table)), table, f"table of context {ctx}")
    say(f"{len(contexts)} contexts")
    equal(sorted(contexts), list(range(1, len(contexts) + 1)), "contexts")
    for ctx in contexts:
        steering.rule(f"udp4 dst-port {7000 + ctx} context {ctx}")
    gone: set[int] = set()

    def all_right() -> None:
        for ctx, context in contexts.items():
            packet = random_packet(steering.rng, 4, inet.UDP, dport=7000 + ctx)
            steering.watch.demand([packet], first if ctx in gone else context, f"context {ctx}")

    all_right()
    order = list(contexts)
    steering.rng.shuffle(order)
    places = dict(zip(sorted(contexts), sorted(steering.rules(), reverse=True)))
    for ctx in order[:len(order) // 2]:
        env.dut.run(f"ethtool -N {{}} delete {places[ctx]}")
        env.dut.run(f"ethtool -X {{}} context {ctx} delete")
        gone.add(ctx)
    all_right()


def test_refused(env: Env) -> None:
    """What cannot be is refused, and changes nothing."""
    steering = Steering(env)
    steering.need_contexts()
    n, most = env.channel_limits()
    steering.set(1, [0, 1], new=True)
    _refused(env, *(f"-X {{}} {words}" for words in (
        f"context 1 equal {n + 1}", f"context 1 start {n} equal 1", "context 1 hkey 01:02",
        "context 1 hfunc xor", "context 2 equal 1", "context 2 delete",
        "context 1 hfunc crc32", f"context new equal {most + 1}",
        "context new hkey 01:02", "context new hfunc xor")),
             "-x {} context 2", f"-N {{}} flow-type udp4 dst-port 1 context 1 action {n}",
             "-L {} combined 1")
    equal(steering.rules(), [], "rules")


if __name__ == "__main__":
    main(cases(test_hash, test_fields, test_symmetric, test_contexts, test_rules, test_survive,
               test_many, test_refused))
