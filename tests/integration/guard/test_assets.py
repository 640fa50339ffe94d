"""Assets: events, state and what an alias stands for are the owner's, and a consumer's where the owner says so."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.integration.guard.conftest import DE, DS, Lab, Task

pytestmark = pytest.mark.integration

NOW = "2026-01-01T00:00:00Z"
DE_ONLY = {"name": "de_only", "uri": "s3://de/only"}


def outlet(kind: str, name: str | None = None, uri: str | None = None) -> dict[str, Any]:
    """A task's outlet in its report."""
    return {"type": kind, "name": name, "uri": uri}


def through(alias: str, name: str, uri: str) -> dict[str, Any]:
    """An event that a task posts through an alias."""
    event = {"dest_asset_key": {"name": name, "uri": uri}, "source_alias_name": alias, "extra": {"x": 1}}
    return {"task_outlets": [outlet("AssetAlias", alias)], "outlet_events": [{**event, "dest_asset_extra": {}}]}


def succeed(task: Task, **more: Any) -> httpx.Response:
    """Report success."""
    body = {"state": "success", "end_date": NOW, "task_outlets": [], "outlet_events": [], **more}
    return task.ask("PATCH", f"/task-instances/{task.ti}/state", json=body)


def events(lab: Lab, name: str) -> int:
    """How many events an asset has."""
    asked = "SELECT count(*) FROM asset_event e JOIN asset a ON a.id = e.asset_id WHERE a.name = :name"
    found: int = lab.value(asked, name=name)
    return found


FOREIGN: list[dict[str, Any]] = [
    {"task_outlets": [outlet("Asset", **DE_ONLY)]},
    {"task_outlets": [outlet("AssetNameRef", name="de_only")]},
    {"task_outlets": [outlet("AssetUriRef", uri="s3://de/only")]},
    {"task_outlets": [outlet("AssetUriRef", name="model", uri="s3://de/only")]},
    {"task_outlets": [outlet("Asset", "model", "s3://ds/model"), outlet("Asset", **DE_ONLY)]},
    {"task_outlets": [outlet("Asset", **DE_ONLY)], "outlet_events": [{"dest_asset_key": DE_ONLY, "extra": {"x": 1}}]},
    {"task_outlets": [outlet("Asset", "user_profiles", "user_profiles")]},
    {"task_outlets": [outlet("Asset", "nobodys_asset", "nobodys_asset")]},
    through("ds_alias", "de_only", "s3://de/only"),
    through("ds_alias", "user_profiles", "s3://somewhere/else"),
]


@pytest.mark.parametrize("report", FOREIGN, ids=str)
def test_no_event_is_posted_on_what_is_not_the_teams(lab: Lab, mine: Task, report: dict[str, Any]) -> None:
    watched = ("de_only", "user_profiles", "nobodys_asset", "model")
    before = [events(lab, name) for name in watched]
    answer = succeed(mine, **report)
    assert answer.status_code == 403
    assert "not team data_science's" in answer.json()["detail"]["message"]
    assert [events(lab, name) for name in watched] == before
    assert mine.state == "running", "the author sees why in the task's log, and the task fails"


def test_airflow_alone_would_hand_the_event_on(lab: Lab, mine: Task) -> None:
    before = events(lab, "de_only")
    with lab.unguarded():
        assert succeed(mine, **FOREIGN[0]).status_code == 204
    assert events(lab, "de_only") == before + 1


@pytest.mark.parametrize(
    ("dag_id", "report", "name"),
    [
        ("ds_train", {"task_outlets": [outlet("Asset", "model", "s3://ds/model")]}, "model"),
        ("ds_train", {"task_outlets": [outlet("AssetUriRef", uri="s3://ds/model")]}, "model"),
        ("de_etl", {"task_outlets": [outlet("Asset", **DE_ONLY)]}, "de_only"),
        ("de_etl", {"task_outlets": [outlet("Asset", "user_profiles", "user_profiles")]}, "user_profiles"),
        ("de_etl", through("de_alias", "de_only", "s3://de/only"), "de_only"),
        ("ds_train", through("ds_alias", "ds_made_up", "s3://ds/made-up"), "ds_made_up"),
    ],
    ids=str,
)
def test_owners_post_events_though_others_name_their_assets(
    lab: Lab, dag_id: str, report: dict[str, Any], name: str
) -> None:
    before = events(lab, name)
    answer = succeed(lab.task(dag_id), **report)
    assert answer.status_code == 204, answer.text
    assert events(lab, name) == before + 1


def test_what_a_task_made_up_it_updates_again(lab: Lab) -> None:
    for _ in range(2):
        assert succeed(lab.task("ds_train"), **through("ds_alias", "ds_again", "s3://ds/again")).status_code == 204
    assert events(lab, "ds_again") == 2


def test_what_one_team_made_up_is_not_another_teams(lab: Lab, theirs: Task) -> None:
    assert succeed(lab.task("ds_train"), **through("ds_alias", "ds_first", "s3://ds/first")).status_code == 204
    assert succeed(theirs, **through("de_alias", "ds_first", "s3://ds/first")).status_code == 403


def test_an_alias_is_everybodys_unless_a_file_names_it(lab: Lab) -> None:
    """So nobody keeps others from theirs by awaiting it, or by posting through it first."""
    report = through("open_alias", "model", "s3://ds/model")
    assert succeed(lab.task("ds_train"), **report).status_code == 204
    assert succeed(lab.task("de_etl"), **through("open_alias", "de_only", "s3://de/only")).status_code == 204
    named = {"name": DE, "assets": {"user_profiles": {"consumers": [DS]}, "open_alias": {}}}
    lab.sql("UPDATE airspace_team SET spec = :spec, applied_at = now() WHERE name = :de", spec=json.dumps(named), de=DE)
    assert succeed(lab.task("ds_train"), **report).status_code == 403
    assert succeed(lab.task("de_etl"), **through("open_alias", "de_only", "s3://de/only")).status_code == 204
    named["assets"] = {"user_profiles": {"consumers": [DS]}}
    lab.sql("UPDATE airspace_team SET spec = :spec, applied_at = now() WHERE name = :de", spec=json.dumps(named), de=DE)


def test_naming_what_another_team_made_through_an_alias_takes_nothing(lab: Lab, mine: Task) -> None:
    """No Dag says that it produces such an asset, and no file names it: whoever updated it first has it."""
    assert succeed(lab.task("de_etl"), **through("open_alias", "de_made", "s3://de/made")).status_code == 204
    claim = """INSERT INTO task_inlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at)
        SELECT id, 'ds_train', 't', now(), now() FROM asset WHERE name = 'de_made'"""
    lab.sql(claim)
    key = "/store/asset/by-name/value?name=de_made&key=seen"
    for path in ("/asset-events/by-asset?name=de_made&uri=", "/assets/by-name?name=de_made", key):
        assert mine.ask("GET", path).status_code == 403
    assert mine.ask("PUT", key, json={"value": 1}).status_code == 403
    assert succeed(lab.task("de_etl"), **through("open_alias", "de_made", "s3://de/made")).status_code == 204


def test_a_report_that_reads_two_ways_is_judged_as_airflow_reads_it(lab: Lab, mine: Task) -> None:
    path = f"/task-instances/{mine.ti}/state"
    foreign = f'"task_outlets": [{{"type": "Asset", "name": "de_only", "uri": "s3://de/only"}}], "end_date": "{NOW}"'
    twice = f'{{"state": "success", {foreign}, "task_outlets": [], "outlet_events": []}}'
    before = events(lab, "de_only")
    hidden = [
        f'{{"state": "success", "task_outlets": [], {foreign}, "outlet_events": []}}'.encode(),
        f'{{"state": "success", {foreign}, "outlet_events": []}}'.encode("utf-16"),
        f'{{"state": "success", {foreign.replace("task_outlets", "task_outl" + chr(92) + "u0065ts")}}}'.encode(),
        b"[" * 100_000,
        b"",
        b"\xff\xfe",
        b'"success"',
        b'{"state": "success", "task_outlets": {"type": "Asset"}}',
        b'{"state": "success", "task_outlets": [1]}',
        b'{"state": "success", "task_outlets": [], "outlet_events": [{"dest_asset_key": ["de_only"]}]}',
    ]
    for body in hidden:
        answer = mine.ask("PATCH", path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (403, 422), body[:80]
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = mine.ask("PATCH", path, content=hidden[0], headers={"content-type": kind})
        assert answer.status_code in (403, 422)
    chunked = mine.ask("PATCH", path, content=iter([hidden[0][:40], hidden[0][40:]]))
    assert chunked.status_code == 403
    assert mine.state == "running"
    last_wins = mine.ask("PATCH", path, content=twice, headers={"content-type": "application/json"})
    assert last_wins.status_code == 204
    assert events(lab, "de_only") == before


SHARED_READS = [
    "/assets/by-name?name=user_profiles",
    "/assets/by-uri?uri=user_profiles",
    "/asset-events/by-asset?name=user_profiles&uri=",
    "/asset-events/by-asset?name=&uri=user_profiles",
    "/store/asset/by-name/value?name=user_profiles&key=seen",
]


def test_a_consumer_reads_what_is_shared_and_changes_nothing(lab: Lab, mine: Task, theirs: Task) -> None:
    key = "/store/asset/by-name/value?name=user_profiles&key=seen"
    assert theirs.ask("PUT", key, json={"value": 7}).status_code == 204
    assert [mine.ask("GET", path).status_code for path in SHARED_READS] == [200] * len(SHARED_READS)
    assert mine.ask("PUT", key, json={"value": 8}).status_code == 403
    assert mine.ask("DELETE", key).status_code == 403
    assert mine.ask("DELETE", "/store/asset/by-name/clear?name=user_profiles").status_code == 403
    assert theirs.ask("GET", key).json() == {"value": 7}
    lab.sql("DELETE FROM airspace_asset_grant")
    lab.sql("UPDATE airspace_team SET applied_at = now()")
    try:
        assert [mine.ask("GET", path).status_code for path in SHARED_READS] == [403] * len(SHARED_READS)
        assert [theirs.ask("GET", path).status_code for path in SHARED_READS] == [200] * len(SHARED_READS)
    finally:
        lab.sql("INSERT INTO airspace_asset_grant VALUES (:de, 'user_profiles', :ds)", de=DE, ds=DS)
        lab.sql("UPDATE airspace_team SET applied_at = now()")
    assert mine.ask("GET", SHARED_READS[0]).status_code == 200


def test_events_show_no_other_teams_runs(lab: Lab, mine: Task, theirs: Task) -> None:
    assert succeed(lab.task("de_etl"), task_outlets=[outlet("Asset", "user_profiles", "user_profiles")]).is_success
    event = lab.value(
        "SELECT max(e.id) FROM asset_event e JOIN asset a ON a.id = e.asset_id AND name = 'user_profiles'"
    )
    for task in (mine, theirs):  # as if each had a run that this event started
        ask = "INSERT INTO dagrun_asset_event SELECT id, :event FROM dag_run WHERE run_id = :run"
        lab.sql(ask, event=event, run=task.run_id)
    for task in (mine, theirs):
        path = "/asset-events/by-asset?name=user_profiles&uri=&ascending=false&limit=1"
        (shown,) = task.ask("GET", path).json()["asset_events"]
        assert [run["run_id"] for run in shown["created_dagruns"]] == [task.run_id]


def test_an_alias_shows_what_may_be_read(lab: Lab, mine: Task, theirs: Task) -> None:
    for name in ("de_only", "user_profiles"):
        uri = "s3://de/only" if name == "de_only" else name
        assert succeed(lab.task("de_etl"), **through("de_alias", name, uri)).is_success
    for task, names in ((mine, {"user_profiles"}), (theirs, {"de_only", "user_profiles"})):
        assets = task.ask("GET", "/assets/by-alias?alias_name=de_alias").json()
        found = task.ask("GET", "/asset-events/by-asset-alias?name=de_alias").json()["asset_events"]
        assert {asset["name"] for asset in assets} == names
        assert {event["asset"]["name"] for event in found} == names
    assert mine.ask("GET", "/asset-events/by-asset-alias?name=no_such").json() == {"asset_events": []}
