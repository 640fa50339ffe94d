"""A running Airflow: teams come, tasks run where they belong, and nothing of one team's disturbs another."""

from __future__ import annotations

import time

import pytest

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

HELLO = """
    import os
    from airflow.sdk import DAG, Variable, task
    from airflow.hooks.base import BaseHook
    seen_while_parsing = Variable.get("threshold", default="nothing")
    with DAG("{team}_hello", schedule="@once", is_paused_upon_creation=False, description=seen_while_parsing):
        @task
        def hello():
            from airflow.sdk.bases.hook import BaseHook
            from setproctitle import getproctitle
            print("threshold", Variable.get("threshold"), "host", BaseHook.get_connection("warehouse").host)
            print("title", getproctitle())
            print("environment", sorted(os.environ), os.environ["AIRSPACE_TEAM"], os.environ["AIRSPACE_STORAGE"])
        hello()
"""


def test_a_team_is_onboarded_live(running: Home) -> None:
    for number, team in enumerate(("first_team", "second_team")):
        started = time.monotonic()
        running.add_team(team, variables={"threshold": f"{number}.5"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
        running.write_dag(team, "hello.py", HELLO.format(team=team))
        wait_for(lambda team=team: running.states(f"{team}_hello").get("hello") in ("success", "failed"), 60)
        print(f"onboarded {team}: {time.monotonic() - started:.2f} s")
        assert running.states(f"{team}_hello") == {"hello": "success"}, running.task_log(f"{team}_hello", "hello")
    log = running.task_log("second_team_hello", "hello")
    print(log)
    assert "threshold 1.5 host host-of-second_team" in log
    assert "title airspace task: second_team second_team_hello.hello" in log
    assert "AIRSPACE_HOME" not in log
    (row,) = running.rows("SELECT description FROM dag WHERE dag_id='second_team_hello'")
    assert row.description == "1.5"
