"""Removing a team over a real database: what goes, what stays, and what happens when it is cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.model.errors import AirspaceError
from airspace.teams import folders, markers
from airspace.teams.files import InvalidFilesError
from tests.integration.teams.conftest import Desk

pytestmark = pytest.mark.integration
CHILD = Path(__file__).with_name("removal_child.py")

LEAVER = """
name: leaver
members: {ann: lead}
connections: {warehouse: {type: postgres, host: h, password: {env: SECRET}}}
variables: {threshold: 0.7}
pools: {gpu: 2}
dags: {git: {url: 'https://git.example/leaving.git', password: {env: SECRET}}}
assets: {numbers: {consumers: [stays]}}
"""
STAYS = """
name: stays
members: {bob: lead}
connections: {warehouse: {type: postgres, host: other}}
dags: {git: {url: 'https://git.example/staying.git', password: {env: SECRET}}}
assets: {echo: {consumers: [leaver]}}
"""


def rows(desk: Desk, ask: str) -> list[Any]:
    with desk.engine.connect() as db:
        return list(db.execute(text(ask)).all())


def test_a_removal_that_is_killed_after_each_step_is_carried_on_with(desk: Desk) -> None:
    desk.environ["SECRET"] = "a-very-secret-word"
    desk.write("leaver", LEAVER)
    stays = desk.write("stays", STAYS)
    layout = desk.control.layout
    layout.secrets.mkdir(mode=0o700)
    desk.apply()
    clones = {team: source.remote.id for team, source in folders.read_sources(layout).items() if source.remote}
    for clone in clones.values():
        (layout.remotes / clone).mkdir(parents=True)
        (layout.remotes / f"{clone}.json").write_text("{}")
    before = rows(desk, "SELECT row_to_json(t)::text FROM connection t WHERE team_name = 'stays'")
    victims = Path(layout.storage / "leaver")
    (victims / "file").write_text("data")
    (victims / "away").symlink_to(layout.storage / "stays")
    (layout.storage / "stays" / "kept").write_text("kept")

    done = subprocess.run(
        [sys.executable, CHILD, layout.root, "leaver"],
        env=desk.control.env | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    archive = Path(json.loads(done.stdout.splitlines()[-1])["archive"]["path"])
    assert archive.exists()
    assert list(layout.exports.iterdir()) == [archive]
    assert b"a-very-secret-word" not in subprocess.run(["gzip", "-dc", archive], capture_output=True, check=True).stdout

    assert markers.begun(layout) == frozenset()
    assert not list(layout.leaving.iterdir())
    assert [path for path in layout.root.rglob("*leaver*") if path != archive] == []
    assert set(folders.read_sources(layout)) == {"stays"}
    assert set(json.loads(layout.source_credentials.read_text())["credentials"]) == {clones["stays"]}
    assert {path.name for path in layout.remotes.iterdir()} == {clones["stays"], f"{clones['stays']}.json"}
    assert (layout.storage / "stays" / "kept").read_text() == "kept"
    for table in ("team", "dag_bundle", "connection", "variable", "slot_pool", "airspace_team", "airspace_member",
                  "airspace_asset_grant", "airspace_hold"):  # fmt: skip
        assert rows(desk, f"SELECT 1 FROM {table} t WHERE row_to_json(t)::text LIKE '%leaver%'") == [], table  # noqa: S608
    assert rows(desk, "SELECT row_to_json(t)::text FROM connection t WHERE team_name = 'stays'") == before
    assert len(rows(desk, "SELECT 1 FROM log WHERE event = 'team_removed'")) == 1

    # Who still names it is told so; a new team of that name does not inherit the consent of the old one.
    (desk.directory / "leaver.yaml").unlink()
    with pytest.raises(InvalidFilesError) as refused:
        desk.apply()
    assert [problem.rule for problem in refused.value.problems] == ["unknown-team"]
    stays.write_text("name: stays\n")
    desk.write("leaver", "name: leaver\n")
    desk.apply()
    assert rows(desk, "SELECT 1 FROM airspace_asset_grant WHERE consumer = 'leaver'") == []


def test_a_team_that_is_leaving_cannot_be_applied_or_resumed(desk: Desk) -> None:
    desk.write("leaver", "name: leaver\n")
    desk.apply()
    desk.admin("hold-team", {"team": "leaver", "kind": "leaving", "stage": "drain"})
    for act in (
        desk.apply,
        lambda: desk.control.run_control("airspace.airflow.admin", ["release-team"], {"team": "leaver"}),
    ):
        with pytest.raises(AirspaceError, match="being removed") as refused:
            act()
        assert "airspace team remove leaver" in str(refused.value.fix)
    (team,) = desk.admin("read-teams")["teams"]
    assert team["hold"]["kind"] == "leaving"


def test_every_table_with_rows_of_teams_is_exported_or_left_out_by_name(airflow_env: dict[str, str]) -> None:
    """A table that a later Airflow adds has to be thought about."""
    script = (
        "from airspace.airflow.teams.belongings import *; from airspace.airflow.teams.exporting import *;"
        "whose = Whose('t', 't', ['d']);"
        "found = {t.name for t in tables() if theirs(t, whose) is not None};"
        "known = EXPORTED | set(LEFT_OUT);"
        "assert found == known, (found - known, known - found);"
        "assert not EXPORTED & set(LEFT_OUT)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=airflow_env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


HELD = """
import datetime as dt
from airflow import settings
from airflow.models import DagModel, DagRun
from airflow.models.asset import AssetDagRunQueue, AssetModel
from sqlalchemy import select, text
from airspace.airflow.scheduling.held import left_out
past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
with settings.get_session()() as session:
    for team in ("leaver", "stays"):
        for number in range(30 if team == "leaver" else 1):
            name = f"{team}_{number}"
            session.add(DagModel(dag_id=name, bundle_name=team, fileloc="f", is_paused=False, is_stale=False,
                has_import_errors=False, exceeds_max_non_backfill=False, max_active_runs=5, max_active_tasks=1,
                next_dagrun=past, next_dagrun_create_after=past, asset_expression={"any": []}, timetable_type="x"))
            session.add(DagRun(dag_id=name, run_id="r", run_type="manual", state="queued", run_after=past))
    asset = AssetModel(name="a", uri="a")
    session.add(asset)
    session.flush()
    session.add(AssetDagRunQueue(asset_id=asset.id, target_dag_id="leaver_0"))
    session.commit()

    def due():
        return {dag.dag_id for dag in DagModel.dags_needing_dagruns(session)[0].all()}, {
            run.dag_id for run in DagRun.get_queued_dag_runs_to_set_running(session)}

    with left_out(session):
        assert due() == ({"stays_0"}, {"stays_0"}), due()
        assert session.scalars(select(AssetDagRunQueue)).all() == []
    session.rollback()
    made, begun = due()
    assert any(name.startswith("leaver") for name in made) and any(name.startswith("leaver") for name in begun)
    assert len(session.scalars(select(AssetDagRunQueue)).all()) == 1
"""


def test_held_teams_do_not_fill_the_schedulers_limits(desk: Desk) -> None:
    """Thirty Dags of a suspended team that are due are no reason not to make the run of another one's."""
    for team in ("leaver", "stays"):
        desk.write(team, f"name: {team}\n")
    desk.apply()
    desk.admin("hold-team", {"team": "leaver", "kind": "suspended", "stage": "drain"})
    done = subprocess.run(
        [sys.executable, "-c", HELD], env=desk.control.env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]


LARGE = """
import json, sys
from pathlib import Path
from airflow import settings
from airflow.models import DagModel, DagRun
from sqlalchemy import text
from airspace.airflow.teams import exporting
exporting.LARGE, exporting._PIECE = 1000, 64
values = {
    "plain": json.dumps({"text": "a\\u0001b 'quoted' \\\\ %s :name \\u2028"}),
    "spaced": '{"a":\\n\\t1,\\r\\n"b": "x\\x7f"}',
    "large": json.dumps(["\\u00e4\\U0001f600" * 50, {"k": list(range(300))}], ensure_ascii=False),
}
with settings.get_session()() as session, session.begin():
    session.add(DagModel(dag_id="d", bundle_name="leaver", fileloc="f", max_active_tasks=1, timetable_type="x"))
    made = DagRun(dag_id="d", run_id="r", run_type="manual", state="success", conf={"big": "x" * 5000})
    session.add(made)
    session.flush()
    run = made.id
    session.execute(text("INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, pool, pool_slots,"
        " try_number, max_tries, queue, priority_weight, custom_operator_name, span_status)"
        " VALUES (gen_random_uuid(), 't', 'd', 'r', -1, 'leaver', 1, 0, 0, 'q', 1, '', 'x')"))
    for key, value in values.items():
        session.execute(text("INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_result, dag_id, run_id, value,"
            " timestamp) VALUES (:r, 't', -1, :k, false, 'd', 'r', :v, now())"), {"r": run, "k": key, "v": value})
found = exporting.export_team({"team": "leaver"})
folder = Path(found["folder"])
rows = {row["key"]: row["value"] for row in map(json.loads, (folder / "xcom.jsonl").read_bytes().splitlines())}
assert rows["plain"] == json.loads(values["plain"]) and rows["spaced"] == json.loads(values["spaced"]), rows
assert rows["large"]["left_out_bytes"] > 1000, rows["large"]
(large,) = found["large"]
assert json.loads((folder / large["file"]).read_text()) == json.loads(values["large"]) and large["key"] == "large"
(run_row,) = map(json.loads, (folder / "dag_run.jsonl").read_bytes().splitlines())
assert run_row["conf"]["left_out_bytes"] > 5000
assert found["rows"]["xcom"] == 3 and found["rows"]["dag"] == 1
assert "executor_config" not in (folder / "task_instance.jsonl").read_text()
"""


def test_values_of_any_size_and_content_are_exported_in_bounded_memory(desk: Desk) -> None:
    desk.write("leaver", "name: leaver\n")
    desk.apply()
    done = subprocess.run(
        [sys.executable, "-c", LARGE], env=desk.control.env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
