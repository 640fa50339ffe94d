"""What is compared: one deployment, started, stopped, weighed and removed the same way whatever it is.

Every side runs the same Airflow from the same packages, binds the loopback address only, and has a PostgreSQL of its
own from the same binaries with the same settings.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends import processes
from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import measure


class PeerError(Exception):
    """A side could not be started, so there is nothing to compare; the message says where its logs are."""


def team_names(count: int) -> list[str]:
    """Names for so many teams."""
    return [f"team_{number:02d}" for number in range(1, count + 1)]


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Peer(ABC):
    """One deployment.

    :param root: a folder of its own, removed at the end
    :param teams: how many idle teams it has
    :param settings: Airflow settings beyond the side's own, by section
    :param many_tasks: also has the Dags of the benchmark of tasks
    """

    root: Path
    teams: int = 0
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    many_tasks: bool = False
    port: int = field(default_factory=free_port)

    name = ""
    marker = ""

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)
        self.root.chmod(0o755)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what it needs before it is first started."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def home(self) -> Path:
        """The folder that every process of it names in its environment."""

    @property
    @abstractmethod
    def ran_as(self) -> str:
        """The Unix user of its processes."""

    @property
    def teams_now(self) -> list[str]:
        """Its teams."""
        return team_names(self.teams)

    @abstractmethod
    def folder(self, team: str) -> Path:
        """Where a team's Dag files are written."""

    @abstractmethod
    def first_dag(self) -> str | None:
        """The Dag of one task to try it with, if it can have one."""

    @abstractmethod
    def forget(self) -> None:
        """Remove what an earlier start initialised: not counted as part of a start from nothing."""

    @abstractmethod
    def launch(self, *, fresh: bool) -> None:
        """Start it without waiting until it is ready. Fresh: from nothing, database and all."""

    @abstractmethod
    def check(self) -> None:
        """Raise :class:`PeerError` when it cannot become ready any more."""

    @abstractmethod
    def on_ready(self, *, fresh: bool) -> None:
        """What is left to do before its teams can work, once it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop every process; what is initialised stays."""

    @abstractmethod
    def sign_in(self, airflow: Airflow) -> Session | None:
        """A session of an administrator; None while nobody answers."""

    def pids(self) -> set[int]:
        """Every process of it."""
        return measure.tree(self.marker, str(self.home))

    def memory(self) -> measure.Memory:
        """What it uses now."""
        return measure.memory(self.pids())

    def failure(self, what: str) -> PeerError:
        """An error that says what did not happen, with its logs put where they outlive it."""
        kept = Path(tempfile.mkdtemp(prefix=f"bench-failed-{self.name}-", dir="/tmp"))
        for folder in (self.root / "logs", self.home / "logs"):
            if folder.is_dir():
                shutil.copytree(folder, kept / folder.parent.name, symlinks=True)
        return PeerError(f"{self.name}: {what}; its logs are in {kept}")

    def remove(self) -> None:
        """Stop it and remove all its files."""
        self.stop()
        left = self.pids()
        if left:
            print(f"{self.name}: {len(left)} processes did not stop and were ended", file=sys.stderr)
            processes.end(left)
        shutil.rmtree(self.root, ignore_errors=True)
