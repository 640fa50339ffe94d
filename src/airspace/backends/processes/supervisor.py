"""supervisord of one home: started detached, spoken to over its private Unix socket, stopped with all it runs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.backends.processes import processes
from airspace.backends.processes.program import Program, render
from airspace.model.errors import AirspaceError

_TIMEOUT = 10.0  # seconds for one answer: it answers at once or is stuck


class SupervisorError(AirspaceError):
    """The process manager could not be started or does not answer."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _Connection(self._path)
        self._connection = host, connection  # what close() closes
        return connection


@dataclass(frozen=True)
class ProgramState:
    """What the process manager knows of one program.

    ``state`` is its word: STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN.
    """

    name: str
    state: str
    pid: int | None
    started: float
    exit_status: int
    spawn_error: str

    @property
    def alive(self) -> bool:
        return self.state in ("STARTING", "RUNNING", "STOPPING")


@dataclass(frozen=True)
class Supervisor:
    """One supervisord.

    ``folder`` belongs to the caller alone (0700): whoever could write there could have commands run as the caller.
    """

    folder: Path
    logs: Path

    @property
    def socket(self) -> Path:
        return self.folder / "s.sock"

    @property
    def pid_file(self) -> Path:
        return self.folder / "supervisord.pid"

    def start(self, programs: Sequence[Program], *, environment: Mapping[str, str], identifier: str) -> None:
        """Start it, detached, with nothing running yet. It must not be running."""
        config = self.folder / "supervisord.conf"
        text = render(programs, folder=self.folder, logs=self.logs, identifier=identifier, as_root=os.geteuid() == 0)
        config.touch(mode=0o600)
        config.write_text(text, encoding="utf-8")
        self.socket.unlink(missing_ok=True)
        self.pid_file.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SupervisorError(
                f"the process manager did not start: {(done.stderr or done.stdout).strip()[-1000:]}",
                fix="airspace doctor",
            )
        deadline = time.monotonic() + _TIMEOUT
        while not self.running():
            if time.monotonic() > deadline:
                raise SupervisorError(
                    "the process manager started but does not answer", fix=f"see {self.logs / 'supervisord.log'}"
                )
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Its process id, if it is alive."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if processes.is_supervisord(pid, self.folder) else None

    def running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getPID")
        except SupervisorError:
            return False
        return True

    def states(self) -> dict[str, ProgramState]:
        """Every program it knows, by name; empty when it is not running."""
        try:
            rows = self._call("getAllProcessInfo")
        except SupervisorError:
            return {}
        return {row["name"]: _state(row) for row in rows}

    def start_program(self, name: str) -> None:
        """Start a program unless it is up or already being started; does not wait."""
        with suppress(xmlrpc.client.Fault):  # ALREADY_STARTED, or spawn errors that states() shows
            self._call("startProcess", name, False)

    def stop_programs(self, names: Sequence[str], *, seconds: float = 30.0) -> None:
        """Stop these programs side by side and wait until they are gone."""
        for name in names:
            with suppress(xmlrpc.client.Fault):  # NOT_RUNNING
                self._call("stopProcess", name, False)
        deadline = time.monotonic() + seconds
        while any(s.alive for n, s in self.states().items() if n in names) and time.monotonic() < deadline:
            time.sleep(0.05)

    def shutdown(self, *, seconds: float = 45.0) -> None:
        """Stop whatever still runs, then itself. One that does not answer is killed."""
        pid = self.pid()
        if pid is None:
            return
        try:
            self._call("shutdown")
        except SupervisorError:
            _signal(pid, signal.SIGKILL)
        deadline = time.monotonic() + seconds
        while self.pid() == pid:
            if time.monotonic() > deadline:
                _signal(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.socket.unlink(missing_ok=True)
        self.pid_file.unlink(missing_ok=True)

    def _call(self, method: str, *arguments: Any) -> Any:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self.socket))
        try:
            with proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise SupervisorError(f"the process manager does not answer: {error}", fix="airspace up") from error


def _state(row: Mapping[str, Any]) -> ProgramState:
    return ProgramState(
        name=row["name"],
        state=row["statename"],
        pid=row["pid"] or None,
        started=float(row["start"]),
        exit_status=int(row["exitstatus"]),
        spawn_error=row["spawnerr"],
    )


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
