"""Filters for what Airflow's own permission filters let through: rows without a Dag, and assets.

FastAPI's ``dependency_overrides`` put them where the routes already filter in SQL, so totals and pages stay right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common import parameters
from airflow.api_fastapi.core_api import security
from airflow.models.asset import AssetAliasModel, AssetModel
from airflow.models.errors import ParseImportError
from airflow.models.team import dag_bundle_team_association_table
from fastapi import Depends, Request
from sqlalchemy import select

from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership, route_guards, visible_rows
from airspace.airflow.web.dependencies import dependency_of, settle
from airspace.airflow.web.reach import reach_of

_bundle_team = dag_bundle_team_association_table.c


def install(app: Any) -> None:
    """Put every filter and guard in its place.

    :raises RowFilterError: one of the places is not there
    """
    if getattr(app.state, "airspace_installed", False):
        return
    overrides = app.dependency_overrides
    visible_rows.install(overrides)
    overrides[dependency_of(security.ReadableDagsFilterDep)] = _dags
    overrides[dependency_of(security.ReadableEventLogsFilterDep)] = _event_logs
    overrides[dependency_of(security.ReadableAssetEventsFilterDep)] = _asset_events
    _ride(overrides, parameters.QueryParseImportErrorBundleNameFilter, _import_errors)
    _ride(overrides, parameters.QueryAssetDagIdPatternSearch, _assets)
    _ride(overrides, parameters.QueryAssetAliasNamePatternSearch, _asset_aliases)
    route_guards.install(app)
    settle(app)
    app.state.airspace_installed = True


def _dags(request: Request, user: security.GetUserDep) -> Any:
    """Airflow takes the readable Dags also where it deletes what waits for them; that needs what pausing needs."""
    method = "PUT" if request.method == "DELETE" else "GET"
    return security.PermittedDagFilter(get_auth_manager().get_authorized_dag_ids(user=user, method=method))


def _event_logs(user: security.GetUserDep) -> Any:
    def clause() -> Any:
        reach = reach_of(user, Action.READ, Kind.EVENT_LOG)
        return None if reach is None else ownership.log_rows_of(reach)

    return _Where(clause)


def _asset_events(request: Request, user: security.GetUserDep) -> Any:
    return _Where(lambda: visible_rows.event_clause(user, request.scope))


def _import_errors(user: Any) -> Any:
    reach = reach_of(user, Action.READ, Kind.IMPORT_ERROR)
    if reach is None:
        return None
    mine = select(_bundle_team.dag_bundle_name).where(_bundle_team.team_name.in_(reach))
    return ParseImportError.bundle_name.in_(mine)


def _assets(user: Any) -> Any:
    everything = reach_of(user, Action.READ, Kind.ASSET) is None
    return None if everything else AssetModel.id.in_(list(visible_rows.assets_of(user).readable))


def _asset_aliases(user: Any) -> Any:
    reach = reach_of(user, Action.READ, Kind.ASSET_ALIAS)
    if reach is None:
        return None
    return AssetAliasModel.id.in_(visible_rows.aliases_of(reach, list(visible_rows.assets_of(user).own)))


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


def _ride(overrides: dict[Any, Any], alias: Any, clause_for: Callable[[Any], Any]) -> None:
    """Add a clause for the user to what one of the route's own filters does."""
    original = dependency_of(alias)

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
