"""What Airflow loads of us as a plugin."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


def execution_guard(app: Any) -> Any:
    """The guard around the app. Every Airflow process loads plugins; only the API server needs what this imports."""
    from airspace.airflow.guard.middleware import ExecutionGuard

    return ExecutionGuard(app)


class AirspacePlugin(AirflowPlugin):
    """Airspace, as a plugin of Airflow."""

    name = "airspace"
    # Around the whole API server: only so it is also around the Execution API that is mounted in it.
    fastapi_root_middlewares = [{"name": "airspace execution guard", "middleware": execution_guard}]  # noqa: RUF012
