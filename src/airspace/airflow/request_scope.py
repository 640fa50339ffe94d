"""What the client itself named in the address of the running request.

A refusal may repeat only that. Airflow also asks about Dags that it looked up by the number of a backfill or of a log
row; a 404 that named such a Dag would give it away.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl

from airspace.airflow.row_filters import install

_address: ContextVar[tuple[str, str]] = ContextVar("address", default=("", ""))


class RequestScopeMiddleware:
    """Remembers the address of each request, and installs the row filters when the API server starts."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            install(scope["app"])
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST" and scope["path"].endswith("/auth/login"):
            # Airflow deletes the cookie of a session that has ended, also when this very answer brings a new one.
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"cookie"]}
        token = _address.set((scope["path"], scope.get("query_string", b"").decode("latin-1")))
        try:
            await self._app(scope, receive, send)
        finally:
            _address.reset(token)


def named_in_address(name: str) -> bool:
    """Whether the client named this in the path or the query of the running request."""
    path, query = _address.get()
    return name in path.split("/") or any(value == name for _, value in parse_qsl(query))
