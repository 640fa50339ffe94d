"""What a team's code finds in its environment: its own place, and nothing of the platform's."""

from __future__ import annotations

import json
from collections.abc import Mapping

from airspace.model.home import HomeLayout

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONUNBUFFERED", "MALLOC_ARENA_MAX")
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"


def bundle_entry(layout: HomeLayout, bundle: str, team: str) -> dict[str, object]:
    """A bundle as Airflow's configuration names it: the checkout that only the fetcher writes."""
    return {
        "name": bundle,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(layout.bundles / bundle), "refresh_interval": 60},
        "team_name": team,
    }


def team_environment(layout: HomeLayout, bundle: str, team: str, base: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process that runs the team's code."""
    kept = {key: base[key] for key in KEPT if key in base}
    return {
        **kept,
        "AIRFLOW_HOME": str(layout.team_airflow),
        "AIRSPACE_TEAM": team,
        "AIRSPACE_STORAGE": str(layout.storage),
        BUNDLES: json.dumps([bundle_entry(layout, bundle, team)]),
    }
