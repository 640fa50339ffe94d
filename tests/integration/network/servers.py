"""Servers on the machine's loopback, for teams to reach or not."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import signal
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

from airspace.backends import postgres
from tests.integration.sandbox.house import until


class _Echo(socketserver.StreamRequestHandler):
    """Sends back what it gets, and when all was said, a checksum of it."""

    def handle(self) -> None:
        seen = hashlib.sha256()
        self.server.met.append(self.client_address)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            while data := self.connection.recv(65536):
                seen.update(data)
                self.connection.sendall(data)
            self.connection.sendall(b"|" + seen.hexdigest().encode())


class Echo(socketserver.ThreadingTCPServer):
    """On a free port of the loopback; ``met``: who came."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 512

    def __init__(self, handler: type = _Echo, address: str = "127.0.0.1") -> None:
        self.met: list[object] = []
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 0), handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word on stderr."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Database:
    """PostgreSQL with the project's own binaries, on a port of the loopback; nobody asks for a password there."""

    def __init__(self, root: Path) -> None:
        self._data = root / "pg"

    def __enter__(self) -> Database:
        self._data.mkdir()
        self._data.chmod(0o700)
        drop: list[str] = []
        if os.getuid() == 0:
            drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
            os.chown(self._data, 65534, 65534)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        tools = postgres.binaries()
        made = [
            str(tools / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "airspace",
            "-A",
            "trust",
            "-N",
            "--no-instructions",
        ]
        subprocess.run([*drop, *made], check=True, capture_output=True, cwd="/", env={"LC_ALL": "C"})
        command = [str(tools / "postgres"), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        self._log = (self._data / "log").open("wb")
        self._server = subprocess.Popen([*drop, *command], stdout=self._log, stderr=self._log, cwd="/")
        until(self._answers, 30)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return b"ready to accept" in (self._data / "log").read_bytes()

    def __exit__(self, *_: object) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(20)
        self._log.close()
