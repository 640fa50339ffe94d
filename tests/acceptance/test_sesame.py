"""docs/sesame.md, done: catch-up after an outage, the backfill of a spoiled batch, sensors that wait for what comes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.airflow_rest import Session
from tests.acceptance.airflow_examples import wait_for_dags
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
SESAME = Path(__file__).parents[2] / "examples" / "sesame"
DAYS = ("2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05")


@pytest.fixture(scope="module")
def bakery(demo: Demo) -> Session:
    """Sesame on the demo's platform, its lead signed in."""
    text = (SESAME / "sesame.yaml").read_text().replace("{cookie: lead}", "{ada: lead}")
    ada = demo.bring("sesame", {"sesame.yaml": text}, lambda dags: shutil.copytree(SESAME / "dags", dags) and None)
    wait_for_dags(ada, {"sesame_batches", "sesame_cookies", "sesame_supplier"})
    return ada


def wait(look: Callable[[], Any], seconds: float = 90) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.3)
    return found


def tasted(ada: Session) -> dict[str, tuple[str, str]]:
    """Day → how the batch tasted, and which kind of run baked it."""
    found = {}
    for run in ada.call("GET", "/dags/sesame_batches/dagRuns", limit=50)["dag_runs"]:
        path = f"/dags/sesame_batches/dagRuns/{run['dag_run_id']}/taskInstances/taste/xcomEntries/return_value"
        answer = ada.ask("GET", path)
        if run["state"] == "success" and answer.ok:
            found[run["logical_date"][:10]] = (answer.body["value"], run["run_type"])
    return found


def states(ada: Session, dag_id: str, run_id: str) -> dict[str, str | None]:
    rows = ada.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
    return {row["task_id"]: row["state"] for row in rows}


def test_every_day_of_the_outage_is_caught_up_and_the_spoiled_batch_is_baked_again(bakery: Session) -> None:
    bakery.unpause("sesame_batches")
    wait(lambda: set(tasted(bakery)) == set(DAYS))
    assert {day: taste for day, (taste, _) in tasted(bakery).items()} == {
        day: "awful" if day == "2026-01-03" else "good" for day in DAYS
    }
    bakery.call(
        "PATCH", "/variables/sesame.salted_days", {"key": "sesame.salted_days", "value": "none", "team_name": "sesame"}
    )
    bakery.call(
        "POST",
        "/backfills",
        {
            "dag_id": "sesame_batches",
            "from_date": "2026-01-03T00:00:00Z",
            "to_date": "2026-01-03T00:00:00Z",
            "reprocess_behavior": "completed",
        },
    )
    wait(lambda: tasted(bakery).get("2026-01-03", ("", ""))[0] == "good")
    assert {day for day, (_, kind) in tasted(bakery).items() if kind == "backfill"} == {"2026-01-03"}


def deliver(ada: Session, kilos: int) -> None:
    ada.call("POST", "/dags/sesame_supplier/dagRuns", {"logical_date": None, "conf": {"kilos": kilos}})


def test_the_sensors_wait_for_the_note_and_then_for_enough(bakery: Session) -> None:
    for dag_id in ("sesame_cookies", "sesame_supplier"):
        bakery.unpause(dag_id)
    run = bakery.trigger("sesame_cookies").run_id

    def are(**wanted: Iterable[str]) -> bool:
        found = states(bakery, "sesame_cookies", run)
        return all(found.get(task) in allowed for task, allowed in wanted.items())

    wait(lambda: are(delivery_note=("running",)))
    deliver(bakery, 4)
    wait(lambda: are(delivery_note=("success",), enough_sesame=("up_for_reschedule",)))
    deliver(bakery, 8)
    wait(lambda: are(bake=("success",)))
    path = f"/dags/sesame_cookies/dagRuns/{run}/taskInstances/bake/xcomEntries/return_value"
    assert bakery.call("GET", path)["value"] == 480
