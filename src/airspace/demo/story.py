"""Rocket's names, as its team files and Dags say them, and what is promised of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DE = "data_engineering"
DA = "data_analytics"
DS = "data_science"
TEAMS = (DE, DA, DS)

ETL = "de_player_warehouse"
CHURN = "ds_churn"
DASHBOARD = "da_executive_dashboard"
STORY_DAGS: Mapping[str, str] = {ETL: DE, CHURN: DS, DASHBOARD: DA}

LAST_FAILURE = f"{DE}.last_failure"
"""The variable in which the callback of DE's pipeline leaves word of the last run that failed."""

ARTIFACTS = (
    (DE, "user_profiles"),
    (DE, "telemetry_daily"),
    (DE, "marketing_attribution"),
    (DS, "churn_predictions"),
    (DA, "dashboard"),
)
METRICS_ASSET = "churn_predictions"
METRICS_FILE = "metrics.json"
DASHBOARD_ASSET = "dashboard"

AUC, AUC_SHUFFLED = "auc", "auc_shuffled_labels"
AUC_AT_LEAST = 0.70
SHUFFLED_AT_MOST = 0.55

ENGINEER = "emil"
"""Who starts DE's pipeline."""
MEMBER: Mapping[str, str] = {DE: "emil", DS: "ada", DA: "ana"}
"""Through whose eyes each team's work is looked at; each may also pause and trigger there."""

DEFAULT_PLAYERS = 200_000
SMALL_PLAYERS = 5_000
SPOIL: Mapping[str, Any] = {"spoil": True}

PROBE_FILES = ("listens.py", "publishes.py")
PROBE_ASSET = "airspace_probe"
PROBE_PUBLISH = "airspace_probe_publishes"
PROBE_LISTENS: Mapping[str, str] = {team: f"airspace_probe_listens_{team}" for team in TEAMS}
PROBE_OWN = PROBE_LISTENS[DE]
PROBE_DAGS: Mapping[str, str] = {PROBE_PUBLISH: DE, **{dag_id: team for team, dag_id in PROBE_LISTENS.items()}}


def size(players: int) -> dict[str, Any]:
    """The run configuration for a game with so many players."""
    return {"players": players}
