"""What the guard has to know, read from the database at the moment of the request.

Nothing is remembered about task instances, Dags and names: a cache would be right only until the next change, and one
look at a primary key costs a fraction of a millisecond. Only what the team files say is kept, until they change.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow.models import Connection as AirflowConnection
from airflow.models import DagModel, TaskInstance, Variable
from airflow.models.asset import (
    AssetActive,
    AssetModel,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
)
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.dag_version import DagVersion
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import ARRAY, Integer, String, any_, bindparam, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from airspace.access.tasks import Instance, Touch, owner_of
from airspace.airflow.asset_history import first_updates
from airspace.airflow.guard.database import Ask, Database, Session
from airspace.backends.tables import asset_grants, teams

_bundle_team = dag_bundle_team_association_table.c


def _of_team(ask: Any, dag_id: Any) -> Any:
    """The statement, joined to the team of the Dag with this id."""
    return ask.join(DagModel, DagModel.dag_id == dag_id).join(
        dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name
    )


def _any_of(name: str, kind: type[Any]) -> Any:
    return any_(bindparam(name, type_=ARRAY(kind)))


_ASKED_FOR = select(AssetModel.id).where(AssetModel.name == _any_of("names", String))


def _touching(reference: Any, *, produces: bool) -> Any:
    since, says = reference.created_at.label("since"), literal(produces).label("produces")
    ask = select(reference.asset_id, _bundle_team.team_name, since, says)
    return _of_team(ask, reference.dag_id).where(reference.asset_id.in_(_ASKED_FOR))


def _called(name: Any, team: Any, asked: str) -> Any:
    """Name → team of what a task of the instance's team may mean by a short name, as one JSON object."""
    short = bindparam(asked, type_=String)
    own = func.concat(_bundle_team.team_name, ".", short)
    ask = select(func.json_object_agg(name, team)).where(or_(name == short, name == own))
    return ask.correlate(dag_bundle_team_association_table).scalar_subquery().label(f"{asked}s")


# Built once: putting a statement together costs more than asking it.
_other_dag, _other_bundle = aliased(DagModel), aliased(dag_bundle_team_association_table)
_OTHER_TEAM = (
    select(_other_bundle.c.team_name)
    .join(_other_dag, _other_dag.bundle_name == _other_bundle.c.dag_bundle_name)
    .where(_other_dag.dag_id == bindparam("other_dag", type_=String))
    .scalar_subquery()
)
# The team is that of the bundle which the instance's own version of the Dag is from, if the Dag is still that bundle's.
# What else is nearly always asked comes along: each question of its own costs as much as this one.
_INSTANCE = Ask(
    select(
        TaskInstance.dag_id,
        TaskInstance.state,
        TaskInstance.queued_dttm,
        _bundle_team.team_name,
        _OTHER_TEAM.label("other_team"),
        _called(AirflowConnection.conn_id, AirflowConnection.team_name, "connection"),
        _called(Variable.key, Variable.team_name, "variable"),
        select(func.count()).select_from(teams).scalar_subquery().label("teams"),
        select(func.max(teams.c.applied_at)).scalar_subquery().label("applied_at"),
    )
    .outerjoin(DagVersion, DagVersion.id == TaskInstance.dag_version_id)
    .outerjoin(DagModel, (DagModel.dag_id == TaskInstance.dag_id) & (DagModel.bundle_name == DagVersion.bundle_name))
    .outerjoin(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    .where(TaskInstance.id == bindparam("ti_id"))
)
_DAGS = Ask(
    select(DagModel.dag_id, _bundle_team.team_name)
    .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    .where(DagModel.dag_id == _any_of("dag_ids", String))
)
_CONNECTION_TEST = Ask(select(ConnectionTestRequest.state).where(ConnectionTestRequest.id == bindparam("test_id")))
_ACTIVE_AT = Ask(
    select(AssetModel.name)
    .join(AssetActive, (AssetActive.name == AssetModel.name) & (AssetActive.uri == AssetModel.uri))
    .where(AssetModel.uri == _any_of("uris", String))
)
_TOUCHES = union_all(
    _touching(TaskOutletAssetReference, produces=True),
    _touching(DagScheduleAssetReference, produces=False),
    _touching(TaskInletAssetReference, produces=False),
).subquery()
_ASSETS = Ask(
    select(AssetModel.id, AssetModel.name, _TOUCHES.c.team_name, _TOUCHES.c.produces, _TOUCHES.c.since)
    .outerjoin(_TOUCHES, _TOUCHES.c.asset_id == AssetModel.id)
    .where(AssetModel.name == _any_of("names", String))
)
_FIRST_UPDATES = Ask(first_updates(_any_of("ids", Integer)))
_STAMP = Ask(select(func.count(), func.max(teams.c.applied_at)).select_from(teams))
_FILES = Ask(select(teams.c.name, teams.c.spec))
_GRANTS = Ask(select(asset_grants.c.team, asset_grants.c.asset, asset_grants.c.consumer))


@dataclass(frozen=True)
class AssetFacts:
    """One name of an asset: whether it exists or is named in any team file, whose it is and who may read it."""

    name: str
    known: bool
    owner: str | None
    readers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Beside:
    """What is asked for beside a task instance: each question of its own costs as much as that one."""

    dag: str | None = None
    connection: str | None = None
    variable: str | None = None


@dataclass
class _Files:
    """What the team files say of assets, as of a stamp."""

    stamp: Any = None
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    grants: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)


class Facts:
    """Reads from the database. What keeps it from an answer is its trouble to tell: the guard then says no."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._files = _Files()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Look]:
        """A connection for as long as one request is judged."""
        async with self._database.session() as session:
            yield Look(session, self)

    async def files(self, stamp: Any, session: Session) -> _Files:
        """What the team files say, read anew when the stamp is another."""
        if stamp != self._files.stamp:
            named: dict[str, set[str]] = defaultdict(set)
            for row in await session.all(_FILES):
                for asset in json.loads(row["spec"]).get("assets") or {}:
                    named[asset].add(row["name"])
            grants: dict[tuple[str, str], set[str]] = defaultdict(set)
            for row in await session.all(_GRANTS):
                grants[row["team"], row["asset"]].add(row["consumer"])
                named[row["asset"]].add(row["team"])
            self._files = _Files(
                stamp,
                {name: frozenset(by) for name, by in named.items()},
                {key: frozenset(consumers) for key, consumers in grants.items()},
            )
        return self._files


class Look:
    """What there is to know now, over one connection."""

    def __init__(self, session: Session, facts: Facts) -> None:
        self._session = session
        self._facts = facts
        self.connections: dict[str, str | None] = {}
        """Name → team of the connections that the one asked for beside the instance may mean."""
        self.variables: dict[str, str | None] = {}
        """The same of variables."""
        self._stamp: tuple[Any, ...] | None = None
        self._team_of: dict[str, str | None] = {}

    async def instance(self, ti_id: str, beside: Beside | None = None) -> Instance | None:
        """The task instance as it is now, and what will be asked for beside it."""
        beside = beside or Beside()
        asked = {"other_dag": beside.dag, "connection": beside.connection, "variable": beside.variable}
        rows = await self._session.all(_INSTANCE, ti_id=uuid.UUID(ti_id), **asked)
        if not rows:
            return None
        row = rows[0]
        self._stamp = (row["teams"], row["applied_at"])
        if beside.dag is not None:
            self._team_of[beside.dag] = row["other_team"]
        self.connections, self.variables = (json.loads(row[kind] or "{}") for kind in ("connections", "variables"))
        return Instance(ti_id, row["dag_id"], row["team_name"], row["state"], row["queued_dttm"])

    async def team_of_dag(self, dag_id: str) -> str | None:
        """The team of a Dag; None for one without a team and for one that does not exist."""
        if dag_id not in self._team_of:
            rows = await self._session.all(_DAGS, dag_ids=[dag_id])
            self._team_of[dag_id] = rows[0]["team_name"] if rows else None
        return self._team_of[dag_id]

    async def dags_of(self, team: str, dag_ids: Collection[str]) -> set[str]:
        """Which of these Dags are the team's."""
        if not dag_ids:
            return set()
        rows = await self._session.all(_DAGS, dag_ids=list(dag_ids))
        return {row["dag_id"] for row in rows if row["team_name"] == team}

    async def connection_test(self, test_id: str) -> str | None:
        """The state of a connection test."""
        rows = await self._session.all(_CONNECTION_TEST, test_id=uuid.UUID(test_id))
        return str(rows[0]["state"]) if rows else None

    async def assets(self, names: Collection[str]) -> list[AssetFacts]:
        """What is called by these names."""
        if not names:
            return []
        ids: dict[str, set[int]] = defaultdict(set)
        touches: dict[int, list[Touch]] = defaultdict(list)
        for row in await self._session.all(_ASSETS, names=list(names)):
            ids[row["name"]].add(row["id"])
            if row["team_name"] is not None:
                touches[row["id"]].append(Touch(row["team_name"], row["produces"], row["since"]))
        named = (await self._files()).named
        unclear = {each for name, found in ids.items() if len(named.get(name, ())) != 1 for each in found}
        await self._add_first_events(touches, unclear)
        return [
            await self._asset(name, name in ids, [touch for each in ids.get(name, ()) for touch in touches[each]])
            for name in sorted(set(names))
        ]

    async def names_at(self, uris: Collection[str]) -> set[str]:
        """The names of the active assets at these addresses: those that Airflow takes an address for."""
        return {row["name"] for row in await self._session.all(_ACTIVE_AT, uris=list(uris))} if uris else set()

    async def alias(self, name: str) -> AssetFacts:
        """An alias of assets. It is a team's only if a team file names it, like an asset.

        Otherwise it is everybody's: to own one by having used or awaited it first would keep others from theirs. What
        is posted through it is judged by itself, and nobody hears another team's assets through it.
        """
        return await self._asset(name, False, [])

    async def _asset(self, name: str, exists: bool, touches: list[Touch]) -> AssetFacts:
        files = await self._files()
        named = files.named.get(name, frozenset())
        owner = owner_of(named, touches)
        readers = files.grants.get((owner, name), frozenset()) if owner else frozenset()
        return AssetFacts(name, exists or bool(named), owner, readers)

    async def _add_first_events(self, touches: dict[int, list[Touch]], ids: set[int]) -> None:
        """Of an asset that no Dag says it produces (an alias made it), who updated it first is its producer."""
        unclaimed = [asset_id for asset_id in ids if not any(touch.produces for touch in touches[asset_id])]
        for row in await self._session.all(_FIRST_UPDATES, ids=unclaimed) if unclaimed else ():
            touches[row["asset_id"]].append(Touch(row["team_name"], True, row["since"]))

    async def _files(self) -> _Files:
        if self._stamp is None:
            (row,) = await self._session.all(_STAMP)
            self._stamp = tuple(row)
        return await self._facts.files(self._stamp, self._session)
