"""Triggers in their team's sandbox: everything that defers resumes, whatever is killed meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.triggers import (
    CHILD,
    MISS,
    STANDARD,
    WATCHES,
    deferred,
    defers,
    ended,
    process,
    results,
    runners,
    start,
    waited_for,
)

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]


def test_whatever_defers_resumes(teams: Home) -> None:
    (teams.layout.storage / "one" / "there").write_text("x")
    teams.write_dag("one", "child.py", CHILD)
    teams.write_dag("one", "watches.py", WATCHES)
    start(teams, {"one_all": STANDARD})
    states = ended(teams, "one_all", 240)
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"bad", "huge"}, [teams.task_log("one_all", task)[-2000:] for task in failed - {"bad", "huge"}]
    teams.await_log("one_all", "bad", "as it should")
    teams.await_log("one_all", "huge", "its event takes 3,000,0")
    teams.await_log("one_all", "wait", "waited")
    said = results(teams, "one_all")
    assert said["wait"] == said["from_trigger"] == "waited"
    assert said["names"] == ["host-of-one", "of-one", "by a trigger", "threshold", "written", "gone"]
    assert results(teams, "one_all", "from_trigger") == {"success": "7"}
    inside = said["environment"]
    assert isinstance(inside, dict)
    assert not [name for name in inside["names"] if "KEY" in name or name in ("AIRSPACE_HOME", "AIRSPACE_RUN")]
    assert "airspace triggers: one" in inside["processes"]
    assert not [title for title in inside["processes"] if "two" in title or "triggerer" in title]
    # Nobody knows whose it was: the logs of those that waited then say it.
    line = "network: in-a-trigger.example is not on the list of team one"
    wait_for(lambda: any(line in teams.task_log("one_all", task) for task in states))

    start(teams, {"one_flag": defers("flag")})
    assert ended(teams, "one_hears") == {"hear": "success"}
    (teams.layout.bundles / "one" / "watches.py").unlink()
    teams.ring("one")


def test_a_missed_deadlines_callback_runs_in_its_dags_team(teams: Home) -> None:
    subprocess.run([sys.executable, "-c", MISS, "one_all"], env=teams.env, check=True, capture_output=True)
    ask = "SELECT output FROM callback WHERE state='success' AND type='triggerer'"
    said = wait_for(lambda: teams.rows(ask))
    assert said[0].output == "{one,x,one_all}"
    with teams.engine.begin() as db:
        db.execute(text("DELETE FROM deadline"))
        db.execute(text("DELETE FROM callback"))


def test_a_deferred_task_resumes_at_once(teams: Home, record_property: Record) -> None:
    start(
        teams,
        {
            "two_warm": defers("for_ever"),
            "two_quick": "".join(defers("wait", {"seconds": 0}, f"w{n}") for n in range(5)),
        },
    )
    assert set(ended(teams, "two_quick").values()) == {"success"}
    waited = [waited_for(teams, "two_quick", f"w{number}") for number in range(5)]
    record_property("deferred to resumed, median of 5 at once", round(sorted(waited)[2], 3))
    assert sorted(waited)[2] < 3.0
    # A deferred task that is ended by a person: its trigger is told so.
    with teams.engine.begin() as db:
        db.execute(text("UPDATE task_instance SET state='failed' WHERE dag_id='two_warm'"))
    wait_for((teams.layout.storage / "two" / "killed").exists)
    # A team without triggers has no process for them.
    wait_for(lambda: not runners("two"))


def test_whatever_is_killed_every_deferred_task_ends_in_its_true_state(teams: Home) -> None:
    body = "".join(defers("file", None, f"w{n}") for n in range(4)) + defers("bad")
    storm = ("one", "two", "bad1")
    dags = [f"{team}_storm" for team in storm]
    start(teams, dict.fromkeys(dags, body))
    for dag_id in dags:
        deferred(teams, dag_id, 4)
    process("airspace triggers: one").kill()
    process("airspace zygote: two").kill()
    old = teams.processes["triggerer"]
    old.send_signal(signal.SIGKILL)
    old.wait()
    wait_for(lambda: not any(runners(team) for team in storm))
    teams.start("triggerer")
    for team in storm:
        process(f"airspace triggers: {team}")
    spawner = teams.processes["spawner"]
    spawner.send_signal(signal.SIGKILL)
    spawner.wait()
    teams.start("spawner")
    for team in storm:
        (teams.layout.storage / team / "go").touch()
    for dag_id in dags:
        states = ended(teams, dag_id, 240)
        assert states == {**{f"w{number}": "success" for number in range(4)}, "bad": "failed"}
        for number in range(4):
            teams.await_log(dag_id, f"w{number}", "resumed with")
        lines = [teams.task_log(dag_id, f"w{number}").count("resumed with") for number in range(4)]
        assert lines == [1] * 4
    wait_for(lambda: not teams.rows("SELECT id FROM trigger WHERE id NOT IN (SELECT trigger_id FROM asset_watcher)"))
