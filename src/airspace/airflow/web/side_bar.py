"""Airflow's side bar, which shows a page of a plugin to everybody: those that somebody may not open are left out.

The browser reads what there is from Airflow's list of plugins. That list is the same for all; its route's guard notes
what does not concern who asks, and the middleware takes it out of the answer.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Request

from airspace.access.rules import PLATFORM_HOME, Resource, decide
from airspace.access.table import Action, Kind
from airspace.airflow.web import request_scope
from airspace.airflow.web.dependencies import Guard

LIST = ("GET", "/api/v2/plugins")
_NOT_SHOWN = "not shown"  # in the request's notes: addresses of pages
_PLATFORM = "platform"


def noting(original: Guard) -> Guard:
    """The guard of the list. In a team's view, what the person may open outside of it stays: the page leads there."""

    def guard(request: Request, user: GetUserDep) -> None:
        original(request, user)
        page = Resource(Kind.PAGE, id=PLATFORM_HOME)
        if not decide(user.whole, Action.READ, page, get_auth_manager().rules).allowed:
            request_scope.notes()[_NOT_SHOWN] = {_PLATFORM}

    return guard


def trimming(scope: Any, send: Any) -> Any:
    """The list of plugins without the pages that were noted; any other answer as it is."""
    if (scope["method"], request_scope.route_path(scope)) != LIST:
        return send
    start: Any = None
    parts: list[bytes] = []

    async def told(message: Any) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and message["status"] == 200:
            start = message
            return
        if start is None:
            await send(message)
            return
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            body = without(b"".join(parts), request_scope.notes().get(_NOT_SHOWN, set()))
            headers = request_scope.with_header(start["headers"], b"content-length", str(len(body)).encode())
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return told


def without(body: bytes, pages: set[str]) -> bytes:
    """The list without the plugins' pages at these addresses."""
    if not pages:
        return body
    found = json.loads(body)
    for plugin in found["plugins"]:
        plugin["react_apps"] = [app for app in plugin["react_apps"] if app["url_route"] not in pages]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
