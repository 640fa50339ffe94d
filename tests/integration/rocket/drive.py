"""Runs Rocket's Dags with ``dag.test()`` in its own process: a real database, no scheduler. Prints one JSON line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from sqlalchemy import select


def run(team: str, dag_id: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    folder = Path(sys.argv[1]) / team
    os.environ["AIRSPACE_TEAM"] = team
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = f"postgres://{team}@warehouse.example/rocket"
    bag = BundleDagBag(folder, bundle_path=folder, bundle_name=team)
    assert not bag.import_errors, bag.import_errors
    ended = bag.dags[dag_id].test(run_conf=conf)
    return {"state": str(ended.state), "tasks": {ti.task_id: str(ti.state) for ti in ended.get_task_instances()}}


def events() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with create_session() as session:
        for name, extra in session.execute(
            select(AssetModel.name, AssetEvent.extra).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        ):
            found.setdefault(name, []).append(extra)
    return found


size = {"players": 3_000}
report: dict[str, Any] = {"spoiled": run("data_engineering", "de_player_warehouse", {**size, "spoil": True})}
report["after_spoiled"] = events()
report["de"] = run("data_engineering", "de_player_warehouse", size)
report["ds"] = run("data_science", "ds_churn")
report["da"] = run("data_analytics", "da_executive_dashboard")
report["events"] = events()
sys.stdout.write("REPORT " + json.dumps(report) + "\n")
