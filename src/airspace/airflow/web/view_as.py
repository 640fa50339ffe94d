"""``/as/<user>/…``: Airflow as this user would see it, for administrators and support; nothing can be changed there.

The user is in the address, as ``root_path``: Airflow's pages, their links and their API calls all stay below it, other
tabs are not touched, and scripts say it in the same way. Who is signed in stays who it is; only the eyes are another's.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

from airflow.models.log import Log
from airflow.utils.session import create_session
from fastapi.responses import JSONResponse, RedirectResponse

from airspace.access.views import as_seen_by
from airspace.airflow.web import request_scope
from airspace.model.names import is_user_name
from airspace.model.roles import Principal

log = logging.getLogger(__name__)

PREFIX = "/as/"
READ_ONLY = "This view is read-only: you see what {} sees, and change nothing."
HEADER = b"x-airspace-view"
_AUDIT_EVERY = 600.0  # seconds: one row in the event log for each look, not one for each request
_REMEMBERED = 1000
_seen: OrderedDict[tuple[str, str], float] = OrderedDict()


def enter(scope: Any) -> Any:
    """The scope of the view that the address names, or the answer where it is no view or would change something."""
    path = request_scope.route_path(scope)
    if not path.startswith(PREFIX):
        return scope
    name, slash, rest = path[len(PREFIX) :].partition("/")
    if not is_user_name(name) or rest.startswith("execution/"):
        return JSONResponse({"detail": "Not Found"}, 404)
    root = f"{scope.get('root_path', '')}{PREFIX}{name}"
    if not slash:
        return RedirectResponse(f"{quote(root)}/", 307)
    if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
        return JSONResponse({"detail": READ_ONLY.format(name)}, 403)
    within = {"root_path": root, "app_root_path": root, "path": f"{root}/{rest}"}
    return {**scope, **within, "airspace": {"view": name}}


def viewed() -> str | None:
    """The user whose eyes the running request uses."""
    name: str | None = request_scope.notes().get("view")
    return name


def look(viewer: Principal, name: str, users: Any) -> Principal:
    """What the viewer sees with that user's eyes; nothing where that is not allowed, or where there is no such user."""
    target = users.principal(name)
    seen = as_seen_by(viewer, target) if target else None
    _audit(viewer.name, name, allowed=seen is not None)
    return seen or Principal(name, read_only=True)


def telling(scope: Any, send: Any) -> Any:
    """Says in each answer of a view whose it is."""
    if not (name := scope.get("airspace", {}).get("view")):
        return send

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = request_scope.with_header(message["headers"], HEADER, f"{name}; read-only".encode())
            message = {**message, "headers": headers}
        await send(message)

    return told


def _audit(viewer: str, name: str, *, allowed: bool) -> None:
    now, key = time.monotonic(), (viewer, name)
    if now - _seen.get(key, -_AUDIT_EVERY) < _AUDIT_EVERY:
        return
    _seen[key] = now
    _seen.move_to_end(key)
    while len(_seen) > _REMEMBERED:
        _seen.popitem(last=False)
    log.info("%s looks through the eyes of %s: %s", viewer, name, "allowed" if allowed else "refused")
    extra = json.dumps({"user": name, "allowed": allowed})
    with create_session(scoped=False) as session:
        session.add(Log(event="view_as", owner=viewer, owner_display_name=viewer, extra=extra))
