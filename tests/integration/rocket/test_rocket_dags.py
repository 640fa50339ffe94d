"""Rocket's Dags on unmodified Airflow with a real database: what ends how, what is published, which events follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.postgres import Cluster
from airspace.storage.catalog import artifacts
from tests.conftest import PASSWORD

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).parents[3] / "examples"
DAGS = EXAMPLES / "rocket" / "dags"
TEAMS = ("data_engineering", "data_science", "data_analytics")


def clean_environment(home: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AIRSPACE"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def report(
    storage: Path, tmp_path_factory: pytest.TempPathFactory, postgres: Cluster, migrated_template: str
) -> dict[str, Any]:
    postgres.create_database(PASSWORD, "t_rocket_dags", template=migrated_template)
    bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [{"name": team, "classpath": bundle, "kwargs": {"path": str(DAGS / team)}} for team in TEAMS]
    env = {
        **clean_environment(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url(PASSWORD, "t_rocket_dags"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRSPACE_STORAGE": str(storage),
    }
    drive = [sys.executable, str(Path(__file__).with_name("drive.py")), str(DAGS)]
    ended = subprocess.run(drive, env=env, capture_output=True, text=True, timeout=280)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("REPORT ")]
    assert lines, ended.stdout[-3000:] + ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(lines[0].removeprefix("REPORT "))
    return found


def test_a_spoiled_batch_fails_at_the_check_and_publishes_nothing(report: dict[str, Any]) -> None:
    assert report["spoiled"]["state"] == "failed"
    assert report["spoiled"]["tasks"] == {
        "late_events": "success",
        "receive": "success",
        "check": "failed",
        "telemetry": "upstream_failed",
        "profiles_and_marketing": "upstream_failed",
        "publish_tables": "upstream_failed",
    }
    assert report["after_spoiled"] == {}


@pytest.mark.parametrize("team", ["de", "ds", "da"])
def test_a_good_batch_goes_through_all_three_teams(report: dict[str, Any], team: str) -> None:
    assert report[team]["state"] == "success", report[team]


def test_every_asset_has_one_event_with_its_rows(report: dict[str, Any], storage: Path) -> None:
    published = {row.name: row for row in artifacts(storage)}
    assert sorted(report["events"]) == sorted(published)
    assert len(published) == 5
    for name, row in published.items():
        [extra] = report["events"][name]
        assert (extra["rows"], extra["uri"], extra["version"]) == (row.rows, row.uri, row.version)
        assert extra["rows"] > 0


def test_the_model_and_its_control_are_in_the_event(report: dict[str, Any]) -> None:
    [extra] = report["events"]["churn_predictions"]
    assert extra["auc"] >= 0.7
    assert extra["auc_shuffled_labels"] <= 0.55


def test_lineage_names_the_versions_that_were_read(report: dict[str, Any]) -> None:
    [made], [churn] = report["events"]["dashboard"], report["events"]["churn_predictions"]
    assert f"data_science/churn_predictions/{churn['version']}" in made["inputs"]


IMPORT_ALL = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag

found, before = {}, list(sys.path)
for folder in map(Path, sys.argv[1:]):
    sys.path[:] = before
    bag = BundleDagBag(folder, bundle_path=folder, bundle_name=folder.name)
    found[folder.name] = [sorted(bag.dags), bag.import_errors]
heavy = sorted({"polars", "sklearn", "numpy", "pyarrow"} & set(sys.modules))
print("REPORT " + json.dumps([found, heavy]))
"""


def test_the_dags_import_cleanly_and_parsing_loads_nothing_heavy(tmp_path: Path) -> None:
    folders = [*(str(DAGS / team) for team in TEAMS), str(EXAMPLES / "my_first_dag")]
    command = [sys.executable, "-c", IMPORT_ALL, *folders]
    ended = subprocess.run(command, env=clean_environment(tmp_path), capture_output=True, text=True, timeout=100)
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("REPORT ")]
    found, heavy = json.loads(line.removeprefix("REPORT "))
    assert found == {
        "data_engineering": [["de_player_warehouse"], {}],
        "data_science": [["ds_churn"], {}],
        "data_analytics": [["da_executive_dashboard"], {}],
        "my_first_dag": [["my_first_dag"], {}],
    }
    assert heavy == []
