from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

from rich.console import Console

from airspace.backends.airflow_rest import Run
from airspace.demo.artifacts import Artifact
from airspace.demo.claim import Claim, Observation
from airspace.demo.people import cast
from airspace.demo.progress import LiveDisplay, PlainDisplay, TeamProgress
from airspace.demo.report import Report
from airspace.model.roles import Role

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CLAIM = Claim("one", "one holds", lambda _context: Observation(True, "seen"))


def _run(dag_id: str, state: str) -> Run:
    return Run(dag_id, f"{dag_id}-1", state, "manual", "emil", NOW, NOW, NOW + timedelta(seconds=3))


def _report(*results: tuple[Claim, Observation]) -> Report:
    people = cast({"data_science": {"ada": Role.AUTHOR}}, {"ada": "ada's word"})
    return Report(
        url="http://localhost:8080",
        people=list(people.values()),
        views={"ada": {"dags": 1, "teams": ["data_science"], "connections": 1, "variables": 0, "pools": 2}},
        folders={"data_science": Path("/home/rocket/dags/data_science")},
        runs={"data_science": _run("ds_churn", "success")},
        spoiled=_run("de_player_warehouse", "failed"),
        artifacts=[Artifact("data_science", "churn_predictions", "file:///x", 12_345, "v1")],
        storage=Path("/home/storage"),
        dashboard=Path("/home/index.html"),
        results=results,
        seconds_to_ready=12.345,
        seconds_total=60.0,
    )


def test_the_document_has_the_promised_keys() -> None:
    document = _report((CLAIM, Observation(True, "seen"))).to_json()
    (ada,) = (user for user in document["users"] if user["name"] == "ada")
    assert ada == {
        "name": "ada",
        "password": "ada's word",
        "teams": ["data_science"],
        "role": "author",
        "platform_role": None,
        "roles": {"data_science": "author"},
        "sees": {"dags": 1, "teams": ["data_science"], "connections": 1, "variables": 0, "pools": 2},
    }
    assert document["teams"] == [{"name": "data_science", "dags_folder": "/home/rocket/dags/data_science"}]
    assert document["runs"] == [
        {"team": "data_science", "dag_id": "ds_churn", "run_id": "ds_churn-1", "state": "success", "seconds": 3.0}
    ]
    assert [run["state"] for run in document["expected_failures"]] == ["failed"]
    assert document["artifacts"][0]["rows"] == 12_345
    assert document["seconds_to_ready"] == 12.35
    assert document["dashboard"] == "file:///home/index.html"


def test_it_is_well_only_if_every_claim_holds_and_there_is_one() -> None:
    assert _report((CLAIM, Observation(True, "seen"))).ok
    assert not _report((CLAIM, Observation(True, "")), (CLAIM, Observation(False, ""))).ok
    assert not _report().ok


def test_people_read_who_may_sign_in_what_was_made_and_what_is_broken() -> None:
    text = io.StringIO()
    console = Console(file=text, width=160)
    _report((CLAIM, Observation(True, "seen")), (CLAIM, Observation(False, "it [does] not"))).show(console)
    shown = text.getvalue()
    sees = "1 Dag, 1 connection, 2 pools of data_science"
    for part in ("ada's word", sees, "12,345", "failed, as it should", "it [does] not", "/home/storage/TEAM"):
        assert part in shown
    assert "1 of 2 claims do not hold" in shown
    assert "airspace down" in shown


def test_plain_progress_is_one_line_a_change() -> None:
    text = io.StringIO()
    with PlainDisplay(Console(file=text, width=160)) as display:
        display.headline("Go")
        row = TeamProgress("data_science", "ds_churn", "running", ("train",), 2, 4, 1.0)
        display.show([row])
        display.show([row])
        display.show([TeamProgress("data_science", "ds_churn", "success", (), 4, 4, 2.0)])
    lines = [line.split("s  ", 1)[1] for line in text.getvalue().splitlines()]
    assert lines == ["Go", "data_science: ds_churn running (2/4) train", "data_science: ds_churn success"]


def test_the_live_board_keeps_the_steps_that_are_done() -> None:
    text = io.StringIO()
    with LiveDisplay(Console(file=text, width=160, force_terminal=True)) as display:
        display.headline("First")
        display.show([TeamProgress("data_science", "ds_churn", "running", ("train",), 2, 4, 1.0)])
        display.headline("Second")
    assert text.getvalue().count("✓") >= 2
