"""Which of the Execution API's routes a request reaches: Airflow's own route objects are asked, not the path's text.

So there is one reading of a path, the router's: encodings, double slashes, dots, case and root path cannot be seen one
way here and another way there. The version is settled here too: every request goes on with exactly one, a known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from cadwyn import Cadwyn
from starlette._utils import get_route_path
from starlette.routing import Match, Mount
from starlette.types import Receive, Scope, Send

from airspace.airflow.guard.routes import RULES, Rule

VERSION_HEADER = b"airflow-api-version"


@dataclass(frozen=True)
class Matched:
    """The route that a request reaches, its rule (None: there is none) and what the path says."""

    method: str
    path: str
    rule: Rule | None
    params: Mapping[str, str]


class UnknownVersionError(Exception):
    """The request names no single known version of the API."""


def execution_mounts(app: Any) -> list[Mount]:
    """Where the Execution API is mounted in a root app: every mount of a versioned app is one."""
    return [route for route in app.routes if isinstance(route, Mount) and isinstance(route.app, Cadwyn)]


def all_routes(api: Cadwyn) -> Iterator[tuple[str, str]]:
    """Method and path of every route in every version. The API makes them at its first request."""
    for router in api.router.versioned_routers.values():
        for route in router.routes:
            for method in getattr(route, "methods", None) or ():
                yield method, getattr(route, "path", "")


class Matcher:
    """Finds the route in one mounted Execution API."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._api = cast(Cadwyn, mount.app)
        self._ready = False

    def concerns(self, scope: Scope) -> bool:
        """Whether the request would go to the Execution API at all."""
        return self._mount.matches(scope)[0] is not Match.NONE

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the API as the router of the whole server would."""
        scope.update(self._mount.matches(scope)[1])
        await self._mount.handle(scope, receive, send)

    async def find(self, scope: Scope) -> Matched | None:
        """The route, in the version that the request is given; None: no route has this method and path.

        :raises UnknownVersionError: the request's version is not one of the API's
        """
        if not self._ready:
            await self._wake()
        version = self._settle_version(scope)
        inner = {**scope, **self._mount.matches(scope)[1]}
        path_here = get_route_path(inner)
        # In the order of Airflow's router, of which the first full match is the one. A route whose expression does not
        # match the path matches nothing: it need not be asked, which is what most of the time here would go to.
        for route in self._api.router.versioned_routers[version].routes:
            expression = getattr(route, "path_regex", None)
            if expression is not None and expression.match(path_here) is None:
                continue
            match, found = route.matches(inner)
            if match is Match.FULL:
                path = getattr(route, "path", "")
                rule = RULES.get((scope["method"], path))
                return Matched(scope["method"], path, rule, found["path_params"])
        return None

    def _settle_version(self, scope: Scope) -> str:
        named = [value for name, value in scope["headers"] if name.lower() == VERSION_HEADER]
        versions = self._api.router.versioned_routers
        if len(named) > 1:
            raise UnknownVersionError
        version: str = named[0].decode("latin-1") if named else max(versions)
        if version not in versions:
            raise UnknownVersionError
        if not named:
            # Without it the API would look among its unversioned pages first.
            scope["headers"] = [*scope["headers"], (VERSION_HEADER, version.encode())]
        return version

    async def _wake(self) -> None:
        """Have the API make its routes, which it does at its first request: one that needs nothing."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Any) -> None:
            """Nobody waits for the answer."""

        scope = {"type": "http", "method": "GET", "path": "/health", "raw_path": b"/health", "root_path": ""}
        rest = {"query_string": b"", "headers": [], "scheme": "http", "http_version": "1.1", "state": {}}
        await self._api({**scope, **rest, "server": ("guard", 0), "client": ("guard", 0)}, receive, send)
        self._ready = True
