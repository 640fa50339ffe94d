"""Changing a request on its way in and an answer on its way out, at the level of ASGI messages."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams
from starlette.types import Message, Receive, Scope, Send

MOST_BODY = 16 * 1024 * 1024


class BadBodyError(Exception):
    """The body is not JSON, or too long."""


async def read_json(receive: Receive) -> Any:
    """The whole body as JSON.

    :raises BadBodyError: it is none, or longer than :data:`MOST_BODY`
    """
    data = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise BadBodyError("The client left")
        data += message.get("body", b"")
        more = message.get("more_body", False)
        if len(data) > MOST_BODY:
            raise BadBodyError(f"The body is longer than {MOST_BODY // 2**20} MiB")
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError):
        raise BadBodyError("The body is not JSON") from None


def replay_json(scope: Scope, body: Any, receive: Receive) -> Receive:
    """A receive that gives what was read, written anew: Airflow parses what was judged, and nothing else."""
    data: bytes | None = json.dumps(body).encode()
    scope["headers"] = _with_length(scope["headers"], len(data or b""))

    async def replay() -> Message:
        nonlocal data
        if data is None:
            return await receive()
        message = {"type": "http.request", "body": data, "more_body": False}
        data = None
        return message

    return replay


def rename_in_path(scope: Scope, old: str, new: str) -> None:
    """Put another name in the place of the one at the end of the path."""
    scope["path"] = scope["path"].removesuffix(old) + new
    scope["raw_path"] = quote(scope["path"]).encode()


def set_query(scope: Scope, name: str, value: str) -> None:
    """Give one parameter of the query another value."""
    kept = [(key, each) for key, each in QueryParams(scope["query_string"]).multi_items() if key != name]
    scope["query_string"] = urlencode([*kept, (name, value)]).encode()


class Transformed:
    """Holds a JSON answer back until it is complete, and sends what ``change`` makes of it. Errors pass unchanged."""

    def __init__(self, send: Send, change: Callable[[Any], Awaitable[Any]]) -> None:
        self._send = send
        self._change = change
        self._start: Message | None = None
        self._data = bytearray()

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._data += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        data = json.dumps(await self._change(json.loads(bytes(self._data)))).encode()
        await self._send({**start, "headers": _with_length(start["headers"], len(data))})
        await self._send({"type": "http.response.body", "body": data, "more_body": False})


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(length).encode())]
