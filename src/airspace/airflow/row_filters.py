"""Filters for what Airflow's own permission filters let through: rows without a Dag, and assets.

FastAPI's ``dependency_overrides`` put them where the routes already filter in SQL, so totals and pages stay right. Each
place is looked up when the API server starts; an Airflow in which one of them has moved does not start with a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common import parameters
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api import security
from airflow.models.asset import (
    AssetAliasModel,
    AssetEvent,
    AssetModel,
    DagScheduleAssetAliasReference,
)
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.models.team import dag_bundle_team_association_table
from fastapi import Depends, HTTPException, Request
from pydantic import TypeAdapter
from sqlalchemy import and_, or_, select
from starlette.concurrency import run_in_threadpool

from airspace.access.table import Action, Kind

_bundle_team = dag_bundle_team_association_table.c


_INTEGER = TypeAdapter(int)


class RowFilterError(RuntimeError):
    """This Airflow has changed where a row filter belongs: Airspace must be adapted before it may run."""


def install(app: Any) -> None:
    """Put every filter and guard in its place.

    :raises RowFilterError: one of the places is not there
    """
    overrides = app.dependency_overrides
    overrides[_dependency(security.ReadableEventLogsFilterDep)] = _event_logs
    overrides[_dependency(security.ReadableAssetEventsFilterDep)] = _asset_events
    _ride(overrides, parameters.QueryParseImportErrorBundleNameFilter, _import_errors)
    _ride(overrides, parameters.QueryAssetDagIdPatternSearch, _assets)
    _ride(overrides, parameters.QueryAssetAliasNamePatternSearch, _asset_aliases)
    _guard(app, "GET", "/api/v2/importErrors/{import_error_id}", "requires_access_view", _one_import_error)
    _guard(app, "GET", "/api/v2/eventLogs/{event_log_id}", "requires_access_event_log", _one_event_log)
    _guard(app, "POST", "/api/v2/assets/events", "requires_access_asset", _posted_asset_event)
    for kind, own in (("connection", _bulk_connections), ("pool", _bulk_pools), ("variable", _bulk_variables)):
        _guard(app, "PATCH", f"/api/v2/{kind}s", f"requires_access_{kind}_bulk", own)


# -- lists


def _event_logs(user: security.GetUserDep) -> Any:
    return _Where(lambda: None if _everything(user, Kind.EVENT_LOG) else Log.dag_id.in_(_dag_ids(user)))


def _asset_events(user: security.GetUserDep) -> Any:
    def clause() -> Any:
        if _everything(user, Kind.ASSET_EVENT):
            return None
        without_source = and_(AssetEvent.source_dag_id.is_(None), AssetEvent.asset_id.in_(_asset_ids(user)))
        return or_(AssetEvent.source_dag_id.in_(_dag_ids(user)), without_source)

    return _Where(clause)


def _import_errors(user: Any) -> Any:
    if _everything(user, Kind.IMPORT_ERROR):
        return None
    teams = get_auth_manager().teams_where(user, Action.READ, Kind.IMPORT_ERROR) or set()
    mine = select(_bundle_team.dag_bundle_name).where(_bundle_team.team_name.in_(teams))
    return ParseImportError.bundle_name.in_(mine)


def _assets(user: Any) -> Any:
    return None if _everything(user, Kind.ASSET) else AssetModel.id.in_(_asset_ids(user))


def _asset_aliases(user: Any) -> Any:
    if _everything(user, Kind.ASSET_ALIAS):
        return None
    scheduled = select(DagScheduleAssetAliasReference.alias_id)
    return or_(
        AssetAliasModel.id.in_(scheduled.where(DagScheduleAssetAliasReference.dag_id.in_(_dag_ids(user)))),
        AssetAliasModel.assets.any(AssetModel.id.in_(_asset_ids(user))),
    )


# -- single things


def _one_import_error(import_error_id: int, user: security.GetUserDep, session: SessionDep) -> None:
    if _everything(user, Kind.IMPORT_ERROR):
        return
    ask = (
        select(_bundle_team.team_name)
        .join(ParseImportError, ParseImportError.bundle_name == _bundle_team.dag_bundle_name)
        .where(ParseImportError.id == import_error_id)
    )
    if session.scalar(ask) not in (get_auth_manager().teams_where(user, Action.READ, Kind.IMPORT_ERROR) or set()):
        raise HTTPException(404, f"The ImportError with import_error_id: `{import_error_id}` was not found")


def _one_event_log(event_log_id: int, user: security.GetUserDep, session: SessionDep) -> None:
    if _everything(user, Kind.EVENT_LOG):
        return
    if session.scalar(select(Log.dag_id).where(Log.id == event_log_id)) not in _dag_ids(user):
        raise HTTPException(404, f"The Event Log with id: `{event_log_id}` not found")


async def _posted_asset_event(request: Request, user: security.GetUserDep) -> None:
    try:
        body = await request.json()
        asset_id = _INTEGER.validate_python(body.get("asset_id") if isinstance(body, dict) else None)
    except ValueError:
        return  # the route reads the body in the same way, and answers 422 before it does anything
    decision = await run_in_threadpool(get_auth_manager().decide_asset, Action.POST, asset_id, user)
    if decision.hidden:
        raise HTTPException(404, f"Asset with ID: `{asset_id}` was not found")
    if not decision.allowed:
        raise HTTPException(403, "Forbidden")


# -- many at once: Airflow asks about the team in the body, but not when the body takes the team away


def _bulk_connections(request: security.BulkBody[security.ConnectionBody], user: security.GetUserDep) -> None:
    _keep_their_team(request, user, Kind.CONNECTION)
    security.requires_access_connection_bulk()(request, user)


def _bulk_pools(request: security.BulkBody[security.PoolBody], user: security.GetUserDep) -> None:
    _keep_their_team(request, user, Kind.POOL)
    security.requires_access_pool_bulk()(request, user)


def _bulk_variables(request: security.BulkBody[security.VariableBody], user: security.GetUserDep) -> None:
    _keep_their_team(request, user, Kind.VARIABLE)
    security.requires_access_variable_bulk()(request, user)


def _keep_their_team(request: Any, user: Any, kind: Kind) -> None:
    entities = [entity for action in request.actions for entity in action.entities if not isinstance(entity, str)]
    to_nobody = any("team_name" in entity.model_fields_set and entity.team_name is None for entity in entities)
    if to_nobody and get_auth_manager().teams_where(user, Action.WRITE, kind) is not None:
        raise HTTPException(403, "Forbidden")


# -- how


class _Where(parameters.BaseParam[Any]):
    """Adds a clause to a query; no clause, no restriction."""

    def __init__(self, clause: Callable[[], Any]) -> None:
        super().__init__()
        self._clause = clause

    def to_orm(self, select: Any) -> Any:
        clause = self._clause()
        return select if clause is None else select.where(clause)

    @classmethod
    def depends(cls, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError


def _everything(user: Any, kind: Kind) -> bool:
    return get_auth_manager().teams_where(user, Action.READ, kind) is None


def _dag_ids(user: Any) -> set[str]:
    return get_auth_manager().get_authorized_dag_ids(user=user)


def _asset_ids(user: Any) -> set[int]:
    return get_auth_manager().get_authorized_asset_ids(user=user)


def _dependency(alias: Any) -> Any:
    found = [extra.dependency for extra in get_args(alias)[1:] if hasattr(extra, "dependency")]
    if len(found) != 1:
        raise RowFilterError(f"{alias} is no longer one FastAPI dependency")
    return found[0]


def _ride(overrides: dict[Any, Any], alias: Any, clause_for: Callable[[Any], Any]) -> None:
    """Add a clause for the user to what one of the route's own filters does."""
    original = _dependency(alias)

    # ``partial`` makes another object of it: the original itself would be overridden again, for ever.
    def both(user: security.GetUserDep, inner: Any = Depends(partial(original))) -> Any:  # noqa: B008 # FastAPI's way
        return _Riding(inner, lambda: clause_for(user))

    overrides[original] = both


class _Riding(_Where):
    """One of the route's own filters, with a clause of ours."""

    def __init__(self, inner: Any, clause: Callable[[], Any]) -> None:
        super().__init__(clause)
        self._inner = inner
        self.value = inner.value  # some routes look at it

    def to_orm(self, select: Any) -> Any:
        return super().to_orm(self._inner.to_orm(select))


def _guard(app: Any, method: str, path: str, name: str, own: Callable[..., Any]) -> None:
    """Replace the guard of one route; the guard is an object of this route's alone."""
    routes = [route for route in _routes(app) if route.path == path and method in (route.methods or ())]
    guards = [
        dependency.dependency
        for route in routes
        for dependency in route.dependencies
        if name in dependency.dependency.__qualname__
    ]
    if len(routes) != 1 or len(guards) != 1:
        raise RowFilterError(f"{method} {path} is no longer one route with one {name}")
    app.dependency_overrides[guards[0]] = own


def _routes(node: Any) -> Iterator[Any]:
    for route in getattr(node, "routes", []):
        if hasattr(route, "dependencies") and hasattr(route, "path"):
            yield route
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from _routes(inner)
