"""What Airflow loads of us as a plugin."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


def execution_guard(app: Any) -> Any:
    """The guard around the app. Every Airflow process loads plugins; only the API server needs what this imports."""
    from airspace.airflow.guard.middleware import ExecutionGuard

    return ExecutionGuard(app)


def require_plugin() -> None:
    """End a process that is about to serve and in which Airflow did not load the guard.

    :raises SystemExit: the plugin is missing, or could not be imported
    """
    from airflow import plugins_manager

    loaded = plugins_manager.get_fastapi_plugins()[1]
    if not any(each.get("middleware") is execution_guard for each in loaded):
        raise SystemExit(
            "airspace: Airflow did not load the guard on the Execution API, so the API server is not started."
            " `airflow plugins` says why; reinstalling the airspace package restores its entry point."
        )


class AirspacePlugin(AirflowPlugin):
    """Airspace, as a plugin of Airflow."""

    name = "airspace"
    # Around the whole API server: only so it is also around the Execution API that is mounted in it.
    fastapi_root_middlewares = [{"name": "airspace execution guard", "middleware": execution_guard}]  # noqa: RUF012
