"""What the running request is about: the names that the client itself put into the address, and whose eyes it uses.

A refusal may repeat only what the client named. Airflow also asks about Dags that it looked up by the number of a
backfill or of a log row; a 404 that named such a Dag would give it away.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl

_NAMES = ("dag_id", "connection_id", "variable_key", "pool_name", "asset_id")

_scope: ContextVar[dict[str, Any] | None] = ContextVar("scope", default=None)
_NOTES = "airspace"  # where in the request's scope our own notes about it are


def begin(scope: Any) -> Any:
    """Remember this request as the running one; returns what :func:`end` takes."""
    return _scope.set(scope)


def end(token: Any) -> None:
    """Forget it."""
    _scope.reset(token)


def notes() -> dict[str, Any]:
    """A place for what has been looked up while this request runs; an empty one outside of requests."""
    scope = _scope.get()
    found: dict[str, Any] = {} if scope is None else scope.setdefault(_NOTES, {})
    return found


def named_in_address(name: str) -> bool:
    """Whether the client named this where the route takes a name: in the path, or in the query if the path has none.

    Anywhere else in the address it would only be a guess of the client's, and the answer must not confirm a guess.
    """
    scope = _scope.get()
    if scope is None:
        return False
    named: dict[str, Any] = scope.get("path_params") or {}
    if named:
        return any(str(named.get(key)) == name for key in _NAMES)
    return ("dag_id", name) in query(scope)


def query(scope: Any) -> list[tuple[str, str]]:
    """The fields of the query, decoded."""
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def route_path(scope: Any) -> str:
    """The path without what the application is mounted under."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and (path == root or path.startswith(root + "/")) else path


def without_header(scope: Any, name: bytes) -> Any:
    """The same scope, but as if the client had not sent this header."""
    return {**scope, "headers": [(key, value) for key, value in scope["headers"] if key != name]}


def with_header(headers: Iterable[tuple[bytes, bytes]], name: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    """The headers with this one replaced or added."""
    return [*((key, old) for key, old in headers if key.lower() != name), (name, value)]
