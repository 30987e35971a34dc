# SPDX-License-Identifier: GPL-2.0
"""Boot a guest, follow it, and say how it went."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Callable

from . import accel as accelerator
from .config import (CACHE, DEBUG_KERNEL, REPO, SELFTESTS, TREE, Config, VmError, boot_folder,
                     debug_kernel, resolve_kernel)
from .console import kmsg_lines, reports, stale_breakpoint
from .host import sandbox
from .monitor import Monitor
from .nics import WIRE_FUNCTION, Nic, make_nics, wire_lines

STATUS_DIED = 98
STATUS_COMPLAINT = 99
STATUS_TIMEOUT = 124
# The control files' folder inside the shared output folder
CONTROL = ".vm"
# A clean power-off takes seconds even when emulated.
POWEROFF_TIMEOUT = 90.0


@dataclass
class Result:
    """How a run ended. `status` is what `vm` exits with; `emulator`: it died of what
    real CPUs and KVM do not do."""

    status: int
    kernel: str = ""
    accel: str = ""
    out: Path = Path()
    guest_status: int | None = None
    complaints: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0
    why: str = ""
    emulator: bool = False


class _Run:
    """One guest from start to end."""

    def __init__(self, cfg: Config, write: Callable[[str], object],
                 say: Callable[[str], object]) -> None:
        self.cfg = cfg
        self.write = write
        self.say = say
        self.kernel = resolve_kernel(cfg.kernel)
        self.nics = make_nics(cfg.pairs, cfg.nics)
        self.emulated = [n for n in self.nics if n.emulated]
        self.accel = accelerator.choose(cfg, self.kernel)
        self.rundir = _make_rundir()
        self.out = self._make_out()
        self.control = self.out / CONTROL
        self.console_log = self.control / "console"
        self.console = bytearray()
        self.shown = 0
        self.process: subprocess.Popen[bytes] | None = None

    def _make_out(self) -> Path:
        if self.cfg.out:
            out = self.cfg.out.resolve()
            out.mkdir(parents=True, exist_ok=True)
        else:
            top = CACHE / "out"
            top.mkdir(parents=True, exist_ok=True)
            for old in sorted(top.iterdir())[:-20]:
                shutil.rmtree(old, ignore_errors=True)
            out = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=top))
        shutil.rmtree(out / CONTROL, ignore_errors=True)
        (out / CONTROL / "mon").mkdir(parents=True)
        return out

    # --- what the guest gets --------------------------------------------------

    def _write_control(self) -> None:
        env = [f"CETH_NICS={shlex.quote(' '.join(n.name.upper() for n in self.nics))}",
               f"CETH_KERNEL={self.kernel}", f"CETH_ACCEL={self.accel}",
               f"CETH_CPUS={self.cfg.cpus}"]
        for nic in self.nics:
            env += nic.env_lines()
        if self.cfg.shell:
            size = shutil.get_terminal_size()
            env += [f"CETH_TTY='{size.lines} {size.columns}'",
                    f"CETH_TERM={shlex.quote(os.environ.get('TERM', 'linux'))}"]
        (self.control / "env").write_text("\n".join(env) + "\n", encoding="utf-8")
        cmd = self.cfg.command
        text = cmd[0] if len(cmd) == 1 else shlex.join(cmd)
        (self.control / "command").write_text(text + "\n", encoding="utf-8")
        (self.control / "stdout").touch()

    def _shares(self) -> list[tuple[Path, str]]:
        modules = self.cfg.modules or CACHE / "build" / self.kernel
        if not self.cfg.modules:
            modules.mkdir(parents=True, exist_ok=True)
        shares = [(REPO, "ceth"), (modules.resolve(), "ceth-ko")]
        built = CACHE / "selftests"
        if (REPO / SELFTESTS).is_dir() and built.is_dir():
            # The same files, with what had to be compiled
            shares.append((built, f"ceth/{SELFTESTS}"))
        if self.kernel == debug_kernel():
            # guest/init puts it where modprobe looks for what is built in.
            shares.append((DEBUG_KERNEL / "modules", "share/modules"))
        for spec in self.cfg.shares:
            source, _, target = spec.partition("=")
            path = Path(source).resolve()
            shares.append((path, (target or f"share/{path.name}").lstrip("/")))
        for path, _ in shares:
            if not path.is_dir():
                raise VmError(f"cannot share {path}: no such directory")
        return shares

    def _script(self) -> str:
        """What runs in the namespaces: mounts, taps, then QEMU in the tree."""
        tree = shlex.quote(str(TREE))
        lines = [
            "set -e",
            f'in_tree() {{ chroot {tree} "$@"; }}',
            WIRE_FUNCTION,
            f"mount -t tmpfs tmpfs {tree}/mnt",
            f"mkdir -p {tree}/mnt/root {tree}/mnt/out {tree}/mnt/run {tree}/mnt/boot",
            # Without the mounts below it, which are the host's
            f"mount --bind {tree} {tree}/mnt/root",
            f"mount --bind {shlex.quote(str(self.out))} {tree}/mnt/out",
            f"mount --bind {shlex.quote(str(self.rundir))} {tree}/mnt/run",
            f"mount --bind {shlex.quote(str(boot_folder(self.kernel)))} {tree}/mnt/boot",
        ]
        for path, target in self._shares():
            where = shlex.quote(f"{TREE}/mnt/root/{target}")
            if not target.startswith("ceth"):
                # The tree itself stays as it is: the mount point is in memory.
                lines.append(f"mountpoint -q {tree}/mnt/root/share || "
                             f"mount -t tmpfs tmpfs {tree}/mnt/root/share")
                lines.append(f"mkdir -p {where}")
            lines.append(f"mount --bind {shlex.quote(str(path))} {where}")
        lines += [
            f"mount --rbind /dev {tree}/dev",
            f"mount -t proc proc {tree}/proc",
            f"mount -t sysfs sysfs {tree}/sys",
        ]
        if self.emulated:
            lines += [
                "[ -c /dev/net/tun ] || modprobe tun",
                "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2> /dev/null || true",
                "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2> /dev/null || true",
                "in_tree ip link set lo up",
            ]
        for nic in self.emulated:
            lines += nic.setup_lines()
        for nic in self.emulated:
            if nic.wired_to:
                lines += wire_lines(nic.name, nic.wired_to)
        lines.append(f"exec chroot {tree} {shlex.join(self._qemu())}")
        return "\n".join(lines)

    def _append(self) -> str:
        words = ["console=ttyS0", "loglevel=5", "log_buf_len=4M", "panic=-1", "no_timer_check"]
        if not self.cfg.keep_going:
            words.append("oops=panic")
        if self.accel == "tcg":
            # Emulated CPUs that share the host's are slow, not stuck.
            words += ["rcupdate.rcu_cpu_stall_timeout=90", "watchdog_thresh=45",
                      "workqueue.watchdog_thresh=120", "tsc=reliable"]
        if self.kernel == debug_kernel():
            # So that a device's write to a page that is free does not go unseen,
            # nor a leak: the allocator's caches per CPU, which caches with red
            # zones do without, keep addresses of what they have given away.
            words += ["page_poison=1", "slab_debug=Z"]
        # An emulated CPU does not speculate; trampolines cost it a fifth of its time.
        if not (self.accel != "tcg" if self.cfg.mitigations is None else self.cfg.mitigations):
            words.append("mitigations=off")
        if self.cfg.shell:
            words.append("ceth.shell")
        return " ".join(words + self.cfg.append)

    def _plugin(self) -> list[str]:
        if not self.cfg.plugin:
            return []
        name, _, args = self.cfg.plugin.partition(",")
        shutil.copy(name, self.rundir / "plugin.so")
        spec = "/mnt/run/plugin.so" + ("," + args if args else "")
        return ["-plugin", spec.replace("@OUT@", "/mnt/out")]

    def _qemu(self) -> list[str]:
        cfg = self.cfg
        serial = ["-serial", "chardev:tty"] + (
            ["-chardev", "stdio,id=tty,signal=off,mux=on", "-mon", "chardev=tty,mode=readline"]
            if cfg.shell else ["-chardev", "stdio,id=tty"])
        args = [
            "qemu-system-x86_64", "-name", "ceth", "-machine", "q35",
            *accelerator.qemu_args(cfg, self.accel),
            "-m", str(cfg.mem), "-smp", str(cfg.cpus), "-nodefaults", "-display", "none",
            "-no-reboot", *serial, "-qmp", "unix:/mnt/run/qmp,server=on,wait=off",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            "-fsdev", "local,id=root,path=/mnt/root,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", "local,id=out,path=/mnt/out,security_model=none",
            "-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
            "-kernel", f"/mnt/boot/vmlinuz-{self.kernel}",
            "-initrd", f"/mnt/boot/ceth-initrd-{self.kernel}", "-append", self._append(),
            *self._plugin(),
        ]
        for nic in self.emulated:
            args += nic.qemu_args()
        return args + cfg.qemu

    # --- following it ---------------------------------------------------------

    def _show_output(self) -> None:
        """Pass on what the command has written since the last time."""
        try:
            with (self.control / "stdout").open("rb") as f:
                f.seek(self.shown)
                data = f.read()
        except OSError:
            return
        if data:
            self.shown += len(data)
            self.write(data.decode("utf-8", "replace"))

    def _show_console(self, data: bytes) -> None:
        self.console += data
        if self.cfg.verbose:
            sys.stderr.write(data.decode("utf-8", "replace"))
            sys.stderr.flush()

    def _follow(self, stream: IO[bytes]) -> str:
        """Until QEMU ends; "" or why it was ended."""
        os.set_blocking(stream.fileno(), False)
        started = time.monotonic()
        finished: float | None = None
        assert self.process is not None
        with self.console_log.open("wb") as log:
            while True:
                gone = self.process.poll() is not None
                data = stream.read()
                if data:
                    log.write(data)
                    log.flush()
                    self._show_console(data)
                self._show_output()
                if gone:
                    return ""
                now = time.monotonic()
                if finished is None and (self.control / "status").exists():
                    finished = now
                if finished is not None and now - finished > POWEROFF_TIMEOUT:
                    return "poweroff"
                if finished is None and now - started > self.cfg.timeout:
                    return "timeout"
                time.sleep(0.03)

    def _run_shell(self) -> None:
        saved = termios.tcgetattr(0) if os.isatty(0) else None
        try:
            assert self.process is not None
            self.process.wait()
        finally:
            if saved is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)

    def execute(self) -> Result:
        """The whole of it."""
        self._write_control()
        started = time.monotonic()
        monitor = Monitor(self.rundir / "qmp", self.control / "mon", self.emulated)
        why = ""
        with (self.rundir / "errors").open("wb") as errors:
            try:
                self.process = subprocess.Popen(
                    sandbox(self._script()),
                    stdin=None if self.cfg.shell else subprocess.DEVNULL,
                    stdout=None if self.cfg.shell else subprocess.PIPE,
                    stderr=errors,
                    start_new_session=not self.cfg.shell)
                monitor.start()
                if self.cfg.shell:
                    self._run_shell()
                else:
                    assert self.process.stdout is not None
                    why = self._follow(self.process.stdout)
            finally:
                monitor.stop()
                self._kill()
        self._show_output()
        return self._judge(why, time.monotonic() - started)

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # --- the verdict ----------------------------------------------------------

    def _log_lines(self) -> list[str]:
        """The kernel's log: the guest's own copy, and what came out after it."""
        console = self.console.decode("utf-8", "replace").replace("\r", "").splitlines()
        if self.cfg.shell:
            console = []
        try:
            raw = (self.control / "kmsg").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return console
        lines = kmsg_lines(raw)
        known = set(lines)
        return lines + [line for line in console if line not in known]

    def _judge(self, why: str, seconds: float) -> Result:
        lines = self._log_lines()
        (self.out / CONTROL / "log").write_text("\n".join(lines) + "\n", encoding="utf-8")
        result = Result(0, self.kernel, self.accel, self.out, seconds=seconds, why=why)
        result.complaints = reports(lines, self.cfg.allow)
        try:
            text = (self.control / "status").read_text(encoding="ascii").strip()
            result.guest_status = int(text)
        except (OSError, ValueError):
            pass
        result.emulator = (self.accel == "tcg" and result.guest_status is None
                           and stale_breakpoint(result.complaints))
        if self.cfg.shell:
            result.status = 0 if result.guest_status is not None else STATUS_DIED
        elif result.complaints:
            result.status = STATUS_COMPLAINT
        elif why == "timeout":
            result.status = STATUS_TIMEOUT
        elif result.guest_status is None or why:
            result.status = STATUS_DIED
        else:
            result.status = result.guest_status
        self._explain(result)
        return result

    def _explain(self, result: Result) -> None:
        say = self.say
        for report in result.complaints[:5]:
            say("vm: the kernel complained:\n")
            say("".join(f"    {line}\n" for line in report[:60]))
        if len(result.complaints) > 5:
            say(f"vm: and {len(result.complaints) - 5} complaints more\n")
        died = result.guest_status is None or result.why
        if died:
            reason = {"timeout": f"the command took more than {self.cfg.timeout:.0f} s",
                      "poweroff": "the guest did not power off"}.get(result.why, "the guest died")
            say(f"vm: {reason}\n")
            errors = (self.rundir / "errors").read_text(encoding="utf-8", errors="replace").strip()
            if errors:
                say("vm: QEMU says:\n" + "".join(f"    {e}\n" for e in errors.splitlines()[-20:]))
        if died and not self.cfg.shell:
            text = self.console.decode("utf-8", "replace").replace("\r", "").splitlines()
            say("vm: the end of the console:\n" + "".join(f"    {t}\n" for t in text[-60:]))
        if result.complaints or died:
            say(f"vm: whole log: {self.control}/log\n")

    def cleanup(self) -> None:
        """Nothing but the output folder stays."""
        self._kill()
        shutil.rmtree(self.rundir, ignore_errors=True)


def _make_rundir() -> Path:
    top = CACHE / "run"
    top.mkdir(parents=True, exist_ok=True)
    for old in top.iterdir():
        # Of a runner that was killed outright; its guest died with it.
        if old.name.split("-")[0].isdigit() and not Path("/proc", old.name.split("-")[0]).exists():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=top))


@contextlib.contextmanager
def vm_lock() -> Iterator[None]:
    """One run at a time: two would spoil each other's timing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = (CACHE / "vm.lock").open("a", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("vm: waiting for another run to end\n")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        yield


def _raise_exit(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)


def run_vm(cfg: Config, write: Callable[[str], object] | None = None,
           say: Callable[[str], object] | None = None) -> Result:
    """Run one guest. `write` gets the command's output as it comes, `say` what
    there is to tell about a run that went wrong."""
    def to_stdout(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    if not (TREE / ".ceth-image").exists():
        raise VmError("no guest tree yet: run tools/testing/ceth/image first")
    if os.geteuid() != 0:
        raise VmError("must run as root (it makes namespaces, mounts and taps)")
    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, _raise_exit)
    alone = cfg.lock and os.environ.get("CETH_VM_PARALLEL") != "1"
    with vm_lock() if alone else contextlib.nullcontext():
        run = _Run(cfg, write or to_stdout, say or sys.stderr.write)
        try:
            return run.execute()
        finally:
            run.cleanup()
