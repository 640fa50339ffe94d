"""Finding the places where Airflow's routes take a dependency, so that FastAPI's own overrides can stand in for it.

Each place is looked up when the API server starts: an Airflow in which one has moved does not start with a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import airflow
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant

Guard = Callable[..., Any]


class RowFilterError(RuntimeError):
    """This Airflow has changed where a filter or a guard belongs: Airspace must be adapted before it may run."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message}. Airflow {airflow.__version__} is not one that this Airspace knows:"
            " nothing is served, so that nothing leaks. Install the versions of Airspace's lock."
        )


def dependency_of(alias: Any) -> Any:
    """What an ``Annotated[…, Depends(this)]`` depends on."""
    found = [extra.dependency for extra in get_args(alias)[1:] if hasattr(extra, "dependency")]
    if len(found) != 1:
        raise RowFilterError(f"{alias} is no longer one FastAPI dependency")
    return found[0]


def routes_of(node: Any) -> Iterator[Any]:
    """Every route of an application, also of the routers in it."""
    for route in getattr(node, "routes", []):
        if hasattr(route, "dependencies") and hasattr(route, "path"):
            yield route
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from routes_of(inner)


def guard_of(app: Any, method: str, path: str, name: str) -> Any:
    """The guard of one route; it is an object of this route's alone."""
    routes = [route for route in routes_of(app) if route.path == path and method in (route.methods or ())]
    guards = [found for route in routes for found in guards_named(route, name)]
    if len(routes) != 1 or len(guards) != 1:
        raise RowFilterError(f"{method} {path} is no longer one route with one {name}")
    return guards[0]


def guards_named(route: Any, name: str) -> list[Any]:
    """What a route depends on whose name starts so."""
    found = [dependency.dependency for dependency in route.dependencies]
    return [each for each in found if each is not None and each.__qualname__.split(".")[0] == name]


def settle(app: Any) -> None:
    """Resolve the overrides once, instead of at each request, where FastAPI would take every dependency apart again.

    That costs about ten milliseconds of each answer where a list has forty filters. The meaning is FastAPI's own.

    :raises RowFilterError: something that is to be overridden is used nowhere
    """
    found: set[Any] = set()
    for route in routes_of(app):
        if hasattr(route, "dependant"):
            _settle(route.dependant, app.dependency_overrides, found)
    if unused := [str(original) for original in app.dependency_overrides if original not in found]:
        raise RowFilterError(f"no route uses {', '.join(unused)}")
    app.dependency_overrides.clear()


def _settle(dependant: Dependant, overrides: dict[Any, Any], found: set[Any]) -> None:
    for place, inner in enumerate(dependant.dependencies):
        if inner.call in overrides:
            found.add(inner.call)
            dependant.dependencies[place] = get_dependant(
                path=inner.path or "", call=overrides[inner.call], name=inner.name, use_cache=inner.use_cache,
                parent_oauth_scopes=inner.oauth_scopes, scope=inner.scope,
            )  # fmt: skip
        _settle(dependant.dependencies[place], overrides, found)


def replace_guard(app: Any, place: tuple[str, str], name: str, build: Callable[[Guard], Guard]) -> None:
    """Put what ``build`` makes of the guard of one route in its place."""
    original = guard_of(app, *place, name)
    app.dependency_overrides[original] = build(original)
