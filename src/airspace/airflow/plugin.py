"""What Airflow loads of us as a plugin."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class AirspacePlugin(AirflowPlugin):
    """Airspace, as a plugin of Airflow."""

    name = "airspace"
