# SPDX-License-Identifier: GPL-2.0
"""Headers and checksums of IP, TCP and UDP, computed and checked in the test.

The kernel's own verdict is not asked for: a driver that says "verified" too
often would go unnoticed.
"""

from __future__ import annotations

import array
import socket
import struct
import sys
from dataclasses import dataclass

ETH_IP, ETH_IPV6, ETH_VLAN = 0x0800, 0x86DD, 0x8100
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP


def ones_sum(data: bytes, start: int = 0) -> int:
    """16-bit one's complement sum."""
    if len(data) & 1:
        data += b"\0"
    words = array.array("H", data)
    if sys.byteorder == "little":
        words.byteswap()
    total = start + sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def csum(data: bytes, start: int = 0) -> int:
    """Internet checksum."""
    return ~ones_sum(data, start) & 0xFFFF


def pseudo(src: bytes, dst: bytes, proto: int, length: int) -> int:
    """Sum of the pseudo header, both versions of IP."""
    return ones_sum(src + dst + struct.pack("!II", length, proto))


def ipv4(src: bytes, dst: bytes, proto: int, payload: int, ident: int = 0,
         frag: int = 0, ttl: int = 64) -> bytes:
    """Header for that many bytes of payload."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + payload, ident, frag, ttl, proto, 0,
                       src, dst)
    return head[:10] + struct.pack("!H", csum(head)) + head[12:]


def ipv6(src: bytes, dst: bytes, proto: int, payload: int) -> bytes:
    """Header for that many bytes of payload."""
    return struct.pack("!IHBB16s16s", 6 << 28, payload, proto, 64, src, dst)


def udp(sport: int, dport: int, payload: bytes, src: bytes, dst: bytes) -> bytes:
    """Datagram with its checksum."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    value = csum(head + payload, pseudo(src, dst, UDP, 8 + len(payload))) or 0xFFFF
    return head[:6] + struct.pack("!H", value) + payload


@dataclass
class Packet:
    """A frame taken apart."""

    src: bytes
    dst: bytes
    proto: int
    ident: int
    l4: bytes
    total: int
    fragment: bool = False

    @property
    def sport(self) -> int:
        """Source port."""
        return int.from_bytes(self.l4[0:2], "big")

    @property
    def dport(self) -> int:
        """Destination port."""
        return int.from_bytes(self.l4[2:4], "big")

    @property
    def seq(self) -> int:
        """TCP's sequence number."""
        return int.from_bytes(self.l4[4:8], "big")

    @property
    def tcp_flags(self) -> int:
        """FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128."""
        return self.l4[13]

    @property
    def payload(self) -> bytes:
        """After the header of TCP or UDP."""
        return self.l4[(self.l4[12] >> 4) * 4:] if self.proto == TCP else self.l4[8:]


def dissect(frame: bytes, offset: int = 12) -> Packet | None:
    """Take apart what is IP; `offset` is where the type of the payload is."""
    kind = int.from_bytes(frame[offset:offset + 2], "big")
    ip = frame[offset + 2:]
    if kind == ETH_IP and len(ip) >= 20:
        ihl = (ip[0] & 15) * 4
        total = int.from_bytes(ip[2:4], "big")
        frag = int.from_bytes(ip[6:8], "big") & 0x3FFF
        return Packet(ip[12:16], ip[16:20], ip[9], int.from_bytes(ip[4:6], "big"),
                      ip[ihl:total], total, frag != 0)
    if kind == ETH_IPV6 and len(ip) >= 40:
        length = int.from_bytes(ip[4:6], "big")
        return Packet(ip[8:24], ip[24:40], ip[6], 0, ip[40:40 + length], 40 + length,
                      ip[6] == 44)
    return None


def faults(frame: bytes, offset: int = 12) -> str:
    """What is wrong with the checksums and lengths of a frame; "" if nothing."""
    packet = dissect(frame, offset)
    if packet is None:
        return ""
    if len(frame) < offset + 2 + packet.total:
        return f"{len(frame)} bytes, and the IP header says {packet.total}"
    if frame[offset:offset + 2] == b"\x08\x00":
        ip = frame[offset + 2:]
        if ones_sum(ip[:(ip[0] & 15) * 4]) != 0xFFFF:
            return "wrong IP header checksum"
    if packet.fragment or packet.proto not in (TCP, UDP):
        return ""
    if packet.proto == UDP:
        if packet.l4[6:8] == b"\0\0":
            return "" if len(packet.src) == 4 else "no UDP checksum, over IPv6"
        if int.from_bytes(packet.l4[4:6], "big") != len(packet.l4):
            return "UDP length differs from IP's"
    total = ones_sum(packet.l4, pseudo(packet.src, packet.dst, packet.proto, len(packet.l4)))
    if total != 0xFFFF:
        return f"wrong {'TCP' if packet.proto == TCP else 'UDP'} checksum"
    return ""
