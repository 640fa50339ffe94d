"""What a team's code finds in its environment: its own place, and nothing of the platform's."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping

from airspace.model.home import HomeLayout

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONUNBUFFERED", "MALLOC_ARENA_MAX")
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
# Airflow's own marks: that the database is out of reach, and on which side of the wall a process is.
_MARKS = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


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
        "AIRSPACE_TEAM": team,
        "AIRSPACE_STORAGE": str(layout.storage),
        BUNDLES: json.dumps([bundle_entry(layout, bundle, team)]),
    }


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Run with exactly this environment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def enter(values: Mapping[str, str]) -> None:
    """Take on a team's environment for good: the first thing a child does that will run the team's code."""
    marks = {key: os.environ[key] for key in _MARKS if key in os.environ}
    os.environ.clear()
    os.environ.update({**values, **marks})
