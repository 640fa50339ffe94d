"""The homes of teams and of the platform, over HTTP: who sees them, what they tell, and what a team can do to them.

Rows are made as copies of those that the server's own Dags have, so that every column holds what Airflow writes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Connection, create_engine, text

from airspace.airflow.web.pages import bundle
from tests.integration.access.conftest import Server

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

API = "/airspace/api/homes"
DE, DS, DA = "data_engineering", "data_science", "data_analytics"
NOW = datetime.now(timezone.utc)
HOSTILE = "boom \x1b[31m\u202e<script>alert(1)</script>\r\n" + "x" * 5000


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat()


def key(number: int) -> str:
    """A try's key, as one made just now."""
    return str(UUID(int=(int(NOW.timestamp() * 1000) << 80) + (1 << 70) + number))


@contextmanager
def database(server: Server) -> Iterator[Connection]:
    engine = create_engine(server.database)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def copy(connection: Connection, table: str, where: str, **changes: Any) -> None:
    """The row again, with these changes."""
    row = "(jsonb_populate_record(t, cast(:changes AS jsonb))).*"
    connection.execute(
        text(f"INSERT INTO {table} SELECT {row} FROM {table} t WHERE {where} LIMIT 1"),  # noqa: S608
        {"changes": json.dumps(changes)},
    )


def add_run(connection: Connection, number: int, dag: str, state: str, **changes: Any) -> None:
    fields = {"id": 9000 + number, "run_id": f"run{number}", "logical_date": None, "created_at": ago(hours=1)}
    copy(connection, "dag_run", f"dag_id = '{dag}' AND run_id = 'r1'", **fields, state=state, **changes)


def add_task(connection: Connection, number: int, dag: str, state: str, **changes: Any) -> None:
    fields = {"id": key(number), "run_id": f"run{number}", "start_date": ago(minutes=9), "end_date": ago(minutes=8)}
    copy(connection, "task_instance", f"dag_id = '{dag}' AND run_id = 'r1'", **{**fields, "state": state, **changes})


@pytest.fixture(scope="module")
def world(server: Server) -> Server:
    """DS has a failure with a log, one without, waiting tasks, a late run; DE publishes to DS."""
    with database(server) as connection:
        for team, title, slots in ((DE, "Data Engineering", 2), (DS, "Data Science", 1)):
            connection.execute(
                text("INSERT INTO airspace_team (name, title, bundle, slots, spec) VALUES (:n, :t, :n, :s, :spec)"),
                {
                    "n": team,
                    "t": title,
                    "s": slots,
                    "spec": json.dumps({"assets": {}, "limits": {"memory": 240 << 20}}),
                },
            )
        connection.execute(text("UPDATE dag SET is_paused = false WHERE dag_id = 'ds_train'"))
        # What other tests have left of the server's own run and pool.
        connection.execute(text(f"UPDATE slot_pool SET slots = 1 WHERE pool = '{DS}.gpu'"))  # noqa: S608
        nothing = "state = NULL, start_date = NULL, end_date = NULL, duration = NULL"
        connection.execute(text(f"UPDATE task_instance SET {nothing} WHERE run_id = 'r1'"))  # noqa: S608
        connection.execute(text("DELETE FROM task_instance_history WHERE run_id = 'r1'"))
        for number in range(5):
            begun, ended = ago(hours=2), ago(hours=1.9)
            add_run(connection, number, "ds_train", "success", start_date=begun, end_date=ended)
        add_run(connection, 10, "ds_train", "running", start_date=ago(hours=3), end_date=None)
        for number, state in ((11, "failed"), (12, "failed"), (13, "queued")):
            add_run(connection, number, "ds_train", state, start_date=ago(minutes=9), end_date=ago(minutes=8))
        add_task(connection, 11, "ds_train", "failed", duration=60.0)
        add_task(connection, 12, "ds_train", "failed", task_id="other", duration=30.0, run_id="run12")
        add_task(connection, 0, "ds_train", "success", duration=120.0)
        add_task(connection, 1, "ds_train", "running", end_date=None, pool=DS)
        add_task(connection, 2, "ds_train", "queued", queued_dttm=ago(minutes=5), pool=DS)
        add_task(connection, 3, "ds_train", "scheduled", scheduled_dttm=ago(minutes=4), pool=f"{DS}.gpu", pool_slots=2)
        add_task(connection, 4, "ds_train", "awaiting_input", start_date=ago(minutes=30), end_date=None)
        measured = {0: (90_000, 120_000, 200 << 10), 11: (6_000, 60_000, 50 << 10)}
        for number, (cpu, wall, memory) in measured.items():
            connection.execute(
                text("INSERT INTO airspace_task_use VALUES (:key, :cpu, :wall, :memory)"),
                {"key": key(number), "cpu": cpu, "wall": wall, "memory": memory},
            )
        extra = json.dumps({"rows": 1234, "version": "v7", "note": "\0", "deep": "z" * 500})
        copy(connection, "asset_event", "source_dag_id = 'de_etl'", id=9001, asset_id=profiles(connection), extra={})
        connection.execute(text("UPDATE asset_event SET extra = :extra WHERE id = 9001"), {"extra": extra})
        connection.execute(text("UPDATE asset_event SET timestamp = now() WHERE id = 9001"))
    write_log(server, "run11", failing_log())
    return server


def profiles(connection: Connection) -> int:
    return int(connection.execute(text("SELECT id FROM asset WHERE name = 'user_profiles'")).scalar_one())


def write_log(server: Server, run: str, content: bytes) -> Path:
    path = server.without_rule.parent / "logs" / "dag_id=ds_train" / f"run_id={run}" / "task_id=fit" / "attempt=1.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def failing_log() -> bytes:
    frames = [{"filename": "/home/bundles/ds/train.py", "lineno": 7, "name": "fit"}]
    detail = [{"exc_type": "ValueError", "exc_value": HOSTILE, "frames": frames}]
    record = {"level": "error", "event": "Task failed with exception", "error_detail": detail}
    return b'{"event": "noise"}\n' * 200_000 + json.dumps(record).encode() + b"\n"


def home(client: httpx.Client, team: str = DS, view: str = "") -> dict[str, Any]:
    answer = client.get(f"{view}{API}/teams/{team}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("person", ["viewer", "operator", "author", "lead", "both", "admin", "iris", "sue"])
def test_who_reads_the_team_reads_its_home(world: Server, as_user: Client, person: str) -> None:
    client = as_user(person)
    assert home(client)["title"] == "Data Science"
    assert home(client, view=f"/t/{DS}")["name"] == DS


@pytest.mark.parametrize("person", ["emil", "nemo", "da_lead"])
def test_a_foreign_team_is_told_like_one_that_there_is_not(world: Server, as_user: Client, person: str) -> None:
    client = as_user(person)
    answers = [client.get(f"{API}/teams/{team}") for team in (DS, "no_such_team")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(DS, "*") == answers[1].text.replace("no_such_team", "*")
    assert answers[0].headers["x-queries"] == answers[1].headers["x-queries"]
    assert DS not in client.get(f"{API}/teams").text
    assert as_user("admin").get(f"{API}/teams/no_such_team").status_code == 404


def test_a_view_narrows(world: Server, as_user: Client) -> None:
    both = as_user("both")
    assert [team["name"] for team in both.get(f"{API}/teams").json()["teams"]] == [DE, DS]
    assert [team["name"] for team in both.get(f"/t/{DS}{API}/teams").json()["teams"]] == [DS]
    assert both.get(f"/t/{DE}{API}/teams/{DS}").status_code == 404
    assert as_user("admin").get(f"/t/{DS}{API}/teams/{DE}").status_code == 404
    assert as_user("admin").get(f"/t/{DS}{API}/platform").status_code == 404
    assert as_user("sue").get(f"/as/lead{API}/teams/{DS}").status_code == 200
    assert as_user("sue").get(f"/as/lead{API}/teams/{DE}").status_code == 404


def test_the_platforms_home_is_for_those_who_watch_over_it(world: Server, as_user: Client) -> None:
    for person in ("admin", "iris", "sue"):
        found = as_user(person).get(f"{API}/platform").json()
        assert {team["name"] for team in found["teams"]} >= {DE, DS, DA}
    for person in ("lead", "both", "nemo"):
        assert as_user(person).get(f"{API}/platform").status_code == 404
    science = next(team for team in found["teams"] if team["name"] == DS)
    assert science["moods"] == ["broken", "failing", "late", "waiting"]
    assert (science["import_errors"], science["failing"], science["late"], science["running"]) == (1, 1, 1, 1)
    assert found["places"]["used"] == 1
    assert {wait["team"] for wait in found["waits"]} == {DS}
    assert {cost["team"] for cost in found["slowest"]} == {DS}


@pytest.mark.skipif(not bundle.is_built(), reason="nothing is in the side bar")
def test_the_side_bar_has_the_platforms_page_for_those_who_may_open_it(world: Server, as_user: Client) -> None:
    def pages(person: str, prefix: str = "") -> list[str]:
        answer = as_user(person).get(f"{prefix}/api/v2/plugins").json()
        (ours,) = [plugin for plugin in answer["plugins"] if plugin["name"] == "airspace"]
        return [app["name"] for app in ours["react_apps"] if app["destination"] == "nav"]

    for person in ("admin", "iris", "sue"):
        assert pages(person) == pages(person, f"/t/{DS}") == ["Team", "Artifacts", "Platform"], "a view leads out of it"
    for person in ("viewer", "lead", "both", "nemo"):
        assert pages(person) == ["Team", "Artifacts"]
    assert pages("both", f"/t/{DS}") == pages("admin", "/as/both") == ["Team", "Artifacts"]
    strange = [as_user(person).get("/api/v2/plugins?limit=x") for person in ("lead", "admin")]
    assert [answer.status_code for answer in strange] == [422, 422]


def test_the_newest_runs_are_told_and_only_the_teams_own(world: Server, as_user: Client) -> None:
    with database(world) as connection:
        for number, dag in ((900, "de_etl"), (901, "orphan")):
            add_run(connection, number, dag, "success", start_date=ago(minutes=5), end_date=ago(minutes=4))
    ran = home(as_user("viewer"))["ran"]
    assert [run["run_id"] for run in ran][:9] == [f"run{number}" for number in (13, 12, 11, 10, 4, 3, 2, 1, 0)]
    assert {run["dag_id"] for run in ran} == {"ds_train"}
    told = {run["run_id"]: (run["state"], run["ended"] is None, run["task_id"]) for run in ran}
    assert (told["run10"], told["run11"]) == (("running", True, None), ("failed", False, None))
    began = datetime.fromisoformat(ran[2]["began"])
    assert NOW - began == timedelta(minutes=9)
    theirs = home(as_user("emil"), DE)["ran"]
    assert {run["dag_id"] for run in theirs} == {"de_etl"}
    assert theirs[0]["run_id"] == "run900", "it is there to be seen"
    assert [run["run_id"] for run in home(as_user("admin"), view=f"/t/{DS}")["ran"]] == [run["run_id"] for run in ran]


def test_what_failed_and_why(world: Server, as_user: Client) -> None:
    failures = home(as_user("viewer"))["failures"]
    assert failures["total"] == 2
    told = {each["task_id"]: each for each in failures["tasks"]}
    fit = told["fit"]
    assert (fit["dag_id"], fit["run_id"], fit["place"]) == ("ds_train", "run11", "train.py, line 7")
    assert fit["error"].startswith("ValueError: boom \ufffd[31m\ufffd<script>alert(1)</script> xxx")
    assert len(fit["error"]) <= 400
    assert (told["other"]["readable"], told["other"]["error"]) == (False, None)


def test_a_log_is_a_plain_file_below_the_folder_of_logs(world: Server, as_user: Client, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"event": "a secret of the platform", "level": "error"}\n')
    secret = '{"event": "a secret of the platform", "level": "error"}\n'
    for name in ("attempt=1.log", "secret"):
        (tmp_path / name).write_text(secret)
    path = write_log(world, "run11", secret.encode())
    assert "a secret" in json.dumps(home(as_user("lead"))), "it would be seen"
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    assert "a secret" not in json.dumps(home(as_user("lead")))
    shutil.rmtree(path.parent)
    path.parent.symlink_to(tmp_path)
    assert "a secret" not in json.dumps(home(as_user("lead")))
    path.parent.unlink()
    write_log(world, "run11", failing_log())


def test_what_waits_and_for_whom(world: Server, as_user: Client) -> None:
    waits = home(as_user("lead"))["waits"]
    assert waits["total"] == 3
    told = [(wait["state"], wait["whom"], wait["words"]) for wait in waits["longest"] if wait["dag_id"] == "ds_train"]
    assert ("awaiting_input", "person", "a person's answer") in told
    assert ("queued", "slots", "a slot of the team: 1 of 1 in use") in told
    assert ("scheduled", "pool", f"a slot of pool {DS}.gpu: 0 of 1 in use") in told
    assert any(wait["task_id"] is None and wait["run_id"] == "run13" for wait in waits["longest"])


def test_what_is_late_and_where_the_time_goes(world: Server, as_user: Client) -> None:
    found = home(as_user("lead"))
    (late,) = [each for each in found["late"] if each["dag_id"] == "ds_train"]
    assert (late["how"], late["run_id"], late["usual"]) == ("overruns", "run10", pytest.approx(360))
    costs = {cost["task_id"]: cost for cost in found["slowest"]}
    assert (costs["fit"]["tries"], costs["fit"]["failed"], costs["fit"]["total"]) == (2, 1, 180)
    assert {waste["task_id"]: waste["seconds"] for waste in found["wasteful"]} == {"fit": 60, "other": 30}
    assert sum(hour["count"] for hour in found["hours"]) >= 9


def test_what_tasks_used_is_told_against_what_they_may_use(world: Server, as_user: Client) -> None:
    found = home(as_user("viewer"))
    costs = {cost["task_id"]: cost for cost in found["slowest"]}
    fit, other = costs["fit"], costs["other"]
    assert (fit["cpu"], fit["busy"], fit["peak"], fit["slots"]) == (96, pytest.approx(96 / 180, abs=1e-4), 200 << 20, 1)
    assert (other["cpu"], other["busy"], other["peak"]) == (None, None, None), "of it nothing was measured"
    memory = found["memory"]
    assert (memory["limit"], memory["peak"]) == (240 << 20, 200 << 20)
    assert (memory["largest"]["dag_id"], memory["largest"]["task_id"]) == ("ds_train", "fit")
    assert memory["advice"].startswith("near the limit")
    assert home(as_user("emil"), DE)["memory"] == {"limit": 240 << 20, "peak": None, "largest": None, "advice": ""}


def test_an_asset_is_told_as_far_as_both_sides_consented(world: Server, as_user: Client) -> None:
    seen = {asset["name"]: asset for asset in home(as_user("lead"))["assets"]}
    consumed = seen["user_profiles"]
    assert (consumed["own"], consumed["owner"], consumed["users"]) == (False, "Data Engineering", ["ds_train"])
    assert (consumed["last"]["rows"], consumed["last"]["version"]) == (1234, "v7")
    assert (consumed["last"]["dag_id"], consumed["makers"], consumed["consumers"]) == (None, [], [])
    assert "de_only" not in seen
    assert "de_etl" not in json.dumps(seen)
    owned = {asset["name"]: asset for asset in home(as_user("emil"), DE)["assets"]}["user_profiles"]
    assert (owned["own"], owned["consumers"], owned["makers"]) == (True, ["Data Science"], ["de_etl.load"])
    assert owned["last"]["dag_id"] == "de_etl"
    assert "ds_train" not in json.dumps(owned)


def test_what_takes_too_long_is_left_out_and_holds_up_nothing_else(world: Server, as_user: Client) -> None:
    with database(world) as connection:
        connection.execute(text("LOCK TABLE asset_event IN ACCESS EXCLUSIVE MODE"))
        found = home(as_user("lead"))
    assert found["missing"] == ["assets"]
    assert (found["assets"], found["failures"]["total"]) == ([], 2)


def test_the_number_of_queries_does_not_grow(world: Server, as_user: Client) -> None:
    paths = (f"{API}/teams/{DS}", f"{API}/teams", f"{API}/platform")
    admin = as_user("admin")

    def queries() -> list[str]:
        return [admin.get(path).headers["x-queries"] for path in paths[:2]]

    before = queries()
    with database(world) as connection:
        grow(connection)
    assert queries() == before
    found = home(admin)
    assert found["failures"]["more"] is True
    assert [run["run_id"] for run in found["ran"]] == ["run11"] * 10, "however many there are, the ten newest"
    assert len(found["failures"]["tasks"]) == 10
    assert len(json.dumps(found)) < 100_000


def grow(connection: Connection) -> None:
    """Three hundred more Dags of DS with a failed task each, a thousand failures of one task, fifty more teams."""
    of_run = "t.dag_id = 'ds_train' AND t.run_id = 'run11'"
    recent = "CAST('f' || substr(CAST(gen_random_uuid() AS text), 2) AS uuid)"  # later than any key made by time
    many(connection, 300, "dag", "t.dag_id = 'ds_train'", "'dag_id', 'more' || n")
    many(connection, 300, "dag_run", of_run, "'dag_id', 'more' || n, 'id', 20000 + n")
    many(connection, 300, "task_instance", of_run, f"'dag_id', 'more' || n, 'id', {recent}")
    many(connection, 1000, "task_instance", of_run, f"'map_index', n, 'id', {recent}")
    connection.execute(text("INSERT INTO team (name) SELECT 'team_' || n FROM generate_series(1, 50) n"))


def many(connection: Connection, number: int, table: str, where: str, changes: str) -> None:
    """That row so many times, with changes that depend on ``n``."""
    rows = f"SELECT p.* FROM {table} t, generate_series(1, {number}) n"  # noqa: S608
    made = f"LATERAL jsonb_populate_record(t, jsonb_build_object({changes})) p"
    connection.execute(text(f"INSERT INTO {table} {rows}, {made} WHERE {where}"))
