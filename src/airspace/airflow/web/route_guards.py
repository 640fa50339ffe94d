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

from airspace.access.naming import belongs, names_in
from airspace.access.table import Action, Kind
from airspace.airflow.web import event_log, held, named_guards, ownership, side_bar, visible_rows
from airspace.airflow.web.dependencies import Guard, replace_guard
from airspace.airflow.web.reach import FORBIDDEN, reach_of

_bundle_team = dag_bundle_team_association_table.c
_INTEGER = TypeAdapter(int)


def install(app: Any) -> None:
    """Put every guard in its place.

    :raises RowFilterError: one of the places is not there
    """
    for place, name, build in _GUARDS:
        replace_guard(app, place, name, build)
    named_guards.install(app)
    event_log.keep_apart(app)


# -- single things that have no Dag, or are asked about without it


def _one_import_error(_original: Guard) -> Guard:
    def guard(import_error_id: int, user: security.GetUserDep, session: SessionDep) -> None:
        reach = reach_of(user, Action.READ, Kind.IMPORT_ERROR)
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
        reach = reach_of(user, Action.READ, Kind.EVENT_LOG)
        ask = select(Log.id).where(Log.id == event_log_id)
        if reach is not None and session.scalar(ask.where(ownership.log_rows_of(reach))) is None:
            raise HTTPException(404, f"The Event Log with id: `{event_log_id}` not found")

    return guard


def _one_alias(_original: Guard) -> Guard:
    def guard(asset_alias_id: int, user: security.GetUserDep, session: SessionDep) -> None:
        reach = reach_of(user, Action.READ, Kind.ASSET_ALIAS)
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
            raise FORBIDDEN

    return guard


def _parsed_file(original: Guard) -> Guard:
    """Airflow says 404 of a file without Dags and 403 of others', whose bundle the signed token names."""

    def guard(file_token: str, request: Request, user: security.GetUserDep, session: SessionDep) -> None:
        reach = reach_of(user, Action.READ, Kind.DAG)
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
        reach = await run_in_threadpool(reach_of, user, Action.READ, Kind.BACKFILL)
        ask = select(Backfill.id).where(Backfill.id == backfill_id, Backfill.dag_id.in_(ownership.dags_of(reach or ())))
        if reach is not None and session.scalar(ask) is None:
            raise HTTPException(404, security.BACKFILL_NOT_FOUND)
        await original(request, user, session)

    return guard


def _platforms_own(_original: Guard) -> Guard:
    """What holds paths and traces of the platform's own code."""

    def guard(user: security.GetUserDep) -> None:
        if reach_of(user, Action.READ, Kind.PAGE) is not None:
            raise FORBIDDEN

    return guard


def _default_connections(_original: Guard) -> Guard:
    """They have no team, whatever the body says."""

    def guard(user: security.GetUserDep) -> None:
        if reach_of(user, Action.WRITE, Kind.CONNECTION) is not None:
            raise FORBIDDEN

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
        reach = await run_in_threadpool(reach_of, user, Action.TEST, Kind.CONNECTION)
        named = isinstance(team, str) and all(belongs(Kind.CONNECTION, team, name) for name in names)
        if reach is not None and not (named and team in reach):
            raise FORBIDDEN
        if team is None:
            raise HTTPException(403, "A connection without a team is not tested: a test runs in a team's sandbox.")
        await run_in_threadpool(held.refuse, team, Kind.CONNECTION, Action.TEST)
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
    (side_bar.LIST, "requires_access_view", side_bar.noting),
    (("GET", "/api/v2/plugins/importErrors"), "requires_access_view", _platforms_own),
    (("POST", "/api/v2/connections/defaults"), "requires_access_connection", _default_connections),
    (("POST", "/api/v2/connections/test"), "requires_access_connection", _tested_here),
    (("POST", "/api/v2/connections/enqueue-test"), "action_logging", _tested_connection),
)
