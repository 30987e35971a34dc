#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Headers in buffers of their own, and data in memory of programs that the kernel does not
read: each byte is where it belongs, and every frame is counted once."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cethtest import tcp
from cethtest.bpf import PASS, Bpf
from cethtest.env import Env
from cethtest.flow import steady
from cethtest.frames import Capture, Kind, Tally, body, exchange
from cethtest.funcs import Func
from cethtest.inet import ETH_IP
from cethtest.mem import SO_ZEROCOPY, Devmem, Zcrx, listener, provided
from cethtest.nl import NetlinkError
from cethtest.pci import Function
from cethtest.remains import Usage
from cethtest.stats import Delta, Snapshot, at_rest, restart
from cethtest.tap import CONFIGFS, cases, main, say
from cethtest.tool import Failure, KernelLog, Skip, check, equal, in_ns, read, run, wait_for, write
from cethtest.xsk import Options, Xsk
from cethtest.xskuse import unbound

SIZES = [60, 61, 100, 128, 255, 256, 257, 300, 1000, 1514]
LENGTH = 1 << 20
FAULTS = "/sys/kernel/debug/refnic"
# Bytes of a header buffer
HDR = 256
# Buffers that any frame has room in
ENOUGH = 17


def ring(env: Env, words: str) -> str:
    """Change rings; what is said against it."""
    done = run(f"ethtool -G {env.dut.ifname} {words}", ok=False)
    env.ready()
    return done.stderr.strip() or "no reason" if done.returncode else ""


def split(env: Env) -> None:
    """Headers apart, for this case."""
    why = ring(env, "tcp-data-split on")
    if why:
        raise Skip(f"the device does not split headers from data: {why}")
    env.later(lambda: ring(env, "tcp-data-split auto"))


def last_queue(env: Env) -> int:
    """A queue that only gets what it is given by rules."""
    n = env.channel_limits()[0]
    if n < 2:
        raise Skip("needs two queues")
    env.dut.run(f"ethtool -X {{}} equal {n - 1}")
    env.later(lambda: env.dut.run("ethtool -X {} default"))
    return n - 1


@contextmanager
def steered(env: Env, queue: int, version: int = 4) -> Iterator[socket.socket]:
    """A socket that listens; the frames of its connections go to that queue."""
    with listener(env.dut, version) as door:
        env.dut.run(f"ethtool -N {{}} flow-type tcp{version} dst-port {door.getsockname()[1]} "
                    f"action {queue} loc 9")
        try:
            yield door
        finally:
            env.dut.run("ethtool -N {} delete 9")


class Sender(threading.Thread):
    """Sends a pattern to the device under test."""

    def __init__(self, env: Env, to: socket.socket, data: bytes, piece: int = 0) -> None:
        super().__init__(daemon=True)
        self.data, self.piece, self.error = data, piece or len(data), ""
        with in_ns(env.peer.ns):
            self.sock = socket.socket(to.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(120)
        self.to = to.getsockname()
        self.start()

    def run(self) -> None:
        """All of it, then the end."""
        try:
            self.sock.connect(self.to)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(self.data), self.piece):
                self.sock.sendall(self.data[at:at + self.piece])
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.error = str(e)

    def end(self) -> None:
        """Fail unless all was sent."""
        self.join(120)
        self.sock.close()
        if self.error or self.is_alive():
            raise Failure(f"the sender: {self.error or 'it does not end'}")


Provider = Zcrx | Devmem
Meanwhile = Callable[[int], object]


def stream(env: Env, memory: Provider, queue: int, length: int = LENGTH, version: int = 4,
           piece: int = 0, meanwhile: Meanwhile | None = None, seed: int = 1) -> int:
    """A connection into the memory: each byte is right; how many pieces came."""
    data, sha, got, pieces = tcp.pattern(length, seed), hashlib.sha256(), 0, 0
    with steered(env, queue, version) as door:
        sender = Sender(env, door, data, piece)
        conn, _ = door.accept()
        with conn:
            for chunk in memory.receive(conn):
                sha.update(chunk)
                got += len(chunk)
                pieces += 1
                if meanwhile:
                    meanwhile(got)
        sender.end()
    equal(got, length, "bytes that arrive")
    equal(sha.hexdigest(), hashlib.sha256(data).hexdigest(), "the bytes that arrive")
    return pieces


def accounted(env: Env, before: Snapshot, what: str) -> Delta:
    """Nothing is lost, and every frame of the device is one of the driver's."""
    delta = Delta(before, at_rest(env))
    for name in ("drop_nomem", "drop_desc", "drop_len", "drop_unread"):
        equal(delta.queue(name), 0, f"{what}: {name}")
    equal((delta.link("rx_dropped"), delta.link("rx_errors")), (0, 0), f"{what}: lost")
    return delta


def gone(env: Env) -> None:
    """Wait until no queue has memory of others any more."""
    wait_for(lambda: not provided(env.netdev, env.dut), "the queue to have the kernel's memory")


# --- header buffers, with pages of the kernel ----------------------------------------


def test_split(env: Env) -> None:
    """Frames of all kinds and lengths, in pieces: not a byte is lost, nor a frame."""
    split(env)
    before = at_rest(env)
    for kind in (Kind(run=1), Kind(run=2, udp=True, flows=16)):
        exchange(env.peer, env.dut, SIZES, 300, kind).demand(f"split, {kind}")
    run(f"ping -q -c 3 -i 0.05 -W 10 {env.peer.ip4}")
    run(f"ping -q -c 3 -i 0.05 -W 10 -s 1400 {env.peer.ip4}")
    for version in (4, 6):
        if version == 6:
            env.ipv6()
        for src, dst in ((env.dut, env.peer), (env.peer, env.dut)):
            tcp.transfer(src, dst, LENGTH, version, what="headers split")
    delta = accounted(env, before, "split")
    check(delta.link("rx_packets") > 600, "frames are not counted")
    env.mtu(9000)
    exchange(env.peer, env.dut, [9014, 60, 4096 + HDR, 4097 + HDR], 100,
             Kind(run=3)).demand("split, long")
    tcp.transfer(env.peer, env.dut, LENGTH, what="headers split, jumbo frames")
    accounted(env, before, "split, jumbo frames")


def test_threshold(env: Env) -> None:
    """Frames that are not split: up to a length, with all that can be set."""
    split(env)
    if ring(env, "hds-thresh 0"):
        raise Skip("this kernel knows no hds-thresh")
    env.later(lambda: ring(env, "hds-thresh 0"))
    for thresh in (1, 60, 100, HDR):
        equal(ring(env, f"hds-thresh {thresh}"), "", f"hds-thresh {thresh}")
        shown = re.findall(r"^HDS thresh:\s+(\d+)", env.dut.run("ethtool -g {}"), re.M)
        equal(shown, [str(HDR), str(thresh)], "hds-thresh that is shown")
        exchange(env.peer, env.dut, SIZES, 60,
                 Kind(run=thresh, udp=True)).demand(f"hds-thresh {thresh}")
    check(ring(env, f"hds-thresh {HDR + 1}"), "too long a hds-thresh")
    equal(ring(env, "tcp-data-split off hds-thresh 77"), "", "split off, with another hds-thresh")
    steady(env.dut, env.peer, "not split any more")


def test_refused(env: Env) -> None:
    """What cannot be at the same time is refused with a reason, and changes nothing."""
    bpf = Bpf(env)
    bpf.configure(verdict=PASS)
    if ring(env, "tcp-data-split on"):
        raise Skip("the device does not split headers from data")
    env.later(lambda: ring(env, "tcp-data-split auto"))
    for prog in ("verdict", "verdict_frags"):
        try:
            bpf.attach(prog)
        except NetlinkError as e:
            say(f"{prog}: {e}")
            check(e.text, "no reason is given")
        except Failure as e:
            say(f"{prog}: {e}")
        else:
            raise Failure(f"a program is attached, and frames are in pieces: {prog}")
    for opt in (Options(), Options(multi=True)):
        log = KernelLog()
        try:
            Xsk(env.dut, 0, opt).close()
        except OSError as e:
            equal(e.errno, errno.EINVAL, "an AF_XDP socket")
        else:
            raise Failure("an AF_XDP socket is bound, and frames are in pieces")
        check(any("tcp-data-split" in line for line in log.lines()), "no reason in the log")
        log.close()
    why = ring(env, "rx-buf-len 2048")
    check("rx-buf-len" in why, f"rx-buf-len: {why}")
    equal(ring(env, "tcp-data-split off"), "", "split off")
    bpf.attach("verdict")
    why = ring(env, "tcp-data-split on")
    check("XDP" in why, f"with a program: {why}")
    bpf.detach()
    with Xsk(env.dut, 0, Options()):
        why = ring(env, "tcp-data-split on")
        check("AF_XDP" in why, f"with a socket: {why}")
    unbound(env)
    steady(env.dut, env.peer, "after all that was refused")


def test_misbehaves(env: Env) -> None:
    """The device says what cannot be of header buffers: it is restarted, and works on."""
    if env.bus != "refnic":
        raise Skip("only the reference NIC misbehaves")
    split(env)
    for fault in ("rx_id", "rx_dup", "rx_len", "rx_empty", "rx_chain", "rx_lost"):
        before = Snapshot(env)
        write(f"{FAULTS}/{env.pci}/{fault}", 2)
        exchange(env.peer, env.dut, [60, 1514, 200], 60, Kind(run=20, udp=True, flows=8))
        write(f"{FAULTS}/{env.pci}/{fault}", 0)
        if fault != "rx_lost":
            wait_for(lambda b=before: Delta(b, Snapshot(env)).after.ethtool["recoveries"] >
                     b.ethtool["recoveries"], f"a restart after {fault}")
        env.ready()
        steady(env.dut, env.peer, f"after {fault}")


# --- memory of programs ----------------------------------------------------------------


def zcrx(env: Env, queue: int, **more: int) -> Zcrx:
    """Of io_uring; a queue gets free a while after its end."""
    gone(env)
    return Zcrx(env.dut, queue, **more)


def devmem(env: Env, queue: int, **more: int) -> Devmem:
    """A "device's"."""
    gone(env)
    return Devmem(env.dut, queue, **more)


def kinds(env: Env) -> list[Callable[..., Provider]]:
    """Providers that this kernel has, headers split."""
    split(env)
    found: list[Callable[..., Provider]] = []
    for make in (zcrx, devmem):
        try:
            make(env, env.channel_limits()[0] - 1).close()
            found.append(make)
        except Skip as e:
            say(f"{make.__name__}: {e}")
    gone(env)
    if not found:
        raise Skip("this kernel lets nobody provide memory")
    return found


def integrity(env: Env, make: Callable[..., Provider]) -> None:
    """Bytes, whatever the segments are like."""
    split(env)
    queue = last_queue(env)
    env.ipv6()
    before = at_rest(env)
    with make(env, queue, pages=2048) as memory:
        equal(provided(env.netdev, env.dut), [queue], "queues with memory of others")
        for version, piece in ((4, 0), (6, 0), (4, 1), (4, 100), (6, 1448), (4, 5000)):
            length = piece * 200 if 0 < piece < 1000 else LENGTH
            pieces = stream(env, memory, queue, length, version, piece, seed=piece)
            say(f"IPv{version}, pieces of {piece}: {pieces} came")
        equal(getattr(memory, "linear", 0), 0, "bytes beside the memory")
        env.mtu(9000)
        stream(env, memory, queue)
        # The others are as they were.
        tcp.transfer(env.peer, env.dut, LENGTH, what="other queues")
    gone(env)
    accounted(env, before, make.__name__)
    tcp.transfer(env.peer, env.dut, LENGTH, what="afterwards")


def test_zcrx(env: Env) -> None:
    """io_uring receives into its own memory."""
    integrity(env, zcrx)


def test_zcrx_dmabuf(env: Env) -> None:
    """The same, into memory that nobody could copy to: no byte is elsewhere."""
    integrity(env, lambda e, q, **more: zcrx(e, q, dmabuf=True, **more))


def test_chunks(env: Env) -> None:
    """Memory in larger pieces."""
    split(env)
    queue = last_queue(env)
    # Those of one provider are free some time after its end.
    env.huge_pages(32, 24)
    env.mtu(9000)
    for chunk in (8192, 16384):
        with zcrx(env, queue, pages=4096, chunk=chunk) as memory:
            pieces = stream(env, memory, queue, seed=chunk)
            say(f"chunks of {chunk}: {pieces} came")
    gone(env)
    for chunk in (2048, 12288, 32768):
        try:
            Zcrx(env.dut, queue, chunk=chunk).close()
        except OSError as e:
            say(f"chunks of {chunk}: {e}")
        else:
            raise Failure(f"chunks of {chunk} bytes")
    steady(env.dut, env.peer, "after large chunks")


def test_devmem(env: Env) -> None:
    """Device memory TCP."""
    integrity(env, devmem)


def test_gro(env: Env) -> None:
    """Segments that the device coalesces."""
    found = kinds(env)
    queue = last_queue(env)
    if not env.offload(env.dut, rx_gro_hw=True)["rx_gro_hw"]:
        raise Skip("the device does not coalesce")
    knob = CONFIGFS / env.pci / "gro_usecs"
    write(knob, 5000)
    env.later(lambda: write(knob, 200))
    for make in found:
        with make(env, queue, pages=2048) as memory:
            before = at_rest(env)
            stream(env, memory, queue, 2 * LENGTH)
            check(accounted(env, before, "coalesced").qstat("rx_hw_gro_packets"),
                  "none is coalesced")


def test_send(env: Env) -> None:
    """From memory of a "device": the peer gets each byte."""
    with Devmem(env.dut, pages=256) as memory, listener(env.peer) as door:
        size = memory.buf.size
        data = tcp.pattern(size, 7)
        memory.buf.map[:] = data
        got: list[bytes] = []

        def take() -> None:
            conn, _ = door.accept()
            with conn:
                while piece := conn.recv(1 << 16):
                    got.append(piece)

        taker = threading.Thread(target=take, daemon=True)
        taker.start()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                            env.dut.ifname.encode() + b"\0")
            sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
            sock.settimeout(60)
            sock.connect(door.getsockname())
            sock.setblocking(False)
            at, end = 0, time.monotonic() + 120
            while at < size and time.monotonic() < end:
                try:
                    at += memory.send(sock, at, min(size - at, 30001))
                except BlockingIOError:
                    time.sleep(0.005)
                except OSError as e:
                    # What has been sent keeps the memory for notices, until read.
                    if e.errno not in (errno.ENOBUFS, errno.EAGAIN):
                        raise
                notices(sock)
            equal(at, size, "bytes that were taken to send")
            sock.shutdown(socket.SHUT_WR)
            taker.join(60)
        equal(hashlib.sha256(b"".join(got)).hexdigest(), hashlib.sha256(data).hexdigest(),
              "what the peer gets")
    steady(env.dut, env.peer, "after sending from a device's memory")


def notices(sock: socket.socket) -> None:
    """Read that something has been sent."""
    while True:
        try:
            sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return


def give_back(memory: Provider, conn: socket.socket) -> None:
    """What the program has kept."""
    if isinstance(memory, Zcrx):
        memory.give_back()
    else:
        memory.give_back(conn)


def buffers(env: Env, queue: int) -> int:
    """How many the device has."""
    found = re.search(rf"^rx {queue}: .* tail (\d+) head (\d+) ",
                      read(f"{FAULTS}/{env.pci}/state"), re.M)
    check(found, "the device shows no queue")
    return int(found[1]) - int(found[2])


def test_refilled(env: Env) -> None:
    """Memory that comes back goes to the device, though nothing arrives that would have
    anybody look."""
    if env.bus != "refnic":
        raise Skip("only the reference NIC shows what it has")
    found = kinds(env)
    queue = last_queue(env)
    env.later(lambda: env.configure(env.pairs[0]))
    for make in found:
        with make(env, queue, pages=64) as memory, steered(env, queue) as door:
            sender = Sender(env, door, tcp.pattern(LENGTH))
            conn, _ = door.accept()
            for _ in memory.receive(conn, hold=True, seconds=1.5):
                pass
            env.rtnl(env.peer.ns).set_up(env.peer.ifindex, False)
            # For as long as what has been lost has it looked after
            time.sleep(3)
            check(buffers(env, queue) < ENOUGH, f"{make.__name__}: memory is not short")
            give_back(memory, conn)
            wait_for(lambda: buffers(env, queue) >= ENOUGH, "the device to have buffers")
            conn.close()
        sender.sock.close()
        env.configure(env.pairs[0])
        gone(env)
        steady(env.dut, env.peer, "after memory came back")


def test_starved(env: Env) -> None:
    """The program keeps the memory until there is none; when it comes back, so do bytes."""
    found = kinds(env)
    queue = last_queue(env)
    for make in found:
        pages = 128
        with make(env, queue, pages=pages) as memory, steered(env, queue) as door:
            data, sha, got = tcp.pattern(LENGTH, 5), hashlib.sha256(), 0
            sender = Sender(env, door, data)
            conn, _ = door.accept()
            before = Snapshot(env)
            for turn in range(40):
                hold = turn < 3
                for chunk in memory.receive(conn, hold, 1.5 if hold else 60):
                    sha.update(chunk)
                    got += len(chunk)
                if not hold:
                    break
                if not turn:
                    check(Delta(before, Snapshot(env)).qstat("rx_alloc_fail"),
                          f"{make.__name__}: memory is never short")
                    say(f"{make.__name__}: {got} bytes fill {pages} pages")
                give_back(memory, conn)
            conn.close()
            sender.end()
            equal(got, len(data), f"{make.__name__}: bytes that arrive")
            equal(sha.hexdigest(), hashlib.sha256(data).hexdigest(), "the bytes")
        gone(env)
        steady(env.dut, env.peer, "after memory was short")


def test_disturbed(env: Env) -> None:
    """Restarts, other rings, other queues while the memory is in use: no byte is lost."""
    found = kinds(env)
    queue = last_queue(env)
    for make in found:
        marks = [(LENGTH // 6 * i, act) for i, act in enumerate((
            lambda: restart(env),
            lambda: equal(ring(env, "rx 256"), "", "rx 256"),
            lambda: equal(ring(env, "rx 1024"), "", "rx 1024"),
            lambda: check(run(f"ethtool -L {env.dut.ifname} combined {queue}",
                              ok=False).returncode, "the queue was taken away"),
            lambda: restart(env)), 1)]

        def meanwhile(got: int, todo: list[tuple[int, Callable[[], object]]] = marks) -> None:
            while todo and got >= todo[0][0]:
                todo.pop(0)[1]()

        with make(env, queue, pages=4096) as memory:
            stream(env, memory, queue, meanwhile=meanwhile)
            equal(provided(env.netdev, env.dut), [queue], "queues with memory of others")
            # While the device is down the memory stays, too.
            env.later(lambda: env.configure(env.pairs[0]))
            env.rtnl().set_up(env.dut.ifindex, False)
            env.rtnl().set_up(env.dut.ifindex, True)
            env.configure(env.pairs[0])
            stream(env, memory, queue, LENGTH // 4)
            env.rtnl().set_up(env.dut.ifindex, False)
        # It goes while the device is down.
        env.rtnl().set_up(env.dut.ifindex, True)
        env.configure(env.pairs[0])
        gone(env)
        steady(env.dut, env.peer, "disturbed")


def _reload(env: Env, _: Function) -> None:
    old, name = env.dut.ifindex, f"{env.bus}/{env.pci}"
    if name not in run("devlink dev show").stdout:
        return
    run(f"devlink dev reload {name}")
    wait_for(lambda: env.dut.exists and env.dut.ifindex != old, "the device to come back")


def _unbind(_: Env, function: Function) -> None:
    function.unbind()
    function.bind()


def _pull_out(env: Env, function: Function) -> None:
    power = CONFIGFS / env.pci / "power"
    if not power.exists():
        return
    write(power, 0)
    wait_for(lambda: not env.dut.exists, "the interface to disappear")
    write(power, 1)
    function.bind()


def test_outlived(env: Env) -> None:
    """The device goes while a queue has memory of a program; what comes in its place
    has the kernel's."""
    function = Function(env)
    for make in kinds(env):
        for goes in (_reload, _unbind, _pull_out):
            split(env)
            queue = last_queue(env)
            with make(env, queue, pages=2048) as memory:
                stream(env, memory, queue)
                goes(env, function)
                env.configure(env.pairs[0])
                tcp.transfer(env.peer, env.dut, LENGTH // 4, what="with the memory left behind")
            gone(env)
            steady(env.dut, env.peer, f"{make.__name__}, {goes.__name__}")


def _victim(env: Env, make: Callable[..., Provider], queue: int, ready: object) -> None:
    with make(env, queue) as memory, steered(env, queue) as door:
        Sender(env, door, tcp.pattern(LENGTH))
        conn, _ = door.accept()
        for _ in memory.receive(conn, hold=True):
            ready.set()  # type: ignore[attr-defined]


def test_killed(env: Env) -> None:
    """A program dies while it receives: its memory is let go of, the queue works on."""
    found = kinds(env)
    queue = last_queue(env)
    env.later(lambda: env.dut.run("ethtool -N {} delete 9", ok=False))
    for make in found:
        usage = None
        for turn in range(6):
            ready = multiprocessing.Event()
            child = multiprocessing.Process(target=_victim, args=(env, make, queue, ready))
            child.start()
            check(ready.wait(60), "the program receives nothing")
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()
            gone(env)
            env.dut.run("ethtool -N {} delete 9", ok=False)
            if turn == 1:
                steady(env.dut, env.peer, "after a program died")
                usage = Usage(env)
        steady(env.dut, env.peer, "after programs died")
        if usage:
            say(usage.demand(4, f"programs that died with {make.__name__}"))


def test_others(env: Env) -> None:
    """What else comes to such a queue: short frames are read, long ones nobody can, and all
    are counted."""
    found = kinds(env)
    env.channels(1)
    for make in found:
        with make(env, 0, pages=2048):
            run(f"ping -q -c 5 -i 0.05 -W 10 {env.peer.ip4}")
            before = at_rest(env)
            done = run(f"ping -q -c 5 -i 0.05 -W 1 -s 1400 {env.dut.ip4}", env.peer.ns, ok=False)
            check(done.returncode, "the kernel has read what it cannot")
            with in_ns(env.peer.ns):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                for i in range(50):
                    sock.sendto(bytes(i * 20 + 1), (env.dut.ip4, 9999))
            delta = Delta(before, at_rest(env))
            equal(delta.link("rx_packets"), 55, f"{make.__name__}: frames")
            equal(delta.queue("drop_unread"), 5, f"{make.__name__}: frames that nobody can read")
            equal(delta.link("rx_dropped"), 5, f"{make.__name__}: rx_dropped")
        gone(env)
    steady(env.dut, env.peer, "one queue, with the kernel's memory")


def test_passed_on(env: Env) -> None:
    """Frames in memory of a program are sent again by the device that they came from. It
    is mapped for no other, which drops them and says so."""
    split(env)
    other, count = Func(env, 1), 40
    env.channels(1)
    with zcrx(env, 0, pages=2048):
        env.dut.run("tc qdisc add dev {} clsact")
        env.later(lambda: env.dut.run("tc qdisc del dev {} clsact"))
        for end in (env.dut, other.end, env.dut):
            env.dut.run(f"tc filter add dev {{}} ingress pref 1 protocol ip matchall "
                        f"action mirred egress redirect dev {end.ifname}")
            before, tally = at_rest(env, other.end), Tally(Kind(run=31, udp=True), count)
            with in_ns(env.peer.ns):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock, Capture(env.peer, ETH_IP) as capture:
                # To everybody: what is for the device itself would stay in it.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                                env.peer.ifname.encode() + b"\0")
                for seq in range(count):
                    sock.sendto(body(31, 0, seq, 500 + 20 * seq), ("255.255.255.255", 9999))
                if end == env.dut:
                    capture.into(tally)
                    tally.demand("sent again", order=True)
                else:
                    wait_for(lambda b=before: Delta(b, Snapshot(env, other.end)).queue(
                        "drop_map", "tx") == count, "frames to be dropped")
                    check(not capture.all(bool, 0.5), "frames of another device's memory are sent")
            delta = Delta(before, at_rest(env, other.end))
            equal(delta.link("tx_dropped"), 0 if end == env.dut else count, "tx_dropped")
            equal(delta.link("tx_packets"), 0, "frames that the other device sends")
            env.dut.run("tc filter del dev {} ingress pref 1")
    gone(env)
    steady(other.end, env.peer, "after memory that is not its own")


def test_refuses(env: Env) -> None:
    """No memory of others where headers are not apart, or with what does not go with it."""
    split(env)
    queue = last_queue(env)

    def refused(what: str, said: bool = True) -> None:
        for make in (Zcrx, Devmem):
            try:
                make(env.dut, queue).close()
            except Skip:
                continue
            except OSError as e:
                say(f"{what}: {make.__name__}: {e}")
                check(make is Zcrx or not new or not said or getattr(e, "text", ""),
                      "no reason is given")
                continue
            raise Failure(f"{what}: {make.__name__} is not refused")

    new = not os.uname().release.startswith("6.")
    ring(env, "tcp-data-split off")
    refused("not split")
    ring(env, "tcp-data-split on")
    if not ring(env, "hds-thresh 100"):
        refused("a threshold")
        ring(env, "hds-thresh 0")
    env.dut.run("ethtool -K {} rx off")
    env.later(lambda: env.dut.run("ethtool -K {} rx on"))
    refused("checksums not verified")
    env.dut.run("ethtool -K {} rx on")
    queue = 4000
    refused("queue 4000", said=False)
    queue = env.channel_limits()[0] - 1
    with devmem(env, queue):
        refused("memory of somebody else")
        why = ring(env, "tcp-data-split off")
        check(why, "headers are not split any more, and the memory is in use")
        say(why)
        check(not new or ring(env, "hds-thresh 10"), "hds-thresh while memory is in use")
        env.dut.run("ethtool -K {} rx off", ok=False)
        check(env.offload(env.dut, rx_checksumming=True)["rx_checksumming"], "rx off")
        for queue_of in (queue, 0):
            try:
                Xsk(env.dut, queue_of, Options(), patience=0).close()
            except OSError as e:
                say(f"an AF_XDP socket: {e}")
            else:
                raise Failure("an AF_XDP socket, and memory of others")
        bpf = Bpf(env)
        bpf.configure(verdict=PASS)
        try:
            bpf.attach("verdict_frags")
        except (NetlinkError, Failure) as e:
            say(f"a program: {e}")
        else:
            raise Failure("a program, and memory of others")
    gone(env)
    steady(env.dut, env.peer, "after all that was refused")


def test_unable(env: Env) -> None:
    """A device whose buffers hold headers, too, says so."""
    env.need_ceth("a reason")
    if not ring(env, "tcp-data-split on"):
        ring(env, "tcp-data-split auto")
        raise Skip("the device splits headers from data")
    for make in (zcrx, devmem):
        try:
            make(env, 0).close()
        except Skip as e:
            say(str(e))
        except OSError as e:
            say(f"{make.__name__}: {e}")
        else:
            raise Failure("memory of others, and buffers hold headers, too")
    steady(env.dut, env.peer, "after memory was refused")


if __name__ == "__main__":
    main(cases(test_split, test_threshold, test_refused, test_misbehaves, test_zcrx,
               test_zcrx_dmabuf, test_chunks, test_devmem, test_gro, test_send, test_starved,
               test_refilled, test_disturbed, test_outlived, test_killed, test_others,
               test_passed_on, test_refuses, test_unable))
