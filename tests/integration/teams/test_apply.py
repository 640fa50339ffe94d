"""Team files made so in a real database through Airflow's own models."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.backends.tables import TeamRegistry, UserStore
from airspace.model.errors import AirspaceError
from airspace.model.roles import Role
from airspace.platform.places import known
from airspace.teams.files import InvalidFilesError
from tests.integration.teams.conftest import Desk, dump, everything

pytestmark = pytest.mark.integration

SCIENCE = """
name: data_science
title: Data Science
members: {ada: author, grace: lead}
connections:
  warehouse: {type: postgres, host: db.example, port: 5432, login: ds, schema: w, password: {env: DS_PASSWORD}}
  lake: {type: aws, extra: {region: eu, secret_key: {file: key.txt}}}
  hub: {uri: {env: HUB_URI}}
variables: {threshold: 0.7, words: [a, b], plain: hello, hidden: {env: DS_PASSWORD}}
pools: {gpu: 2}
slots: 8
limits: {memory: 4G, cpu: 2}
network: ["objects.example:443"]
assets:
  churn_predictions: {consumers: [data_analytics]}
  private: {consumers: []}
"""
ANALYTICS = "name: data_analytics\nmembers: {ana: lead}\n"
SECRETS = ("s3cr3t-one", "s3cr3t-key", "s3cr3t-hub", "s3cr3t-two")


@pytest.fixture
def rocket(desk: Desk) -> Desk:
    """Two teams, not yet applied."""
    desk.environ.update(DS_PASSWORD="s3cr3t-one", HUB_URI="http://bot:s3cr3t-hub@hub.example:8443/x?verify=true")
    (desk.directory / "key.txt").write_text("s3cr3t-key\n")
    desk.write("data_science", SCIENCE)
    desk.write("data_analytics", ANALYTICS)
    return desk


def rows(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    with desk.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def execute(desk: Desk, statement: str) -> None:
    with desk.engine.begin() as connection:
        connection.execute(text(statement))


def resources(outcome: Any) -> set[tuple[str, str, str]]:
    return {(c.team, c.resource, c.action.value) for c in outcome.changes}


def read_in_airflow(desk: Desk, expression: str) -> Any:
    script = f"import json, sys\nfrom airflow.models import Connection, Variable\nvalue = {expression}\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "print('@@' + json.dumps(value))"],
        env=desk.control.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rpartition("@@")[2])


def test_apply_makes_it_so_and_twice_is_once(rocket: Desk) -> None:
    planned, first = rocket.plan(), rocket.apply()
    assert planned.applied is False
    assert planned.changes == first.changes
    assert ("data_science", "team", "create") in resources(first)
    assert ("data_science", "bundle", "create") in resources(first)
    assert ("data_science", "connection warehouse", "create") in resources(first)
    assert len([c for c in first.changes if c.team == "data_science"]) == 14

    assert rows(rocket, "SELECT name FROM team ORDER BY 1") == [("data_analytics",), ("data_science",)]
    pools = "SELECT pool, slots, include_deferred, team_name FROM slot_pool WHERE pool <> 'default_pool' ORDER BY 1"
    assert rows(rocket, pools) == [
        ("data_analytics", 16, False, "data_analytics"),
        ("data_science", 8, False, "data_science"),
        ("data_science.gpu", 2, False, "data_science"),
    ]
    bundles = "SELECT dag_bundle_name, team_name, active FROM dag_bundle_team JOIN dag_bundle ON name = dag_bundle_name"
    assert ("data_science", "data_science", True) in rows(rocket, bundles)
    connections = rows(rocket, "SELECT conn_id, conn_type, host, port, team_name FROM connection ORDER BY 1")
    assert connections == [
        ("data_science.hub", "http", "hub.example", 8443, "data_science"),
        ("data_science.lake", "aws", None, None, "data_science"),
        ("data_science.warehouse", "postgres", "db.example", 5432, "data_science"),
    ]
    assert rocket.apply().changes == ()
    assert rocket.plan().changes == ()


def test_what_a_team_may_reach_is_named_and_recorded(rocket: Desk) -> None:
    rocket.apply()
    rocket.write("data_science", SCIENCE.replace('["objects.example:443"]', "open"))
    opened = rocket.apply()
    (change,) = opened.changes
    assert (change.before, change.after) == ({"network": ["objects.example:443"]}, {"network": "open"})
    assert "open-network" in {warning.rule for warning in opened.warnings}
    assert "open-network" in {warning.rule for warning in rocket.apply().warnings}, "each time"
    recorded = [json.loads(extra) for (extra,) in rows(rocket, "SELECT extra FROM log WHERE event = 'team_network'")]
    assert [(row["team"], row["before"], row["after"]) for row in recorded] == [
        ("data_science", [], ["objects.example:443"]),
        ("data_science", ["objects.example:443"], "open"),
    ]
    assert known(rocket.control.layout)["data_science"].network == ("open",)


def test_airflow_reads_what_was_written(rocket: Desk) -> None:
    rocket.apply()
    found = read_in_airflow(
        rocket,
        "[Connection.get_connection_from_secrets(n, team_name='data_science').get_uri() for n in "
        "('data_science.warehouse', 'data_science.lake', 'data_science.hub')] + "
        "[Variable.get(k, team_name='data_science') for k in "
        "('data_science.threshold', 'data_science.words', 'data_science.plain', 'data_science.hidden')]",
    )
    assert "s3cr3t-one" in found[0]
    assert "s3cr3t-key" in found[1]
    assert "bot:s3cr3t-hub@hub.example:8443" in found[2]
    assert found[3:] == ["0.7", '["a", "b"]', "hello", "s3cr3t-one"]


def test_folders_sources_copies_and_bells(rocket: Desk) -> None:
    own = rocket.directory / "dags" / "science"
    own.mkdir(parents=True)
    rocket.write("data_science", SCIENCE + "dags: {folder: dags/science}\n")
    rocket.apply()
    layout = rocket.control.layout
    assert json.loads(layout.sources.read_text()) == {
        "bundles": {
            "data_analytics": {"team": "data_analytics", "folder": str(layout.dags / "data_analytics")},
            "data_science": {"team": "data_science", "folder": str(own)},
        }
    }
    assert (layout.dags / "data_analytics").is_dir()
    assert not (layout.dags / "data_science").exists()
    for folder, mode in ((layout.bundles, 0o755), (layout.storage, 0o750)):
        assert stat.S_IMODE((folder / "data_science").stat().st_mode) == mode
    copy = layout.teams / "data_science.yaml"
    assert copy.read_bytes() == (rocket.directory / "data_science.yaml").read_bytes()
    assert copy.stat().st_mode & 0o007 == 0
    assert sorted(rocket.control.rung) == ["data_analytics", "data_science"]
    rocket.control.rung.clear()
    rocket.apply()
    assert rocket.control.rung == []


def test_registry_and_members_are_what_the_files_say(rocket: Desk) -> None:
    registry, users = TeamRegistry(rocket.engine), UserStore(rocket.engine)
    empty = registry.stamp()
    rocket.apply()
    stamp = registry.stamp()
    assert stamp != empty
    assert [(t.name, t.bundle, t.slots) for t in registry.teams()] == [
        ("data_analytics", "data_analytics", 16),
        ("data_science", "data_science", 8),
    ]
    assert registry.grants() == {("data_science", "churn_predictions"): frozenset({"data_analytics"})}
    assert users.members("data_science") == {"data_science": {"ada": Role.AUTHOR, "grace": Role.LEAD}}
    rocket.apply()
    assert registry.stamp() == stamp
    rocket.write("data_analytics", ANALYTICS + "slots: 4\n")
    rocket.apply()
    assert registry.stamp() != stamp


def test_a_changed_file_changes_just_that(rocket: Desk) -> None:
    rocket.apply()
    changed = SCIENCE.replace("slots: 8", "slots: 9").replace("ada: author", "ada: viewer").replace("{gpu: 2}", "{}")
    changed = changed.replace("threshold: 0.7, ", "").replace("consumers: [data_analytics]", "consumers: []")
    changed = "\n".join(line for line in changed.splitlines() if "lake" not in line and "private" not in line)
    rocket.write("data_science", changed)
    rocket.environ["DS_PASSWORD"] = "s3cr3t-two"
    rocket.control.rung.clear()
    outcome = rocket.apply()
    assert resources(outcome) == {
        ("data_science", "team", "update"),
        ("data_science", "member ada", "update"),
        ("data_science", "pool gpu", "delete"),
        ("data_science", "connection lake", "delete"),
        ("data_science", "connection warehouse", "update"),
        ("data_science", "variable threshold", "delete"),
        ("data_science", "variable hidden", "update"),
        ("data_science", "asset churn_predictions", "update"),
        ("data_science", "asset private", "delete"),
    }
    shown = {c.resource: (c.before, c.after) for c in outcome.changes}
    assert shown["team"] == ({"slots": 8}, {"slots": 9})
    assert shown["connection warehouse"] == ({"password": "secret set"}, {"password": "secret changed"})
    assert shown["variable threshold"] == ({"value": "0.7"}, None)
    # the consumer that lost the asset is told as well
    assert sorted(rocket.control.rung) == ["data_analytics", "data_science"]
    assert rocket.apply().changes == ()
    assert rows(rocket, "SELECT pool FROM slot_pool WHERE pool LIKE 'data_science%'") == [("data_science",)]


def test_no_secret_is_ever_said_or_stored_in_the_open(rocket: Desk) -> None:
    rocket.write("data_analytics", ANALYTICS + "connections: {w: {type: http, password: s3cr3t-two}}\n")
    said = [dump(rocket.plan().as_dict()), dump(rocket.apply().as_dict())]
    rocket.environ["DS_PASSWORD"] = "another"
    said += [dump(rocket.apply().as_dict()), dump(rocket.admin("read-teams"))]
    said += [str(row) for row in rows(rocket, "SELECT * FROM airspace_team")]
    said += [str(row) for row in rows(rocket, "SELECT val FROM variable")]
    said += [str(row) for row in rows(rocket, "SELECT password, extra FROM connection")]
    for secret in SECRETS:
        assert not any(secret in text for text in said)


def test_a_secret_left_out_is_gone(rocket: Desk) -> None:
    rocket.apply()
    rocket.write("data_science", SCIENCE.replace(", password: {env: DS_PASSWORD}", ""))
    [change] = rocket.apply().changes
    assert (change.before, change.after) == ({"password": "secret set"}, {"password": None})
    assert rows(rocket, "SELECT password FROM connection WHERE conn_id LIKE '%warehouse'") == [(None,)]


def test_drift_is_mended_and_not_quoted(rocket: Desk) -> None:
    rocket.apply()
    execute(rocket, "UPDATE connection SET host = 'private.example' WHERE conn_id = 'data_science.warehouse'")
    execute(rocket, "UPDATE slot_pool SET slots = 99 WHERE pool = 'data_science'")
    execute(rocket, "UPDATE dag_bundle SET active = false WHERE name = 'data_science'")
    execute(rocket, "DELETE FROM airspace_member WHERE user_name = 'ada'")
    outcome = rocket.apply()
    shown = {c.resource: (c.before, c.after) for c in outcome.changes}
    assert shown.keys() == {"team", "bundle", "member ada", "connection warehouse"}
    assert shown["connection warehouse"] == ({"host": "changed outside the file"}, {"host": "db.example"})
    assert rocket.apply().changes == ()


def test_what_the_file_never_named_is_left_alone(rocket: Desk) -> None:
    rocket.apply()
    insert = "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted, team_name) VALUES "
    execute(
        rocket,
        insert + "('data_science.mine', 'http', false, false, 'data_science'), ('w', 'http', false, false, NULL)",
    )
    execute(rocket, "INSERT INTO variable (key, val, is_encrypted, team_name) VALUES ('data_science.x', '1', false, 'data_science')")  # fmt: skip # noqa: E501
    rocket.write("data_science", "name: data_science\n")
    rocket.apply()
    assert rows(rocket, "SELECT conn_id FROM connection ORDER BY 1") == [("data_science.mine",), ("w",)]
    assert rows(rocket, "SELECT key FROM variable") == [("data_science.x",)]


def test_a_name_taken_by_somebody_else_refuses_everything(rocket: Desk) -> None:
    execute(
        rocket,
        "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) VALUES "
        "('data_science.warehouse', 'http', false, false)",
    )
    execute(rocket, "INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('data_analytics', 1, false)")
    with pytest.raises(AirspaceError) as refused:
        rocket.apply()
    assert "connection data_science.warehouse" in refused.value.message
    assert "pool data_analytics" in refused.value.message
    assert rows(rocket, "SELECT name FROM team") == []


def test_an_asset_is_one_teams(rocket: Desk, tmp_path: Path) -> None:
    """By its file, or because its Dags made it first; the other team's file cannot take it, from no other folder."""
    rocket.apply()
    named = TeamRegistry(rocket.engine).assets()
    assert named == {"churn_predictions": frozenset({"data_science"}), "private": frozenset({"data_science"})}
    apart = replace(rocket, directory=tmp_path / "apart")
    apart.directory.mkdir()
    apart.write("data_analytics", ANALYTICS + "assets: {private: {}, revenue: {}}\n")
    teams = ("data_science", "data_analytics")
    before = {team: everything(rocket, team) for team in teams}
    with pytest.raises(AirspaceError, match="private of team data_analytics: the file of team data_science"):
        apart.apply()
    assert {team: everything(rocket, team) for team in teams} == before
    rocket.write("data_analytics", ANALYTICS + "assets: {private: {}, revenue: {}}\n")
    with pytest.raises(InvalidFilesError):
        rocket.apply()
    assert {team: everything(rocket, team) for team in teams} == before
    rocket.write("data_analytics", ANALYTICS + "assets: {revenue: {}}\n")
    produced = """
        INSERT INTO dag (dag_id, is_paused, bundle_name, is_stale, timetable_type, max_active_tasks,
            partition_mapper_info, has_task_concurrency_limits, max_consecutive_failed_dag_runs)
            VALUES ('makes', false, 'data_science', false, '', 1, '{}', false, 0);
        INSERT INTO asset (id, name, uri, "group", extra, created_at, updated_at)
            VALUES (1, 'revenue', 'revenue', 'asset', '{}', now(), now());
        INSERT INTO task_outlet_asset_reference
            (asset_id, dag_id, task_id, allow_global_consumers, created_at, updated_at)
            VALUES (1, 'makes', 't', false, now(), now())
    """
    execute(rocket, produced)
    with pytest.raises(AirspaceError, match="revenue of team data_analytics: Dags of team data_science produce it"):
        rocket.apply()
    execute(rocket, "UPDATE dag SET is_stale = true")
    rocket.apply()
    assert TeamRegistry(rocket.engine).assets()["revenue"] == {"data_analytics"}


def test_teams_in_other_folders_stay(rocket: Desk) -> None:
    rocket.apply()
    (rocket.directory / "data_analytics.yaml").unlink()
    rocket.write("data_science", SCIENCE.replace("slots: 8", "slots: 5"))
    assert resources(rocket.apply()) == {("data_science", "team", "update")}
    assert len(rows(rocket, "SELECT * FROM airspace_team")) == 2
    assert set(json.loads(rocket.control.layout.sources.read_text())["bundles"]) == {"data_analytics", "data_science"}


def test_a_broken_file_applies_nothing(rocket: Desk) -> None:
    rocket.write("data_analytics", "name: data_analytics\nmembres: {}\n")
    with pytest.raises(InvalidFilesError):
        rocket.apply()
    assert rows(rocket, "SELECT name FROM team") == []
    assert not rocket.control.layout.sources.exists()


@pytest.mark.parametrize("place", ["bundles", "storage", "dags", "teams"])
def test_cut_off_anywhere_applying_again_heals(rocket: Desk, place: str) -> None:
    folder: Path = getattr(rocket.control.layout, place)
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(AirspaceError):
        rocket.apply()
    folder.unlink()
    folder.mkdir()
    rocket.control.rung.clear()
    rocket.apply()
    assert set(rocket.control.rung) == {"data_analytics", "data_science"}
    assert rocket.apply().changes == ()
    assert set(json.loads(rocket.control.layout.sources.read_text())["bundles"]) == {"data_analytics", "data_science"}
    for kept in (rocket.control.layout.bundles, rocket.control.layout.storage, rocket.control.layout.dags):
        assert (kept / "data_science").is_dir()
    assert (rocket.control.layout.teams / "data_science.yaml").is_file()


def test_two_at_once_converge(rocket: Desk) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = [work.result() for work in [pool.submit(rocket.apply), pool.submit(rocket.apply)]]
    assert sorted(len(outcome.changes) > 0 for outcome in outcomes) == [False, True]
    assert rocket.apply().changes == ()


def test_two_workers_at_once_are_kept_apart_by_the_database(rocket: Desk) -> None:
    from airspace.teams.service import load

    loaded = load(rocket.directory, rocket.control.layout, rocket.environ)
    payload = {"teams": [team.desired.as_dict() for team in loaded.teams], "sources": {}}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: rocket.admin("apply-teams", payload), range(2)))
    assert not any("error" in answer for answer in answers)
    assert sorted(len(answer["changes"]) > 5 for answer in answers) == [False, True]


def test_what_a_file_says_of_the_warehouse_is_a_change_like_others(desk: Desk) -> None:
    text = "name: {}\nassets: {{churn: {{consumers: [{}], tables: [{}]}}}}\nwarehouse: {{seconds: {}}}\n"
    desk.write("ops", "name: ops\n")
    desk.write("sci", text.format("sci", "ops", "scores", 60))
    made = {change.resource: change.after for change in desk.apply().changes if change.team == "sci"}
    assert made["asset churn"] == {"consumers": ["ops"], "tables": ["scores"]}
    assert (made["team"] or {})["warehouse"] == {"seconds": 60}
    assert desk.plan().changes == ()
    desk.write("sci", text.format("sci", "", "scores, more", 90))
    found = {change.resource: (change.before, change.after) for change in desk.apply().changes}
    assert found["asset churn"] == (
        {"consumers": ["ops"], "tables": ["scores"]},
        {"consumers": [], "tables": ["more", "scores"]},
    )
    assert found["team"] == ({"warehouse": {"seconds": 60}}, {"warehouse": {"seconds": 90}})
    assert desk.plan().changes == ()
