"""A spawner over a home of two teams, run as the caller; as a program, all cases for one kind of sandbox.

The cases run in a process of the same user as the spawner, because it listens to nobody else: as root, as an ordinary
user, or without walls.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from airspace.model.home import HomeLayout
from airspace.sandbox import messages
from airspace.sandbox.client import SandboxedProcess, SpawnerClient
from airspace.sandbox.errors import NotBegunError
from airspace.sandbox.memory import Budget
from airspace.sandbox.settings import Settings, code_folders
from airspace.sandbox.spawner import Spawner
from airspace.sandbox.spec import Limits, TeamPlace, write_places

NAME = f"airspace-test-{os.getpid()}"
FIRST = 1_910_000_000
SHOWN = "HOUSE_SHOWS"  # further folders of code that its sandboxes see
SMALL = Limits(memory=300 << 20, cpu=0.5, processes=40, scratch=8 << 20, files=64)


class House:
    """The home, its spawner and what is asked of it."""

    def __init__(self, walls: bool, name: str = NAME, keep_idle: float = 1.0, budget: Budget | None = None) -> None:
        self.walls = walls
        self.name, self.keep_idle, self.budget = name, keep_idle, budget or Budget.of()
        self.root = Path(tempfile.mkdtemp(prefix="asp-box-", dir="/tmp"))
        self.root.chmod(0o755)
        self.layout = HomeLayout(self.root)
        self.run_dir = self.layout.run
        self.run_dir.mkdir(mode=0o700)
        self.layout.airflow.mkdir()
        self.places: dict[str, TeamPlace] = {}
        self.add("reds", SMALL, {"news": ("blues",)})
        self.add("blues")
        self.client = SpawnerClient(self.run_dir)
        self.start_spawner()

    def add(
        self,
        team: str,
        limits: Limits | None = None,
        assets: dict[str, tuple[str, ...]] | None = None,
        network: tuple[str, ...] = (),
    ) -> None:
        """A team with storage and a checkout."""
        number = self.places[team].uid if team in self.places else None
        if number is None and os.getuid() == 0 and self.walls:
            number = FIRST + len(self.places)
        self.places[team] = TeamPlace(team, team, number, number, team, limits or Limits(), assets or {}, network)
        storage = self.layout.storage / team
        for folder in (self.layout.bundles / team, storage, *(storage / "published" / name for name in assets or {})):
            folder.mkdir(parents=True, exist_ok=True)
        (self.layout.bundles / team / "dag.py").write_text("pass")
        if number is not None:
            for path in (storage, *storage.rglob("*")):
                os.chown(path, number, number)
        part = self.layout.sandboxes.with_suffix(".part")
        part.write_text(write_places(self.places.values()))
        part.rename(self.layout.sandboxes)

    def start_spawner(self) -> None:
        """Start it."""
        self.log = self.root / "spawner.log"
        settings = (str(self.keep_idle), str(self.budget.each), str(self.budget.total))
        code = "import sys; from tests.integration.sandbox.house import serve; serve(*sys.argv[1:])"
        with self.log.open("ab") as log:
            self.spawner = subprocess.Popen(
                [sys.executable, "-c", code, str(self.root), str(int(self.walls)), self.name, *settings],
                stdout=log,
                stderr=log,
                cwd=repository(),
            )

    def begin(self, team: str, command: str, **work: Any) -> Begun:
        """Start a command; its output is read later."""
        try:
            return self._begin(team, command, **work)
        except NotBegunError:
            return self._begin(team, command, **work)

    def _begin(self, team: str, command: str, patient: bool = True, **work: Any) -> Begun:
        ours, theirs = socket.socketpair()
        nothing = os.open("/dev/null", os.O_RDWR)
        whole = {"kind": "shell", "title": "t", "nice": 0, "environment": {"PATH": "/usr/bin:/bin"}, **work}
        try:
            child = (self.client.start if patient else self.client.order)(
                team, {**whole, "details": {"command": command}}, [nothing, theirs.fileno(), theirs.fileno(), nothing]
            )
        finally:
            os.close(nothing)
            theirs.close()
        return Begun(child, ours)

    def sh(self, team: str, command: str, **work: Any) -> tuple[int, str]:
        """Run a command to its end: exit code and output."""
        return self.begin(team, command, **work).end()

    def stop(self) -> None:
        """Stop the spawner and remove everything."""
        if self.spawner.poll() is None:
            self.spawner.terminate()
        try:
            self.spawner.wait(10)
        finally:
            if self.spawner.poll() is None:
                self.spawner.kill()
            shutil.rmtree(self.root, ignore_errors=True)


class Begun:
    """A command that runs."""

    def __init__(self, child: SandboxedProcess, output: socket.socket) -> None:
        self.child, self._output = child, output

    def read(self, until: bytes) -> bytes:
        """Its output up to something."""
        found = b""
        self._output.settimeout(60)
        while until not in found:
            found += self._output.recv(4096) or _over(found)
        return found

    def end(self, seconds: float = 90) -> tuple[int, str]:
        """Wait for its end: exit code, the rest of the output."""
        found = bytearray()
        try:
            code = self.child.wait(seconds)
            self._output.settimeout(2)
            try:
                while data := self._output.recv(65536):
                    found += data
            except TimeoutError:
                pass
        finally:
            self.child.close()
            self._output.close()
        return code, found.decode(errors="replace").strip()


def _over(found: bytes) -> bytes:
    raise AssertionError(f"it ended after {found!r}")


def repository() -> Path:
    """Where ``tests`` can be imported from."""
    return Path(__file__).parents[3]


def serve(root: str, walls: str, name: str, keep_idle: str, each: str, total: str) -> None:
    """The spawner's process."""
    layout = HomeLayout(Path(root))
    settings = Settings(
        layout=layout,
        run=layout.run,
        name=name,
        walls=walls == "1",
        clients=frozenset({os.getuid()}),
        code=(*code_folders(layout), *map(Path, filter(None, os.environ.get(SHOWN, "").split(os.pathsep)))),
        control=None,
        template=(sys.executable, "-m", "tests.integration.sandbox.toy"),
        keep_idle=float(keep_idle),
        budget=Budget(int(each), int(total)),
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository())}
    made = Spawner(settings, environment)
    signal.signal(signal.SIGTERM, lambda *_: made.stop())
    made.run()


def until(what: Callable[[], object], seconds: float = 30) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def parent(pid: int) -> int:
    """Of a child of a sandbox, the zygote."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])


def first_process(house: House) -> int:
    """The one that the only sandbox of this house was built around."""
    found: list[int] = []

    def only() -> bool:  # one that was stopped a moment ago may still be there
        found.clear()
        for process in psutil.Process(house.spawner.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[:2] == ["sleep", "infinity"]:
                    found.append(process.pid)
        return len(found) == 1

    until(only)
    return found[0]


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """What measures, one at a time: runs of other kinds are under way beside this one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:

        def taken() -> bool:
            with contextlib.suppress(OSError):
                mine.bind(f"\0airspace-test-{what}")
                return True
            return False

        until(taken, 120)
        yield


def forget(house: House) -> None:
    """A message that is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect(str(house.run_dir / messages.SOCKET))
        link.send(b"[" * 5000)


def main() -> None:
    """``house.py {walls,none}``: run every case for it; one line of JSON a case."""
    from tests.integration.sandbox import cases, weights

    walls = sys.argv[1] != "none"
    wanted = (*cases.ALL, *weights.ALL) if walls else cases.EVERYWHERE
    house = House(walls)
    try:
        for case in wanted:
            error = None
            try:
                case(house)
            except BaseException:  # noqa: BLE001  # told to the test
                error = traceback.format_exc() + house.log.read_text()[-2000:]
            sys.stdout.write(json.dumps({"case": case.__name__, "error": error}) + "\n")
            sys.stdout.flush()
    finally:
        house.stop()


if __name__ == "__main__":
    main()
