"""A team gets another name by the command line, at work: all that it has and had goes along; nobody else notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.airflow_rest import Session
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

COOKS = """# who cooks
name: cooks
members: {ada: lead, olga: viewer}
variables: {dish: soup}
pools: {stove: 1}
connections:
  pantry: {type: http, host: pantry.example, password: of-the-pantry}
assets:
  menu: {consumers: [guests], tables: [orders]}
"""
GUESTS = """name: guests
members: {ada: lead}
variables: {whose: cooks}
assets:
  wishes: {consumers: [cooks]}   # they asked
"""
KITCHEN = """
import os, signal, time
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import DAG, Asset, BaseHook, Variable, task
from airspace.sdk import publish, storage

with DAG("cooking", schedule=None, is_paused_upon_creation=False, max_active_runs=1):
    @task(outlets=[Asset("menu")], pool="stove")
    def cook(outlet_events=None):
        print("words of", os.environ["AIRSPACE_TEAM"])
        hook = PostgresHook("warehouse")
        hook.run(["CREATE TABLE IF NOT EXISTS orders (n int)", "INSERT INTO orders VALUES (1)"])
        with (storage() / "diary").open("a") as diary:
            diary.write("x")
        with publish("menu") as out:
            (out.path / "menu.txt").write_text(Variable.get("dish"))
            out.describe(rows=1)
        outlet_events[Asset("menu")].extra = out.event()
        return [
            os.environ["AIRSPACE_TEAM"], os.getuid(), BaseHook.get_connection("pantry").password,
            Variable.get("dish"), (storage() / "diary").read_text(),
            hook.get_first("SELECT count(*)::int FROM orders")[0],
            hook.get_first("SELECT current_schema()")[0],
        ]
    cook()

with DAG("simmering", schedule=None, is_paused_upon_creation=False):
    @task
    def simmer():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (storage() / "simmers").touch()
        while True:
            try:
                Variable.set("late", "x")
                (storage() / "late").touch()
            except BaseException:
                pass
            time.sleep(0.05)
    simmer()
"""
TABLE = """
from pathlib import Path
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import DAG, Asset, Variable, task
from airspace.sdk import published

with DAG("dining", schedule=[Asset("menu")], is_paused_upon_creation=False):
    @task
    def eat(triggering_asset_events=None):
        whose = Variable.get("whose")  # of cooks, for now
        count = PostgresHook("warehouse").get_first(f"SELECT count(*)::int FROM {whose}__published.orders")[0]
        (event,) = triggering_asset_events[Asset("menu")]
        place = Path(event.extra["uri"].removeprefix("file://")) / "menu.txt"
        return [(published(whose, "menu").path / "menu.txt").read_text(), place.read_text(), count]
    eat()
"""


def done(demo: Demo, *arguments: str, code: int = 0) -> Any:
    finished = demo.airspace(*arguments, "--json")
    assert finished.returncode == code, finished.stderr + finished.stdout
    return json.loads(finished.stdout)


def killed(demo: Demo, at: str, *arguments: str) -> None:
    """The command, killed once it has said this."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(demo.home.parent), "AIRSPACE_HOME": str(demo.home)}
    command = [str(Path(sys.executable).with_name("airspace")), *arguments]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(at in line for line in process.stderr)
        process.kill()


def until(what: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.fixture
def teams(demo: Demo) -> Iterator[Path]:
    folder = demo.home.parent / "canteen"
    folder.mkdir()
    (folder / "cooks.yaml").write_text(COOKS)
    (folder / "guests.yaml").write_text(GUESTS)
    try:
        done(demo, "apply", str(folder))
        for team, source in (("cooks", KITCHEN), ("guests", TABLE)):
            Path(done(demo, "team", "show", team)["dags_folder"], "dags.py").write_text(source)
        yield folder
    finally:
        for team in ("cooks", "bakers", "guests"):
            demo.airspace("team", "remove", team, "--yes", "--now", "--no-export")


def value(lead: Session, dag: str, run: str, task: str) -> Any:
    found = lead.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value")["value"]
    return json.loads(found) if isinstance(found, str) else found


def cooked(lead: Session) -> tuple[str, Any]:
    run = lead.trigger("cooking").run_id
    until(lambda: lead.run("cooking", run).state == "success")
    return run, value(lead, "cooking", run, "cook")


def dined(lead: Session, times: int) -> Any:
    runs = until(lambda: len(found := [r for r in lead.runs("dining") if r.state == "success"]) == times and found)
    return value(lead, "dining", max(runs, key=lambda run: run.run_id).run_id, "eat")


def pages(run: str) -> list[str]:
    past = f"/dags/cooking/dagRuns/{run}"
    return [
        "/dags/cooking", past, f"{past}/taskInstances/cook", f"{past}/taskInstances/cook/logs/1",
        f"{past}/taskInstances/cook/xcomEntries/return_value", "/dags/cooking/dagVersions", "/dagSources/cooking",
    ]  # fmt: skip


def test_a_team_gets_another_name_with_all_that_it_has(demo: Demo, teams: Path) -> None:
    before, lead, admin = demo.components(), demo.sign_in("ada"), demo.sign_in("admin")
    until(lambda: {"cooking", "simmering", "dining"} <= {dag.dag_id for dag in lead.dags()})
    churn = lead.trigger("ds_churn", run_id="while-renaming")
    run, first = cooked(lead)
    assert first[:1] + first[2:] == ["cooks", "of-the-pantry", "soup", "x", 1, "cooks"]
    assert dined(lead, 1) == ["soup", "soup", 1]
    lead.call("PATCH", f"/dags/cooking/dagRuns/{run}", {"note": "a note of the past"})
    lead.trigger("simmering")
    until((demo.home / "storage" / "cooks" / "late").exists)
    bundle = demo.home / "bundles"

    shown = done(demo, "team", "rename", "cooks", "bakers", "--dry-run", code=1)
    assert [each["fix"] for each in shown["problems"]] == ["--drain SECONDS lets them end, --now ends them"]
    assert shown["code"] == [{"team": "guests", "file": "dags.py"}]
    assert shown["team_files"]["changed"] == [str(teams / "cooks.yaml"), str(teams / "guests.yaml")]
    killed(demo, "team cooks becomes bakers", "team", "rename", "cooks", "bakers", "--now", "--yes")
    refused = demo.airspace("apply", str(teams))
    assert (refused.returncode, "finish that: airspace team rename cooks bakers" in refused.stderr) == (1, True)
    told = lead.ask("POST", "/dags/cooking/dagRuns", json={"logical_date": None})
    assert (told.status, "is getting another name" in told.words) == (409, True)
    assert "half renamed: team cooks; go on with: airspace team rename cooks bakers" in demo.airspace("up").stderr
    renamed = done(demo, "team", "rename", "cooks", "bakers")
    assert (renamed["unread"], renamed["files"]["by_hand"], renamed["ended"]["tasks"]) == ([], {}, 1)
    assert demo.components() == before

    # Files, on this machine and of the team, say the new name only.
    assert (teams / "bakers.yaml").read_text() == COOKS.replace("name: cooks", "name: bakers")
    assert (teams / "guests.yaml").read_text() == GUESTS.replace("[cooks]", "[bakers]")
    assert done(demo, "plan", str(teams), "--exit-code")["changes"] == []
    for folder in ("storage", "dags", "bundles", "teams"):
        assert "cooks" not in {path.stem for path in (demo.home / folder).iterdir()}
    assert (bundle / "bakers" / "dags.py").is_file()
    assert done(demo, "drift", "bakers", "--exit-code")["changes"] == []

    # The past is all there, for its members; what was ended cannot be heard of any more.
    assert [lead.ask("GET", page).status for page in pages(run)] == [200] * 7
    assert "words of cooks" in json.dumps(lead.call("GET", pages(run)[3]))
    assert lead.call("GET", pages(run)[1])["note"] == "a note of the past"
    assert value(lead, "cooking", run, "cook") == first
    assert lead.call("GET", "/eventLogs", dag_id="cooking")["total_entries"] > 0
    assert lead.call("GET", f"{pages(run)[2]}")["pool"] == "bakers.stove"
    names = [*lead.names("variables"), *lead.names("connections"), *lead.names("pools")]
    assert [name for name in names if "cooks" in name] == []
    assert {"bakers.dish", "bakers.pantry", "bakers.stove", "bakers"} <= set(names)
    (demo.home / "storage" / "bakers" / "late").unlink()
    late = lead.ask("DELETE", "/variables/bakers.late")
    assert late.status == 204
    own = {page: admin.ask("GET", page).status for page in ("/variables/bakers.late", "/variables/cooks.late")}
    assert set(own.values()) == {404}

    # It works on, with its secrets, its tables and its files; who shares with it hears of it.
    lead.call("PATCH", "/variables/guests.whose", {"key": "guests.whose", "value": "bakers", "team_name": "guests"})
    _, second = cooked(lead)
    assert second == ["bakers", first[1], "of-the-pantry", "soup", "xx", 2, "bakers"]
    assert dined(lead, 2) == ["soup", "soup", 2]
    assert not (demo.home / "storage" / "bakers" / "late").exists()
    olga = demo.sign_in("olga")
    assert {"cooking", "simmering"} <= {dag.dag_id for dag in olga.dags()}
    assert olga.ask("POST", "/dags/cooking/dagRuns", json={"logical_date": None}).status == 403

    gone, never = (demo.rest.send("GET", f"/t/{name}/api/v2/dags", token=lead._token) for name in ("cooks", "nobody"))
    assert gone.status == never.status == 404
    assert json.dumps(gone.body) == json.dumps(never.body).replace("nobody", "cooks")

    # The old name is nobody's, then another team's, which finds nothing of the first.
    assert demo.airspace("apply", str(_old_file(teams))).returncode == 1
    done(demo, "team", "add", "cooks", "--member", "ada:lead")
    described = done(demo, "team", "show", "cooks")
    assert (described["connections"], described["variables"]) == ([], [])
    assert lead.dags(bundle="cooks") == []
    assert list((demo.home / "storage" / "cooks").rglob("*")) == [demo.home / "storage" / "cooks" / "published"]
    if os.getuid() == 0:
        owners = [(demo.home / "storage" / team / "published").stat().st_gid for team in ("bakers", "cooks")]
        assert owners[0] == first[1] != owners[1]
    until(lambda: lead.run("ds_churn", churn.run_id).state not in ("queued", "running"), 240)
    assert lead.run("ds_churn", churn.run_id).state == "success"
    assert demo.components() == before


def _old_file(teams: Path) -> Path:
    """The file as it was, somewhere else: as in a copy that somebody has not brought up to date."""
    folder = teams / "copy"
    folder.mkdir()
    (folder / "cooks.yaml").write_text(COOKS)
    return folder
