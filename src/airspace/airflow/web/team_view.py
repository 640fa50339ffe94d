"""``/t/<team>/…``: Airflow narrowed to one team; ``/t/~/…``: to none, all that somebody may see.

The team is in the address, as ``root_path``: Airflow's pages, their links and their API calls all stay below it, each
tab shows its own, a reload and a link keep it, and scripts say it in the same way. Who is signed in stays who it is.
Inside of somebody else's eyes the address is ``/as/<user>/t/<team>/…``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.models.team import Team
from airflow.utils.session import create_session
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import select

from airspace.access.views import within
from airspace.airflow.web import request_scope
from airspace.model.names import is_team_name
from airspace.model.roles import Principal

PREFIX = "/t/"
ALL = "~"
"""Stands for all of somebody's teams, as in Airflow's own ``/dags/~/dagRuns``."""
_TEAM, _REFUSED = "team", "refused"  # in the request's notes
_NOT_HERE = frozenset({"execution", "as", "t"})  # views are not nested, and the tasks' API is no view's
_NOT_FOUND = {"detail": "Not Found"}


@dataclass(frozen=True)
class Address:
    """What an address says of a view: its name (a team's or ``~``), and the path below it, from its slash on."""

    view: str
    rest: str


def split(path: str) -> Address | None:
    """The view in a path; None: there is none.

    >>> split("/t/data_science/dags")
    Address(view='data_science', rest='/dags')
    """
    if not path.startswith(PREFIX):
        return None
    name, slash, rest = path[len(PREFIX) :].partition("/")
    return Address(name, slash + rest)


def enter(scope: Any) -> Any:
    """The scope of the view that the address names, or the answer where there can be no such view."""
    found = split(request_scope.route_path(scope))
    if found is None:
        return scope
    nested = found.rest[1:].partition("/")[0] in _NOT_HERE
    if nested or not (found.view == ALL or is_team_name(found.view)):
        return missing()
    root = f"{scope.get('root_path', '')}{PREFIX}{found.view}"
    if not found.rest:
        query = scope.get("query_string", b"").decode("latin-1")
        return RedirectResponse(f"{quote(root, safe='/~')}/{'?' if query else ''}{query}", 307)
    notes = {**scope.get("airspace", {}), _TEAM: found.view}
    # The whole path, also behind a proxy that strips what the server lies under.
    return {**scope, "root_path": root, "app_root_path": root, "path": f"{root}{found.rest}", "airspace": notes}


def outside(scope: Any) -> str:
    """What addresses begin with that are in no view, or in another one."""
    view = scope.get("airspace", {}).get(_TEAM)
    root: str = scope.get("root_path", "")
    return root.removesuffix(f"{PREFIX}{view}") if view else root


def named() -> str | None:
    """The view that the running request names: a team, or ``~``; None: it names none."""
    view: str | None = request_scope.notes().get(_TEAM)
    return view


def look(principal: Principal) -> Principal:
    """What somebody sees in the view of the running request. Where they may not look, nothing: the answer is a 404."""
    team = named()
    if team is None or team == ALL:
        return principal
    narrowed = within(principal, team)
    # Who holds a role in a team cannot ask for one that is not there.
    if narrowed is not None and (team in principal.teams or _exists(team)):
        return narrowed
    request_scope.notes()[_REFUSED] = True
    return Principal(principal.name, read_only=True)


def is_refused() -> bool:
    """Whether who asks may not look into the view that the running request names."""
    return bool(request_scope.notes().get(_REFUSED))


def hiding(send: Any, missing: Callable[[], Response]) -> Any:
    """Gives the same answer for every view that is not for who asks, whether there is such a team or not.

    The refusal is known only while the request is answered, when somebody has read who asks. It cannot be raised
    there, since Airflow would take it for a session that has ended.
    """
    notes, told = request_scope.notes(), False

    async def hidden(message: Any) -> None:
        nonlocal told
        if not notes.get(_REFUSED):
            await send(message)
        elif not told:
            told, answer = True, missing()
            await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
            await send({"type": "http.response.body", "body": answer.body})

    return hidden


def missing() -> Response:
    """What scripts are told, and what pages ask for."""
    return JSONResponse(_NOT_FOUND, 404)


def _exists(team: str) -> bool:
    with create_session(scoped=False) as session:
        return session.scalar(select(Team.name).where(Team.name == team)) is not None
