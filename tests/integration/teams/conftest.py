"""A platform without its processes: the home's folders, the real admin worker, a list of what was rung."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from airspace.backends.postgres import Cluster
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.places import settle
from airspace.sandbox.spec import TeamPlace
from airspace.teams import folders
from airspace.teams.service import Outcome, apply, load, plan
from tests.conftest import PASSWORD
from tests.integration.conftest import run_admin, write_airflow_home
from tests.integration.teams import warm


@dataclass
class LocalControl:
    """Runs the admin worker directly, as the calling user."""

    layout: HomeLayout
    env: dict[str, str]
    rung: list[str] = field(default_factory=list)

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`airspace.teams.ports.ControlPlane`."""
        assert module == "airspace.airflow.admin"
        [command] = arguments
        answer = self.answer(command, payload)
        if error := answer.get("error"):
            raise AirspaceError(error["message"], fix=error["fix"])
        return answer

    def answer(self, command: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What the worker says, an error too."""
        return run_admin(self.env, command, dict(payload))

    def settle(self, places: Sequence[TeamPlace]) -> None:
        """As the platform does for an ordinary user, who has no users to make."""
        settle(self.layout, "0a0a0a", places, None, walls=True)

    def ring(self, bundle: str) -> None:
        """Remember it."""
        self.rung.append(bundle)


@dataclass
class Desk:
    """Everything a test of apply needs."""

    directory: Path
    control: Any
    engine: Engine
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        """Write a team file."""
        path = self.directory / f"{name}.yaml"
        path.write_text(text)
        return path

    def apply(self) -> Outcome:
        """Apply the folder."""
        return apply(load(self.directory, self.control.layout, self.environ), self.control)

    def plan(self) -> Outcome:
        """Plan it."""
        return plan(load(self.directory, self.control.layout, self.environ), self.control)

    @property
    def layout(self) -> HomeLayout:
        """The home."""
        layout: HomeLayout = self.control.layout
        return layout

    def admin(self, command: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """One command of the worker."""
        answer: dict[str, Any] = self.control.answer(command, payload or {})
        return answer


@pytest.fixture(scope="session")
def worker(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of an admin worker that answers at once, for every home."""
    env = write_airflow_home(tmp_path_factory.mktemp("worker"), postgres.url(PASSWORD, "postgres"))
    folder = Path(tempfile.mkdtemp(prefix="asp-warm-", dir="/tmp"))
    process, socket = warm.start(env, folder)
    yield socket
    process.kill()
    process.wait()
    shutil.rmtree(folder)


@pytest.fixture
def cold_desk(airflow_env: dict[str, str], tmp_path: Path) -> Any:
    """A home with a migrated database, and an empty folder for team files; the worker is started for each command."""
    layout = HomeLayout(Path(airflow_env["AIRSPACE_HOME"]))
    for folder in (layout.teams, layout.bundles, layout.storage, layout.dags):
        folder.mkdir(parents=True, mode=0o750)
    layout.manifest.write_text("{}")
    directory = tmp_path / "teams"
    directory.mkdir()
    config = (layout.airflow / "airflow.cfg").read_text()
    url = next(line for line in config.splitlines() if line.startswith("sql_alchemy_conn")).split(" = ", 1)[1]
    engine = create_engine(url.replace("%%", "%"))
    yield Desk(directory, LocalControl(layout, airflow_env), engine, {"PATH": os.defpath})
    engine.dispose()


@pytest.fixture
def desk(cold_desk: Desk, worker: str) -> Desk:
    """The same with a worker that answers at once."""
    control = warm.WarmControl(cold_desk.control.layout, cold_desk.control.env, worker)
    return replace(cold_desk, control=control)


def dump(document: Any) -> str:
    """For searching secrets in everything that an answer says."""
    return json.dumps(document, default=str)


def everything(desk: Desk, team: str) -> dict[str, Any]:
    """What there is of a team, in the database and in the home."""
    tables = {
        "team": "SELECT name FROM team WHERE name = :team",
        "row": "SELECT title, slots, spec::text FROM airspace_team WHERE name = :team",
        "members": "SELECT user_name, role FROM airspace_member WHERE team = :team ORDER BY 1",
        "grants": "SELECT asset, consumer FROM airspace_asset_grant WHERE team = :team ORDER BY 1, 2",
        "pools": "SELECT pool, slots FROM slot_pool WHERE team_name = :team ORDER BY 1",
        "connections": "SELECT conn_id, host FROM connection WHERE team_name = :team ORDER BY 1",
        "variables": "SELECT key FROM variable WHERE team_name = :team ORDER BY 1",
        "bundle": "SELECT active FROM dag_bundle WHERE name = :team",
    }
    with desk.engine.connect() as connection:
        found: dict[str, Any] = {
            name: connection.execute(text(ask), {"team": team}).fetchall() for name, ask in tables.items()
        }
    layout = desk.layout
    sources = json.loads(layout.sources.read_text())["bundles"] if layout.sources.exists() else {}
    places = json.loads(layout.sandboxes.read_text()) if layout.sandboxes.exists() else {}
    copy = folders.kept_copy(layout, team)
    return found | {
        "source": sources.get(team),
        "place": json.dumps(places).count(f'"{team}"'),
        "copy": copy.read_text() if copy.exists() else None,
        "folders": [(place / team).is_dir() for place in (layout.bundles, layout.dags, layout.storage)],
    }
