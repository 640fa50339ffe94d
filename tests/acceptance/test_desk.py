"""The desk: a Dag in nobody's or the wrong folder never runs, and who put it there is told where it belongs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
DAG = """
from airflow.sdk import dag, task
@dag(dag_id="{name}", schedule=None, tags={tags})
def build():
    @task
    def nothing(): ...
    nothing()
build()
"""


def wait(look: Callable[[], Any], seconds: float = 90) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.3)
    return found


def test_in_nobodys_folder(demo: Demo) -> None:
    lost = demo.home / "dags" / "data_sciense" / "x.py"
    lost.parent.mkdir()
    lost.write_text(DAG.format(name="lost_in_the_wood", tags=[]))

    def told() -> list[dict[str, Any]]:
        document = json.loads(demo.airspace("status", "--json").stdout)
        return [each for each in document["misplaced"] if each["path"] == "data_sciense"]

    try:
        [misplaced] = wait(told)
        assert "data_science" in misplaced["reason"]
        assert "never runs" in demo.airspace("status").stderr
        checks = json.loads(demo.airspace("doctor", "--json").stdout)["checks"]
        assert [check for check in checks if not check["ok"] and "data_sciense" in check["message"]]
        assert "lost_in_the_wood" not in {dag.dag_id for dag in demo.sign_in("admin").dags()}
    finally:
        lost.unlink()
        lost.parent.rmdir()
    wait(lambda: not told())


def test_in_the_wrong_teams_folder(demo: Demo) -> None:
    folder = demo.home / "rocket" / "dags" / "data_science"
    for name, tag in (("says_another", "team:data_analytics"), ("says_its_own", "team:data_science")):
        (folder / f"{name}.py").write_text(DAG.format(name=name, tags=[tag]))
        (folder / f"{name}.py").chmod(0o644)
    (folder / "link.py").symlink_to("/etc/passwd")
    ada = demo.sign_in("ada")

    def error() -> str:
        rows = ada.call("GET", "/importErrors")["import_errors"]
        return next((row["stack_trace"] for row in rows if row["filename"] == "says_another.py"), "")

    try:
        assert "[other-team]" in wait(error)
        assert "data_analytics" in error(), "what the Dag itself said"
        wait(lambda: "says_its_own" in {dag.dag_id for dag in ada.dags()})
        assert "says_another" not in {dag.dag_id for dag in demo.sign_in("admin").dags()}
        shown = json.loads(demo.airspace("team", "show", "data_science", "--json").stdout)
        assert {"path": "link.py", "reason": "it is a symbolic link"} in shown["left_out"]
    finally:
        for name in ("says_another", "says_its_own", "link"):
            (folder / f"{name}.py").unlink()
    wait(lambda: not error())
