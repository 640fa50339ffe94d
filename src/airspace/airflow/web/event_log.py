"""Who is told of an attempt: what somebody tries on another team's Dag is the platform's to know, not that team's."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api import security
from airflow.models.log import Log
from airflow.utils.session import create_session
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership
from airspace.airflow.web.dependencies import Guard, RowFilterError, guards_named, routes_of
from airspace.airflow.web.reach import reach_of


def keep_apart(app: Any) -> None:
    """Log it where it belongs.

    :raises RowFilterError: routes no longer log what is done there
    """
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
        reach = reach_of(user, Action.READ, Kind.DAG)
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
