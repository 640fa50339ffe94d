"""Guards of what is created and changed under a name: a team makes only its own, and no answer tells of others'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api import security
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from airspace.access.naming import belongs, names_in, owner_by_name, with_full_name
from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership
from airspace.airflow.web.dependencies import Guard, replace_guard
from airspace.airflow.web.reach import FORBIDDEN, reach_of


def install(app: Any) -> None:
    """Put these guards in their places.

    :raises RowFilterError: one of the places is not there
    """
    for kind, parameter in ((Kind.CONNECTION, "{connection_id}"), (Kind.VARIABLE, "{variable_key:path}"),
                            (Kind.POOL, "{pool_name:path}")):  # fmt: skip
        base, name = f"/api/v2/{kind}s", f"requires_access_{kind}"
        replace_guard(app, ("POST", base), name, _named(kind, "POST"))
        replace_guard(app, ("PATCH", f"{base}/{parameter}"), name, _named(kind, "PUT"))
        replace_guard(app, ("PATCH", base), f"{name}_bulk", _BULK[kind])


def _named(kind: Kind, method: str) -> Callable[[Guard], Guard]:
    def build(original: Guard) -> Guard:
        async def guard(request: Request, user: security.GetUserDep) -> None:
            await _check_team_and_name(kind, request, user, method=method)
            await original(request, user)

        return guard

    return build


async def _check_team_and_name(kind: Kind, request: Request, user: Any, *, method: str) -> None:
    try:
        body = await request.json()
    except ValueError:
        return  # Airflow's own guard answers 400
    team = body.get("team_name") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not (team is None or isinstance(team, str)):
        return
    addressed = next(iter(request.path_params.values()), None)
    if team is None and method == "POST":
        team = await _in_ones_only_team(kind, body, user)
    names = names_in(kind, body) if addressed is None else [str(addressed)]
    await run_in_threadpool(_check, kind, team, names, user, method)


async def _in_ones_only_team(kind: Kind, body: dict[str, Any], user: Any) -> str | None:
    """Who may create in one team alone means that one: the body says so from here on.

    Airflow reads the same body after its guards; FastAPI keeps what it parsed, and this is it.
    """
    reach = await run_in_threadpool(reach_of, user, Action.WRITE, kind)
    if reach is None or len(reach) != 1:
        return None
    (team,) = reach
    body.update(with_full_name(kind, {**body, "team_name": team}))
    return str(team)


def _check(kind: Kind, team: str | None, names: list[str], user: Any, method: str) -> None:
    """A team that one may not write in is refused before Airflow says whether it exists; then the names must fit."""
    reach = reach_of(user, Action.WRITE, kind)
    if reach is not None and method == "PUT":
        # What may not be seen is hidden first, whatever the body says.
        ask = getattr(get_auth_manager(), f"is_authorized_{kind}")
        ask(method="PUT", user=user, details=_DETAILS[kind](names[0], team))
    if team is not None and reach is not None and team not in reach:
        raise FORBIDDEN
    if team is None and reach and method == "POST":
        raise HTTPException(
            403, 'Only administrators create what has no team: add "team_name", with yours, to the body.'
        )
    if team is not None or (method == "POST" and reach is None):
        _fit(kind, team, names, creating=method == "POST")


_DETAILS: dict[Kind, Callable[[str, str | None], Any]] = {
    Kind.CONNECTION: lambda name, team: security.ConnectionDetails(conn_id=name, team_name=team),
    Kind.VARIABLE: lambda name, team: security.VariableDetails(key=name, team_name=team),
    Kind.POOL: lambda name, team: security.PoolDetails(name=name, team_name=team),
}


def _fit(kind: Kind, team: str | None, names: list[str], *, creating: bool) -> None:
    """What a team has is named after it, and what has no team is not. Old names may stay: only a move is refused."""
    with create_session(scoped=False) as session:
        teams = ownership.team_names(session)
        now = {} if creating else ownership.teams_of(kind, names, session)
    for name in names:
        if not creating and (name not in now or now[name] == team):
            continue
        if team is not None and not belongs(kind, team, name):
            raise HTTPException(422, f"What team {team} has is named {team}.<name>: call it `{team}.{name}`.")
        if team is None and creating and (owner := owner_by_name(kind, name)) in teams:
            raise HTTPException(422, f'Such a name is for team {owner}: add "team_name": "{owner}" to the body.')


def _bulk_connections(_original: Guard) -> Guard:
    def guard(request: security.BulkBody[security.ConnectionBody], user: security.GetUserDep) -> None:
        _check_bulk(request, user, Kind.CONNECTION)
        security.requires_access_connection_bulk()(request, user)

    return guard


def _bulk_pools(_original: Guard) -> Guard:
    def guard(request: security.BulkBody[security.PoolBody], user: security.GetUserDep) -> None:
        _check_bulk(request, user, Kind.POOL)
        security.requires_access_pool_bulk()(request, user)

    return guard


def _bulk_variables(_original: Guard) -> Guard:
    def guard(request: security.BulkBody[security.VariableBody], user: security.GetUserDep) -> None:
        _check_bulk(request, user, Kind.VARIABLE)
        security.requires_access_variable_bulk()(request, user)

    return guard


_BULK: dict[Kind, Callable[[Guard], Guard]] = {
    Kind.CONNECTION: _bulk_connections,
    Kind.POOL: _bulk_pools,
    Kind.VARIABLE: _bulk_variables,
}


def _check_bulk(request: Any, user: Any, kind: Kind) -> None:
    """Airflow asks about the team in the body, but not when the body takes the team away; nor about names.

    What a team may change is decided by the names alone, so that a foreign one and a missing one are refused alike.
    """
    reach = reach_of(user, Action.WRITE, kind)
    for action in request.actions:
        for entity in action.entities:
            name = entity if isinstance(entity, str) else getattr(entity, _BULK_NAME[kind])
            team = None if isinstance(entity, str) else entity.team_name
            if reach is not None and not _theirs(kind, name, entity, reach):
                raise FORBIDDEN
            if team is not None or (action.action.value == "create" and reach is None):
                _fit(kind, team, [name], creating=action.action.value == "create")


_BULK_NAME = {Kind.CONNECTION: "connection_id", Kind.POOL: "pool", Kind.VARIABLE: "key"}


def _theirs(kind: Kind, name: str, entity: Any, reach: set[str]) -> bool:
    if not any(belongs(kind, team, name) for team in reach):
        return False
    return isinstance(entity, str) or "team_name" not in entity.model_fields_set or entity.team_name in reach
