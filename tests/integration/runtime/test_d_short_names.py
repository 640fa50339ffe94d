"""A team's connections and variables have short names wherever its code runs: in tasks, while parsing, in callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

NAMES = """
    def told(call):
        try:
            return call()
        except Exception as error:
            return f"{type(error).__name__} {getattr(error, 'error', error)}"

    def table(where):
        from airflow.sdk import Variable
        from airflow.sdk.bases.hook import BaseHook
        connection = BaseHook.get_connection("warehouse")
        found = {
            "read": Variable.get("threshold"),
            "read by its stored name": Variable.get("shorty.threshold"),
            "connection": [connection.conn_id, connection.host],
            "missing variable": told(lambda: Variable.get("nothing")),
            "missing connection": told(lambda: BaseHook.get_connection("nothing")),
            "another team's variable": told(lambda: Variable.get("longy.threshold")),
            "another team's connection": told(lambda: BaseHook.get_connection("longy.warehouse").host),
        }
        Variable.set(f"written_{where}", "1")
        found["written"] = Variable.get(f"written_{where}")
        found["list"] = sorted(key for key in Variable.keys() if where in key or key == "threshold")
        found["list by prefix"] = list(Variable.keys(prefix=f"written_{where}"))
        Variable.delete(f"written_{where}")
        found["deleted"] = told(lambda: Variable.get(f"written_{where}"))
        Variable.set(f"left_{where}", "1")
        return found
"""

DAG = """
    import json, os
    from pathlib import Path
    from airflow.sdk import DAG, task
    from names import table

    def called(context):
        Path("{place}/called.part").write_text(json.dumps(table("called")))
        Path("{place}/called.part").rename("{place}/called")

    with DAG(
        "shorty_names", schedule="@once", is_paused_upon_creation=False, on_success_callback=called,
        description=json.dumps(table("parsed")),
    ):
        @task
        def work():
            return table("tasked")
        work()
"""

EXPECTED: dict[str, Callable[[Any, str], bool]] = {
    "read": lambda found, _: found == "shorty's",
    "read by its stored name": lambda found, _: found == "shorty's",
    "connection": lambda found, _: found == ["warehouse", "host-of-shorty"],
    "missing variable": lambda found, _: "nothing" in found and "shorty." not in found,
    "missing connection": lambda found, _: "nothing" in found and "shorty." not in found,
    "another team's variable": lambda found, _: "longy's" not in found,
    "another team's connection": lambda found, _: "host-of" not in found,
    "written": lambda found, _: found == "1",
    "list": lambda found, where: found == ["threshold", f"written_{where}"],
    "list by prefix": lambda found, where: found == [f"written_{where}"],
    "deleted": lambda found, _: "not found" in found.lower() or "NOT_FOUND" in found,
}


@pytest.fixture(scope="module")
def tables(running: Home) -> dict[str, dict[str, Any]]:
    """Where → what a team's code saw there."""
    for team in ("shorty", "longy"):
        running.add_team(team, variables={"threshold": f"{team}'s"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
    place = running.layout.storage / "shorty" / "published"
    running.write_dag("shorty", "names.py", NAMES, ring=False)
    running.write_dag("shorty", "shorty.py", DAG.format(place=place))
    wait_for((place / "called").exists, 60)
    (dag,) = running.rows("SELECT description FROM dag WHERE dag_id='shorty_names'")
    (value,) = running.rows("SELECT value FROM xcom WHERE dag_id='shorty_names' AND key='return_value'")
    tasked = json.loads(value.value) if isinstance(value.value, str) else value.value
    called = json.loads((place / "called").read_text())
    return {"parsed": json.loads(dag.description), "tasked": tasked, "called": called}


@pytest.mark.parametrize("where", ["parsed", "tasked", "called"])
@pytest.mark.parametrize("what", EXPECTED)
def test_a_short_name_is_the_teams_own(tables: dict[str, dict[str, Any]], where: str, what: str) -> None:
    found = tables[where][what]
    assert EXPECTED[what](found, where), found


def test_what_was_written_is_stored_under_the_teams_name(running: Home, tables: dict[str, dict[str, Any]]) -> None:
    rows = running.rows("SELECT key, team_name FROM variable WHERE key LIKE '%left\\_%'")
    assert {(row.key, row.team_name) for row in rows} == {(f"shorty.left_{where}", "shorty") for where in tables}
