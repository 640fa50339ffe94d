"""A team that gets another name, over a real database: what goes along, what is refused, and being cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.platform.renaming import HomeRenamer
from airspace.sdk.layout import AssetLayout
from airspace.sdk.reading import read_published
from airspace.teams import folders, former, removal, renames, renaming
from airspace.teams.renaming_checks import Options, preview
from tests.integration.teams.conftest import Desk
from tests.integration.teams.moving_child import ROWS
from tests.integration.teams.test_moving import publish, rows

pytestmark = pytest.mark.integration
CHILD = Path(__file__).with_name("renaming_child.py")

OLD = """
name: old   # who had it
members: {ann: lead}
pools: {gpu: 2}
connections:
  db: {type: postgres, host: db.example, login: somebody, password: {env: SECRET}}
variables: {threshold: 0.7}
network: ["db.example:5432"]
assets:
  numbers: {consumers: [third]}
"""
THIRD = "name: third\nassets:\n  sales:\n    consumers:\n      - old   # they asked\n"
MORE = """
INSERT INTO dag_code (id, dag_id, fileloc, source_code, source_code_hash, created_at, last_updated, dag_version_id)
 SELECT gen_random_uuid(), dag_id, '{bundles}/old/stays.py', '# of old', 'x', now(), now(), id FROM dag_version
 WHERE dag_id = 'stays';
UPDATE dag SET fileloc = '{bundles}/old/' || relative_fileloc;
INSERT INTO asset_event (asset_id, extra, source_dag_id, source_task_id, source_run_id, source_map_index, timestamp)
 SELECT id, '{{"uri": "file://{storage}/old/published/numbers/v1", "said": "\\u0000 old"}}', 'goes', 'own', 'success',
 -1, now() FROM asset;
INSERT INTO dag_schedule_asset_reference (asset_id, dag_id, allow_producer_teams, allow_global_producers, created_at,
 updated_at) SELECT id, 'stays', '["third", "old"]', false, now(), now() FROM asset;
INSERT INTO import_error (bundle_name, filename, stacktrace, timestamp) VALUES ('old', 'wrong.py', 'no', now());
INSERT INTO callback (id, type, fetch_method, data, state, created_at, priority_weight, bundle_name)
 VALUES (gen_random_uuid(), 'dag_processor', 'dag_attribute', '{{}}', 'pending', now(), 1, 'old');
INSERT INTO variable (key, val, is_encrypted, team_name) VALUES ('old.mine', 'kept', false, 'old');
INSERT INTO log (event, extra, dttm) VALUES ('team_network', '{{"team": "old", "before": []}}', now());
"""


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    desk.environ["SECRET"] = "of-the-old-one"
    for name, content in (("old", OLD), ("third", THIRD), ("olds", "name: olds\nvariables: {mine: 1}\n")):
        desk.write(name, content)
    desk.apply()
    (desk.layout.dags / "old" / "sub").mkdir()
    for file in ("sub/goes.py", "stays.py"):
        (desk.layout.dags / "old" / file).write_text("1")
    return desk


def more(desk: Desk) -> None:
    bundles, storage = desk.layout.bundles, desk.layout.storage
    with desk.engine.begin() as db:
        for statement in MORE.format(bundles=bundles, storage=storage).split(";\n"):
            if statement.strip():
                db.exec_driver_sql(statement.replace("%", "%%"))


def says_old(desk: Desk) -> dict[str, list[str]]:
    """Every row of every table in which the old name stands as a word of its own."""
    found = {}
    for (table,) in rows(desk, "SELECT tablename FROM pg_tables WHERE schemaname='public'"):
        said = "row_to_json(t)::text ~ '(^|[^a-z#])old([^a-z]|$)'"
        if there := rows(desk, f'SELECT row_to_json(t)::text FROM "{table}" t WHERE {said}'):  # noqa: S608
            found[table] = [row for (row,) in there]
    return found


def test_a_renaming_that_is_killed_before_and_after_each_step_is_carried_on_with(stocked: Desk) -> None:
    layout = stocked.layout
    publish(stocked, "old", "numbers")
    (layout.storage / "old" / "own").write_text("of the team")
    secret = rows(stocked, "SELECT password FROM connection WHERE conn_id='old.db'")
    done = subprocess.run(
        [sys.executable, CHILD, layout.root],
        env=stocked.control.env | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["unread"] == []
    assert found["files"]["by_hand"] == {}

    # Nothing says the old name but what says that it was renamed.
    left = says_old(stocked)
    assert set(left) == {"log"}, left
    assert len(rows(stocked, "SELECT 1 FROM log WHERE event='team_renamed'")) == 1
    assert rows(stocked, "SELECT DISTINCT bundle_name FROM dag_version") == [("fresh",)]
    assert rows(stocked, "SELECT DISTINCT pool FROM task_instance ORDER BY 1") == [("fresh",), ("fresh.gpu",)]
    assert rows(stocked, "SELECT conn_id, password, team_name FROM connection") == [
        ("fresh.db", secret[0][0], "fresh")]  # fmt: skip
    assert secret[0][0] not in (None, "of-the-old-one")
    assert rows(stocked, "SELECT key FROM variable ORDER BY 1") == [("fresh.threshold",), ("olds.mine",)]
    assert rows(stocked, "SELECT name, title, bundle FROM airspace_team WHERE name='fresh'") == [
        ("fresh", "Fresh", "fresh")]  # fmt: skip
    assert rows(stocked, "SELECT team, user_name FROM airspace_member") == [("fresh", "ann")]
    assert rows(stocked, "SELECT team, asset, consumer FROM airspace_asset_grant ORDER BY 1") == [
        ("fresh", "numbers", "third"), ("third", "sales", "fresh")]  # fmt: skip
    assert rows(stocked, "SELECT 1 FROM airspace_hold") == []

    assert read_published(AssetLayout(layout.storage, "fresh", "numbers")).ref == "fresh/numbers/v1"
    assert (layout.storage / "fresh" / "own").read_text() == "of the team"
    for folder in (layout.storage, layout.dags, layout.bundles, layout.teams, stocked.directory):
        assert [path.name for path in folder.iterdir() if path.stem == "old"] == []
    assert (layout.bundles / "fresh" / "sub" / "goes.py").is_file()
    assert stocked.plan().changes == ()
    assert (stocked.directory / "fresh.yaml").read_text() == OLD.replace("name: old ", "name: fresh ")
    assert "- fresh   # they asked" in (stocked.directory / "third.yaml").read_text()
    assert [path.name for path in layout.renaming.iterdir()] == [".lock"]

    # A later team of that name is a new one.
    stocked.write("old", "name: old\n")
    stocked.apply()
    assert rows(stocked, "SELECT count(*) FROM airspace_asset_grant WHERE 'old' IN (team, consumer)") == [(0,)]
    assert former.read(layout) == {}


def test_everything_of_a_team_says_the_new_name_and_a_suspended_one_stays_so(
    stocked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock in ("HEARD_SECONDS", "FORGOTTEN_SECONDS", "FETCH_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(renaming, clock, 0.0)
    monkeypatch.setattr("airspace.platform.renaming._FETCHER_SECONDS", 0.0)
    with stocked.engine.begin() as db:
        for statement in ROWS.split(";\n"):
            if statement.strip():
                db.execute(text(statement))
    more(stocked)
    stocked.admin("hold-team", {"team": "old", "kind": "suspended", "stage": "drain", "reason": "unpaid"})
    since = rows(stocked, "SELECT since FROM airspace_hold")
    found = preview(machine(stocked), HomeRenamer(stocked.layout), "old", "fresh", Options())
    assert found["problems"] == []
    assert found["code"] == [{"team": "old", "file": "stays.py"}]
    renaming.rename(machine(stocked), HomeRenamer(stocked.layout), "old", "fresh")
    left = says_old(stocked)
    assert set(left) == {"log", "dag_code", "asset_event"}, left
    assert ["team_renamed" in row for row in left["log"]] == [True]
    assert f"file://{stocked.layout.storage}/fresh/published" in left["asset_event"][0]
    assert "\\u0000 old" in left["asset_event"][0]
    assert rows(stocked, "SELECT allow_producer_teams::text FROM dag_schedule_asset_reference") == [
        ('["third", "fresh"]',)]  # fmt: skip
    assert rows(stocked, "SELECT fileloc FROM dag WHERE dag_id='goes'") == [
        (f"{stocked.layout.bundles}/fresh/sub/goes.py",)]  # fmt: skip
    assert rows(stocked, "SELECT team, kind, stage, reason FROM airspace_hold") == [
        ("fresh", "suspended", "drain", "unpaid")]  # fmt: skip
    assert rows(stocked, "SELECT since FROM airspace_hold") == since
    assert stocked.plan().changes == ()


def machine(desk: Desk) -> Any:
    """The worker, and sandboxes in which nothing runs."""
    control = desk.control
    control.end_work = lambda *_: None
    return control


def _renamed(desk: Desk, team: str = "old", name: str = "fresh", drain: float | None = None) -> Any:
    return renaming.rename(machine(desk), HomeRenamer(desk.layout), team, name, Options(drain))


def test_everything_that_stands_in_the_way_is_told_at_once_and_nothing_is_changed(stocked: Desk) -> None:
    with stocked.engine.begin() as db:
        for statement in ROWS.split(";\n"):
            if statement.strip():
                db.execute(text(statement))
        db.execute(text("UPDATE dag_run SET state='running' WHERE dag_id='goes' AND run_id='queued'"))
        db.execute(text("INSERT INTO dag_tag (dag_id, name) VALUES ('goes', 'team:old')"))
        db.execute(text("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('fresh', 1, false)"))
        db.execute(text("INSERT INTO variable (key, val, is_encrypted) VALUES ('fresh.x', 'y', false)"))
    (stocked.directory / "fresh.yaml").write_text("name: fresh\n")
    (stocked.layout.storage / "fresh").mkdir()
    (stocked.layout.dags / "fresh").mkdir()
    before = rows(stocked, "SELECT row_to_json(d)::text FROM dag d"), rows(stocked, "SELECT * FROM airspace_team")
    with pytest.raises(InvalidInputError) as refused:
        _renamed(stocked)
    for word in (
        "a pool of that name already: fresh", "a variable of that name already: fresh.x", "tag team:old: goes",
        "storage/fresh is there", "dags/fresh is there", "fresh.yaml is there", "1 runs have begun",
    ):  # fmt: skip
        assert word in refused.value.message, (word, refused.value.message)
    for team, name, word in (
        ("old", "old", "is called old already"),
        ("olt", "fresh", "did you mean old"),
        ("old", "third", "there is a team third already"),
        ("old", "th1rd", "looks like the team third"),
        ("old", "Fresh-One", "did you mean fresh_one"),
        ("old", "airflow", "means something else"),
        ("old", "../x", "no team can be called"),
    ):
        with pytest.raises(InvalidInputError, match=word):
            _renamed(stocked, team, name)
    with (
        folders.locked_file(stocked.layout.renaming / ".lock", "busy", 1.0),
        pytest.raises(AirspaceError, match="another team is being renamed"),
    ):
        _renamed(stocked)
    assert before == (
        rows(stocked, "SELECT row_to_json(d)::text FROM dag d"), rows(stocked, "SELECT * FROM airspace_team")
    )  # fmt: skip
    assert renames.begun(stocked.layout) == []
    assert rows(stocked, "SELECT 1 FROM airspace_hold") == []


def test_while_it_is_under_way_nobody_is_given_either_name_and_it_can_be_taken_back(
    stocked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = renaming.await_running

    def began(work: Any) -> None:
        with stocked.engine.begin() as db:
            db.execute(text(ROWS.split(";\n", maxsplit=1)[0]))
            run = "INSERT INTO dag_run (dag_id, run_id, run_type, state, run_after, clear_number)"
            db.execute(text(f"{run} VALUES ('goes', 'r', 'manual', 'running', now(), 0)"))
        wait(work)

    steps = tuple((name, began if name == "drain" else act) for name, act in renaming.STEPS)
    monkeypatch.setattr(renaming, "STEPS", steps)
    with pytest.raises(AirspaceError, match="1 runs have begun meanwhile") as stopped:
        _renamed(stocked)
    assert "airspace team rename old fresh --drain" in str(stopped.value.fix)
    stocked.write("fresh", "name: fresh\n")
    with pytest.raises(InvalidInputError, match="old is getting the name fresh"):
        stocked.apply()
    (stocked.directory / "fresh.yaml").unlink()
    with pytest.raises(InvalidInputError, match="old is getting the name fresh"):
        removal.remove_team(machine(stocked), "old")
    with pytest.raises(InvalidInputError, match="old is getting the name fresh"):
        _renamed(stocked, "third", "fresh")
    for command in ("release-team", "hold-team"):
        answer = stocked.admin(command, {"team": "old", "kind": "suspended", "stage": "halt"})
        assert "is being renamed" in answer["error"]["message"]
    transfer = {"dags": ["goes"], "team": "old", "target": "third"}
    told = stocked.admin("preview-transfer", transfer)["problems"]
    assert "team old is being renamed" in [each["message"] for each in told]

    renaming.cancel(stocked.control, "old", "fresh")
    assert rows(stocked, "SELECT 1 FROM airspace_hold") == []
    assert renames.begun(stocked.layout) == []
    with pytest.raises(InvalidInputError, match="nobody has begun"):
        renaming.cancel(stocked.control, "old", "fresh")
    assert stocked.apply().changes == ()
