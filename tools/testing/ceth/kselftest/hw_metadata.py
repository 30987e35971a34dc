#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""hw_metadata.py PROGRAM: what the kernel's xdp_hw_metadata says of frames that
the peer sends it. The program receives with AF_XDP, prints the hints of each frame,
and answers it with a checksum, a time of sending and, if told to, a launch time that
the device is to see to; whether that is right is for its reader to tell. Prints TAP.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "selftests/drivers/net/ceth"))

from cethtest.tool import (  # noqa: E402  pylint: disable=wrong-import-position
    PATIENCE, Failure, Skip, check, in_ns, read, run, wait_for)

NETIF, PEER, NS = os.environ["NETIF"], os.environ["PEER"], os.environ["NS"]
LOCAL = os.environ["LOCAL_V6"]
FRAMES = 8
VLAN, PRIORITY = 5, 3
VLAN_NET = "2001:db8:5::"
LAUNCH_NS, LAUNCH_QUEUE = 300_000_000, 1
# How late a frame may be on a machine that has other things to do
LATE_NS = 200_000_000


class Program:
    """It runs, and talks."""

    def __init__(self, path: str, options: list[str], folder: Path) -> None:
        self.log = folder / "log"
        # It calls tools as if by a user.
        sudo = folder / "sudo"
        sudo.write_text('#!/bin/sh\nexec "$@"\n', encoding="ascii")
        sudo.chmod(0o755)
        with self.log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["stdbuf", "-oL", path, *options, NETIF], stdout=out, stderr=out,
                env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})

    def said(self, pattern: str) -> list[str]:
        """What it has said so, the first group of each."""
        return re.findall(pattern, self.log.read_text(encoding="utf-8"), re.M)

    def expect(self, pattern: str, times: int) -> list[str]:
        """Wait until it has said so that often."""
        wait_for(lambda: len(self.said(pattern)) >= times or self.process.poll() is not None,
                 f"{times} times: {pattern}")
        found = self.said(pattern)
        check(len(found) == times, f"{len(found)} times, not {times}: {pattern}")
        return found

    def end(self) -> None:
        """It restores what it has changed."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextlib.contextmanager
def program(path: str, *options: str) -> Iterator[Program]:
    """The program, ready; what it said, should something go wrong."""
    with tempfile.TemporaryDirectory() as folder:
        it = Program(path, list(options), Path(folder))
        try:
            it.expect("^(attach bpf program...)$", 1)
            it.expect("^poll: (0) ", 1)
            yield it
        except Failure:
            print("\n".join(f"# {line}" for line in it.log.read_text("utf-8").splitlines()))
            raise
        finally:
            it.end()


def peer_socket() -> socket.socket:
    """One at the peer; its kernel checks the sums itself."""
    with in_ns(NS):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    return sock


def vlan(priority: int) -> None:
    """Frames to VLAN_NET are tagged, and the device lets them pass."""
    mac = read(f"/sys/class/net/{NETIF}/address")
    run(f"ip link add link {NETIF} name tagged type vlan id {VLAN}")
    run("ip link set tagged up")
    run(f"ip link add link {PEER} name tagged type vlan id {VLAN} egress-qos-map 0:{priority}", NS)
    run("ip link set tagged up", NS)
    run(f"ip addr add {VLAN_NET}2/64 dev tagged nodad", NS)
    run(f"ip neigh replace {VLAN_NET}1 lladdr {mac} dev tagged nud permanent", NS)


def test_echo(path: str) -> None:
    """Frames are answered: hash, times, and the sum that the device fills in."""
    with program(path) as it:
        for n in range(FRAMES):
            with peer_socket() as sock:
                payload = os.urandom(20 + 11 * n)
                sock.sendto(payload, (LOCAL, 9091))
                check(sock.recv(2048) == payload, "another answer")
        hashes = it.expect(r"^rx_hash: 0x(\w+) with RSS type:0x[1-9A-F]", FRAMES)
        check(len(set(hashes)) > 1, "all flows have one hash")
        received = [int(n) for n in it.expect(r"^HW RX-time: +(\d+) .*User RX", FRAMES)]
        sent = [int(n) for n in it.expect(r"^HW TX-complete-time: +(\d+) ", FRAMES)]
        times = [t for pair in zip(received, sent) for t in pair]
        check(times == sorted(times), f"times out of order: {times}")
        it.expect("ping-pong with csum=.* (csum_start=54) csum_offset=6", FRAMES)
        check(not it.said("^(No tx_timestamp)"), "a frame has no time of sending")


def test_vlan(path: str) -> None:
    """The tag that the device has taken off."""
    vlan(PRIORITY)
    run(f"ethtool -K {NETIF} rxvlan on")
    with program(path, "-r") as it, peer_socket() as sock:
        for _ in range(FRAMES):
            sock.sendto(b"tagged", (f"{VLAN_NET}1", 9091))
        it.expect("^rx_vlan_proto: 0x(8100)$", FRAMES)
        it.expect(f"^rx_vlan_tci: PCP={PRIORITY}, DEI=0, VID=0x({VLAN})$", FRAMES)


def test_stack(path: str) -> None:
    """Frames that the program passes on have the time, too."""
    with program(path) as it, peer_socket() as sock:
        for _ in range(FRAMES):
            sock.sendto(b"passed", (LOCAL, 9092))
        it.expect("^found skb (hwtstamp) = [1-9]", FRAMES)


def test_launch(path: str) -> None:
    """Answers leave at the time that they ask for."""
    vlan(1)
    options = ["-l", str(LAUNCH_NS), "-L", str(LAUNCH_QUEUE)]
    with program(path, *options) as it, peer_socket() as sock:
        for n in range(FRAMES):
            sock.sendto(b"launched", (f"{VLAN_NET}1", 9091))
            it.expect("complete tx idx=(.*)", n + 1)
        wanted = [int(n) for n in it.expect(r"^HW Launch-time: +(\d+) .*TX-complete", FRAMES)]
        sent = [int(n) for n in it.expect(r"^HW TX-complete-time: +(\d+) ", FRAMES)]
        late = [s - w for s, w in zip(sent, wanted)]
        print(f"# ns after the time: {late}")
        check(all(0 <= n < LATE_NS for n in late), f"not at their time, ns: {late}")


def main() -> int:
    """Each test, with the peer as it was."""
    path = sys.argv[1]
    tests = (test_echo, test_vlan, test_stack, test_launch)
    failed = 0
    run(f"ethtool -L {NETIF} combined 2")
    run(f"ethtool -K {PEER} rx off", NS)
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for n, test in enumerate(tests, 1):
        why = ""
        try:
            test(path)
        except (Failure, Skip, OSError) as e:
            why = str(e) or repr(e)
        for where in (None, NS):
            run("ip link del tagged", where, ok=False)
        if why:
            print(f"# {why}")
            failed += 1
        print(f"{'not ' if why else ''}ok {n} {test.__name__[5:]}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
