"""Plain Airflow and native multi-team Airflow.

Both run without this project: in a virtual environment that links every installed package but ours, because Airflow
would otherwise load ours through its entry points.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from airspace.backends import accounts
from airspace.backends.accounts import Account
from airspace.backends.airflow_rest import Airflow, RestError, Session
from airspace.backends.postgres import Cluster
from benchmarks import airflow_cfg, dags, measure
from benchmarks.peers import Peer, PeerError

STOP_SECONDS = 30.0


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

    def forget(self) -> None:
        shutil.rmtree(self._cluster().data, ignore_errors=True)

    def launch(self, *, fresh: bool) -> None:
        cluster = self._cluster()
        if fresh:
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

    def check(self) -> None:
        for process in self._running:
            if process.poll() is not None:
                raise PeerError(f"{process.args!r} ended with {process.returncode}; see {self.root / 'logs'}")

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
            for team in self.teams_now:
                dags.write_crowd(self._bundle("all"), team)

    def folder(self, team: str) -> Path:
        return self._bundle(team)

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

    def folder(self, team: str) -> Path:  # noqa: ARG002  # it knows no teams
        return self._bundle("all")

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
