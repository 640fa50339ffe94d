"""What is compared: plain Airflow, native multi-team Airflow and Airspace, each started and stopped alike.

Every side runs the same Airflow from the same packages, binds the loopback address only, and has a PostgreSQL of its
own from the same binaries with the same settings. The two Airflows run without this project: in a virtual environment
that links every installed package but ours, because Airflow would otherwise load ours through its entry points.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends import accounts, processes
from airspace.backends.accounts import Account
from airspace.backends.airflow_rest import Airflow, RestError, Session
from airspace.backends.postgres import Cluster
from benchmarks import airflow_cfg, dags, measure

BIN = Path(sys.executable).parent
STOP_SECONDS = 30.0


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
    def first_dag(self) -> str | None:
        """The Dag of one task to try it with, if it can have one."""

    @abstractmethod
    def launch(self, *, fresh: bool) -> None:
        """Start it without waiting until it is ready. Fresh: from nothing, database and all."""

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

    def remove(self) -> None:
        """Stop it and remove all its files."""
        self.stop()
        left = self.pids()
        if left:
            print(f"{self.name}: {len(left)} processes did not stop and were ended", file=sys.stderr)
            processes.end(left)
        shutil.rmtree(self.root, ignore_errors=True)


def plain_python(folder: Path) -> Path:
    """The interpreter of a virtual environment with links to all installed packages but this project's."""
    python = folder / "bin" / "python"
    if python.exists():
        return python
    venv.create(folder, with_pip=False, symlinks=True)
    major, minor = sys.version_info[:2]
    target = folder / "lib" / f"python{major}.{minor}" / "site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "airspace" not in entry.name.lower():
            (target / entry.name).symlink_to(entry)
    return python


def unprivileged() -> Account | None:
    """Whom root runs the two Airflows as: nobody, where nobody can reach the packages; None for the calling user."""
    if os.getuid() != 0 or (nobody := accounts.find("nobody")) is None:
        return None
    needed = {Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))}
    folders = {folder for path in needed for folder in (path.resolve(), *path.resolve().parents)}
    return None if accounts.unreachable(nobody, folders) else nobody


class AirflowPeer(Peer):
    """Airflow without us: a PostgreSQL, an API server, a scheduler, a Dag processor, triggerers."""

    marker = "AIRFLOW_HOME"

    def _prepare(self) -> None:
        self._account = unprivileged()
        self._database_account = self._account or (accounts.find("nobody") if os.getuid() == 0 else None)
        self._running: list[subprocess.Popen[bytes]] = []
        self._password = secrets.token_urlsafe(16)
        self._python = plain_python(self.root.parent / "venv")
        for folder in (self.home, self.root / "logs"):
            self._own(folder, self._account)
        self._own(self.root / "pg", self._database_account)
        self._write_dags()

    @property
    def home(self) -> Path:
        return self.root / "airflow"

    @property
    def ran_as(self) -> str:
        return (self._account or accounts.me()).name

    def sign_in(self, airflow: Airflow) -> Session | None:
        with suppress(RestError):
            answer = airflow.send("GET", "/auth/token")
            if answer.ok:
                return Session(airflow, "anonymous", str(answer.body["access_token"]))
        return None

    def pids(self) -> set[int]:
        return measure.tree(self.marker, str(self.home), [process.pid for process in self._running])

    def launch(self, *, fresh: bool) -> None:
        cluster = self._cluster()
        if fresh:
            shutil.rmtree(cluster.data, ignore_errors=True)
            cluster.initialise(self._password)
        self._spawn("postgres", cluster.command())
        deadline = time.monotonic() + 30
        while not cluster.ready():
            if time.monotonic() > deadline:
                raise PeerError(f"PostgreSQL does not start; its log is in {self.root / 'logs'}")
            time.sleep(0.02)
        if fresh:
            cluster.create_database(self._password, "airflow")
            self._write_settings(cluster)
            self._migrate()
        for number, command in enumerate(self._components()):
            self._spawn(f"{number}-{command[0]}", [*self._prefix(), *self._airflow(*command)])

    def on_ready(self, *, fresh: bool) -> None:
        """Nothing: its teams are in its settings."""

    def stop(self) -> None:
        components, database = self._running[1:], self._running[:1]
        for process in components:
            _end(process, signal.SIGTERM, wait=False)
        for process in components:
            _end(process, signal.SIGTERM)
        for process in database:
            _end(process, signal.SIGINT)
        self._running = []

    def _write_dags(self) -> None:
        dags.write_tiny(self._bundle("all"), "all")
        if self.many_tasks:
            dags.write_tasks(self._bundle("all"))

    def _bundle(self, name: str) -> Path:
        return self.root / "dags" / name

    def _components(self) -> list[list[str]]:
        # The log servers would listen on every address; leaving them out also spares this side their memory.
        return [
            ["api-server", "--workers", "1"],
            ["scheduler", "--skip-serve-logs"],
            ["dag-processor"],
            ["triggerer", "--skip-serve-logs"],
        ]

    def _settings(self) -> dict[str, dict[str, str]]:
        return {"core": {"executor": "LocalExecutor", "dags_folder": str(self._bundle("all"))}}

    def _write_settings(self, cluster: Cluster) -> None:
        url = cluster.url(self._password, "airflow")
        text = airflow_cfg.render(airflow_cfg.base(self.port, url, self.root / "logs"), self._settings(), self.settings)
        path = self.home / "airflow.cfg"
        path.touch(mode=0o600)
        path.write_text(text)
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)

    def _migrate(self) -> None:
        self._run("db", "migrate")

    def _run(self, *arguments: str) -> None:
        with (self.root / "logs" / "set-up.log").open("ab") as log:
            done = subprocess.run(
                [*self._prefix(), *self._airflow(*arguments)], env=self._environment(), cwd="/", stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        if done.returncode:
            raise PeerError(f"airflow {' '.join(arguments)} failed; its log is {self.root / 'logs' / 'set-up.log'}")

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.root / "logs" / f"{name}.log").open("ab") as log:
            self._running.append(
                subprocess.Popen(
                    command,
                    env=self._environment(),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _airflow(self, *arguments: str) -> list[str]:
        return [str(self._python), "-m", "airflow", *arguments]

    def _prefix(self) -> tuple[str, ...]:
        return accounts.drop_prefix(self._account)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home),
        }

    def _cluster(self) -> Cluster:
        owner = self._database_account
        return Cluster(
            data=self.root / "pg" / "data",
            socket_dir=self.root / "pg",
            prefix=accounts.drop_prefix(owner, on_parent_death="INT"),
            owner=(owner.uid, owner.gid) if owner else None,
        )

    def _own(self, folder: Path, account: Account | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if account:
            os.chown(folder, account.uid, account.gid)


class Plain(AirflowPeer):
    """Airflow as most run it: LocalExecutor, no teams."""

    name = "plain"

    def first_dag(self) -> str:
        return dags.tiny_id("all")


class Native(AirflowPeer):
    """Airflow's own multi-team, as lean as its documentation allows.

    A team needs an executor of its own and, for deferred tasks to be taken up at all, a triggerer of its own. One Dag
    processor serves all bundles.
    """

    name = "native"

    def first_dag(self) -> str:
        return dags.tiny_id(self.teams_now[0] if self.teams else "all")

    def _write_dags(self) -> None:
        for team in self.teams_now or ["all"]:
            dags.write_tiny(self._bundle(team), team)

    def _components(self) -> list[list[str]]:
        return [
            *super()._components(),
            *(["triggerer", "--skip-serve-logs", "--team-name", team] for team in self.teams_now),
        ]

    def _settings(self) -> dict[str, dict[str, str]]:
        return airflow_cfg.multi_team(self.port, {team: self._bundle(team) for team in self.teams_now}, self.root)

    def _migrate(self) -> None:
        super()._migrate()
        for team in self.teams_now:
            self._run("teams", "create", team)


class Airspace(Peer):
    """This project: ``airspace up`` on a home of its own, teams from files."""

    name = "airspace"
    marker = "AIRSPACE_HOME"

    def _prepare(self) -> None:
        self._up: subprocess.Popen[bytes] | None = None
        self._password = ""
        for team in self.teams_now:
            self._write_team(team)
        if self.many_tasks:
            dags.write_tasks(self.root / "teams" / "dags" / self.teams_now[0])

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def ran_as(self) -> str:
        return "a system user of its own" if os.getuid() == 0 else accounts.me().name

    def first_dag(self) -> str | None:
        return dags.tiny_id(self.teams_now[0]) if self.teams else None

    def launch(self, *, fresh: bool) -> None:
        if fresh and self.home.exists():
            self._run("destroy", "--yes")
            self._password = ""
        if fresh:
            self.home.mkdir(mode=0o711 if os.getuid() == 0 else 0o700)
            if self.settings:
                (self.home / "airflow.overrides.cfg").write_text(airflow_cfg.render(self.settings))
        with (self.root / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [str(BIN / "airspace"), "up", "--port", str(self.port)], env=self._environment(), cwd="/", stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def on_ready(self, *, fresh: bool) -> None:
        if self._up is not None and self._up.wait(200):
            raise PeerError(f"airspace up failed; its log is {self.root / 'up.log'}")
        if fresh:
            self._password = json.loads(self._run("user", "add", "bench", "--platform-role", "admin", "--json"))[
                "password"
            ]
        if fresh and self.teams:
            self._run("apply", str(self.root / "teams"))

    def stop(self) -> None:
        if self._up is not None:
            self._up.wait(200)
        if self.home.exists():
            self._run("down")
        self._up = None

    def sign_in(self, airflow: Airflow) -> Session | None:
        with suppress(RestError):
            return airflow.sign_in("bench", self._password) if self._password else None
        return None

    def remove(self) -> None:
        if self.home.exists():
            self.stop()
            self._run("destroy", "--yes")
        super().remove()

    def _write_team(self, team: str) -> None:
        dags.write_tiny(self.root / "teams" / "dags" / team, team)
        text = f"name: {team}\ndags: {{folder: dags/{team}}}\nslots: {airflow_cfg.PARALLELISM}\n"
        (self.root / "teams" / f"{team}.yaml").write_text(text)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(BIN / "airspace"), *arguments], env=self._environment(), cwd="/", capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise PeerError(f"airspace {arguments[0]} failed: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "AIRSPACE_HOME": str(self.home),
        }


def _end(process: subprocess.Popen[bytes], number: signal.Signals, *, wait: bool = True) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
    if not wait:
        return
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Airflow's scheduler can hang in joining its workers.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
