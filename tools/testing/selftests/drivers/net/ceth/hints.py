#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a program can ask about a frame: hash, time, tag.

Each is what the device has said: the hash and its type are computed, the time
lies between readings of the clock, the tag is that which was sent. What a device
has not is refused and not advertised.
"""

from __future__ import annotations

import contextlib
import errno
import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cethtest import inet
from cethtest.bpf import DROP, PASS, Bpf
from cethtest.env import Env
from cethtest.frames import ETH_P_ALL, Capture, raw_socket
from cethtest.rxhash import ICMP, MARK, Packet, Watch, random_packet, shown_context
from cethtest.stats import Delta, Snapshot
from cethtest.tap import cases, main, say
from cethtest.times import RX_HARDWARE, Clock, stamp, timed, timed_socket, timestamping
from cethtest.tool import Skip, check, equal, run, run_json, wait_for
from cethtest.xsk import Options, Xsk

KINDS = [(v, p) for v in (4, 6) for p in (inet.TCP, inet.UDP, ICMP)]
SEEN = struct.Struct("=QIIiii2sH128s")
STATE = struct.Struct("=II")
NODATA, NOTSUPP = -errno.ENODATA, -errno.EOPNOTSUPP
IPV4, IPV6, WITH_PORTS, TCP, UDP = 1, 2, 8, 16, 32
TYPES = {"ip4": IPV4, "tcp4": IPV4 | WITH_PORTS | TCP, "udp4": IPV4 | WITH_PORTS | UDP,
         "ip6": IPV6, "tcp6": IPV6 | WITH_PORTS | TCP, "udp6": IPV6 | WITH_PORTS | UDP}
TPID = 0x8100


@dataclass
class Seen:
    """What a program was told about a frame."""

    time: int
    hash: int
    type: int
    time_err: int
    hash_err: int
    vlan_err: int
    proto: bytes
    tci: int
    head: bytes

    @property
    def number(self) -> int:
        """Of the packet; -1: not ours."""
        at = self.head.find(MARK)
        return struct.unpack_from("!I", self.head, at + len(MARK))[0] if at >= 0 else -1


class Hints:
    """Programs on the device under test, and frames for them."""

    def __init__(self, env: Env, prog: str = "hints", verdict: int = DROP) -> None:
        self.env = env
        self.rng = random.Random(11)
        self.bpf = Bpf(env, "hints", env.dut)
        self.verdict = verdict
        self.number = 0
        self.sender = raw_socket(env.peer)
        self.sender.patience(30)
        env.later(self.sender.close)
        self.bpf.attach(prog)

    def read(self) -> list[Seen]:
        """What has been noted."""
        count = STATE.unpack(self.bpf.maps["state"].get(0, STATE.size))[0]
        found = [Seen(*SEEN.unpack(self.bpf.maps["frames"].get(i, SEEN.size)))
                 for i in range(min(count, 1024))]
        return [seen for seen in found if seen.number >= 0]

    def clear(self) -> None:
        """Forget that."""
        self.bpf.maps["state"].set(0, STATE.pack(0, self.verdict))

    def packets(self, n: int = 4) -> list[Packet]:
        """Of every kind so many."""
        return [random_packet(self.rng, *kind) for kind in KINDS for _ in range(n)]

    def send(self, packets: Iterable[Packet], tci: int = -1, pad: int = 0) -> list[Seen]:
        """What was told about each."""
        self.clear()
        first = self.number
        frames = []
        macs = self.env.dut.mac, self.env.peer.mac
        for packet in packets:
            frame = packet.frame(*macs, self.number)
            if tci >= 0:
                frame = frame[:12] + struct.pack("!HH", TPID, tci) + frame[12:]
            frames.append(frame + bytes(pad))
            self.number += 1
        self.sender.send_all(frames)
        wanted = range(first, self.number)
        wait_for(lambda: {seen.number for seen in self.read()} >= set(wanted), "frames")
        told = {seen.number: seen for seen in self.read()}
        return [told[n] for n in wanted]

    def demand_hash(self, what: str, **how: int) -> None:
        """Fail unless hash and type of every kind are right."""
        context = shown_context(self.env.dut)
        packets = self.packets()
        for packet, seen in zip(packets, self.send(packets, **how)):
            equal((seen.hash_err, hex(seen.hash), hex(seen.type)),
                  (0, hex(context.hash(packet) or 0), hex(TYPES[packet.name])),
                  f"{what}: {packet.name}, {packet}: error, hash and type")


def has_hash(env: Env) -> bool:
    """The device computes one, with a key that is known."""
    return "receive-hashing: on" in env.dut.run("ethtool -k {}") and \
        shown_context(env.dut) is not None


def test_advertised(env: Env) -> None:
    """What is advertised is there; what is not there is refused as such."""
    bits = env.netdev.rx_metadata(env.dut.ifindex)
    features = run_json(f"ethtool --json -k {env.dut.ifname}")[0]
    clock = "hardware-receive" in env.dut.run("ethtool -T {}")
    expected = (1 if clock else 0) | \
        (2 if features["receive-hashing"]["active"] or not features["receive-hashing"]["fixed"]
         else 0) | \
        (4 if not features["rx-vlan-offload"]["fixed"] else 0)
    equal(bits, expected, "xdp-rx-metadata-features")
    say(f"xdp-rx-metadata-features {bits}")
    hints = Hints(env)
    seen = hints.send([random_packet(hints.rng, 4, inet.UDP)])[0]
    for bit, err, name in ((1, seen.time_err, "time"), (2, seen.hash_err, "hash"),
                           (4, seen.vlan_err, "tag")):
        if bits & bit:
            check(err in (0, NODATA), f"{name}: {err}, though it is advertised")
        else:
            equal(err, NOTSUPP, f"{name}, which is not advertised")


def test_hash(env: Env) -> None:
    """Hash and type of every kind of packet, of one buffer and of several."""
    if not has_hash(env):
        raise Skip("the device computes no hash")
    hints = Hints(env)
    hints.demand_hash("one buffer")
    hints.bpf.detach()
    env.mtu(9000)
    hints.bpf.attach("hints_frags")
    hints.demand_hash("several buffers", pad=8000)


def test_scribble(env: Env) -> None:
    """A program that has used the room before the frame still gets it."""
    if not has_hash(env):
        raise Skip("the device computes no hash")
    Hints(env, "hints_scribble").demand_hash("room before the frame overwritten")


def test_hash_off(env: Env) -> None:
    """With receive hashing off there is none; a frame that is not IP has none."""
    if not has_hash(env):
        raise Skip("the device computes no hash")
    hints = Hints(env)
    equal(hints.send([Packet(0)])[0].hash_err, NODATA, "hash of what is not IP")
    if run(f"ethtool -K {env.dut.ifname} receive-hashing off", ok=False).returncode:
        raise Skip("receive hashing cannot be turned off")
    env.later(lambda: env.dut.run("ethtool -K {} receive-hashing on"))
    equal(hints.send([random_packet(hints.rng, 4, inet.UDP)])[0].hash_err, NODATA,
          "hash when it is off")
    env.dut.run("ethtool -K {} receive-hashing on")
    hints.demand_hash("on again")


def demand_times(hints: Hints, clock: Clock, what: str, **how: int) -> None:
    """Fail unless frames have the times at which they came."""
    last = 0
    for _ in range(20):
        before = clock.now
        seen = hints.send([random_packet(hints.rng, 4, inet.UDP)], **how)[0]
        equal(seen.time_err, 0, f"{what}: error")
        check(before <= seen.time <= clock.now, f"{what}: not while it was under way")
        check(seen.time > last, f"{what}: before the last one")
        last = seen.time


def demand_no_time(hints: Hints) -> None:
    """Fail if frames have a time when none is wanted any more."""
    timestamping(hints.env.dut, False, False)
    equal(hints.send([random_packet(hints.rng, 4, inet.UDP)])[0].time_err, NODATA,
          "time when none is wanted")


def test_time(env: Env) -> None:
    """The time is the clock's, and counts up; there is none unless it is wanted."""
    clock = timed(env, env.dut, rx=True)
    hints = Hints(env)
    demand_times(hints, clock, "one buffer")
    hints.bpf.detach()
    env.mtu(9000)
    hints.bpf.attach("hints_frags")
    demand_times(hints, clock, "several buffers", pad=8000)
    demand_no_time(hints)


def with_vlan(env: Env) -> None:
    """A device that takes tags off when it is to, and a VLAN that it lets through."""
    if run_json(f"ethtool --json -k {env.dut.ifname}")[0]["rx-vlan-offload"]["fixed"]:
        raise Skip("the device leaves tags where they are")
    env.dut.run("ip link add link {} name ceth-v5 type vlan id 5")
    env.later(lambda: env.dut.run("ip link del ceth-v5"))
    env.later(lambda: env.offload(env.dut, rx_vlan_offload=False))


def demand_tags(hints: Hints) -> None:
    """Fail unless tags are told when they are taken off, and else are seen."""
    for on in (True, False, True):
        hints.env.offload(hints.env.dut, rx_vlan_offload=on)
        for tci in (5, 0x6005):
            seen = hints.send([random_packet(hints.rng, 4, inet.UDP)], tci=tci)[0]
            ethertype, inner = struct.unpack_from("!HH", seen.head, 12)
            if on:
                equal((seen.vlan_err, int.from_bytes(seen.proto, "big"), seen.tci, ethertype),
                      (0, TPID, tci, inet.ETH_IP), "error, protocol, tag, EtherType")
            else:
                equal((seen.vlan_err, ethertype, inner), (NODATA, TPID, tci),
                      "error, EtherType, tag")
        equal(hints.send([random_packet(hints.rng, 4, inet.UDP)])[0].vlan_err, NODATA,
              "a frame without a tag")


def test_vlan(env: Env) -> None:
    """A tag that was taken off is told; one that was left is seen."""
    with_vlan(env)
    demand_tags(Hints(env))


def test_plain_program(env: Env) -> None:
    """A program that cannot ask finds the tag in the frame."""
    with_vlan(env)
    env.offload(env.dut, rx_vlan_offload=True)
    bpf = Bpf(env)
    # The lower byte of the tag, of frames of the tests
    bpf.configure(verdict=DROP, sample=15)
    bpf.attach("verdict")
    tag = struct.pack("!HH", TPID, 5)
    with raw_socket(env.peer) as sender:
        body = env.dut.mac + env.peer.mac + tag + struct.pack("!H", 0x88b5) + bytes(80)
        sender.send(body)
        wait_for(lambda: bpf.count(DROP) == 1, "the frame")
    equal(bpf.sample(DROP), 5, "tag in the frame")


def test_stack(env: Env) -> None:
    """What is passed on has the same hash for the stack."""
    if not has_hash(env):
        raise Skip("the device computes no hash")
    context = shown_context(env.dut)
    hints = Hints(env, verdict=PASS)
    hints.clear()
    watch = Watch(env)
    packets = hints.packets()
    watch.demand(packets, context, "the stack's hash")
    told = {seen.number: seen for seen in hints.read()}
    for number, packet in enumerate(packets):
        equal(hex(told[number].hash), hex(context.hash(packet) or 0), f"the program's: {packet}")


def sockets(env: Env) -> None:
    """From now on frames of all queues are in memory of AF_XDP sockets."""
    env.need_ceth("AF_XDP zero-copy")
    stack = contextlib.ExitStack()
    env.later(stack.close)
    for queue in range(env.channel_limits()[0]):
        xsk = stack.enter_context(Xsk(env.dut, queue, Options(chunks=128)))
        check(xsk.zerocopy, "bound without zero-copy")
        xsk.fill_up()


def test_zerocopy_hash(env: Env) -> None:
    """In a socket's memory: hash and type of every kind, and room to write in."""
    if not has_hash(env):
        raise Skip("the device computes no hash")
    sockets(env)
    hints = Hints(env)
    hints.demand_hash("in a socket's memory")
    hints.bpf.attach("hints_scribble")
    hints.demand_hash("room before the frame overwritten")
    equal(hints.send([Packet(0)])[0].hash_err, NODATA, "hash of what is not IP")


def test_zerocopy_time(env: Env) -> None:
    """In a socket's memory: the time."""
    clock = timed(env, env.dut, rx=True)
    sockets(env)
    hints = Hints(env)
    demand_times(hints, clock, "in a socket's memory")
    demand_no_time(hints)


def test_zerocopy_vlan(env: Env) -> None:
    """In a socket's memory: the tag."""
    with_vlan(env)
    sockets(env)
    demand_tags(Hints(env))


def test_zerocopy_stack(env: Env) -> None:
    """What is passed on from a socket's memory has the same for the stack."""
    sockets(env)
    before = Snapshot(env)
    hints = Hints(env, verdict=PASS)
    hints.clear()
    sent = 0
    if has_hash(env):
        context = shown_context(env.dut)
        packets = hints.packets()
        watch = Watch(env)
        watch.demand(packets, context, "the stack's hash")
        told = {seen.number: seen for seen in hints.read()}
        for number, packet in enumerate(packets):
            equal(hex(told[number].hash), hex(context.hash(packet) or 0), f"{packet}")
        sent += len(packets)
    with contextlib.suppress(Skip):
        clock = timed(env, env.dut, rx=True)
        with timed_socket(env.peer, 0) as source, timed_socket(env.dut, RX_HARDWARE) as target:
            for _ in range(8):
                first = clock.now
                source.sendto(MARK + bytes(4) + bytes(100), target.getsockname())
                time = stamp(target.recvmsg(2000, 512)[1])
                check(first <= time <= clock.now, f"{time}: not while it was under way")
                sent += 1
    with contextlib.suppress(Skip):
        with_vlan(env)
        env.offload(env.dut, rx_vlan_offload=True)
        with Capture(env.dut, ETH_P_ALL) as capture:
            for tci in (5, 0x6005):
                hints.send([random_packet(hints.rng, 4, inet.UDP)], tci=tci)
                sent += 1
            wait_for(lambda: capture.get() is None and len(capture.tags) >= 2, "tags")
            equal(capture.tags, [5, 0x6005], "tags of the stack")
    copied = Delta(before, Snapshot(env)).queue("xsk_copied")
    check(copied >= sent, f"{copied} frames of {sent} came from a socket's memory")


if __name__ == "__main__":
    main(cases(test_advertised, test_hash, test_scribble, test_hash_off, test_time, test_vlan,
               test_plain_program, test_stack, test_zerocopy_hash, test_zerocopy_time,
               test_zerocopy_vlan, test_zerocopy_stack))
