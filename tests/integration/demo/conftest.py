"""Rocket as the demo leaves it, on a real API server and a real PostgreSQL, without having waited for it.

The teams come from Rocket's own files through ``apply``, its Dags are parsed from its own folders. Runs and events are
rows, published files are small and real. So a test can break exactly one thing and see which promise is broken.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine, create_engine, text

from airspace.access.passwords import hash_password
from airspace.backends.airflow_rest import Airflow
from airspace.backends.postgres import Cluster
from airspace.backends.tables import UserStore
from airspace.demo import probes
from airspace.demo.artifacts import Artifact
from airspace.demo.claim import Context, Facts
from airspace.demo.people import cast
from airspace.demo.story import (
    CHURN,
    DA,
    DASHBOARD,
    DE,
    DS,
    ETL,
    LAST_FAILURE,
    PROBE_ASSET,
    PROBE_OWN,
    PROBE_PUBLISH,
)
from airspace.demo.workspace import copy_rocket, examples_source
from airspace.model.home import HomeLayout
from airspace.model.roles import Role
from airspace.platform.places import settle
from airspace.sandbox.spec import TeamPlace
from airspace.sdk import publish
from airspace.teams.service import apply, load
from tests.conftest import PASSWORD
from tests.integration.conftest import run_admin, write_airflow_home

FACTS = Facts("rocket-1", "churn-1", "dashboard-1", "spoiled-1", "probe-1")
PAGE = "<!doctype html><title>Rocket</title>" + "<svg><path d='M0 0L1 1'/></svg>" * 4
Json = Mapping[str, Any]


@dataclass
class Applier:
    """What ``apply`` needs of a platform, with the real admin worker behind it."""

    layout: HomeLayout
    env: dict[str, str]

    def run_control(self, module: str, arguments: Sequence[str], payload: Json) -> dict[str, Any]:
        """Run the admin worker."""
        assert module == "airspace.airflow.admin"
        answer = run_admin(self.env, arguments[0], dict(payload))
        assert "error" not in answer, answer
        return answer

    def settle(self, places: Sequence[TeamPlace]) -> None:
        """As the platform does for an ordinary user, who has no users to make."""
        settle(self.layout, "0a0a0a", places, None, walls=True)

    def ring(self, bundle: str) -> None:
        """Nobody listens."""


@dataclass
class World:
    """The seeded deployment and everything needed to look at it and to break it."""

    context: Context
    engine: Engine
    storage: Path
    _process: subprocess.Popen[str]

    def order(self, **order: Any) -> None:
        """One order to the server process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "{}\n", f"the server ended at {order}"

    @contextmanager
    def lever(self, **order: Any) -> Iterator[None]:
        """Break the server's access, for the block."""
        self.order(**order)
        try:
            yield
        finally:
            self.order(rules={}, everyone_is=None)

    @contextmanager
    def rows(self, change: str, undo: str, **values: Any) -> Iterator[None]:
        """Change rows, for the block. Both must touch something, or the test would test nothing."""
        self._execute(change, values)
        try:
            yield
        finally:
            self._execute(undo, values)

    def _execute(self, statement: str, values: Json) -> None:
        with self.engine.begin() as connection:
            assert connection.execute(text(statement), values).rowcount > 0, statement

    def leave_word(self, run: str) -> None:
        """As the callback of DE's pipeline does when that run has failed."""
        self._execute(
            "INSERT INTO variable (key, val, is_encrypted, team_name) VALUES (:key, :val, false, :team)",
            {"key": LAST_FAILURE, "val": f"{run}: task_failure", "team": DE},
        )

    @contextmanager
    def file(self, artifact: str, name: str, content: bytes) -> Iterator[None]:
        """Replace a published file, for the block."""
        (place,) = self.storage.glob(f"*/published/{artifact}/*/{name}")
        kept = place.read_bytes()
        place.chmod(0o644)
        place.write_bytes(content)
        try:
            yield
        finally:
            place.write_bytes(kept)


def _publish(storage: Path, team: str, name: str, extra: Json | None = None) -> dict[str, Any]:
    """Publish a small real artifact as the team's task would; its event."""
    os.environ |= {"AIRSPACE_TEAM": team, "AIRSPACE_STORAGE": str(storage)}
    try:
        with publish(name, version="v1") as out:
            if name == "dashboard":
                (out.path / "index.html").write_text(PAGE)
                out.describe(rows=12)
            else:
                table = pl.DataFrame({"player_id": range(20)})
                table.write_parquet(out.path / "part-0.parquet")
                if extra:
                    (out.path / "metrics.json").write_text(json.dumps(extra))
                out.describe(rows=table.height, schema=table.schema)
        return {**out.event(), **(extra or {})}
    finally:
        del os.environ["AIRSPACE_TEAM"], os.environ["AIRSPACE_STORAGE"]


def _runs() -> list[Json]:
    story = [
        (ETL, FACTS.etl_run, "manual", "success", 0),
        (CHURN, FACTS.churn_run, "asset_triggered", "success", 10),
        (DASHBOARD, FACTS.dashboard_run, "asset_triggered", "success", 20),
        (ETL, FACTS.spoiled_run, "manual", "failed", 60),
        (PROBE_PUBLISH, FACTS.probe_run, "manual", "success", 60),
        (PROBE_OWN, "heard-1", "asset_triggered", "success", 65),
    ]
    keys = ("dag", "run", "type", "state", "second")
    return [dict(zip(keys, row, strict=True)) for row in story]


def _events(storage: Path) -> list[Json]:
    metrics = {"auc": 0.81, "auc_shuffled_labels": 0.5}
    churn, dashboard = (CHURN, FACTS.churn_run), (DASHBOARD, FACTS.dashboard_run)
    story: list[tuple[str, str, str, str, Json | None, list[tuple[str, str]]]] = [
        (DE, "user_profiles", ETL, FACTS.etl_run, None, [churn, dashboard]),
        (DE, "telemetry_daily", ETL, FACTS.etl_run, None, [churn]),
        (DE, "marketing_attribution", ETL, FACTS.etl_run, None, [dashboard]),
        (DS, "churn_predictions", CHURN, FACTS.churn_run, metrics, [dashboard]),
        (DA, "dashboard", DASHBOARD, FACTS.dashboard_run, None, []),
    ]
    told = [
        {
            "asset": name,
            "dag": dag,
            "run": run,
            "second": 5,
            "starts": starts,
            "extra": _publish(storage, team, name, extra),
        }
        for team, name, dag, run, extra, starts in story
    ]
    probe = {"asset": PROBE_ASSET, "dag": PROBE_PUBLISH, "run": FACTS.probe_run, "second": 62, "extra": {}}
    return [*told, {**probe, "starts": [(PROBE_OWN, "heard-1")]}]


@pytest.fixture(scope="package")
def world(postgres: Cluster, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Rocket, done."""
    home = tmp_path_factory.mktemp("world")
    layout = HomeLayout(home)
    for folder in (layout.teams, layout.bundles, layout.storage, layout.dags):
        folder.mkdir()
    postgres.create_database(PASSWORD, "world", template=migrated_template)
    url = postgres.url(PASSWORD, "world")
    env = write_airflow_home(home, url)
    layout.manifest.write_text("{}")  # "there is a platform here" to apply
    copy_rocket(examples_source(), home / "rocket")
    loaded = load(home / "rocket", layout, {})
    folders = {team.desired.name: Path(team.desired.folder) for team in loaded.teams}
    probes.put(folders)
    apply(loaded, Applier(layout, env))
    engine = create_engine(url)
    members: dict[str, dict[str, Role]] = {team.desired.name: dict(team.file.team.members) for team in loaded.teams}
    people = cast(members, {})
    people = {name: cast(members, {name: f"{name}-password"})[name] for name in people}
    users = UserStore(engine)
    for person in people.values():
        users.add(person.name, hash_password(person.password), person.platform_role)
    consents = {
        (team.desired.name, asset): frozenset(consumers)
        for team in loaded.teams
        for asset, consumers in team.desired.assets.items()
    }
    with (
        _spawner(layout, env),
        _server(env) as (process, listening, port),
        Airflow(f"http://127.0.0.1:{port}") as airflow,
    ):
        made = World(Context(airflow, people, layout.storage, FACTS, consents), engine, layout.storage, process)
        made.order(
            seed={
                "storage": str(layout.storage),
                "folders": {team: str(folder) for team, folder in folders.items()},
                "runs": _runs(),
                "events": _events(layout.storage),
            }
        )
        made.leave_word(FACTS.spoiled_run)
        made.order(serve=listening)
        yield made
    engine.dispose()
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _spawner(layout: HomeLayout, env: dict[str, str]) -> Iterator[None]:
    """What looks at published files; of the walls, other tests tell."""
    layout.run.mkdir(mode=0o700)
    layout.team_airflow.mkdir()
    (layout.team_airflow / "airflow.cfg").touch()
    env |= {"AIRSPACE_RUN": str(layout.run), "AIRSPACE_PLATFORM": "0a0a0a"}
    with (layout.root / "spawner.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "airspace.sandbox.spawner", "none"], env=env, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _server(env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """The process, the socket that it has and listens on, and its port, which nobody can take meanwhile."""
    root = Path(__file__).parents[3]
    log = Path(env["AIRFLOW_HOME"]) / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as stream:
        number, port = listening.fileno(), int(listening.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.demo.world_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            cwd=root,
            env=env,
            pass_fds=[number],
        )
    try:
        yield process, number, port
    except BaseException:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait(120)
        if process.stdout:
            process.stdout.close()


__all__ = ["Artifact", "World", "world"]
