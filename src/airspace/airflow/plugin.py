"""What Airflow loads of us as a plugin."""

from __future__ import annotations

from functools import cached_property
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


def _react_apps() -> list[dict[str, Any]]:
    """What Airflow's page loads of us; nothing where nothing was built."""
    from airspace.airflow.web.pages import bundle

    if not bundle.is_built():
        return []
    script = bundle.address()
    switcher: dict[str, Any] = {"name": "Airspace switcher", "destination": "base", "url_route": "airspace-switcher"}
    pages: list[dict[str, Any]] = [
        {
            "name": name,
            "destination": "nav",
            "url_route": name.lower(),
            "nav_top_level": True,
            "icon": bundle.address(f"{name.lower()}-light.svg"),
            "icon_dark_mode": bundle.address(f"{name.lower()}-dark.svg"),
        }
        for name in ("Team", "Artifacts", "Platform")
    ]
    return [{**app, "bundle_url": script} for app in (switcher, *pages)]


class _Pages:
    """Our application below ``/airspace``, made when it is first asked: every Airflow process loads this plugin."""

    @cached_property
    def _app(self) -> Any:
        from airspace.airflow.web.pages.app import create_app

        return create_app()

    @property
    def routes(self) -> Any:
        """As of any application that is mounted."""
        return self._app.routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        await self._app(scope, receive, send)


class AirspacePlugin(AirflowPlugin):
    """Airspace, as a plugin of Airflow."""

    name = "airspace"
    # The names are what Airflow's page shows in its side bar, and what the script calls its components.
    react_apps = _react_apps()
    fastapi_apps = [{"name": "airspace pages", "app": _Pages(), "url_prefix": "/airspace"}]  # noqa: RUF012
    # Around the whole API server: only so it is also around the Execution API that is mounted in it.
    fastapi_root_middlewares = [{"name": "airspace execution guard", "middleware": execution_guard}]  # noqa: RUF012
