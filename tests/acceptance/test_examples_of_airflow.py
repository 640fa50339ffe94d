"""Input that nobody here wrote: Airflow's own example Dags, as one more team's folder, end as on plain Airflow.

What plain Airflow does is in ``data/plain_airflow_examples.json``, by ``python -m tests.acceptance.record_plain``.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest

from tests.acceptance.airflow_examples import EXCLUDED, REFERENCE, copy_examples, run_all, wait_for_dags
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


TEAM = """
name: airflow_examples
members: {ada: lead}
dags: {folder: dags}
"""


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """What plain Airflow did."""
    document: dict[str, Any] = json.loads(REFERENCE.read_text())
    if document["airflow"] != version("apache-airflow"):
        pytest.fail(f"recorded for Airflow {document['airflow']}: run python -m tests.acceptance.record_plain")
    return document


def test_the_reference_is_of_these_examples(reference: dict[str, Any]) -> None:
    assert reference["excluded"] == EXCLUDED
    assert len(reference["dags"]) >= 70


def test_they_end_as_on_plain_airflow(demo: Demo, reference: dict[str, Any]) -> None:
    ada = demo.bring("examples", {"airflow_examples.yaml": TEAM}, copy_examples)
    expected = set(reference["dags"])
    wait_for_dags(ada, expected)
    try:
        ended = run_all(ada, expected, mark="first")
    finally:  # some have a schedule, and would go on beside the tests after this one
        for dag_id in sorted(expected):
            ada.call("PATCH", f"/dags/{dag_id}", {"is_paused": True})
    assert ended == reference["dags"]
