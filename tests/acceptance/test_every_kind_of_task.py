"""Everything that a task can do ends in a sandbox as it ends on plain Airflow: states, tries, XCom, and what logs say.

What plain Airflow does is in ``data/conformance.json``, by ``python -m tests.acceptance.record_plain conformance``.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from tests.acceptance.airflow_examples import CONFORMANCE, conformance_outcome, copy_conformance, wait_for_dags
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TEAM = """
name: conformance
members: {ada: lead}
dags: {folder: dags}
"""


def test_it_ends_as_on_plain_airflow(demo: Demo) -> None:
    reference = json.loads(CONFORMANCE.read_text())
    if reference["airflow"] != version("apache-airflow"):
        pytest.fail(
            f"recorded for Airflow {reference['airflow']}: run python -m tests.acceptance.record_plain conformance"
        )
    ada = demo.bring("conformance", {"conformance.yaml": TEAM}, copy_conformance)
    wait_for_dags(ada, {"conformance"})
    ended, expected = conformance_outcome(ada), reference["outcome"]
    assert ended["state"] == expected["state"]
    assert set(ended["tasks"]) == set(expected["tasks"])
    other = {key: (ended["tasks"][key], told) for key, told in expected["tasks"].items() if ended["tasks"][key] != told}
    assert not other, other
