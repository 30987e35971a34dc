# SPDX-License-Identifier: GPL-2.0
"""Programs and maps of *.bpf.c.

bpftool loads them; attaching and reading maps is done by system calls, since
a process for each would take longer than what is tested.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import struct
import tempfile
from pathlib import Path

from .env import End, Env
from .tool import Failure, Skip, run

SOURCES = Path(__file__).resolve().parent.parent
ABORTED, DROP, PASS, TX, REDIRECT = range(5)
VERDICTS = ("ABORTED", "DROP", "PASS", "TX", "REDIRECT")
_CONFIG = struct.Struct("=IiiIIIII")
_COUNT = struct.Struct("=QQQ")
_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_LOOKUP, _UPDATE, _OBJ_PIN, _OBJ_GET = 1, 2, 6, 7


def _bpf(command: int, payload: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(payload, max(len(payload), 120))
    result = int(libc.syscall(_SYS_BPF[platform.machine()], command, buf, len(buf)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf command {command}: {os.strerror(code)}")
    return result


def _object(name: str) -> Path:
    """The compiled programs of a file; compiled on first use, unless somebody did."""
    source = SOURCES / f"{name}.bpf.c"
    given = os.environ.get("CETH_BPF_OBJECTS")
    if given:
        return Path(given) / f"{name}.bpf.o"
    ready = source.with_suffix(".o")
    if ready.exists() and ready.stat().st_mtime >= source.stat().st_mtime:
        return ready
    target = Path(tempfile.gettempdir()) / f"ceth-{name}.bpf.o"
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    if not shutil.which("clang"):
        raise Skip("clang is not installed")
    new = target.with_suffix(f".{os.getpid()}")
    run(["clang", "-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3",
         f"-I/usr/include/{platform.machine()}-linux-gnu", "-c", str(source), "-o", str(new)],
        timeout=600)
    new.rename(target)
    return target


class Map:
    """An array-like map with 4-byte keys."""

    def __init__(self, path: Path) -> None:
        self._path = ctypes.create_string_buffer(str(path).encode())
        self.fd = _bpf(_OBJ_GET, struct.pack("=QII", ctypes.addressof(self._path), 0, 0))

    def get(self, key: int, size: int) -> bytes:
        """Value of a key, of that many bytes (for all CPUs)."""
        k = ctypes.create_string_buffer(struct.pack("=I", key), 4)
        v = ctypes.create_string_buffer(size)
        _bpf(_LOOKUP, struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(k),
                                  ctypes.addressof(v), 0))
        return v.raw

    def set(self, key: int, value: bytes) -> None:
        """Change the value of a key."""
        k = ctypes.create_string_buffer(struct.pack("=I", key), 4)
        v = ctypes.create_string_buffer(value, len(value))
        _bpf(_UPDATE, struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(k),
                                  ctypes.addressof(v), 0))


class Bpf:
    """All programs of a file, loaded once for a test program.

    Programs that are bound to a device can ask what it says about a frame.
    """

    def __init__(self, env: Env, name: str = "xdp", bound: End | None = None) -> None:
        self.env = env
        self.dir = Path(f"/sys/fs/bpf/ceth_{os.getpid()}")
        self.progs: dict[str, int] = {}
        self.maps: dict[str, Map] = {}
        if not Path("/sys/fs/bpf").is_mount():
            run("mount -t bpf bpf /sys/fs/bpf")
        done = run(["bpftool", "prog", "loadall", str(_object(name)), str(self.dir),
                    *(["xdpmeta_dev", bound.ifname] if bound else []),
                    "pinmaps", str(self.dir / "maps")], ok=False)
        if done.returncode:
            raise Failure(f"programs do not load: {done.stderr[-2000:]}")
        for path in self.dir.iterdir():
            if path.name != "maps":
                name = ctypes.create_string_buffer(str(path).encode())
                self.progs[path.name] = _bpf(
                    _OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))
        for path in (self.dir / "maps").iterdir():
            self.maps[path.name] = Map(path)
        # What a pin would keep alive for ever lives as long as this process.
        shutil.rmtree(self.dir, ignore_errors=True)
        with open("/sys/devices/system/cpu/possible", encoding="ascii") as f:
            self.possible = int(f.read().strip().split("-")[-1]) + 1

    def configure(self, verdict: int = PASS, head: int = 0, tail: int = 0, meta: int = 0,
                  cpu: int = 0, port: int = 0, sample: int = 0) -> None:
        """What the programs do with frames of the tests; counters begin at zero.

        head, tail: bytes to add there (less than zero: to take away); meta:
        bytes of metadata; cpu, port: indexes for redirecting; sample: offset of
        a byte whose values are summed up.
        """
        self.maps["config"].set(0, _CONFIG.pack(verdict, head, tail, meta, cpu, port, sample, 0))
        for key in range(8):
            self.maps["counts"].set(key, bytes(_COUNT.size * self.possible))

    def per_cpu(self, key: int) -> list[tuple[int, int, int]]:
        """Frames, bytes and sample sum of a counter, for each CPU."""
        raw = self.maps["counts"].get(key, _COUNT.size * self.possible)
        return list(_COUNT.iter_unpack(raw))

    def count(self, key: int) -> int:
        """Frames of a counter."""
        return sum(c[0] for c in self.per_cpu(key))

    def bytes(self, key: int) -> int:
        """Bytes of a counter."""
        return sum(c[1] for c in self.per_cpu(key))

    def sample(self, key: int) -> int:
        """Sum of the bytes sampled by a counter."""
        return sum(c[2] for c in self.per_cpu(key))

    def pin(self, prog: str, path: Path) -> None:
        """Let others find a program in the file system."""
        name = ctypes.create_string_buffer(str(path).encode())
        _bpf(_OBJ_PIN, struct.pack("=QII", ctypes.addressof(name), self.progs[prog], 0))

    def attach(self, prog: str, end: End | None = None) -> None:
        """Attach for this case."""
        end = end or self.env.dut
        self.env.rtnl(end.ns).set_xdp(end.ifindex, self.progs[prog])
        self.env.later(lambda: self.detach(end))

    def detach(self, end: End | None = None) -> None:
        """Detach."""
        end = end or self.env.dut
        if end.exists:
            self.env.rtnl(end.ns).set_xdp(end.ifindex, -1)

    def redirect_to(self, end: End, slot: int = 0) -> None:
        """Where the programs redirect to."""
        for name in ("ports", "ports_frags"):
            self.maps[name].set(slot, struct.pack("=i", end.ifindex))

    def cpu_slot(self, cpu: int, prog: str | None = None, size: int = 2048) -> None:
        """Let a CPU take frames, and run a program on them."""
        for suffix in ("", "_frags"):
            fd = self.progs[prog + suffix] if prog else -1
            self.maps["cpus" + suffix].set(cpu, struct.pack("=Ii", size, fd))
