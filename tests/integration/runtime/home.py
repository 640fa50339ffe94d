"""A home with Airflow's real components, started as the platform starts them, and teams put into its tables by hand."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import Engine, create_engine, text

from airspace.backends.postgres import asynchronous
from airspace.model.home import HomeLayout
from airspace.model.warehouse import KEY, Offer
from airspace.platform import bells, places, warm_worker
from airspace.platform.airflow_config import Settings, render, render_for_teams
from airspace.platform.control import accepted
from airspace.platform.home import write_atomically
from airspace.sandbox.spec import Limits, TeamPlace, write_places

T = TypeVar("T")
# Run by Python when it starts. Forks go on with it.
WATCH = """
import os, sys
def tell(name, text):
    with open(os.path.join(os.environ["WATCH"], name), "a") as file:
        file.write(text + "\\n")
folder = os.environ["WATCHED"]
def hook(event, arguments):
    if event == "exec" and getattr(arguments[0], "co_filename", "").startswith(folder):
        tell("ran", f"{sys.orig_argv} ran {arguments[0].co_filename}")
sys.addaudithook(hook)
tell("started", sys.orig_argv[-1])
"""
FIRST_USER = 1_900_000_000
# Importing Airflow takes seconds, making a run does not.
TRIGGERING = """
import os, sys
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from airflow.api.common.trigger_dag import trigger_dag
from airflow.utils.types import DagRunTriggeredByType
for line in sys.stdin:
    trigger_dag(dag_id=line.strip(), triggered_by=DagRunTriggeredByType.TEST)
    told.write("done\\n")
    told.flush()
"""


@dataclass
class Home:
    """One home under test."""

    layout: HomeLayout
    url: str
    engine: Engine
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    sessions: set[int] = field(default_factory=set)
    _triggering: subprocess.Popen[str] | None = None

    # --- components ------------------------------------------------------------------------------------------------

    def start(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "airspace.airflow.run", name]
        if name == "fetcher":
            command = [sys.executable, "-m", "airspace.platform.fetcher"]
        if name == "spawner":
            command = [sys.executable, "-m", "airspace.sandbox.spawner", "sandbox"]
        if name == "relay":
            command = [sys.executable, "-m", "airspace.sandbox.relay"]
        log = self.log(name).open("ab")
        self.processes[name] = subprocess.Popen(
            command, env=self.env, cwd="/", stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self.sessions.add(self.processes[name].pid)
        return self.processes[name]

    def offer_warehouse(self, folder: Path) -> None:
        """On the server whose socket is in that folder; before the relay starts."""
        mark = secrets.token_hex(3)
        offer = Offer(str(folder), database=f"w_{mark}", prefix=f"w{mark}_")
        self.layout.warehouse.write_text(offer.text())
        self.layout.secrets.mkdir(mode=0o700)
        (self.layout.secrets / KEY).write_text(secrets.token_urlsafe(32))

    def stop(self, name: str, seconds: float = 60) -> float:
        """Seconds that it took to stop."""
        process = self.processes.pop(name)
        started = time.monotonic()
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.kill()
            process.wait()
            raise
        return time.monotonic() - started

    def log(self, name: str) -> Path:
        return self.layout.root / f"{name}.log"

    def watch_imports(self) -> None:
        """Have the control plane's processes write down which files of teams they run; sandboxes are not told."""
        folder = self.layout.root / "watch"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(WATCH)
        self.env |= {"PYTHONPATH": str(folder), "WATCHED": str(self.layout.bundles), "WATCH": str(folder)}

    def watched(self) -> tuple[set[str], str]:
        """The components that were watched, and what they ran of teams' files."""
        told = {name: self.layout.root / "watch" / name for name in ("started", "ran")}
        started, ran = (path.read_text() if path.exists() else "" for path in told.values())
        return set(started.split()), ran

    # --- teams -------------------------------------------------------------------------------------------------------

    def add_team(
        self,
        team: str,
        slots: int = 4,
        pools: Mapping[str, int] | None = None,
        variables: Mapping[str, str] | None = None,
        grants: Mapping[str, list[str]] | None = None,
        native: bool = True,
    ) -> None:
        with self.engine.begin() as db:
            if native:
                db.execute(text("INSERT INTO team (name) VALUES (:t) ON CONFLICT DO NOTHING"), {"t": team})
            row = {"t": team, "s": slots}
            db.execute(
                text(
                    "INSERT INTO airspace_team (name, title, bundle, slots, spec, applied_at)"
                    " VALUES (:t, :t, :t, :s, '{}', clock_timestamp())"
                ),
                row,
            )
            if native:
                own = {team: slots} | {f"{team}.{name}": size for name, size in (pools or {}).items()}
                for pool, size in own.items():
                    db.execute(
                        text(
                            "INSERT INTO slot_pool (pool, slots, include_deferred, team_name)"
                            " VALUES (:p, :s, false, :t)"
                        ),
                        {"p": pool, "s": size, "t": team},
                    )
        for key, value in (variables or {}).items():
            self.add_variable(team, key, value)
        for asset, consumers in (grants or {}).items():
            self.grant(team, asset, consumers)
        self.settle(team, {asset: tuple(consumers) for asset, consumers in (grants or {}).items()})

    def settle(
        self, team: str, assets: Mapping[str, tuple[str, ...]] | None = None, limits: Limits | None = None
    ) -> None:
        """The team's place on this machine. As root it gets a number, but no name outside of its sandbox."""
        known = places.known(self.layout)
        number = FIRST_USER + len(known) if os.getuid() == 0 else None
        number = known[team].uid if team in known else number
        known[team] = TeamPlace(team, team, number, number, team, limits or Limits(), assets or {})
        for folder in (self.layout.bundles / team, self.layout.storage / team / "published"):
            folder.mkdir(parents=True, exist_ok=True)
        for asset in assets or {}:
            (self.layout.storage / team / "published" / asset).mkdir(exist_ok=True)
        if number is not None:
            for path in (self.layout.storage / team, *(self.layout.storage / team).rglob("*")):
                os.chown(path, number, number)
        write_atomically(self.layout.sandboxes, write_places(known.values()), mode=0o644)

    def grant(self, team: str, asset: str, consumers: list[str]) -> None:
        with self.engine.begin() as db:
            db.execute(text("DELETE FROM airspace_asset_grant WHERE team=:t AND asset=:a"), {"t": team, "a": asset})
            for consumer in consumers:
                db.execute(
                    text("INSERT INTO airspace_asset_grant (team, asset, consumer) VALUES (:t, :a, :c)"),
                    {"t": team, "a": asset, "c": consumer},
                )
            db.execute(text("UPDATE airspace_team SET applied_at = clock_timestamp() WHERE name=:t"), {"t": team})

    def add_connection(self, team: str, name: str, host: str) -> None:
        with self.engine.begin() as db:
            db.execute(
                text(
                    "INSERT INTO connection (conn_id, conn_type, host, is_encrypted, is_extra_encrypted, team_name)"
                    " VALUES (:c, 'generic', :h, false, false, :t)"
                ),
                {"c": f"{team}.{name}", "h": host, "t": team},
            )

    def add_variable(self, team: str, name: str, value: str) -> None:
        with self.engine.begin() as db:
            db.execute(
                text("INSERT INTO variable (key, val, is_encrypted, team_name) VALUES (:k, :v, false, :t)"),
                {"k": f"{team}.{name}", "v": value, "t": team},
            )

    def write_dag(self, team: str, name: str, source: str, ring: bool = True) -> None:
        """Put a file into the team's bundle as the fetcher does, whole."""
        folder = self.layout.bundles / team
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}.part"
        part.write_text(textwrap.dedent(source))
        part.rename(folder / name)
        if ring:
            self.ring(team)

    def ring(self, team: str) -> None:
        """Tell the Dag processor of a change, as the fetcher does: until it was heard, where one runs that could."""
        until = time.monotonic() + 10
        while not bells.ring(bells.DOORBELL, team, self.layout.run) and time.monotonic() < until:
            if (hears := self.processes.get("dag-processor")) is None or hears.poll() is not None:
                return
            time.sleep(0.05)

    # --- what became of it -------------------------------------------------------------------------------

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.engine.connect() as db:
            return list(db.execute(text(query), values).all())

    def states(self, dag_id: str) -> dict[str, str | None]:
        """Task → its state, in the last run that has it."""
        ask = (
            "SELECT ti.task_id, ti.map_index, ti.state FROM task_instance ti"
            " JOIN dag_run r ON r.dag_id = ti.dag_id AND r.run_id = ti.run_id WHERE ti.dag_id=:d ORDER BY r.id"
        )
        found = self.rows(ask, d=dag_id)
        return {row.task_id + (f"[{row.map_index}]" if row.map_index >= 0 else ""): row.state for row in found}

    def import_errors(self, team: str) -> dict[str, str]:
        found = self.rows("SELECT filename, stacktrace FROM import_error WHERE bundle_name=:t", t=team)
        return {row.filename: row.stacktrace for row in found}

    def task_log(self, dag_id: str, task_id: str) -> str:
        folder = self.layout.logs / "airflow"
        files = sorted(folder.glob(f"dag_id={dag_id}/run_id=*/task_id={task_id}/**/*.log"))
        return "".join(file.read_text() for file in files)

    def await_log(self, dag_id: str, task_id: str, *parts: str) -> None:
        """Wait until a task's log says all of this: it comes by another way than the task's state."""
        for part in parts:
            wait_for(lambda part=part: part in self.task_log(dag_id, task_id))  # type: ignore[misc]

    def trigger(self, dag_id: str) -> None:
        """A run as the API makes it, past its door."""
        if self._triggering is None:
            with self.log("triggering").open("ab") as log:
                self._triggering = subprocess.Popen(
                    [sys.executable, "-c", TRIGGERING], env=self.env, cwd="/", text=True, stderr=log,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )  # fmt: skip
        asked, said = self._triggering.stdin, self._triggering.stdout
        assert asked is not None
        assert said is not None
        asked.write(f"{dag_id}\n")
        asked.flush()
        assert said.readline() == "done\n", self.log("triggering").read_text()[-3000:]

    def admin(self, command: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What the API server does in the admin worker's place."""
        answer = warm_worker.ask(self.layout.run, command, payload, 60)
        assert answer is not None, "the API server does not listen"
        return accepted(answer)

    def close(self) -> None:
        """End everything."""
        if self._triggering is not None:
            with self._triggering as helper:
                helper.kill()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self.engine is not None:  # a home of the fetcher alone has none
            self.engine.dispose()

    def titles(self) -> list[str]:
        """The titles of all processes that the components started, also of those that they left behind."""
        found = []
        below = {
            child.pid
            for process in self.processes.values()
            for child in psutil.Process(process.pid).children(recursive=True)
        }
        for process in psutil.process_iter(["cmdline"]):
            with contextlib.suppress(ProcessLookupError):
                ours = process.pid in below or os.getsid(process.pid) in self.sessions
                if ours and process.pid not in self.sessions:
                    found.append(" ".join(process.info["cmdline"] or ()))
        return found


FILE_SECONDS = 8
"""How long a file may be read, or a callback run, in these homes."""
PATIENCE = 45.0
"""Seconds: longer than a busy machine needs, shorter than what happens anyway: folders are looked at each minute."""
_SLOWEST = 0.25


def wait_for(what: Callable[[], T], seconds: float = PATIENCE, every: float = 0.03) -> T:
    """Wait until it is true; what it gave. The longer it takes, the less often it is asked: asking is work too."""
    began = time.monotonic()
    while True:
        found = what()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < seconds, f"nothing within {seconds} s"
        time.sleep(max(every, min(waited / 10, _SLOWEST)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def home(root: Path, database: str, overrides: str = "") -> Iterator[Home]:
    """A home over a migrated database; nothing runs yet."""
    layout = HomeLayout(root)
    for folder in (layout.airflow, layout.run, layout.bundles, layout.storage, layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        home_id="000000",
        port=free_port(),
        airflow_home=layout.airflow,
        logs=layout.logs,
        database_url=database,
        database_url_async=asynchronous(database),
        fernet_key=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret_key=secrets.token_urlsafe(32),
    )
    own = root / "overrides.cfg"
    own.write_text(textwrap.dedent(overrides))
    config = layout.airflow / "airflow.cfg"
    config.touch(mode=0o600)
    config.write_text(render(settings, own))
    layout.team_airflow.mkdir()
    (layout.team_airflow / "airflow.cfg").write_text(render_for_teams(layout.team_airflow, settings, own))
    env = {
        "PATH": os.defpath,
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRSPACE_HOME": str(root),
        "AIRSPACE_RUN": str(layout.run),
        "AIRSPACE_PLATFORM": secrets.token_hex(3),
        "PYTHONUNBUFFERED": "1",
    }
    engine = create_engine(database)
    made = Home(layout, settings.url, engine, env)
    try:
        yield made
    finally:
        made.close()


def sources(layout: HomeLayout, folders: Mapping[str, Path]) -> None:
    """``sources.json`` as ``apply`` writes it."""
    bundles = {team: {"team": team, "folder": str(folder)} for team, folder in folders.items()}
    part = layout.sources.with_suffix(".part")
    part.write_text(json.dumps({"bundles": bundles}))
    part.rename(layout.sources)
