"""Removing every row of a team, a bounded number at a time: for the admin worker. Each call goes on where one ended."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from airflow import settings
from airflow.models import Connection, DagModel, DagRun, Pool, TaskInstance, Variable
from airflow.models.asset import (
    AssetAliasModel,
    AssetEvent,
    AssetModel,
    AssetPartitionDagRun,
    AssetWatcherModel,
    DagScheduleAssetAliasReference,
    PartitionedAssetKeyLog,
    TaskOutletAssetReference,
    alias_association_table,
    asset_alias_asset_event_association_table,
)
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.callback import Callback
from airflow.models.deadline import Deadline
from airflow.models.log import Log
from airflow.models.trigger import Trigger
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from airspace.airflow.teams import belongings
from airspace.airflow.teams.belongings import Whose
from airspace.airflow.teams.holds import bundle_of, dags_of
from airspace.airflow.teams.locking import lock
from airspace.backends import tables
from airspace.model.errors import AirspaceError

_RUNS, _TASKS = 500, 5000  # at once: a run has up to thousands of task instances, and each of them XComs
_DAGS = 200
REMOVED_EVENT = "team_removed"
_ONLY_ROWS = {"synchronize_session": False}

Payload = Mapping[str, Any]


def belongings_of(payload: Payload) -> dict[str, Any]:
    """What is written down before anything is removed: afterwards nobody could tell whose it was."""
    team = payload["team"]
    with settings.get_session()() as session:
        row = session.execute(select(tables.teams).where(tables.teams.c.name == team)).one_or_none()
        spec = row.spec if row and isinstance(row.spec, dict) else {}
        dags = list(session.scalars(dags_of(team)))
        produced = select(TaskOutletAssetReference.asset_id).where(TaskOutletAssetReference.dag_id.in_(dags_of(team)))
        told = select(AssetEvent.asset_id).where(AssetEvent.source_dag_id.in_(dags_of(team)))
        named = AssetModel.name.in_(list(spec.get("assets") or ()))
        touched = or_(named, AssetModel.id.in_(produced), AssetModel.id.in_(told))
        assets = list(session.scalars(select(AssetModel.id).where(touched)))
        owned = list(session.scalars(select(AssetModel.id).where(named)))
        bundle = session.scalar(bundle_of(team).select())
    return {"known": row is not None, "bundle": bundle, "dags": dags, "assets": assets, "owned": owned}


def erase_team(payload: Payload) -> dict[str, Any]:
    """Remove rows for so many seconds.

    :returns: how many of each table, whether there may be more, and what came in between
    """
    whose = Whose(payload["team"], payload["bundle"], list(payload["dags"]))
    deadline = time.monotonic() + float(payload["seconds"])
    removed: Counter[str] = Counter()
    while time.monotonic() < deadline:
        with settings.get_session()() as session, session.begin():
            some = _runs(session, whose) or _callbacks(session, whose)
        removed.update(some)
        if not some:
            break
    else:
        return {"removed": removed, "more": True, "left": {}}
    for at in range(0, len(whose.dags), _DAGS):
        part = Whose(whose.team, whose.bundle, whose.dags[at : at + _DAGS])
        with settings.get_session()() as session, session.begin():
            removed.update(_dags(session, part))
    with settings.get_session()() as session, session.begin():
        removed.update(_assets(session, payload["assets"], payload["owned"], whose))
    with settings.get_session()() as session, session.begin():
        lock(session)
        removed.update(_team(session, whose))
    found = {name: count for name, count in removed.items() if count}
    return {"removed": found, "more": False, "left": _left(whose)}


def _left(whose: Whose) -> dict[str, int]:
    """Rows that still name the team or its Dags, by table: what came in between."""
    with settings.get_session()() as session:
        found = {}
        for table in belongings.tables():
            condition = belongings.named(table, whose)
            if condition is not None and (count := session.scalar(select(func.count()).where(condition))):
                found[table.name] = count
        for table in tables.metadata.sorted_tables:
            columns = [table.c[name] for name in ("team", "consumer") if name in table.c]
            columns += [table.c.name] if table is tables.teams else []
            named = or_(*(column == whose.team for column in columns)) if columns else None
            if named is not None and (count := session.scalar(select(func.count()).where(named))):
                found[table.name] = count
    return found


def _runs(session: Session, whose: Whose) -> Counter[str]:
    """Some runs with all that hangs on them."""
    ids, count = _next_runs(session, whose)
    if not ids:
        return Counter()
    runs = select(DagRun.dag_id, DagRun.run_id).where(DagRun.id.in_(ids)).subquery()
    mine = (TaskInstance.dag_id == runs.c.dag_id) & (TaskInstance.run_id == runs.c.run_id)
    triggers = select(TaskInstance.trigger_id).join(runs, mine).where(TaskInstance.trigger_id.is_not(None))
    waited_for = list(session.scalars(triggers))
    callbacks = list(session.scalars(select(Deadline.callback_id).where(Deadline.dagrun_id.in_(ids))))
    waited_for += _drop_callbacks(session, callbacks)
    partitions = AssetPartitionDagRun.created_dag_run_id.in_(ids)
    _drop(session, delete(AssetPartitionDagRun).where(partitions))
    _drop(session, delete(DagRun).where(DagRun.id.in_(ids)))
    _drop(session, delete(Trigger).where(Trigger.id.in_(waited_for)))
    return Counter({"dag_run": len(ids), "task_instance": count, "callback": len(callbacks)})


def _next_runs(session: Session, whose: Whose) -> tuple[list[int], int]:
    """Runs with not too many task instances together, at least one; and how many these are."""
    some = select(DagRun.id, DagRun.dag_id, DagRun.run_id).where(DagRun.dag_id.in_(whose.dags)).limit(_RUNS).subquery()
    mine = (TaskInstance.dag_id == some.c.dag_id) & (TaskInstance.run_id == some.c.run_id)
    sizes = select(some.c.id, func.count(TaskInstance.id).label("size")).outerjoin(TaskInstance, mine)
    ids: list[int] = []
    count = 0
    for row in session.execute(sizes.group_by(some.c.id)):
        if ids and count + row.size > _TASKS:
            break
        ids.append(row.id)
        count += row.size
    return ids, count


def _callbacks(session: Session, whose: Whose) -> Counter[str]:
    """Callbacks without a run: what the Dag processor was to call, and those whose run is gone."""
    named = func.jsonb_extract_path_text(Callback.__table__.c.data, "__var", "dag_id").in_(whose.dags)
    ask = select(Callback.id).where(or_(Callback.bundle_name == whose.bundle, named)).limit(1000)
    ids = list(session.scalars(ask))
    triggers = _drop_callbacks(session, ids)
    _drop(session, delete(Trigger).where(Trigger.id.in_(triggers)))
    return Counter({"callback": len(ids)}) if ids else Counter()


def _drop_callbacks(session: Session, ids: list[Any]) -> list[int]:
    """Their triggers, which go after them."""
    mine = Callback.id.in_(ids)
    triggers = list(session.scalars(select(Callback.trigger_id).where(mine, Callback.trigger_id.is_not(None))))
    _drop(session, delete(Callback).where(mine))
    return triggers


def _dags(session: Session, whose: Whose) -> Counter[str]:
    """All rows that name one of these Dags, those that refer to others first."""
    removed: Counter[str] = Counter()
    by_dag = Whose("", "", whose.dags)
    for table in reversed(belongings.tables()):
        columns = [column for column, what in belongings.naming(table) if what == "dag"]
        if columns:
            condition = or_(*(column.in_(by_dag.dags) for column in columns))
            removed[table.name] += _drop(session, delete(table).where(condition))
    return removed


def _assets(session: Session, assets: list[int], owned: list[int], whose: Whose) -> Counter[str]:
    """Assets that nobody else refers to go; of the others, what the team told of them."""
    removed: Counter[str] = Counter()
    referred = {
        asset_id
        for table in belongings.tables()
        if "asset_id" in table.c and {"dag_id", "target_dag_id"} & set(table.c.keys()) and table.name != "asset_event"
        for asset_id in session.scalars(select(table.c.asset_id).where(table.c.asset_id.in_(assets)))
    }
    named = {
        name
        for row in session.execute(select(tables.teams.c.name, tables.teams.c.spec))
        if row.name != whose.team and isinstance(row.spec, dict)
        for name in row.spec.get("assets") or ()
    }
    rows = session.execute(select(AssetModel.id, AssetModel.name).where(AssetModel.id.in_(assets))).all()
    gone = [row.id for row in rows if row.id not in referred and row.name not in named]
    kept = [row.id for row in rows if row.id in owned and row.name not in named and row.id not in gone]
    events = AssetEvent.asset_id.in_([*gone, *kept])
    removed["asset_event"] += _drop(session, delete(AssetEvent).where(events))
    for model in (PartitionedAssetKeyLog, AssetStateStoreModel):
        _drop(session, delete(model).where(model.asset_id.in_([*gone, *kept])))
    plain = update(AssetModel).where(AssetModel.id.in_(kept)).values(extra={}, group="asset")
    session.execute(plain, execution_options=_ONLY_ROWS)
    watched = select(AssetWatcherModel.trigger_id).where(AssetWatcherModel.asset_id.in_([*gone, *kept]))
    triggers = list(session.scalars(watched))
    _drop(session, delete(Trigger).where(Trigger.id.in_(triggers)))
    links = alias_association_table.c
    aliases = list(session.scalars(select(links.alias_id).where(links.asset_id.in_([*gone, *kept]))))
    removed["asset"] += _drop(session, delete(AssetModel).where(AssetModel.id.in_(gone)))
    _drop_lone_aliases(session, aliases)
    return removed


def _drop_lone_aliases(session: Session, aliases: list[int]) -> None:
    used = [select(table.c.alias_id) for table in (alias_association_table, asset_alias_asset_event_association_table)]
    used.append(select(DagScheduleAssetAliasReference.alias_id))
    lone = [AssetAliasModel.id.not_in(each) for each in used]
    gone = delete(AssetAliasModel).where(AssetAliasModel.id.in_(aliases), *lone)
    session.execute(gone, execution_options=_ONLY_ROWS)


def _team(session: Session, whose: Whose) -> Counter[str]:
    """The team itself, its objects, and what others' files say of it: the last transaction."""
    if session.scalar(select(DagModel.dag_id).where(DagModel.bundle_name == whose.bundle).limit(1)) is not None:
        raise AirspaceError(f"team {whose.team} has a new Dag", fix=f"airspace team remove {whose.team}")
    removed: Counter[str] = Counter()
    for model, key in ((Connection, Connection.conn_id), (Variable, Variable.key), (Pool, Pool.pool)):
        mine = or_(
            model.team_name == whose.team,
            key == whose.team if model is Pool else key.startswith(f"{whose.team}.", autoescape=True),
            key.startswith(f"{whose.team}.", autoescape=True),
        )
        removed[model.__tablename__] += _drop(session, delete(model).where(mine))
    for table in reversed(belongings.tables()):
        columns = [(column, what) for column, what in belongings.naming(table) if what != "dag"]
        terms = [column == (whose.bundle if what == "bundle" else whose.team) for column, what in columns]
        if terms:
            removed[table.name] += _drop(session, delete(table).where(or_(*terms)))
    told = Log.extra.startswith(json.dumps({"team": whose.team})[:-1], autoescape=True)
    _drop(session, delete(Log).where(Log.event == "team_network", told))
    _ours(session, whose.team, removed)
    return removed


def _ours(session: Session, team: str, removed: Counter[str]) -> None:
    grants, members = tables.asset_grants, tables.members
    removed[grants.name] += _drop(session, delete(grants).where(or_(grants.c.team == team, grants.c.consumer == team)))
    removed[members.name] += _drop(session, delete(members).where(members.c.team == team))
    for row in session.execute(select(tables.teams.c.name, tables.teams.c.spec)).all():
        if (spec := without_consumer(row.spec, team)) != row.spec and row.name != team:
            # The clock: whoever follows the teams sees by it that this one's consents have changed.
            values = {"spec": spec, "applied_at": func.clock_timestamp()}
            session.execute(update(tables.teams).where(tables.teams.c.name == row.name).values(**values))
    gone = _drop(session, delete(tables.teams).where(tables.teams.c.name == team))
    session.execute(delete(tables.holds).where(tables.holds.c.team == team))
    on_the_way = or_(tables.dag_holds.c.team == team, tables.dag_holds.c.target == team)
    session.execute(delete(tables.dag_holds).where(on_the_way))
    removed[tables.teams.name] += gone
    if gone:
        extra = json.dumps({"team": team})
        session.add(Log(event=REMOVED_EVENT, owner="airspace", owner_display_name="airspace team remove", extra=extra))


def _drop(session: Session, statement: Any) -> int:
    """Run a deletion; how many rows it took."""
    done: Any = session.execute(statement, execution_options=_ONLY_ROWS)
    return int(done.rowcount)


def without_consumer(spec: Any, team: str) -> Any:
    """A stored team file in which this team consumes nothing."""
    if not isinstance(spec, dict) or not isinstance(spec.get("assets"), dict):
        return spec
    assets = {
        name: {**grant, "consumers": [each for each in grant.get("consumers") or () if each != team]}
        if isinstance(grant, dict) and team in (grant.get("consumers") or ())
        else grant
        for name, grant in spec["assets"].items()
    }
    return {**spec, "assets": assets}
