# SPDX-License-Identifier: GPL-2.0
"""Let the guest's command reach QEMU's monitor, through files in /out.

A request is a file req.<n> that the guest renames into place, the answer a
file resp.<n>: the first line is "ok" or "error". Files survive a guest that
unplugs whatever it likes, unlike a serial port or a socket of the guest.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

from .nics import Nic


class MonitorError(Exception):
    """QEMU, or this end, did not do what was asked."""


class Monitor(threading.Thread):
    """Serves requests until stop() is called or QEMU is gone."""

    def __init__(self, path: Path, requests: Path, nics: list[Nic]) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.requests = requests
        self.nics = {n.name: n for n in nics}
        self.done = threading.Event()
        self.sock: socket.socket | None = None
        self.buffer = b""
        self.deleted: list[str] = []

    def stop(self) -> None:
        """Ask the thread to end."""
        self.done.set()

    def run(self) -> None:
        while not self.done.wait(0.03):
            try:
                waiting = sorted(self.requests.glob("req.*[0-9]"))
            except OSError:
                continue
            for request in waiting:
                self._serve(request)

    def _serve(self, request: Path) -> None:
        try:
            text = request.read_text(encoding="utf-8").strip()
            request.unlink()
        except OSError:
            return
        try:
            answer = "ok\n" + self._execute(text)
        except (MonitorError, OSError, ValueError) as error:
            answer = f"error\n{error}\n"
        response = request.with_name("resp" + request.suffix)
        scratch = response.with_name("tmp" + request.suffix)
        scratch.write_text(answer, encoding="utf-8")
        scratch.rename(response)

    def _execute(self, text: str) -> str:
        verb, *args = text.split()
        if verb == "plug" and len(args) == 1:
            return self._hmp("device_add " + self._nic(args[0]).device_args())
        if verb == "unplug" and len(args) in (1, 2):
            return self._unplug(self._nic(args[0]).name, wait=args[1:] != ["nowait"])
        if verb == "link" and len(args) == 2 and args[1] in ("on", "off"):
            return self._hmp(f"set_link {self._nic(args[0]).name} {args[1]}")
        return self._hmp(text)

    def _nic(self, name: str) -> Nic:
        try:
            return self.nics[name.lower()]
        except KeyError:
            raise MonitorError(f"no NIC {name}; there are: {' '.join(self.nics)}") from None

    def _unplug(self, name: str, wait: bool) -> str:
        self.deleted = [d for d in self.deleted if d != name]
        answer = self._hmp(f"device_del {name}")
        # QEMU only asks the guest to let go; the guest does so in its own time.
        deadline = time.monotonic() + 60
        while wait and name not in self.deleted:
            if time.monotonic() > deadline:
                raise MonitorError(f"the guest did not let {name} go within 60 s")
            try:
                self._receive(0.2)
            except TimeoutError:
                pass
        return answer

    def _hmp(self, line: str) -> str:
        reply = self._command("human-monitor-command", {"command-line": line})
        text = str(reply).replace("\r", "")
        # The human monitor has no error status: its errors are text.
        if text.startswith(("Error:", "unknown command:")):
            raise MonitorError(text.strip())
        return text

    def _command(self, name: str, arguments: dict[str, str] | None = None) -> object:
        if self.sock is None:
            self._connect()
        assert self.sock is not None
        message: dict[str, object] = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        self.sock.settimeout(30)
        self.sock.sendall(json.dumps(message).encode() + b"\n")
        while True:
            reply = self._receive(30)
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise MonitorError(str(reply["error"]))

    def _connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self.path))
        self._receive(10)
        self._command("qmp_capabilities")

    def _receive(self, timeout: float) -> dict[str, object]:
        """The next message; remembers what has been unplugged on the way."""
        assert self.sock is not None
        self.sock.settimeout(timeout)
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise MonitorError("QEMU is gone")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        message: dict[str, object] = json.loads(line)
        data_part = message.get("data")
        if message.get("event") == "DEVICE_DELETED" and isinstance(data_part, dict):
            self.deleted.append(str(data_part.get("device", "")))
        return message
