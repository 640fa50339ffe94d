"""Dags that go to another team while a real Airflow works."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from airspace.backends.sources.mirror import Mirror
from airspace.platform import bells, warm_worker
from airspace.platform.control import accepted
from airspace.platform.moving import HomeCarrier
from airspace.teams import folders, moving
from airspace.teams.folders import Source
from airspace.teams.moves import Transfer
from airspace.teams.moving import Options
from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.leaving import HomeMachine

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]

WALKS = """
import os, signal, time
from airflow.sdk import DAG, Variable, task
with DAG("walks", schedule=None, is_paused_upon_creation=False):
    @task
    def where():
        print("words of the past")
        return os.environ["AIRSPACE_TEAM"] + Variable.get("threshold")
    where()
with DAG("holds_out", schedule=None, is_paused_upon_creation=False):
    @task(retries=3)
    def stay():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(os.environ["AIRSPACE_STORAGE"] + "/mover/stubborn", "w").close()
        while True:
            try:
                Variable.set("late", "x")
                time.sleep(0.1)
            except BaseException:
                pass
    stay()
"""
PACKED = """
import packed_words
from airflow.sdk import DAG, task
with DAG("packed", schedule=None, is_paused_upon_creation=False):
    @task
    def says():
        return packed_words.WORDS
    says()
"""
LOOKS = """
import os, time
from pathlib import Path
from airflow.sdk import DAG, task
from airflow.sdk.execution_time import comms, task_runner

def asked(kind, **fields):
    answer = task_runner.SUPERVISOR_COMMS.send(getattr(comms, kind)(**fields))
    if isinstance(answer, comms.ErrorResponse):
        raise PermissionError(answer.error)
    return answer

def looks():
    "What this team's code finds of the Dags that go, of what they keep, and of what they say."
    storage, bundles = Path(os.environ["AIRSPACE_STORAGE"]), Path(__file__).parent.parent
    run = (storage / os.environ["AIRSPACE_TEAM"] / "run").read_text()
    acts = {
        "file": lambda: (bundles / "taker" / "walks.py").read_text()[:0],
        "archive": lambda: (bundles / "taker" / "packed.zip").read_bytes()[:0],
        "storage": lambda: (storage / "taker" / "kept").read_text(),
        "xcom": lambda: asked("GetXCom", key="return_value", dag_id="walks", task_id="where", run_id=run).value,
        "state": lambda: asked("GetDagRunState", dag_id="walks", run_id=run).state,
        "count": lambda: asked("GetDRCount", dag_id="walks").count or None,
        "trigger": lambda: asked("TriggerDagRun", dag_id="packed", run_id=f"by-{os.environ['AIRSPACE_TEAM']}").type,
    }
    found = {}
    for name, act in acts.items():
        try:
            found[name] = act() is not None
        except Exception as error:
            found[name] = False
    return found
"""
KEEPS = f"""{LOOKS}
with DAG("keeps", schedule=None, is_paused_upon_creation=False):
    @task
    def wait():
        while not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/mover/go"):
            time.sleep(0.1)
        return looks()
    wait()
"""
OWNS = f"""{LOOKS}
with DAG("owns", schedule=None, is_paused_upon_creation=False):
    task(looks)()
"""


class MovingHome(HomeMachine):
    """Copies a team's folder when it is rung, as the fetcher does; its admin worker is the API server."""

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        answer = warm_worker.ask(self.layout.run, arguments[0], payload, 60)
        assert answer is not None
        return accepted(answer)

    def ring(self, bundle: str) -> None:
        Mirror(self.layout.dags / bundle, self.layout.bundles / bundle, None).update()
        bells.ring(bells.DOORBELL, bundle, self.layout.run)


@pytest.fixture(scope="module")
def machine(running: Home) -> MovingHome:
    running.layout.manifest.write_text("{}")
    for team, file, source in (("mover", "walks.py", WALKS), ("taker", "owns.py", OWNS), ("mover", "keeps.py", KEEPS)):
        (running.layout.dags / team).mkdir(parents=True, exist_ok=True)
        (running.layout.dags / team / file).write_text(source)
    with zipfile.ZipFile(running.layout.dags / "mover" / "packed.zip", "w") as archive:
        archive.writestr("packed.py", PACKED)
        archive.writestr("packed_words.py", "WORDS = 'packed with it'")
    made = MovingHome(running)
    for team in ("mover", "taker"):
        running.add_team(team, variables={"threshold": f"-{team}"})
        folders.write_sources(running.layout, {team: Source(team, str(running.layout.dags / team))})
        made.ring(team)
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='mover' AND NOT is_stale")) == 4, 90)
    return made


@pytest.fixture(scope="module")
def people(running: Home, machine: MovingHome) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A lead of each team."""
    with ExitStack() as stack:
        made = []
        for user, team in (("mia", "mover"), ("tom", "taker")):
            machine.run_control("", ["add-user"], {"name": user, "password": "Correct-horse-9-battery"})
            token = machine.run_control("", ["token"], {"name": user})["token"]
            with running.engine.begin() as db:
                row = {"t": team, "u": user}
                db.execute(text("INSERT INTO airspace_member (team, user_name, role) VALUES (:t, :u, 'lead')"), row)
            headers = {"authorization": f"Bearer {token}"}
            made.append(httpx.Client(base_url=f"{running.url}/api/v2", headers=headers, timeout=30))
            stack.enter_context(made[-1])
        yield made[0], made[1]


def runs_of(running: Home, dag: str) -> list[str]:
    return [row.state for row in running.rows("SELECT state FROM dag_run WHERE dag_id=:d ORDER BY id", d=dag)]


def found_by(person: httpx.Client, dag: str, task: str) -> list[dict[str, bool]]:
    """What the task of each run told."""
    ids = [each["dag_run_id"] for each in person.get(f"/dags/{dag}/dagRuns").json()["dag_runs"]]
    place = "/dags/{}/dagRuns/{}/taskInstances/{}/xcomEntries/return_value"
    return [dict(person.get(place.format(dag, run, task)).json()["value"]) for run in ids]


def test_a_dag_goes_to_another_team_with_its_past_and_nobody_else_notices(
    running: Home, machine: MovingHome, people: tuple[httpx.Client, httpx.Client], record_property: Record
) -> None:
    mia, tom = people
    for dag in ("walks", "holds_out", "keeps", "packed"):
        mia.post(f"/dags/{dag}/dagRuns", json={"logical_date": None}).raise_for_status()
    wait_for(lambda: (runs_of(running, "walks"), runs_of(running, "packed")) == (["success"], ["success"]), 90)
    wait_for(lambda: (running.layout.storage / "mover" / "stubborn").exists(), 90)
    wait_for(lambda: running.states("keeps") == {"wait": "running"}, 90)
    (run,) = mia.get("/dags/walks/dagRuns").json()["dag_runs"]
    past = f"/dags/walks/dagRuns/{run['dag_run_id']}"
    pages = (
        "/dags/walks", past, f"{past}/taskInstances/where", f"{past}/taskInstances/where/logs/1",
        f"{past}/taskInstances/where/xcomEntries/return_value", "/dags/walks/dagVersions", "/dagSources/walks",
    )  # fmt: skip
    assert [mia.get(page).status_code for page in pages] == [200] * len(pages)
    assert [tom.get(page).status_code for page in pages] == [404] * len(pages)
    mia.patch(past, json={"note": "a note of the past"}).raise_for_status()
    late = str(running.rows("SELECT id FROM task_instance WHERE dag_id='holds_out'")[0].id)
    components = {name: psutil.Process(process.pid).create_time() for name, process in running.processes.items()}

    # While it is held nobody starts it, and a run that is made by another way waits.
    machine.run_control("", ["hold-dags"], {"dags": ["walks"], "team": "mover", "target": "taker"})
    refused = mia.post("/dags/walks/dagRuns", json={"logical_date": None})
    assert (refused.status_code, "being moved" in refused.text) == (409, True)
    assert mia.post("/dags/keeps/dagRuns", json={"logical_date": None}).status_code == 200
    running.trigger("walks")
    started = time.monotonic()
    carrier = HomeCarrier(running.layout, running.layout.run)
    wanted = Transfer("mover", "taker", ["holds_out", "packed", "walks"], time.time())
    done = moving.transfer(machine, carrier, wanted, Options(0.0))
    record_property("two Dags go to another team, one of them working", round(time.monotonic() - started, 1))
    assert (done.errors, done.unread) == ({}, [])
    assert done.ended["tasks"] == 1
    assert not (running.layout.run / "tasks" / late).exists()
    # What it keeps trying to do is refused since it was ended; it is gone by now, or goes soon.
    with running.engine.begin() as db:
        assert db.execute(text("DELETE FROM variable WHERE key = 'mover.late'")).rowcount == 1

    # The run that waited is the new team's, in its sandbox.
    wait_for(lambda: runs_of(running, "walks") == ["success", "success"], 90)
    found = [
        tom.get(f"/dags/walks/dagRuns/{each['dag_run_id']}/taskInstances/where/xcomEntries/return_value").json()[
            "value"
        ]
        for each in tom.get("/dags/walks/dagRuns?order_by=id").json()["dag_runs"]
    ]
    assert found == ["mover-mover", "taker-taker"]
    assert [tom.get(page).status_code for page in pages] == [200] * len(pages)
    assert "words of the past" in tom.get(pages[3]).text
    assert tom.get(past).json()["note"] == "a note of the past"
    missing = mia.get("/dags/no_such_dag").json()["detail"].replace("no_such_dag", "walks")
    assert (mia.get("/dags/walks").status_code, mia.get("/dags/walks").json()["detail"]) == (404, missing)
    assert [mia.get(page).status_code for page in pages] == [404] * len(pages)
    assert {dag["dag_id"] for dag in mia.get("/dags").json()["dags"]} == {"keeps"}
    assert mia.get("/eventLogs?dag_id=walks").status_code == 404
    assert mia.get("/dags/~/dagRuns?dag_id_pattern=walks").json()["total_entries"] == 0
    assert tom.get("/eventLogs?dag_id=walks").json()["total_entries"] > 0

    # A cleared task of the past runs in the new team; the one that was ended cannot be heard of any more.
    body = {"dry_run": False, "dag_run_id": run["dag_run_id"], "only_failed": False, "reset_dag_runs": True}
    tom.post("/dags/walks/clearTaskInstances", json=body).raise_for_status()
    wait_for(lambda: tom.get(pages[4]).json().get("value") == "taker-taker", 90)
    cleared = "SELECT pool FROM task_instance WHERE dag_id='walks' AND run_id=:r"
    assert running.rows(cleared, r=run["dag_run_id"]) == [("taker",)]
    assert running.states("keeps")["wait"] == "running"

    # What the old team's task, which ran all the while, finds of them; and the same for the new team's.
    (running.layout.storage / "taker" / "kept").write_text("of the new team")
    for team in ("mover", "taker"):
        (running.layout.storage / team / "run").write_text(run["dag_run_id"])
    tom.post("/dags/owns/dagRuns", json={"logical_date": None}).raise_for_status()
    wait_for(lambda: runs_of(running, "owns") == ["success"], 90)
    (running.layout.storage / "mover" / "go").touch()
    wait_for(lambda: set(runs_of(running, "keeps")) == {"success"}, 90)
    acts = ("file", "archive", "storage", "xcom", "state", "count", "trigger")
    assert found_by(tom, "owns", "looks") == [dict.fromkeys(acts, True)]
    assert found_by(mia, "keeps", "wait") == [dict.fromkeys(acts, False)] * 2
    wait_for(lambda: runs_of(running, "packed") == ["success", "success"], 90)
    assert {row.run_id for row in running.rows("SELECT run_id FROM dag_run WHERE dag_id='packed'")} >= {"by-taker"}
    assert not (running.layout.bundles / "mover" / "packed.zip").exists()
    assert running.rows("SELECT key FROM variable WHERE key LIKE '%late'") == []
    assert running.import_errors("mover") == {}
    assert running.import_errors("taker") == {}
    assert components == {name: psutil.Process(each.pid).create_time() for name, each in running.processes.items()}
