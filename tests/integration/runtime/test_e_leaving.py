"""Teams that are suspended, resumed and removed while a real Airflow works for others."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from airspace.sandbox.client import SpawnerClient
from airspace.teams import markers
from airspace.teams.removal import Options, remove_team
from airspace.teams.suspension import resume, suspend
from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.leaving import HomeMachine
from tests.integration.runtime.triggers import deferred, defers, ended, runners, start

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]

RESTING = """
    import os, time
    from airflow.sdk import DAG, task
    with DAG("{team}_waits", schedule=None, is_paused_upon_creation=False):
        @task
        def first():
            while not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/{team}/go"):
                time.sleep(0.1)
        @task
        def second():
            pass
        first() >> second()
    for name in ("other", "asleep"):
        with DAG("{team}_" + name, schedule=None, is_paused_upon_creation=name == "asleep") as dag:
            @task
            def only():
                pass
            only()
        globals()[name] = dag
"""

LEAVING = """
    import os, signal, time
    from airflow.sdk import DAG, Asset, AssetAlias, task
    with DAG("leaver_work", schedule="@once", is_paused_upon_creation=False, tags=["leaver"]):
        @task(outlets=[Asset("its_numbers"), AssetAlias("its_alias")])
        def make(outlet_events=None):
            outlet_events[AssetAlias("its_alias")].add(Asset("its_other"))
            os.chdir(os.environ["AIRSPACE_STORAGE"] + "/leaver")
            for name, target in (("link", "/etc/passwd"), ("folder", "/etc"), ("up", "../stays")):
                os.symlink(target, name)
            os.mkfifo("pipe")
            with open("a\\nb\\udcff", "w") as file:
                file.write("text")
            with open("sparse", "wb") as file:
                file.truncate(1 << 42)
            for _ in range(1200):
                os.mkdir("deep")
                os.chdir("deep")
            open("bottom", "w").close()
            print("a secret of the leaver")
            return {"secret": "of the leaver"}
        make()
    with DAG("leaver_stubborn", schedule="@once", is_paused_upon_creation=False):
        @task(retries=3)
        def stay():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open(os.environ["AIRSPACE_STORAGE"] + "/leaver/stubborn", "w").close()
            while True:
                try:
                    time.sleep(100)
                except BaseException:
                    pass
        stay()
"""

STAYING = """
    import os, time
    from airflow.sdk import DAG, Asset, task
    with DAG("stays_long", schedule="@once", is_paused_upon_creation=False):
        @task
        def work():
            while not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/stays/go"):
                time.sleep(0.1)
        work()
    with DAG("stays_hears", schedule=Asset("its_numbers"), is_paused_upon_creation=False):
        pass
"""


@pytest.fixture(scope="module")
def machine(running: Home) -> HomeMachine:
    running.layout.manifest.write_text("{}")
    return HomeMachine(running)


@pytest.fixture(scope="module")
def member(running: Home) -> Callable[[str], httpx.Client]:
    """Signs somebody in who leads that team."""
    running.admin("add-user", {"name": "lia", "password": "Correct-horse-9-battery"})
    token = running.admin("token", {"name": "lia"})["token"]

    def sign_in(team: str) -> httpx.Client:
        with running.engine.begin() as db:
            db.execute(
                text("INSERT INTO airspace_member (team, user_name, role) VALUES (:t, 'lia', 'lead')"), {"t": team}
            )
        return httpx.Client(base_url=f"{running.url}/api/v2", headers={"authorization": f"Bearer {token}"}, timeout=30)

    return sign_in


def test_a_suspended_team_begins_nothing_and_finishes_what_it_began(
    running: Home, machine: HomeMachine, member: Callable[[str], httpx.Client]
) -> None:
    running.add_team("rest")
    running.write_dag("rest", "work.py", RESTING.format(team="rest"))
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='rest'")) == 3)
    running.trigger("rest_waits")
    wait_for(lambda: running.states("rest_waits").get("first") == "running")

    found = suspend(machine, "rest", "the bill is open")
    assert found["running"] == {"tasks": 1, "runs": 1}
    with member("rest") as client:
        refusals = (
            client.post("/dags/rest_other/dagRuns", json={"logical_date": None}),
            client.patch("/dags/rest_asleep", json={"is_paused": False}),
            client.post("/dags/rest_waits/clearTaskInstances", json={"dry_run": False}),
            client.post(
                "/backfills", json={"dag_id": "rest_other", "from_date": "2026-01-01", "to_date": "2026-01-02"}
            ),
        )
        for answer in refusals:
            assert answer.status_code == 409, answer.text
            assert "suspended" in answer.text
            assert "the bill is open" in answer.text
        client.patch("/dags?dag_id_pattern=~", json={"is_paused": True})
        assert {dag["dag_id"] for dag in client.get("/dags").json()["dags"]} == {
            "rest_waits",
            "rest_other",
            "rest_asleep",
        }
    running.trigger("rest_other")  # past the door, as a task of its own would
    running.write_dag("rest", "new.py", RESTING.format(team="rest_new"))
    # Others go on meanwhile, and by then the new file would have been read.
    running.add_team("awake")
    running.write_dag("awake", "work.py", RESTING.format(team="awake"))
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='awake'")) == 3)
    running.trigger("awake_other")
    wait_for(lambda: running.states("awake_other") == {"only": "success"})
    assert running.rows("SELECT state FROM dag_run WHERE dag_id='rest_other'")[0].state == "queued"
    assert len(running.rows("SELECT 1 FROM dag WHERE bundle_name='rest' AND NOT is_stale")) == 3

    (running.layout.storage / "rest" / "go").touch()
    wait_for(lambda: running.states("rest_waits") == {"first": "success", "second": "success"})
    resume(machine, "rest")
    wait_for(lambda: running.states("rest_other") == {"only": "success"})
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='rest'")) == 6)
    paused = {
        row.dag_id: row.is_paused for row in running.rows("SELECT dag_id, is_paused FROM dag WHERE bundle_name='rest'")
    }
    assert {dag for dag, asleep in paused.items() if asleep} == {"rest_asleep", "rest_new_asleep"}


def test_a_team_that_is_suspended_at_once_runs_nothing(running: Home, machine: HomeMachine) -> None:
    (running.layout.storage / "rest" / "go").unlink(missing_ok=True)
    running.trigger("rest_waits")
    wait_for(lambda: running.states("rest_waits").get("first") == "running")
    assert suspend(machine, "rest", now=True)["running"]["tasks"] == 2
    assert "rest" not in SpawnerClient(running.layout.run).state()
    ended = running.rows("SELECT state FROM dag_run WHERE dag_id='rest_waits' ORDER BY id DESC LIMIT 1")
    assert ended[0].state == "failed"
    resume(machine, "rest")


def test_a_removed_team_leaves_nothing_and_disturbs_nobody(
    running: Home, machine: HomeMachine, member: Callable[[str], httpx.Client], record_property: Record
) -> None:
    _make_leaver(running)
    with running.engine.begin() as db:
        for statement in ROWS:
            db.execute(text(statement))
    components = {name: _identity(process.pid) for name, process in running.processes.items()}
    lines: list[str] = []
    started = time.monotonic()
    done = remove_team(machine, "leaver", Options(drain=0.5), lines.append)
    record_property("a team is removed", round(time.monotonic() - started, 1))
    assert components == {name: _identity(process.pid) for name, process in running.processes.items()}
    assert done.ended["tasks"] >= 1
    assert running.states("stays_long") == {"work": "running"}
    (running.layout.storage / "stays" / "go").touch()
    wait_for(lambda: running.states("stays_long") == {"work": "success"})

    assert done.archive is not None
    _check_archive(Path(done.archive["path"]))
    with suppress(AssertionError):
        wait_for(lambda: not _tables_naming(running, "leaver"))
    assert _tables_naming(running, "leaver") == {}
    assert [path for path in running.layout.root.rglob("*leaver*") if running.layout.exports not in path.parents] == []
    assert "leaver" not in running.layout.sandboxes.read_text()
    assert markers.begun(running.layout) == frozenset()

    # The next one of that name finds nothing of the first.
    running.add_team("leaver")
    running.write_dag("leaver", "work.py", RESTING.format(team="leaver").replace("leaver_waits", "leaver_work"))
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='leaver' AND NOT is_stale")) == 3)
    with member("leaver") as client:
        assert client.get("/dags/leaver_work/dagRuns").json()["total_entries"] == 0
        for path in ("/eventLogs?dag_id=leaver_work", "/variables", "/connections", "/importErrors"):
            assert client.get(path).json()["total_entries"] == 0, path
        assert client.get("/dags/~/dagRuns/~/taskInstances/~/xcomEntries").json()["total_entries"] == 0
        assert client.get("/assets/events").json()["total_entries"] == 0
        assert client.get("/dags/leaver_work/dagVersions").json()["total_entries"] == 1
    assert sorted(path.name for path in (running.layout.storage / "leaver").iterdir()) == ["published"]


ROWS = (
    "INSERT INTO dag_favorite (user_id, dag_id) VALUES ('lia', 'leaver_work')",
    "INSERT INTO dag_run_note (dag_run_id, content, created_at, updated_at)"
    " SELECT id, 'of leaver', now(), now() FROM dag_run WHERE dag_id='leaver_work'",
    "INSERT INTO task_instance_note (ti_id, content, created_at, updated_at)"
    " SELECT id, 'of leaver', now(), now() FROM task_instance WHERE dag_id='leaver_work'",
    "INSERT INTO dag_warning (dag_id, warning_type, message, timestamp)"
    " VALUES ('leaver_work', 'non-existent pool', 'leaver', now())",
    "INSERT INTO log (dttm, dag_id, event) VALUES (now(), 'leaver_work', 'cli')",
    'INSERT INTO log (dttm, event, extra) VALUES (now(), \'team_network\', \'{"team": "leaver", "after": []}\')',
    "INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc) VALUES ('leaver', 'leaver', 'x.py')",
    "INSERT INTO trigger (classpath, kwargs, created_date, team_name, queue)"
    " VALUES ('x', 'x', now(), 'leaver', 'nobody')",
    "INSERT INTO callback (id, type, fetch_method, data, bundle_name, state, priority_weight, created_at) VALUES"
    " (gen_random_uuid(), 'executor', 'import_path',"
    ' \'{"__type": "dict", "__var": {"dag_id": "leaver_work"}}\', NULL, \'failed\', 1, now())',
    "INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at)"
    " SELECT id, 'leaver_work', now() FROM asset WHERE name='its_numbers'",
)


def _make_leaver(running: Home) -> None:
    running.add_team("leaver", variables={"threshold": "1"}, grants={"its_numbers": ["stays"]})
    running.add_team("stays", grants={"echo": ["leaver"]})
    running.add_connection("leaver", "warehouse", "host-of-leaver")
    with running.engine.begin() as db:
        spec = json.dumps({"name": "stays", "assets": {"echo": {"consumers": ["leaver"]}}})
        db.execute(text("UPDATE airspace_team SET spec = :s WHERE name = 'stays'"), {"s": spec})
        own = json.dumps({"name": "leaver", "assets": {"its_numbers": {"consumers": ["stays"]}}})
        db.execute(text("UPDATE airspace_team SET spec = :s WHERE name = 'leaver'"), {"s": own})
    running.write_dag("stays", "work.py", STAYING)
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE bundle_name='stays'")) == 2)
    running.write_dag("leaver", "work.py", LEAVING)
    running.write_dag("leaver", "broken.py", "from airflow.sdk import DAG\n1 / 0  # leaver\n")
    wait_for(lambda: running.states("leaver_work").get("make") in ("success", "failed"), 60)
    assert running.states("leaver_work") == {"make": "success"}, running.task_log("leaver_work", "make")
    wait_for(lambda: (running.layout.storage / "leaver" / "stubborn").exists())
    wait_for(lambda: running.rows("SELECT 1 FROM dag_run WHERE dag_id='stays_hears' AND state='success'"))
    wait_for(lambda: running.import_errors("leaver"))
    wait_for(lambda: running.states("stays_long").get("work") == "running")


def _identity(pid: int) -> tuple[int, float]:
    return pid, psutil.Process(pid).create_time()


def _tables_naming(running: Home, word: str) -> dict[str, list[str]]:
    """The rows of every table that have the word in any column, but for what administrators are told."""
    found = {}
    ask = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    for (table,) in running.rows(ask):
        whole = f'SELECT row_to_json(t)::text AS text FROM "{table}" t'  # noqa: S608
        rows = running.rows(f"SELECT text FROM ({whole}) r WHERE text LIKE :w", w=f"%{word}%")  # noqa: S608
        rows = [row for row in rows if '"event":"team_removed"' not in row[0]]
        if rows:
            found[table] = [row[0][:400] for row in rows[:5]]
    return found


def _check_archive(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert all(name.startswith("airspace-leaver/") and ".." not in name.split("/") for name in names)
        assert all(member.isreg() for member in archive.getmembers())

        def lines(name: str) -> list[dict[str, object]]:
            file = archive.extractfile(f"airspace-leaver/{name}")
            assert file is not None
            return [json.loads(line) for line in file]

        everything = b"".join(archive.extractfile(member).read() for member in archive.getmembers())  # type: ignore[union-attr]
        assert b"host-of-leaver" not in everything
        assert [row["key"] for row in lines("database/variables.jsonl")] == ["leaver.threshold"]
        assert [row["value"] for row in lines("database/xcom.jsonl")] == [{"secret": "of the leaver"}]
        assert {row["dag_id"] for row in lines("database/dag_run.jsonl")} == {"leaver_work", "leaver_stubborn"}
        stored = {row["path"]: row for row in lines("storage.jsonl")}
        assert set(stored) == {"a\nb\udcff", "sparse", "stubborn"}
        assert stored["sparse"]["sha256"] is None  # longer than is read
        assert any("dag_id=leaver_work/" in name and name.endswith(".log") for name in names)
        (manifest,) = [json.loads(archive.extractfile("airspace-leaver/manifest.json").read())]  # type: ignore[union-attr]
        assert manifest["rows"]["task_instance"] == 2
        assert manifest["files"]["storage"]["complete"] is False  # folders too deep to enter
        assert manifest["files"]["storage"]["others"] == 4


def test_triggers_of_a_halted_team_end(teams: Home, machine: HomeMachine) -> None:
    start(teams, {"two_halted": defers("for_ever")})
    deferred(teams, "two_halted")
    suspend(machine, "two", now=True)
    wait_for(lambda: not runners("two"))
    assert teams.states("two_halted") == {"for_ever": "skipped"}
    resume(machine, "two")
    start(teams, {"two_again": defers("wait", {"seconds": 0.1})})
    assert ended(teams, "two_again") == {"wait": "success"}
