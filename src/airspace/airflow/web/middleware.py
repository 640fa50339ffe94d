"""The one middleware around Airflow's API: it says what a request is about, and installs the filters at start."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from fastapi.responses import JSONResponse, RedirectResponse

from airspace.access.naming import with_full_name
from airspace.access.table import Kind
from airspace.airflow.web import connection_tests, navigation, request_scope, side_bar, team_view, view_as
from airspace.airflow.web.row_filters import install

# What these create is stored under its full name, whoever asks: see airspace.access.naming.
_CREATES: dict[tuple[str, str], Kind] = {
    ("POST", "/api/v2/connections"): Kind.CONNECTION,
    ("PATCH", "/api/v2/connections"): Kind.CONNECTION,
    ("POST", "/api/v2/connections/enqueue-test"): Kind.CONNECTION,
    ("POST", "/api/v2/variables"): Kind.VARIABLE,
    ("PATCH", "/api/v2/variables"): Kind.VARIABLE,
    ("POST", "/api/v2/pools"): Kind.POOL,
    ("PATCH", "/api/v2/pools"): Kind.POOL,
}


class AccessMiddleware:
    """Airflow gives it each request before any of its own code sees it."""

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
            scope = request_scope.without_header(scope, b"cookie")
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            # No name holds one, and the database would fail over it.
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
            return
        for view in (view_as, team_view):
            seen = view.enter(scope)
            if isinstance(seen, (JSONResponse, RedirectResponse)):
                await seen(scope, receive, send)
                return
            scope = seen
        if connection_tests.concerns(scope):
            await connection_tests.answer(self, scope, receive, view_as.telling(scope, send))
            return
        if kind := _CREATES.get((scope["method"], request_scope.route_path(scope).rstrip("/"))):
            scope, receive = await _named_in_full(kind, scope, receive)
        token = request_scope.begin(scope)
        try:
            await self._answer(scope, receive, view_as.telling(scope, send))
        finally:
            request_scope.end(token)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        send = team_view.hiding(send, partial(navigation.missing, scope))
        if navigation.is_page(scope):
            if (place := await navigation.elsewhere(scope)) is not None:
                await place(scope, receive, send)
                return
            send = navigation.whole_page(scope, send)
        await self._app(scope, receive, side_bar.trimming(scope, navigation.keeping(scope, send)))


async def _named_in_full(kind: Kind, scope: Any, receive: Any) -> tuple[Any, Any]:
    """The request with full names in its body. What cannot be read goes on as it is: Airflow refuses it."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return scope, _replay(message, receive)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    try:
        sent = json.loads(body)
        stored = with_full_name(kind, sent)
        if stored != sent:
            body = json.dumps(stored).encode()
            headers = request_scope.with_header(scope["headers"], b"content-length", str(len(body)).encode())
            scope = {**scope, "headers": headers}
    except (ValueError, RecursionError):
        pass
    return scope, _replay({"type": "http.request", "body": body, "more_body": False}, receive)


def _replay(message: Any, receive: Any) -> Any:
    left = [message]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again
