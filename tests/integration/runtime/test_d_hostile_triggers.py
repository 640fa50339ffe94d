"""Triggers that mean harm: they are told of their own team's things, speak for themselves, and end alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import psutil
import pytest
from sqlalchemy import text

from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.triggers import (
    deferred,
    defers,
    ended,
    results,
    runners,
    start,
    waited_for,
)

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]


def test_a_trigger_is_told_of_nobody_elses_things(teams: Home) -> None:
    start(teams, {"two_secret": defers("wait")})
    ended(teams, "two_secret")
    (run,) = teams.rows("SELECT run_id FROM dag_run WHERE dag_id='two_secret'")
    (ti,) = teams.rows("SELECT id FROM task_instance WHERE dag_id='two_secret'")
    dag = {"dag_id": "two_secret"}
    place = {**dag, "run_id": run.run_id, "task_id": "wait", "key": "return_value"}
    asked = [
        ("GetConnection", {"conn_id": "two.warehouse"}), ("GetVariable", {"key": "two.threshold"}),
        ("PutVariable", {"key": "two.threshold", "value": "x", "description": None}),
        ("GetXCom", place), ("SetXCom", {**place, "value": 1}), ("DeleteXCom", place),
        ("GetDagRunState", {**dag, "run_id": run.run_id}), ("GetDRCount", dag), ("GetTICount", dag),
        ("GetTaskStates", dag), ("GetPreviousTI", {**dag, "task_id": "wait"}),
        ("GetHITLDetailResponse", {"ti_id": str(ti.id)}),
        ("UpdateHITLDetail", {"ti_id": str(ti.id), "chosen_options": ["x"], "params_input": {}}),
        ("GetAssetStateStoreByName", {"name": "two_asset", "key": "x"}),
        ("SetAssetStateStoreByUri", {"uri": "two_asset", "key": "x", "value": 1}),
        ("MaskSecret", {"value": "airflow"}),
    ]  # fmt: skip
    start(teams, {"one_told": defers("told", {"messages": asked}), "two_told": defers("told", {"messages": asked})})
    assert ended(teams, "one_told") == ended(teams, "two_told") == {"told": "success"}
    told, theirs = (results(teams, dag_id)["told"] for dag_id in ("one_told", "two_told"))
    assert isinstance(told, list)
    assert isinstance(theirs, list)
    for (kind, _), answer, positive in zip(asked, told, theirs, strict=True):
        if kind in ("GetConnection", "GetVariable"):
            assert "NOT_FOUND" in answer, (kind, answer)
            assert "of-two" in positive, (kind, positive)
        elif kind == "PutVariable":  # a variable of its own, by that name
            assert teams.rows("SELECT team_name FROM variable WHERE key='one.two.threshold'")[0].team_name == "one"
        elif kind != "MaskSecret":
            assert "PERMISSION_DENIED" in answer, (kind, answer)
            asset = "Asset" in kind or "HITL" in kind  # there is none
            assert asset or "PERMISSION_DENIED" not in positive, (kind, positive)
    assert "Team one has no Dag 'two_secret', and this trigger is of team one" in told[3]


def test_a_runner_speaks_for_its_own_triggers_only(teams: Home) -> None:
    start(teams, {"two_held": defers("for_ever")})
    deferred(teams, "two_held")
    (held,) = teams.rows("SELECT trigger_id AS id FROM task_instance WHERE dag_id='two_held'")
    start(teams, {"one_forger": defers("forges", {"others": [held.id, "x", -1]})})
    ended(teams, "one_forger")
    start(teams, {"one_forger2": defers("forges", {"others": [held.id]})})
    assert ended(teams, "one_forger2") == {"forges": "success"}
    assert teams.states("two_held") == {"for_ever": "deferred"}
    assert "forged" not in teams.task_log("two_held", "for_ever")


# What a hostile trigger does, and what its task's log then says of it.
HOSTILE = {
    "bad1": (defers("raw", {"bytes": "00000005c1c1c1c1c1"}), "no message of Airflow's"),
    "bad2": (defers("raw", {"bytes": "40000000" + "00" * 100}), "may take 8: hand on"),
    "bad3": (defers("blocks"), "it said nothing for 5 s"),
    "bad4": (defers("dies"), "exit code 3"),
    "bad5": (defers("bombs"), "it said nothing for|ended by SIG"),
    "bad6": (defers("chatters"), "logged too much"),
    "bad7": (defers("asks"), ""),
}


def test_a_hostile_trigger_ends_alone_and_delays_nobody(teams: Home, record_property: Record) -> None:
    triggerer = psutil.Process(teams.processes["triggerer"].pid)
    before = triggerer.memory_info().rss
    start(teams, {f"{team}_x": body for team, (body, _) in HOSTILE.items()})
    start(teams, {"two_beside": "".join(defers("wait", {"seconds": 3}, f"w{n}") for n in range(3))})
    assert set(ended(teams, "two_beside").values()) == {"success"}
    waited = sorted(waited_for(teams, "two_beside", f"w{number}") for number in range(3))
    record_property("a trigger of 3 s beside seven hostile ones", round(waited[1], 2))
    assert waited[1] < 8.0
    for team, (_, reason) in HOSTILE.items():
        ((_, task_id),) = teams.rows("SELECT 1, task_id FROM task_instance WHERE dag_id=:d", d=f"{team}_x")
        wait_for(lambda d=f"{team}_x", t=task_id, r=reason: re.search(r, teams.task_log(d, t)))  # type: ignore[misc]
    # One that falls again and again fails, and says why.
    assert ended(teams, "bad4_x") == {"dies": "failed"}
    teams.await_log("bad4_x", "dies", "That was so 5 times, so the trigger fails")
    assert teams.processes["triggerer"].poll() is None
    grown = (triggerer.memory_info().rss - before) / 1024**2
    record_property("triggerer grew by MB", round(grown))
    assert grown < 150
    with teams.engine.begin() as db:
        db.execute(text("UPDATE task_instance SET state='failed' WHERE dag_id LIKE 'bad%'"))
    wait_for(lambda: not runners("bad"), 60)


def test_a_trigger_of_no_team_never_runs(teams: Home) -> None:
    start(teams, {"gone_x": defers("for_ever")})
    deferred(teams, "gone_x")
    with teams.engine.begin() as db:
        db.execute(text("DELETE FROM dag_bundle_team WHERE team_name='gone'"))
    assert ended(teams, "gone_x") == {"for_ever": "failed"}
