"""Where a team's sandbox cannot be entered, nothing of the team's runs, here or outside, and each author is told."""

from __future__ import annotations

import pytest

from airspace.platform import places
from airspace.platform.home import write_atomically
from airspace.sandbox.spec import write_places
from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.test_callbacks import callback_states, enqueue_test, outcome_of

pytestmark = pytest.mark.integration

WHY = "no place was made for team"
WORK = """
    from datetime import timedelta
    from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, SyncCallback, task

    def of_the_dag(context):
        print("it was run")

    def past(context):
        print("it was run")

    alert = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(0), SyncCallback(past))
    with DAG("homeless_work", schedule=None, is_paused_upon_creation=False, on_failure_callback=of_the_dag,
             deadline=[alert]):
        @task
        def work():
            print("it was run")
        work()
"""


def test_nothing_runs_and_each_is_told(running: Home) -> None:
    running.add_team("homeless")
    running.write_dag("homeless", "work.py", WORK)
    wait_for(lambda: running.rows("SELECT 1 FROM dag WHERE dag_id='homeless_work'"))
    before = running.layout.sandboxes.read_text()
    others = [place for team, place in places.known(running.layout).items() if team != "homeless"]
    write_atomically(running.layout.sandboxes, write_places(others), mode=0o644)
    try:
        tested = enqueue_test(running, "homeless.mail", "homeless")
        running.trigger("homeless_work")
        wait_for(lambda: running.states("homeless_work").get("work") == "failed")
        running.await_log("homeless_work", "work", WHY)
        state, message = outcome_of(running, tested)
        assert state == "failed"
        assert WHY in message
        # The Dag's callback, and that of its deadline.
        ask = "SELECT extra FROM log WHERE event='airspace callback failed' AND dag_id='homeless_work'"
        told = wait_for(lambda: len(found := running.rows(ask)) >= 2 and found, 150)
        assert [WHY in row.extra for row in told] == [True, True], told
        wait_for(lambda: callback_states(running).get("past") == "failed")
    finally:
        write_atomically(running.layout.sandboxes, before, mode=0o644)
    said = [path for path in running.layout.logs.rglob("*.log") if "it was run" in path.read_text()]
    assert not said
    assert "homeless" not in running.watched()[1]
