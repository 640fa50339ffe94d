"""Fifty teams come, change and go in random order while Rocket works: Rocket does not notice, and nothing is left."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.airflow_rest import RestError, Session
from airspace.demo.story import ETL
from tests.acceptance.airflow_examples import wait_for_dags
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

COUNT, ROUNDS, SEED = 50, 6, 20261122
LATE, USUAL = 15.0, 2.0  # seconds in the queue, on a busy machine: of any task, and of most
DAG = """from airflow.sdk import DAG, task

with DAG("{team}_hello", schedule=None, is_paused_upon_creation=False):

    @task
    def hello():
        return "{team}"

    hello()
"""


def file_of(team: str, chance: random.Random) -> str:
    """A team file, different each time."""
    number = chance.randrange(1, 1000)
    return (
        f"name: {team}\ntitle: Number {number}\nslots: {1 + number % 16}\n"
        f"members: {{ada: {chance.choice(['viewer', 'author', 'lead'])}}}\n"
        f"variables: {{number: {number}}}\npools: {{gpu: {number % 7}}}\n"
        f"connections:\n  {chance.choice(['lake', 'mart'])}: {{type: http, host: h{number}.example}}\n"
        f"assets:\n  {team}_numbers: {{consumers: [data_analytics]}}\n"
    )


def machine(demo: Demo, admin: Session) -> dict[str, Any]:
    """What a team leaves behind where it is not cleaned up: names in the database, on disk, in the system."""
    found: dict[str, Any] = {}
    for kind, key in (("connections", "connection_id"), ("variables", "key"), ("pools", "name")):
        found[kind] = sorted(str(row[key]) for row in admin.call("GET", f"/{kind}", limit=200)[kind])
    for folder in ("dags", "bundles", "storage", "teams", "logs"):
        found[folder] = sorted(path.name for path in (demo.home / folder).iterdir() if not path.is_file())
    teams = json.loads(demo.airspace("team", "list", "--json").stdout)["teams"]
    found["teams"] = sorted(team["name"] for team in teams)
    users = subprocess.run(["getent", "passwd"], capture_output=True, text=True, check=True).stdout
    home_id = json.loads((demo.home / "airspace.json").read_text())["id"]
    found["users"] = sorted(line.split(":")[0] for line in users.splitlines() if f"airspace-{home_id}-" in line)
    found["sandboxes"] = sorted(json.loads((demo.home / "sandboxes.json").read_text())["teams"])
    return found


class Rocket(threading.Thread):
    """Runs one of Rocket's Dags again and again."""

    def __init__(self, session: Session) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._done = threading.Event()
        self.states: list[str] = []
        self.waits: list[float] = []

    def run(self) -> None:
        while not self._done.is_set():
            try:
                self._once()
            except RestError as error:
                self.states.append(str(error))
                return

    def _once(self) -> None:
        run = self._session.trigger(ETL)
        while not run.finished:
            time.sleep(0.5)
            run = self._session.run(ETL, run.run_id)
        self.states.append(str(run.state))
        for task in self._session.task_instances(ETL, run.run_id):
            if task.start and task.queued:
                self.waits.append((task.start - task.queued).total_seconds())

    def finish(self) -> None:
        """After the run that is under way."""
        self._done.set()
        self.join(120)


def test_fifty_teams_come_change_and_go_while_rocket_works(demo: Demo, tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same disorder each time
    admin = demo.sign_in("admin")
    before, processes = machine(demo, admin), demo.components()
    rocket = Rocket(demo.sign_in("admin"))
    rocket.start()

    folder = tmp_path / "newcomers"
    folder.mkdir()
    tmp_path.chmod(0o755)
    waiting, here = [f"newcomer_{number:02d}" for number in range(COUNT)], []
    while waiting:
        here += [waiting.pop() for _ in range(min(len(waiting), -(-COUNT // ROUNDS)))]
        for team in here:
            if chance.random() < 0.6:
                (folder / f"{team}.yaml").write_text(file_of(team, chance))
        for team in chance.sample(here, len(here) // 4):
            (folder / f"{team}.yaml").unlink(missing_ok=True)
        made_so(demo, folder)
        for team in chance.sample(named := sorted(path.stem for path in folder.iterdir()), min(2, len(named))):
            (demo.home / "dags" / team / "hello.py").write_text(DAG.format(team=team))

    left = sorted(path.stem for path in folder.iterdir())
    shown = json.loads(demo.airspace("team", "list", "--json").stdout)["teams"]
    assert sorted(team["name"] for team in shown) == sorted([*before["teams"], *left])
    with_dags = [team for team in left if (demo.home / "dags" / team / "hello.py").exists()]
    wait_for_dags(admin, {f"{team}_hello" for team in with_dags})
    for team in with_dags[:2]:
        run = admin.trigger(f"{team}_hello")
        while not (found := admin.run(f"{team}_hello", run.run_id)).finished:
            time.sleep(0.3)
        assert found.state == "success"

    for path in folder.iterdir():
        if path.stem != left[0]:
            path.unlink()
    made_so(demo, folder)
    gone = demo.airspace("team", "remove", left[0], "--yes", "--no-export", "--json")
    assert gone.returncode == 0, gone.stderr
    rocket.finish()
    assert set(rocket.states) == {"success"}, rocket.states
    waits = sorted(rocket.waits)
    assert waits[-1] < LATE, waits[-5:]
    assert waits[len(waits) // 2] < USUAL, waits
    assert demo.components() == processes
    assert machine(demo, admin) == before
    assert not [dag for dag in admin.call("GET", "/dags", limit=200)["dags"] if "newcomer" in dag["dag_id"]]


def made_so(demo: Demo, folder: Path) -> None:
    """The folder is applied, and planning it again finds nothing."""
    for path in folder.iterdir():
        path.chmod(0o644)
    applied = demo.airspace("apply", str(folder), "--prune", "--yes", "--json")
    assert applied.returncode == 0, applied.stderr
    planned = demo.airspace("plan", str(folder), "--prune", "--json")
    assert json.loads(planned.stdout)["changes"] == [], planned.stdout
