"""What the template has imported, so that no process that reads a Dag file has to; how often the scheduler is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airspace.airflow.parsing import pacing
from airspace.airflow.parsing.pacing import PacedDagProcessor

READS = """
import sys
from pathlib import Path
import structlog
from airspace.airflow import sandboxed
sandboxed.warm()
before = set(sys.modules)
from airflow.dag_processing import processor
asked = processor.DagFileParseRequest(file=sys.argv[1], bundle_path=Path(sys.argv[1]).parent, bundle_name="b")
found = processor._parse_file(asked, structlog.get_logger())
assert [dag.dag_id for dag in found.serialized_dags] == ["one"], found
print(*sorted(name for name in set(sys.modules) - before if name.startswith("airflow.")), sep="\\n", file=sys.stderr)
"""
SMALL = {"airflow.models.dagwarning", "airflow.version"}
DAG = """
from airflow.sdk import DAG, task
with DAG("one", schedule=None):
    @task
    def work():
        pass
    work()
"""


def test_a_file_with_tasks_that_are_functions_needs_nothing_more_of_airflow(tmp_path: Path) -> None:
    file = tmp_path / "dag.py"
    file.write_text(DAG)
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://"}
    done = subprocess.run(
        [sys.executable, "-c", READS, str(file)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {line for line in done.stderr.splitlines() if line.startswith("airflow.")} <= SMALL


@pytest.mark.parametrize(("waiting", "seconds"), [(0, 0.2), (pacing.MANY, 0.2), (pacing.MANY + 1, 1.0)])
def test_the_scheduler_is_told_less_often_while_many_files_wait(waiting: int, seconds: float) -> None:
    manager: Any = object.__new__(PacedDagProcessor)
    manager._file_queue = dict.fromkeys(range(waiting))
    assert manager._tell_seconds == seconds
