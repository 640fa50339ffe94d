"""Servers on the machine's loopback, for teams to reach or not."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import select
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import psycopg2

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
        self._log = (self._data / "log").open("wb")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [str(tools / "postgres"), "-D", self.folder, "-p", str(self.port), "-h", "127.0.0.1"]
        command += ["-k", self.folder, "-c", "fsync=off"]
        self._server = subprocess.Popen([*drop, *command], stdout=self._log, stderr=self._log, cwd="/")
        until(self._answers, 60)
        return self

    @property
    def folder(self) -> str:
        """Of its socket."""
        return str(self._data)

    def do(self, *statements: str) -> list[tuple[object, ...]]:
        """As its owner, each by itself; the last one's rows."""
        link = psycopg2.connect(host="127.0.0.1", port=self.port, user="airspace", dbname="postgres")
        link.autocommit = True
        with contextlib.closing(link), link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def _answers(self) -> bool:
        assert self._server.poll() is None, (self._data / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return b"ready to accept" in (self._data / "log").read_bytes()

    def __exit__(self, *_: object) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(20)
        self._log.close()
        shutil.rmtree(self._data, ignore_errors=True)


class Encrypted:
    """A database's TLS: PostgreSQL's first question is answered, and what follows goes on in the clear.

    The project's own binaries of PostgreSQL speak no TLS.

    :param certificate: None: it says that it has none
    """

    def __init__(self, port: int, certificate: Path | None) -> None:
        self._to = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._context is not None and certificate is not None:
            self._context.load_cert_chain(certificate)
        self.sealed = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as database:
            first = link.recv(8, socket.MSG_WAITALL)
            if first == struct.pack("!II", 8, 80877103):
                link.sendall(b"S" if self._context else b"N")
                if self._context is not None:
                    link.settimeout(60)
                    link = self._context.wrap_socket(link, server_side=True)
                    self.sealed += 1
            else:
                database.sendall(first)
            _both_ways(_InTurn(link) if isinstance(link, ssl.SSLSocket) else link, database)
        link.close()


class Sealed:
    """TLS in front of a port that speaks without it."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._to = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link, socket.create_connection(("127.0.0.1", self._to)) as behind:
            link.settimeout(60)
            with self._context.wrap_socket(link, server_side=True) as sealed:
                _both_ways(_InTurn(sealed), behind)


class _InTurn:
    """A connection with TLS for two threads: OpenSSL bears one at a time, and nobody waits inside of it."""

    def __init__(self, link: ssl.SSLSocket) -> None:
        self._link = link
        self._lock = threading.Lock()
        link.setblocking(False)

    def recv(self, size: int) -> bytes:
        while True:
            with self._lock, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return self._link.recv(size)
            select.select([self._link], [], [], 1.0)

    def sendall(self, data: bytes) -> None:
        while data:
            sent = 0
            with self._lock, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                sent = self._link.send(data)
            if not sent:
                select.select([], [self._link], [], 1.0)
            data = data[sent:]

    def shutdown(self, how: int) -> None:
        with self._lock:
            self._link.shutdown(how)


def _both_ways(link: socket.socket | _InTurn, behind: socket.socket) -> None:
    back = threading.Thread(target=_pour, args=(behind, link), daemon=True)
    back.start()
    _pour(link, behind)
    back.join(5)


def _pour(source: socket.socket | _InTurn, target: socket.socket | _InTurn) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
