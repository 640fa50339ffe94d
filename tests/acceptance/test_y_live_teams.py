"""A team comes, changes and goes by the command line, beside running Dags: nothing restarts, nobody notices."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

DAG = """
from airflow.sdk import Variable, dag, task

@dag(schedule=None)
def onboarding_hello():
    @task
    def greet():
        return Variable.get("greeting")
    greet()
onboarding_hello()
"""
TEAM = "name: onboarding\nmembers: {ada: lead}   # and who comes\nvariables: {greeting: hello}\nslots: 2\n"


def done(demo: Demo, *arguments: str, code: int = 0) -> Any:
    finished = demo.airspace(*arguments, "--json")
    assert finished.returncode == code, finished.stderr
    return json.loads(finished.stdout)


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_team_comes_changes_and_goes(demo: Demo, tmp_path: Path) -> None:
    before = demo.components()
    lead = demo.sign_in("ada")
    churn = lead.trigger("ds_churn", run_id="meanwhile")
    teams = demo.home.parent / "onboarding"
    teams.mkdir()
    file = teams / "onboarding.yaml"
    file.write_text(TEAM)
    (teams / "reception.yaml").write_text("name: reception\n")
    try:
        applied = done(demo, "apply", str(teams))
        assert {change["team"] for change in applied["changes"]} == {"onboarding", "reception"}
        assert done(demo, "plan", str(teams), "--exit-code")["changes"] == []
        folder = Path(done(demo, "team", "show", "onboarding")["dags_folder"])
        (folder / "hello.py").write_text(DAG)
        until(lambda: [dag for dag in lead.dags() if dag.dag_id == "onboarding_hello"])
        lead.unpause("onboarding_hello")
        first = lead.trigger("onboarding_hello")
        until(lambda: lead.run("onboarding_hello", first.run_id).state == "success")

        # a member by one command, in the file and at the door
        olga = demo.sign_in("olga")
        sees = len(olga.dags())
        added = done(demo, "member", "add", "onboarding", "olga", "--role", "viewer")
        assert [change["resource"] for change in added["changes"]] == ["member olga"]
        assert "members: {ada: lead, olga: viewer} # and who comes" in file.read_text()
        assert len(olga.dags()) == sees + 1
        removed = done(demo, "member", "remove", "onboarding", "olga")
        assert removed["changes"][0]["risks"] == ["olga loses access to the team, at once"]
        assert len(olga.dags()) == sees

        # changed by REST: shown, and adopted as text whatever it looks like
        attack = '{"env": "HOME"}'
        key = "onboarding.greeting"
        lead.call("PATCH", f"/variables/{key}", {"key": key, "value": attack, "team_name": "onboarding"})
        [drift] = done(demo, "drift", "onboarding", "--exit-code", code=3)["changes"]
        assert (drift["resource"], drift["cause"]) == ("variable greeting", "drift")
        adopted = done(demo, "team", "adopt", "onboarding")
        assert (len(adopted["adopted"]), adopted["left"]) == (1, [])
        assert f"greeting: '{attack}'" in file.read_text()
        assert done(demo, "drift", "onboarding", "--exit-code")["changes"] == []
        second = lead.trigger("onboarding_hello")
        until(lambda: lead.run("onboarding_hello", second.run_id).state == "success")
    finally:
        file.unlink()
        gone = done(demo, "apply", str(teams), "--prune")
        done(demo, "team", "remove", "reception", "--yes", "--no-export")
    assert [team["team"] for team in gone["removed"]] == ["onboarding"]
    assert Path(gone["removed"][0]["archive"]["path"]).is_file()
    assert not [dag for dag in lead.dags() if dag.dag_id == "onboarding_hello"]
    until(lambda: lead.run("ds_churn", churn.run_id).state not in ("queued", "running"), 240)
    assert lead.run("ds_churn", churn.run_id).state == "success"
    assert demo.components() == before


def test_a_watched_folder_ends_when_it_is_told_to(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "lobby.yaml").write_text("name: lobby\nslots: none\n")
    command = [str(Path(sys.executable).with_name("airspace")), "watch", str(folder), "--json"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8", "AIRSPACE_HOME": str(demo.home)}
    with subprocess.Popen(
        command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as watcher:
        try:
            assert watcher.stdout is not None
            refused = json.loads(watcher.stdout.readline())
            assert [(problem["rule"], problem["line"]) for problem in refused["problems"]] == [("wrong-type", 2)]
            (folder / "lobby.yaml").write_text("name: lobby\nslots: 1\n")
            applied = json.loads(watcher.stdout.readline())
            assert {change["team"] for change in applied["changes"]} == {"lobby"}
        finally:
            watcher.send_signal(signal.SIGTERM)
        assert watcher.wait(60) == 0
    done(demo, "team", "remove", "lobby", "--yes", "--no-export")
