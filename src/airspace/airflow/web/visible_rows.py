"""The rows that a reader's sessions yield: a second wall below the filters of the single routes.

Airflow's own filters end at the rows of a list. What hangs on a row (the Dags that an asset starts, the runs that an
event made, the newest event of an asset) it loads for everyone alike. So while somebody reads who may not read all, the
sessions of that request add a condition to each SELECT, also in subqueries and where relationships are loaded.
SQLAlchemy offers this for the purpose (``do_orm_execute`` and ``with_loader_criteria``). Requests that write are left
alone: they must see the consumers of an event to wake them, and they ask for each thing by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api import security
from airflow.models import DagModel
from airflow.models.asset import (
    AssetAliasModel,
    AssetDagRunQueue,
    AssetEvent,
    AssetModel,
    AssetPartitionDagRun,
    AssetWatcherModel,
    DagScheduleAssetAliasReference,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
)
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.team import Team
from airflow.utils.session import create_session
from fastapi import Depends, Request
from sqlalchemy import and_, event, or_, select
from sqlalchemy.orm import Session, with_loader_criteria
from sqlalchemy.orm.attributes import set_committed_value

from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership
from airspace.airflow.web.dependencies import dependency_of
from airspace.airflow.web.request_scope import notes, query

_BY_DAG: tuple[tuple[Any, str], ...] = (
    (DagModel, "dag_id"),
    (DagRun, "dag_id"),
    (TaskInstance, "dag_id"),
    (Log, "dag_id"),
    (DagScheduleAssetReference, "dag_id"),
    (DagScheduleAssetAliasReference, "dag_id"),
    (TaskOutletAssetReference, "dag_id"),
    (TaskInletAssetReference, "dag_id"),
    (AssetDagRunQueue, "target_dag_id"),
    (AssetPartitionDagRun, "target_dag_id"),
)
_READER = "reader"
_ABOUT_ASSETS = ("sset", "dependencies", "structure")  # routes that also read of assets, or of what hangs on them
_SOURCE = ("source_dag_id", "source_task_id", "source_run_id", "source_map_index")


@dataclass(frozen=True)
class Assets:
    """The assets somebody reads: all of an own one, of a consumed one its owner's events but not who made them."""

    readable: frozenset[int]
    own: frozenset[int]
    consumed: dict[str, frozenset[int]]  # owner → assets


def install(overrides: dict[Any, Any]) -> None:
    """Learn in each request who reads, and add the conditions wherever a session of Airflow's then reads."""
    original = dependency_of(SessionDep)

    # ``partial`` makes another object of it: the original itself would be overridden again, for ever.
    def readers_session(
        request: Request,
        user: security.GetUserDep,
        session: Any = Depends(partial(original), scope="function"),  # noqa: B008 # FastAPI's way
    ) -> Any:
        if _reads(request):
            _limit(user, request.scope["path"])
        return session

    overrides[original] = readers_session
    for name, listener in (("do_orm_execute", _narrow), ("loaded_as_persistent", _hide)):
        if not event.contains(Session, name, listener):
            event.listen(Session, name, listener)


def event_clause(user: Any, scope: Any) -> Any:
    """Which asset events a list shows; None: all.

    What a request says about sources is only answered for own ones: the sources of others' events are not shown, and
    neither a filter nor an order may tell them.
    """
    manager = get_auth_manager()
    reach = manager.teams_where(user, Action.READ, Kind.ASSET_EVENT)
    if reach is None:
        return None
    asked = any(key.startswith("source_") or (key == "order_by" and "source_" in value) for key, value in query(scope))
    return _own_events(reach) if asked else or_(_own_events(reach), *_shown_events(assets_of(user)))


def assets_of(user: Any) -> Assets:
    """The assets that the user reads, looked up once in a request."""
    found: Assets | None = notes().get("assets")
    if found is None:
        places = get_auth_manager().get_readable_assets(user=user)
        mine = get_auth_manager().teams_where(user, Action.READ, Kind.ASSET) or set()
        consumed: dict[str, set[int]] = {}
        for asset_id, place in places.items():
            if place.owner not in mine and place.consumers & mine:
                consumed.setdefault(str(place.owner), set()).add(asset_id)
        found = notes()["assets"] = Assets(
            frozenset(places),
            frozenset(asset_id for asset_id, place in places.items() if place.owner in mine),
            {team: frozenset(ids) for team, ids in consumed.items()},
        )
    return found


def _reads(request: Request) -> bool:
    # Materializing an asset writes, but first looks for the Dags that do so, and tells if there are several.
    return request.method in ("GET", "HEAD") or request.scope["path"].endswith("/materialize")


def _limit(user: Any, path: str) -> None:
    reach = get_auth_manager().teams_where(user, Action.READ, Kind.DAG)
    if reach is not None and _READER not in notes():
        notes()[_READER] = _Reader(user, reach, about_assets=any(word in path for word in _ABOUT_ASSETS))


@dataclass
class _Reader:
    """Who reads in the running request, who may not read all; and the conditions, made when they are first needed."""

    user: Any
    reach: set[str]
    about_assets: bool
    options: list[Any] | None = None
    own_dags: set[str] | None = None


def _narrow(state: Any) -> None:
    """SQLAlchemy calls this for each statement of any session; a session also reads for others than the routes."""
    reader: _Reader | None = notes().get(_READER)
    if reader is None or not state.is_select or state.is_column_load or state.is_relationship_load:
        return  # relationships carry the options of the statement that loads them
    if any(mapper.class_ is Team for mapper in state.all_mappers):
        return  # whose a Dag is, which Airflow keeps for other requests as well
    if reader.options is None:
        reader.options = []  # what is read to make them is read whole
        reader.options = _options(reader)
    state.statement = state.statement.options(*reader.options)


def _hide(_session: Any, loaded: Any) -> None:
    """Takes the source from events of other teams' Dags, in what was loaded and not in the table."""
    if not isinstance(loaded, AssetEvent) or loaded.source_dag_id is None:
        return
    reader: _Reader | None = notes().get(_READER)
    if reader is None:
        return
    if reader.own_dags is None:
        with create_session(scoped=False) as session:
            reader.own_dags = ownership.dag_ids(reader.reach, session)
    if loaded.source_dag_id not in reader.own_dags:
        for name in _SOURCE:
            set_committed_value(loaded, name, -1 if name == "source_map_index" else None)


def _options(reader: _Reader) -> list[Any]:
    mine = ownership.dags_of(reader.reach)
    criteria = [(of, getattr(of, name).in_(mine)) for of, name in _BY_DAG]
    if reader.about_assets:
        criteria += _asset_criteria(reader, mine)
    else:
        criteria.append((AssetEvent, _own_events(reader.reach)))
    return [with_loader_criteria(of, clause, include_aliases=True) for of, clause in criteria]


def _asset_criteria(reader: _Reader, mine: Any) -> list[tuple[Any, Any]]:
    assets = assets_of(reader.user)
    own, readable = list(assets.own), list(assets.readable)
    writer = AssetStateStoreModel.last_updated_by_dag_id
    named = AssetModel.id.in_(ownership.mentioned_assets(reader.reach))
    return [
        (AssetModel, or_(AssetModel.id.in_(readable), named)),
        (AssetEvent, or_(_own_events(reader.reach), *_shown_events(assets))),
        (AssetWatcherModel, AssetWatcherModel.asset_id.in_(own)),
        (AssetStateStoreModel, or_(writer.in_(mine), and_(writer.is_(None), AssetStateStoreModel.asset_id.in_(own)))),
        (AssetAliasModel, AssetAliasModel.id.in_(aliases_of(reader.reach, own))),
    ]


def aliases_of(reach: set[str], own: list[int]) -> Any:
    """The aliases that start Dags of these teams or stand for assets of theirs."""
    scheduled, linked = DagScheduleAssetAliasReference.__table__.c, AssetAliasModel.assets.property.secondary.c
    by_dag = select(scheduled.alias_id).where(scheduled.dag_id.in_(ownership.dags_of(reach)))
    return by_dag.union(select(linked.alias_id).where(linked.asset_id.in_(own)))


def _own_events(reach: set[str]) -> Any:
    return AssetEvent.source_dag_id.in_(ownership.dags_of(reach))


def _shown_events(assets: Assets) -> list[Any]:
    """Those of own assets that nobody's Dag made, and those of consumed ones that nobody's or the owner's made."""
    nobodys = AssetEvent.source_dag_id.is_(None)
    shown = [and_(nobodys, AssetEvent.asset_id.in_(list(assets.own)))]
    for owner, ids in assets.consumed.items():
        owners = AssetEvent.source_dag_id.in_(ownership.dags_of([owner]))
        shown.append(and_(AssetEvent.asset_id.in_(list(ids)), or_(nobodys, owners)))
    return shown
