"""What the guard has to know, read from the database at the moment of the request.

Nothing is remembered about task instances, Dags and names: a cache would be right only until the next change, and one
look at a primary key costs a fraction of a millisecond. Only what the team files say is kept, until they change.
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow.models import Connection as AirflowConnection
from airflow.models import DagModel, TaskInstance, Variable
from airflow.models.asset import (
    AssetActive,
    AssetAliasModel,
    AssetEvent,
    AssetModel,
    DagScheduleAssetAliasReference,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
    asset_alias_asset_event_association_table,
)
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.dag_version import DagVersion
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import Connection, Engine, Row, bindparam, func, literal, select, union_all

from airspace.access.tasks import Instance, Touch, owner_of
from airspace.backends.tables import TeamRegistry, teams

_bundle_team = dag_bundle_team_association_table.c


def _of_team(ask: Any, dag_id: Any) -> Any:
    """The statement, joined to the team of the Dag with this id."""
    return ask.join(DagModel, DagModel.dag_id == dag_id).join(
        dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name
    )


def _touching(reference: Any, *, produces: bool) -> Any:
    since, says = reference.created_at.label("since"), literal(produces).label("produces")
    ask = select(reference.asset_id, _bundle_team.team_name, since, says)
    return _of_team(ask, reference.dag_id).where(reference.asset_id.in_(bindparam("ids", expanding=True)))


def _names(name: Any, team: Any) -> Any:
    return select(name.label("name"), team.label("team")).where(name.in_(bindparam("names", expanding=True)))


# Built once: putting a statement together costs more than asking it.
# The team is that of the bundle which the instance's own version of the Dag is from, if the Dag is still that bundle's.
_INSTANCE = (
    select(TaskInstance.dag_id, TaskInstance.state, TaskInstance.queued_dttm, _bundle_team.team_name)
    .outerjoin(DagVersion, DagVersion.id == TaskInstance.dag_version_id)
    .outerjoin(DagModel, (DagModel.dag_id == TaskInstance.dag_id) & (DagModel.bundle_name == DagVersion.bundle_name))
    .outerjoin(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    .where(TaskInstance.id == bindparam("ti_id"))
)
_DAGS = (
    select(DagModel.dag_id, _bundle_team.team_name)
    .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    .where(DagModel.dag_id.in_(bindparam("dag_ids", expanding=True)))
)
_CONNECTIONS = _names(AirflowConnection.conn_id, AirflowConnection.team_name)
_VARIABLES = _names(Variable.key, Variable.team_name)
_CONNECTION_TEST = select(ConnectionTestRequest.state).where(ConnectionTestRequest.id == bindparam("test_id"))
_ASSETS = select(AssetModel.id, AssetModel.name).where(AssetModel.name.in_(bindparam("names", expanding=True)))
_ACTIVE_AT = (
    select(AssetModel.name)
    .join(AssetActive, (AssetActive.name == AssetModel.name) & (AssetActive.uri == AssetModel.uri))
    .where(AssetModel.uri.in_(bindparam("uris", expanding=True)))
)
_TOUCHES = union_all(
    _touching(TaskOutletAssetReference, produces=True),
    _touching(DagScheduleAssetReference, produces=False),
    _touching(TaskInletAssetReference, produces=False),
)
_FIRST_EVENT = (
    _of_team(select(_bundle_team.team_name, AssetEvent.timestamp).select_from(AssetEvent), AssetEvent.source_dag_id)
    .where(AssetEvent.asset_id == bindparam("asset_id"))
    .order_by(AssetEvent.timestamp)
    .limit(1)
)
_event_alias = asset_alias_asset_event_association_table.c
_ALIAS_WAITED_FOR = _of_team(
    select(_bundle_team.team_name, DagScheduleAssetAliasReference.created_at)
    .select_from(AssetAliasModel)
    .join(DagScheduleAssetAliasReference, DagScheduleAssetAliasReference.alias_id == AssetAliasModel.id),
    DagScheduleAssetAliasReference.dag_id,
).where(AssetAliasModel.name == bindparam("name"))
_ALIAS_FIRST_EVENT = (
    _of_team(
        select(_bundle_team.team_name, AssetEvent.timestamp)
        .select_from(AssetAliasModel)
        .join(_event_alias.alias_id.table, _event_alias.alias_id == AssetAliasModel.id)
        .join(AssetEvent, AssetEvent.id == _event_alias.event_id),
        AssetEvent.source_dag_id,
    )
    .where(AssetAliasModel.name == bindparam("name"))
    .order_by(AssetEvent.id)
    .limit(1)
)
_STAMP = select(func.count(), func.max(teams.c.applied_at)).select_from(teams)


@dataclass(frozen=True)
class AssetFacts:
    """One name of an asset: whether it exists or is named in any team file, whose it is and who may read it."""

    name: str
    known: bool
    owner: str | None
    readers: frozenset[str] = frozenset()


@dataclass
class _Files:
    """What the team files say of assets, as of a stamp."""

    stamp: Any = None
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    grants: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)


class Facts:
    """Reads over one engine. Raises SQLAlchemy's errors: the guard then says no."""

    def __init__(self, engine: Engine) -> None:
        # Every look is one statement: no transaction around it saves two round trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._registry = TeamRegistry(engine)
        self._files = _Files()
        self._lock = threading.Lock()

    @contextmanager
    def look(self) -> Iterator[Look]:
        """A connection for as long as one request is judged."""
        with self._engine.connect() as connection:
            yield Look(connection, self)

    def files(self, stamp: Any) -> _Files:
        """What the team files say, read anew when the stamp is another."""
        with self._lock:
            if stamp != self._files.stamp:
                named: dict[str, set[str]] = defaultdict(set)
                with self._engine.connect() as connection:
                    for row in connection.execute(select(teams.c.name, teams.c.spec)):
                        for asset in row.spec.get("assets") or {}:
                            named[asset].add(row.name)
                grants = self._registry.grants()
                for team, asset in grants:
                    named[asset].add(team)
                self._files = _Files(stamp, {name: frozenset(by) for name, by in named.items()}, grants)
            return self._files


class Look:
    """What there is to know now, over one connection."""

    def __init__(self, connection: Connection, facts: Facts) -> None:
        self._connection = connection
        self._facts = facts

    def instance(self, ti_id: str) -> Instance | None:
        """The task instance as it is now."""
        rows = self._all(_INSTANCE, ti_id=uuid.UUID(ti_id))
        if not rows:
            return None
        row = rows[0]
        return Instance(ti_id, row.dag_id, row.team_name, row.state, row.queued_dttm)

    def team_of_dag(self, dag_id: str) -> str | None:
        """The team of a Dag; None for one without a team and for one that does not exist."""
        rows = self._all(_DAGS, dag_ids=[dag_id])
        return rows[0].team_name if rows else None

    def dags_of(self, team: str, dag_ids: Collection[str]) -> set[str]:
        """Which of these Dags are the team's."""
        if not dag_ids:
            return set()
        return {row.dag_id for row in self._all(_DAGS, dag_ids=list(dag_ids)) if row.team_name == team}

    def connections(self, names: Collection[str]) -> dict[str, str | None]:
        """Name → team of those connections that exist."""
        return {row.name: row.team for row in self._all(_CONNECTIONS, names=list(names))}

    def variables(self, names: Collection[str]) -> dict[str, str | None]:
        """Name → team of those variables that exist."""
        return {row.name: row.team for row in self._all(_VARIABLES, names=list(names))}

    def connection_test(self, test_id: str) -> str | None:
        """The state of a connection test."""
        rows = self._all(_CONNECTION_TEST, test_id=uuid.UUID(test_id))
        return rows[0].state if rows else None

    def assets(self, names: Collection[str]) -> list[AssetFacts]:
        """What is called by these names."""
        if not names:
            return []
        ids: dict[str, set[int]] = defaultdict(set)
        for row in self._all(_ASSETS, names=list(names)):
            ids[row.name].add(row.id)
        named = self._files.named
        unclear = {each for name, found in ids.items() if len(named.get(name, ())) != 1 for each in found}
        touches = self._touches(unclear)
        return [
            self._asset(name, name in ids, [touch for each in ids.get(name, ()) for touch in touches[each]])
            for name in sorted(set(names))
        ]

    def names_at(self, uris: Collection[str]) -> set[str]:
        """The names of the active assets at these addresses: those that Airflow takes an address for."""
        return {row.name for row in self._all(_ACTIVE_AT, uris=list(uris))} if uris else set()

    def alias(self, name: str) -> AssetFacts:
        """An alias of assets, which team files may name like an asset."""
        touches = [Touch(row.team_name, True, row.timestamp) for row in self._all(_ALIAS_FIRST_EVENT, name=name)]
        touches += [Touch(row.team_name, False, row.created_at) for row in self._all(_ALIAS_WAITED_FOR, name=name)]
        return self._asset(name, bool(touches), touches)

    def _asset(self, name: str, exists: bool, touches: list[Touch]) -> AssetFacts:
        named = self._files.named.get(name, frozenset())
        owner = owner_of(named, touches)
        readers = self._files.grants.get((owner, name), frozenset()) if owner else frozenset()
        return AssetFacts(name, exists or bool(named), owner, readers)

    def _touches(self, ids: set[int]) -> dict[int, list[Touch]]:
        """Which teams' Dags have to do with each asset; of one that no Dag declares, who updated it first."""
        found: dict[int, list[Touch]] = defaultdict(list)
        if not ids:
            return found
        for row in self._all(_TOUCHES, ids=list(ids)):
            found[row.asset_id].append(Touch(row.team_name, row.produces, row.since))
        for asset_id in ids - found.keys():
            first = self._all(_FIRST_EVENT, asset_id=asset_id)
            found[asset_id] = [Touch(row.team_name, True, row.timestamp) for row in first]
        return found

    @cached_property
    def _files(self) -> _Files:
        return self._facts.files(tuple(self._all(_STAMP)[0]))

    def _all(self, ask: Any, **parameters: Any) -> list[Row[Any]]:
        return list(self._connection.execute(ask, parameters))
