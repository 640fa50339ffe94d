"""The application that Airflow mounts at ``/airspace``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from airspace.airflow.web import request_scope
from airspace.airflow.web.pages import artifacts, bundle, homes, lineage, tables, views

ROUTERS: tuple[APIRouter, ...] = (views.router, homes.router, artifacts.router, tables.router, lineage.router)
"""One for each capability."""


def create_app() -> FastAPI:
    """Routes below ``/api``, and the script that draws the pages below ``/static``."""
    app = FastAPI(title="Airspace pages", openapi_url=None)
    app.add_middleware(_Headers)
    for router in ROUTERS:
        app.include_router(router, prefix="/api")
    app.mount("/static", StaticFiles(directory=bundle.FOLDER, check_dir=False))
    return app


class _Headers:
    """What is asked is kept nowhere; the script is kept for ever, since its address says which build it is."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        # Asked before the app notes in the scope where it has gone on to.
        static = request_scope.route_path(scope).startswith("/static/") and bool(scope["query_string"])

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                keep = static and message["status"] in (200, 304)
                cache = b"public, max-age=31536000, immutable" if keep else b"no-store"
                added = [(b"cache-control", cache), (b"x-content-type-options", b"nosniff")]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, with_headers)
