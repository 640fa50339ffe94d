"""The admin worker without its start: a process that has imported everything forks one for each command.

``python -m tests.integration.teams.warm SOCKET`` serves, for any home; :class:`WarmControl` asks, from any process.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.places import settle
from airspace.sandbox.spec import TeamPlace


@dataclass
class WarmControl:
    """A control plane whose worker listens on a socket."""

    layout: HomeLayout
    env: dict[str, str]
    socket: str
    rung: list[str] = field(default_factory=list)

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`airspace.teams.ports.ControlPlane`."""
        assert module == "airspace.airflow.admin"
        answer = self.answer(arguments[0], payload)
        if error := answer.get("error"):
            raise AirspaceError(error["message"], fix=error["fix"])
        return answer

    def answer(self, command: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What the worker says, an error too."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            head = json.dumps({"command": command, "home": str(self.layout.root)})
            connection.sendall(f"{head}\n{json.dumps(payload)}".encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile() as stream:
                said: dict[str, Any] = json.load(stream)
        return said

    def settle(self, places: Sequence[TeamPlace]) -> None:
        """As the platform does for an ordinary user, who has no users to make."""
        settle(self.layout, "0a0a0a", places, None, walls=True)

    def ring(self, bundle: str) -> None:
        """Remember it."""
        self.rung.append(bundle)


def start(env: Mapping[str, str], folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A worker over this environment's database, and the socket it listens on. The caller kills it."""
    path = str(folder / "warm.sock")
    command = [sys.executable, "-m", "tests.integration.teams.warm", path]
    process = subprocess.Popen(command, env=dict(env), cwd=Path(__file__).parents[3], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        assert process.poll() is None, "the worker ended"
        assert time.monotonic() < deadline, "the worker did not start"
        time.sleep(0.02)
    return process, path


def serve(path: str) -> None:
    """Fork for each connection."""
    import airspace.airflow.teams.drift
    import airspace.airflow.teams.store
    import airspace.airflow.teams.users  # noqa: F401 - so that the forks have them

    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path + ".new")
        server.listen(16)
        server.settimeout(2)
        Path(path + ".new").rename(path)
        while os.getppid() == parent:  # a test run that was killed leaves nobody behind
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            connection.setblocking(True)
            if os.fork() == 0:
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    """Become the worker of the home that is asked for, which has a configuration and a database of its own."""
    from airflow import settings
    from airflow.configuration import conf

    from airspace.airflow import admin

    head = b""
    while not head.endswith(b"\n"):
        head += connection.recv(1)
    asked = json.loads(head)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (0, 1):
        os.dup2(connection.fileno(), descriptor)
    connection.close()
    sys.stdin = os.fdopen(0, encoding="utf-8")
    home = Path(asked["home"])
    os.environ.update(AIRFLOW_HOME=str(home / "airflow"), AIRSPACE_HOME=str(home), HOME=str(home))
    conf.read(home / "airflow" / "airflow.cfg")
    settings.configure_vars()
    settings.reconfigure_orm()
    os._exit(admin.main([asked["command"]]))


if __name__ == "__main__":
    serve(sys.argv[1])
