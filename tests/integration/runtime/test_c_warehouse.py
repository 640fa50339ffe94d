"""A team's own place in the warehouse, from its sandbox: operators, sensors, hooks, and wherever its code runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

DAG = """
    import json
    from pathlib import Path

    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
    from airflow.providers.common.sql.sensors.sql import SqlSensor
    from airflow.sdk import DAG, task
    from airflow.sdk.bases.hook import BaseHook

    def told():
        found = BaseHook.get_connection("warehouse")
        try:
            other = BaseHook.get_connection("peekers.warehouse").login
        except Exception as error:
            other = type(error).__name__
        return [found.conn_id, found.host, found.login, found.schema, bool(found.password), other]

    def called(context):
        Path("{place}/called.part").write_text(json.dumps(told()))
        Path("{place}/called.part").rename("{place}/called")

    with DAG(
        "sql_in_warehouse", schedule="@once", is_paused_upon_creation=False, on_success_callback=called,
        description=json.dumps(told()),
    ):
        fill = SQLExecuteQueryOperator(
            task_id="fill", conn_id="warehouse",
            sql=["CREATE TABLE scores (a int)", "INSERT INTO scores SELECT generate_series(1, 40)"],
        )
        filled = SqlSensor(task_id="filled", conn_id="warehouse", sql="SELECT count(*) FROM scores", poke_interval=1)

        @task
        def read():
            from airflow.providers.postgres.hooks.postgres import PostgresHook
            return [told(), PostgresHook("warehouse").get_first("SELECT sum(a)::int FROM sqlers.scores")[0]]

        fill >> filled >> read()
"""
PEEK = """
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
    from airflow.sdk import DAG

    with DAG("peek_in_warehouse", schedule="@once", is_paused_upon_creation=False):
        for name, sql in (("secret", "SELECT * FROM sqlers.scores"), ("own", "SELECT current_schema()")):
            SQLExecuteQueryOperator(task_id=name, conn_id="warehouse", sql=sql)
"""


@pytest.fixture(scope="module")
def filled(running: Home) -> dict[str, Any]:
    """Where → what a team's code was told."""
    for team in ("sqlers", "peekers"):
        running.add_team(team)
    answer = running.admin("settle-warehouse", {})
    assert answer["available"], answer
    assert {name.split("_", 1)[1] for name in answer["made"]} >= {"sqlers", "peekers"}
    assert running.admin("settle-warehouse", {})["made"] == []
    place = running.layout.storage / "sqlers" / "published"
    running.write_dag("sqlers", "sql.py", DAG.format(place=place))
    wait_for((place / "called").exists, 120)
    running.write_dag("peekers", "peek.py", PEEK)
    (dag,) = running.rows("SELECT description FROM dag WHERE dag_id = 'sql_in_warehouse'")
    (value,) = running.rows(
        "SELECT value FROM xcom WHERE dag_id = 'sql_in_warehouse' AND task_id = 'read' AND key = 'return_value'"
    )
    tasked, total = json.loads(value.value) if isinstance(value.value, str) else value.value
    called = json.loads((place / "called").read_text())
    return {"parsed": json.loads(dag.description), "tasked": tasked, "called": called, "total": total}


def test_operators_sensors_and_hooks_find_it(running: Home, filled: dict[str, Any]) -> None:
    assert running.states("sql_in_warehouse") == {"fill": "success", "filled": "success", "read": "success"}
    assert filled["total"] == 820


@pytest.mark.parametrize("where", ["parsed", "tasked", "called"])
def test_it_is_given_wherever_the_teams_code_runs(filled: dict[str, Any], where: str) -> None:
    name, host, login, _, has_password, other = filled[where]
    assert (name, host, has_password) == ("warehouse", "warehouse.airspace", True)
    assert login.endswith("_sqlers")
    assert not other.endswith("_peekers"), "another team's stored name leads nowhere"


def test_it_is_in_no_list_of_connections(running: Home, filled: dict[str, Any]) -> None:
    assert running.rows("SELECT conn_id FROM connection WHERE conn_id LIKE 'sqlers%'") == []


def test_another_team_sees_its_own_and_nothing_of_it(running: Home, filled: dict[str, Any]) -> None:
    wait_for(lambda: set(running.states("peek_in_warehouse").values()) == {"success", "failed"}, 60)
    assert running.states("peek_in_warehouse") == {"secret": "failed", "own": "success"}
    running.await_log("peek_in_warehouse", "secret", "permission denied for schema sqlers")


def test_a_team_that_is_dropped_may_come_again(running: Home, filled: dict[str, Any]) -> None:
    assert running.admin("drop-warehouse", {"team": "sqlers"}) == {"dropped": True}
    assert running.admin("drop-warehouse", {"team": "sqlers"}) == {"dropped": False}
    assert [name.split("_", 1)[1] for name in running.admin("settle-warehouse", {})["made"]] == ["sqlers"]
