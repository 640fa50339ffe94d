"""Guards of single routes where Airflow asks too little: it does not know whose the thing is, or says too much in a no.

Each stands in for the route's own guard, and most ask that one as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api import security
from airflow.models.asset import AssetAliasModel
from airflow.models.backfill import Backfill
from airflow.models.connection_test import ACTIVE_STATES, ConnectionTestRequest
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.models.team import dag_bundle_team_association_table
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import NonNegativeInt, TypeAdapter
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from airspace.access.naming import belongs, names_in, owner_by_name, with_full_name
from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership, visible_rows
from airspace.airflow.web.dependencies import RowFilterError, guards_named, replace_guard, routes_of

_bundle_team = dag_bundle_team_association_table.c
_INTEGER = TypeAdapter(int)
_FORBIDDEN = HTTPException(403, "Forbidden")

Guard = Callable[..., Any]


def install(app: Any) -> None:
    """Put every guard in its place.

    :raises RowFilterError: one of the places is not there
    """
    for place, name, build in _GUARDS:
        replace_guard(app, place, name, build)
    for kind, parameter in ((Kind.CONNECTION, "{connection_id}"), (Kind.VARIABLE, "{variable_key:path}"),
                            (Kind.POOL, "{pool_name:path}")):  # fmt: skip
        base, name = f"/api/v2/{kind}s", f"requires_access_{kind}"
        replace_guard(app, ("POST", base), name, _creating(kind))
        replace_guard(app, ("PATCH", f"{base}/{parameter}"), name, _changing(kind))
        replace_guard(app, ("PATCH", base), f"{name}_bulk", _BULK[kind])
    _keep_logs_apart(app)


# -- single things that have no Dag, or are asked about without it


def _one_import_error(_original: Guard) -> Guard:
    def guard(import_error_id: int, user: security.GetUserDep, session: SessionDep) -> None:
        reach = _reach(user, Action.READ, Kind.IMPORT_ERROR)
        ask = (
            select(_bundle_team.team_name)
            .join(ParseImportError, ParseImportError.bundle_name == _bundle_team.dag_bundle_name)
            .where(ParseImportError.id == import_error_id)
        )
        if reach is not None and session.scalar(ask) not in reach:
            raise HTTPException(404, f"The ImportError with import_error_id: `{import_error_id}` was not found")

    return guard


def _one_event_log(_original: Guard) -> Guard:
    def guard(event_log_id: int, user: security.GetUserDep, session: SessionDep) -> None:
        reach = _reach(user, Action.READ, Kind.EVENT_LOG)
        ask = select(Log.id).where(Log.id == event_log_id)
        if reach is not None and session.scalar(ask.where(ownership.log_rows_of(reach))) is None:
            raise HTTPException(404, f"The Event Log with id: `{event_log_id}` not found")

    return guard


def _one_alias(_original: Guard) -> Guard:
    def guard(asset_alias_id: int, user: security.GetUserDep, session: SessionDep) -> None:
        reach = _reach(user, Action.READ, Kind.ASSET_ALIAS)
        if reach is None:
            return
        mine = visible_rows.aliases_of(reach, list(visible_rows.assets_of(user).own))
        ask = select(AssetAliasModel.id).where(AssetAliasModel.id == asset_alias_id, AssetAliasModel.id.in_(mine))
        if session.scalar(ask) is None:
            raise HTTPException(404, f"The Asset Alias with ID: `{asset_alias_id}` was not found")

    return guard


def _posted_asset_event(_original: Guard) -> Guard:
    async def guard(request: Request, user: security.GetUserDep) -> None:
        try:
            body = await request.json()
            asset_id = _INTEGER.validate_python(body.get("asset_id") if isinstance(body, dict) else None)
        except ValueError:
            return  # the route reads the body in the same way, and answers 422 before it does anything
        decision = await run_in_threadpool(get_auth_manager().decide_asset, Action.POST, asset_id, user)
        if decision.hidden:
            raise HTTPException(404, f"Asset with ID: `{asset_id}` was not found")
        if not decision.allowed:
            raise _FORBIDDEN

    return guard


def _parsed_file(original: Guard) -> Guard:
    """Airflow says 404 of a file without Dags and 403 of others', whose bundle the signed token names."""

    def guard(file_token: str, request: Request, user: security.GetUserDep, session: SessionDep) -> None:
        reach = _reach(user, Action.READ, Kind.DAG)
        if reach is not None:
            try:
                bundle = URLSafeSerializer(request.app.state.secret_key).loads(file_token)["bundle_name"]
            except BadSignature:
                bundle = None
            mine = select(_bundle_team.dag_bundle_name).where(_bundle_team.team_name.in_(reach))
            if bundle not in set(session.scalars(mine)):
                raise HTTPException(404, "File not found")
        original(file_token, request, user, session)

    return guard


def _one_backfill(original: Guard) -> Guard:
    """Airflow looks up whose it is and then whether one may; the first look already tells, by its time."""

    async def guard(
        backfill_id: NonNegativeInt, request: Request, user: security.GetUserDep, session: SessionDep
    ) -> None:
        reach = await run_in_threadpool(_reach, user, Action.READ, Kind.BACKFILL)
        ask = select(Backfill.id).where(Backfill.id == backfill_id, Backfill.dag_id.in_(ownership.dags_of(reach or ())))
        if reach is not None and session.scalar(ask) is None:
            raise HTTPException(404, security.BACKFILL_NOT_FOUND)
        await original(request, user, session)

    return guard


def _platforms_own(_original: Guard) -> Guard:
    """What holds paths and traces of the platform's own code."""

    def guard(user: security.GetUserDep) -> None:
        if _reach(user, Action.READ, Kind.PAGE) is not None:
            raise _FORBIDDEN

    return guard


# -- names: a team creates only its own, and no answer tells of others'


def _creating(kind: Kind) -> Callable[[Guard], Guard]:
    def build(original: Guard) -> Guard:
        async def guard(request: Request, user: security.GetUserDep) -> None:
            await _check_team_and_name(kind, request, user, method="POST")
            await original(request, user)

        return guard

    return build


def _changing(kind: Kind) -> Callable[[Guard], Guard]:
    def build(original: Guard) -> Guard:
        async def guard(request: Request, user: security.GetUserDep) -> None:
            await _check_team_and_name(kind, request, user, method="PUT")
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
    reach = await run_in_threadpool(_reach, user, Action.WRITE, kind)
    if reach is None or len(reach) != 1:
        return None
    (team,) = reach
    body.update(with_full_name(kind, {**body, "team_name": team}))
    return str(team)


def _check(kind: Kind, team: str | None, names: list[str], user: Any, method: str) -> None:
    """A team that one may not write in is refused before Airflow says whether it exists; then the names must fit."""
    reach = _reach(user, Action.WRITE, kind)
    if reach is not None and method == "PUT":
        # What may not be seen is hidden first, whatever the body says.
        ask = getattr(get_auth_manager(), f"is_authorized_{kind}")
        ask(method="PUT", user=user, details=_DETAILS[kind](names[0], team))
    if team is not None and reach is not None and team not in reach:
        raise _FORBIDDEN
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
    reach = _reach(user, Action.WRITE, kind)
    for action in request.actions:
        for entity in action.entities:
            name = entity if isinstance(entity, str) else getattr(entity, _BULK_NAME[kind])
            team = None if isinstance(entity, str) else entity.team_name
            if reach is not None and not _theirs(kind, name, entity, reach):
                raise _FORBIDDEN
            if team is not None or (action.action.value == "create" and reach is None):
                _fit(kind, team, [name], creating=action.action.value == "create")


_BULK_NAME = {Kind.CONNECTION: "connection_id", Kind.POOL: "pool", Kind.VARIABLE: "key"}


def _theirs(kind: Kind, name: str, entity: Any, reach: set[str]) -> bool:
    if not any(belongs(kind, team, name) for team in reach):
        return False
    return isinstance(entity, str) or "team_name" not in entity.model_fields_set or entity.team_name in reach


def _default_connections(_original: Guard) -> Guard:
    """They have no team, whatever the body says."""

    def guard(user: security.GetUserDep) -> None:
        if _reach(user, Action.WRITE, Kind.CONNECTION) is not None:
            raise _FORBIDDEN

    return guard


def _tested_connection(original: Guard) -> Guard:
    """The route asks after it has said whether the connection is in the team; so whose it may be is asked before."""

    async def guard(request: Request, session: SessionDep, user: security.GetUserDep) -> None:
        try:
            body = await request.json()
        except ValueError:
            body = None
        team = body.get("team_name") if isinstance(body, dict) else None
        names = names_in(Kind.CONNECTION, body) if isinstance(body, dict) else []
        reach = await run_in_threadpool(_reach, user, Action.TEST, Kind.CONNECTION)
        named = isinstance(team, str) and all(belongs(Kind.CONNECTION, team, name) for name in names)
        if reach is not None and not (named and team in reach):
            raise _FORBIDDEN
        if team is None:
            raise HTTPException(403, "A connection without a team is not tested: a test runs in a team's sandbox.")
        if await run_in_threadpool(_tests_of, team) >= MOST_TESTS:
            raise HTTPException(429, f"Team {team} tests {MOST_TESTS} connections already: wait until one is over.")
        await original(request, session, user)

    return guard


MOST_TESTS = 2  # of a team at once: they wait for no slot


def _tests_of(team: str) -> int:
    ask = select(func.count()).where(ConnectionTestRequest.team_name == team)
    with create_session(scoped=False) as session:
        return session.scalar(ask.where(ConnectionTestRequest.state.in_(ACTIVE_STATES))) or 0


def _tested_here(_original: Guard) -> Guard:
    """Airflow would run the test in the API server. What comes here has gone round our own way to the queue."""

    def guard() -> None:
        raise HTTPException(403, "Connections are tested in their team's sandbox: /api/v2/connections/enqueue-test")

    return guard


# -- the event log: what somebody tries on another team's Dag is the platform's to know, not that team's


def _keep_logs_apart(app: Any) -> None:
    places = [(route, each) for route in routes_of(app) for each in guards_named(route, "action_logging")]
    if len(places) < _LOGGED_AT_LEAST:
        raise RowFilterError("the routes no longer log what is done there by action_logging")
    for _, original in places:
        if original not in app.dependency_overrides:
            app.dependency_overrides[original] = _logging_apart(original)


_LOGGED_AT_LEAST = 40


def _logging_apart(original: Guard) -> Guard:
    async def log_action(request: Request, session: SessionDep, user: security.GetUserDep) -> None:
        named = await _dags_named(request)
        reach = get_auth_manager().teams_where(user, Action.READ, Kind.DAG)
        if named and reach is not None and not await run_in_threadpool(_all_readable, named, reach):
            event = request.scope["endpoint"].__name__
            row = Log(event=event, owner=user.get_name(), owner_display_name=user.get_name(), extra=str(sorted(named)))
            session.add(row)
            session.commit()
            return
        await original(request, session, user)

    return log_action


async def _dags_named(request: Request) -> set[str]:
    """Every Dag under which Airflow may file what is done: the address, the query and the body may each name one."""
    named = {request.path_params.get("dag_id"), request.query_params.get("dag_id")}
    if "application/json" in request.headers.get("content-type", ""):
        try:
            body = await request.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            named.add(body.get("dag_id"))
    return {str(name) for name in named - {None, "~"}}


def _all_readable(named: set[str], reach: set[str]) -> bool:
    with create_session(scoped=False) as session:
        return named <= set(session.scalars(ownership.dags_of(reach)))


def _reach(user: Any, action: Action, kind: Kind) -> set[str] | None:
    found: set[str] | None = get_auth_manager().teams_where(user, action, kind)
    return found


_GUARDS: tuple[tuple[tuple[str, str], str, Callable[[Guard], Guard]], ...] = (
    (("GET", "/api/v2/importErrors/{import_error_id}"), "requires_access_view", _one_import_error),
    (("GET", "/api/v2/eventLogs/{event_log_id}"), "requires_access_event_log", _one_event_log),
    (("GET", "/api/v2/assets/aliases/{asset_alias_id}"), "requires_access_asset_alias", _one_alias),
    (("GET", "/api/v2/backfills/{backfill_id}"), "requires_access_backfill", _one_backfill),
    (("PUT", "/api/v2/backfills/{backfill_id}/pause"), "requires_access_backfill", _one_backfill),
    (("PUT", "/api/v2/backfills/{backfill_id}/unpause"), "requires_access_backfill", _one_backfill),
    (("PUT", "/api/v2/backfills/{backfill_id}/cancel"), "requires_access_backfill", _one_backfill),
    (("POST", "/api/v2/assets/events"), "requires_access_asset", _posted_asset_event),
    (("PUT", "/api/v2/parseDagFile/{file_token}"), "requires_access_dag_from_file_token", _parsed_file),
    (("GET", "/api/v2/plugins/importErrors"), "requires_access_view", _platforms_own),
    (("POST", "/api/v2/connections/defaults"), "requires_access_connection", _default_connections),
    (("POST", "/api/v2/connections/test"), "requires_access_connection", _tested_here),
    (("POST", "/api/v2/connections/enqueue-test"), "action_logging", _tested_connection),
)
