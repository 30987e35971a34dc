# SPDX-License-Identifier: GPL-2.0
"""Hash and queue of received packets: as they are, and as they should be.

What a device says of a packet's hash is read with classic filters on packet
sockets: a filter decides how many bytes of a packet the socket gets, so that
a byte of the hash comes out as a length.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import random
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from . import inet
from .env import End, Env
from .frames import ETHERTYPE, SOL_PACKET, PACKET_IGNORE_OUTGOING, raw_socket
from .tool import SO_RCVBUFFORCE, Failure, in_ns, run, wait_for

SO_ATTACH_FILTER = 26
ETH_P_ALL = 3
MARK = b"RXHASH"
# What every socket gets of a packet at least, and how long packets are
SHORT, LONG = 128, 400
ICMP = socket.IPPROTO_ICMP
# Of what is hashed: source and destination address, source and destination port
SADDR, DADDR, SPORT, DPORT = 1, 2, 4, 8
L3, L4 = SADDR | DADDR, SADDR | DADDR | SPORT | DPORT
XOR, OR_XOR = 1, 2


@dataclass(frozen=True)
class Packet:
    """A packet; without a version it is not IP."""

    version: int
    proto: int = inet.UDP
    src: bytes = b""
    dst: bytes = b""
    sport: int = 0
    dport: int = 0
    fragment: bool = False

    @property
    def ports(self) -> bool:
        """It has some that can be seen."""
        return bool(self.version) and self.proto in (inet.TCP, inet.UDP) and not self.fragment

    @property
    def name(self) -> str:
        """What a hash calls its kind."""
        if not self.ports:
            return f"ip{self.version}"
        return f"{'tcp' if self.proto == inet.TCP else 'udp'}{self.version}"

    def back(self) -> Packet:
        """One of the other direction."""
        return replace(self, src=self.dst, dst=self.src, sport=self.dport, dport=self.sport)

    def frame(self, dst: bytes, src: bytes, number: int) -> bytes:
        """On the wire, between these addresses."""
        payload = MARK + struct.pack("!I", number)
        room = LONG - 14 - {4: 20, 6: 40}.get(self.version, 0)
        if self.proto == inet.TCP:
            # Nothing that a stack would put together with another one
            payload = struct.pack("!HHIIHHHH", self.sport, self.dport, number * 7919, 1, 0x5018,
                                  1024, 0, 0) + payload
        elif self.proto == inet.UDP:
            payload = struct.pack("!HHHH", self.sport, self.dport, room, 0) + payload
        payload += bytes(room - len(payload))
        if self.version == 4:
            data = inet.ipv4(self.src, self.dst, self.proto, len(payload), number & 0xffff,
                             0x2000 if self.fragment else 0) + payload
        elif self.version == 6:
            data = inet.ipv6(self.src, self.dst, self.proto, len(payload)) + payload
        else:
            data = payload
        ethertype = {4: inet.ETH_IP, 6: inet.ETH_IPV6}.get(self.version, ETHERTYPE)
        return dst + src + struct.pack("!H", ethertype) + data


def random_packet(rng: random.Random, version: int, proto: int, **fields: object) -> Packet:
    """Of a flow of its own, between addresses that nobody has here."""
    if version == 4:
        src, dst = (bytes((198, 18 + i, rng.randrange(256), rng.randrange(1, 255)))
                    for i in range(2))
    else:
        src, dst = (bytes.fromhex("2001000200000000") + rng.randbytes(8) for _ in range(2))
    packet = Packet(version, proto, src, dst, rng.randrange(1024, 65536),
                    rng.randrange(1024, 65536))
    return replace(packet, **fields)


@functools.lru_cache(maxsize=64)
def _windows(key: bytes) -> list[int]:
    """From every bit of the key, 32 bits of it."""
    bits = int.from_bytes(key, "big")
    return [bits >> n & 0xffffffff for n in range(len(key) * 8 - 32, -1, -1)]


def toeplitz(key: bytes, data: bytes) -> int:
    """For every bit of the data that is set, the 32 bits of the key from there."""
    value = 0
    for bit, window in zip(f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}", _windows(key)):
        if bit == "1":
            value ^= window
    return value


@dataclass
class Context:
    """What steers."""

    key: bytes
    table: list[int]
    xfrm: int = 0
    # Fields of kinds of packets that are not those of their kind
    fields: dict[str, int] | None = None

    def hash(self, packet: Packet) -> int | None:
        """Of a packet; None: it has none."""
        if not packet.version:
            return None
        full = L4 if packet.ports else L3
        fields = (self.fields or {}).get(packet.name, full) & full
        if not fields:
            return None
        parts = []
        for src, dst, bit in ((packet.src, packet.dst, SADDR),
                              (packet.sport.to_bytes(2, "big"), packet.dport.to_bytes(2, "big"),
                               SPORT)):
            if bit == SPORT and not packet.ports:
                continue
            a = int.from_bytes(src, "big") if fields & bit else 0
            b = int.from_bytes(dst, "big") if fields & bit << 1 else 0
            if self.xfrm:
                a, b = a ^ b if self.xfrm == XOR else a | b, a ^ b
            parts += [a.to_bytes(len(src), "big"), b.to_bytes(len(src), "big")]
        return toeplitz(self.key, b"".join(parts))

    def expect(self, packet: Packet, add: int = 0) -> tuple[int, int]:
        """Hash and queue."""
        value = self.hash(packet)
        return value or 0, self.table[(value or 0) % len(self.table)] + add


def shown_context(end: End, number: int = 0) -> Context | None:
    """What steers, as it is shown; None: no key or no table."""
    text = run(f"ethtool -x {end.ifname} context {number}", end.ns, ok=False).stdout
    key = re.search(r"^((?:[0-9a-f]{2}:)+[0-9a-f]{2})$", text, re.M)
    table = [int(n) for line in re.findall(r"^\s*\d+:((?:\s+\d+)+)$", text, re.M)
             for n in line.split()]
    return Context(bytes.fromhex(key[1].replace(":", "")), table) if key and table else None


def _socket(end: End, program: list[tuple[int, int, int, int]]) -> socket.socket:
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    with in_ns(end.ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(buffer)))
    sock.bind((end.ifname, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def _program(word: int, shift: int) -> list[tuple[int, int, int, int]]:
    """A byte of what the kernel knows of a packet, as a length."""
    return [(0x20, 0, 0, (word - 0x1000) & 0xffffffff), (0x74, 0, 0, shift), (0x54, 0, 0, 0xff),
            (0x04, 0, 0, SHORT), (0x16, 0, 0, 0)]


class Watch:
    """Sees hash and queue of packets that come in."""

    RXHASH, QUEUE = 32, 24

    def __init__(self, env: Env) -> None:
        self.env = env
        self.sockets = [_socket(env.dut, _program(self.RXHASH, 8 * i)) for i in range(4)]
        self.sockets.append(_socket(env.dut, _program(self.QUEUE, 0)))
        self.sender = raw_socket(env.peer)
        self.sender.patience(30)
        self.number = 0
        env.later(self.close)

    def close(self) -> None:
        """No more."""
        for sock in (*self.sockets, self.sender):
            sock.close()

    def _read(self, found: list[dict[int, int]]) -> None:
        for sock, seen in zip(self.sockets, found):
            while True:
                try:
                    data = sock.recv(2048)
                except BlockingIOError:
                    break
                except OSError as e:
                    # Said once after the device was down; then it goes on.
                    if e.errno != errno.ENETDOWN:
                        raise
                    continue
                at = data.find(MARK, 0, SHORT)
                if at >= 0:
                    number = struct.unpack_from("!I", data, at + len(MARK))[0]
                    seen[number] = len(data) - SHORT

    def send(self, packets: Iterable[Packet]) -> list[tuple[int, int]]:
        """Hash and queue of each."""
        env = self.env
        result = []
        packets = list(packets)
        for start in range(0, len(packets), 64):
            chunk = packets[start:start + 64]
            found: list[dict[int, int]] = [{} for _ in self.sockets]
            dst, src = env.dut.mac, env.peer.mac
            self.sender.send_all(packet.frame(dst, src, number)
                                 for number, packet in enumerate(chunk, self.number))
            wanted = set(range(self.number, self.number + len(chunk)))
            self.number += len(chunk)

            def all_there(found: list[dict[int, int]] = found, wanted: set[int] = wanted) -> bool:
                self._read(found)
                return all(wanted <= seen.keys() for seen in found)

            wait_for(all_there, "packets")
            for n in sorted(wanted):
                value = sum(found[i][n] << 8 * i for i in range(4))
                # The kernel counts from 1: 0 is a packet without a queue.
                result.append((value, found[4][n] - 1))
        return result

    def demand(self, packets: Iterable[Packet], context: Context, what: str, add: int = 0) -> None:
        """Fail unless hash and queue of each are what they should be."""
        packets = list(packets)
        for packet, seen in zip(packets, self.send(packets)):
            expected = context.expect(packet, add)
            # Without a hash some devices look at the table, some take the first queue.
            unhashed = context.hash(packet) is None and seen == (0, add)
            if seen != expected and not unhashed:
                raise Failure(f"{what}: {packet.name}, {packet}: hash {seen[0]:#010x}, queue "
                              f"{seen[1]} instead of {expected[0]:#010x}, queue {expected[1]}")
