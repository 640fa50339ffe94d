"""The UI's test of a connection, which Airflow runs in the API server: here it is one that runs in the team's sandbox.

The UI waits for its answer, so the request is put in the queue and looked after in its stead, as the same user and
through the same guards as anybody who asks for both.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from typing import Any

from airflow.configuration import conf
from starlette.responses import JSONResponse

from airspace.airflow.web import request_scope

TEST, QUEUED = "/api/v2/connections/test", "/api/v2/connections/enqueue-test"
_TOKEN = b"airflow-connection-test-token"
_OVER = {"success", "failed"}
_PAUSE = 0.25


def concerns(scope: Any) -> bool:
    """Whether this is a test that is to be answered at once."""
    return scope["method"] == "POST" and request_scope.route_path(scope).rstrip("/") == TEST


async def answer(app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Put it into the queue, wait for it, and answer as Airflow would.

    :param app: takes both requests, as if the client had sent them
    """
    queued = await _Asked(app, _at(scope)).of(receive)
    if queued.status != 202:
        await JSONResponse(queued.json(), queued.status)(scope, receive, send)
        return
    look = _at(scope, method="GET", token=str(queued.json()["token"]))
    until = time.monotonic() + _patience()
    while True:
        found = await _Asked(app, look).of(_nothing)
        body = found.json()
        if found.status != 200:
            await JSONResponse(body, found.status)(scope, receive, send)
            return
        if body["state"] in _OVER:
            told = {"status": body["state"] == "success", "message": body["result_message"] or ""}
            await JSONResponse(told)(scope, receive, send)
            return
        if time.monotonic() > until:
            told = {"status": False, "message": "The test has not ended in time"}
            await JSONResponse(told)(scope, receive, send)
            return
        await asyncio.sleep(_PAUSE)


@functools.cache
def _patience() -> float:
    """Seconds: what the test itself may take, and some to begin."""
    return 1.25 * conf.getfloat("connection_test", "timeout")


def _at(scope: Any, *, method: str = "POST", token: str | None = None) -> Any:
    headers = scope["headers"]
    if token is not None:
        kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"content-type")]
        headers = request_scope.with_header(kept, _TOKEN, token.encode())
    path = str(scope["path"]).rstrip("/").removesuffix(TEST) + QUEUED
    # What Airflow and FastAPI note about a request is in its scope: each of these is one of its own.
    own = {key: value for key, value in scope.items() if key not in ("state", "extensions")}
    return {
        **own,
        "state": dict(scope.get("state") or {}),
        "path": path,
        "raw_path": path.encode(),
        "method": method,
        "headers": list(headers),
    }


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


class _Asked:
    """One request to the app, and its answer."""

    def __init__(self, app: Any, scope: Any) -> None:
        self._app, self._scope = app, scope
        self.status = 500
        self._data = bytearray()

    async def of(self, receive: Any) -> _Asked:
        """Ask."""
        await self._app(self._scope, receive, self._hear)
        return self

    async def _hear(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._data += message.get("body", b"")

    def json(self) -> Any:
        """Its body."""
        try:
            return json.loads(bytes(self._data))
        except ValueError:
            return {"detail": "The test could not be asked for"}
