"""What the guard has to know, read from the database at the moment of the request.

Nothing is remembered about task instances, Dags and names: a cache would be right only until the next change, and one
look at a primary key costs a fraction of a millisecond. Only what the team files say is kept, until they change.
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow.models import Connection, DagModel, TaskInstance, Variable
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
from sqlalchemy import Engine, Row, bindparam, select

from airspace.access.tasks import Instance, Touch, owner_of
from airspace.backends.tables import TeamRegistry, teams

_bundle_team = dag_bundle_team_association_table.c

# The team of the bundle that the instance's own version of the Dag came from, if the Dag is still that bundle's.
_INSTANCE = (
    select(TaskInstance.dag_id, TaskInstance.state, TaskInstance.queued_dttm, _bundle_team.team_name)
    .outerjoin(DagVersion, DagVersion.id == TaskInstance.dag_version_id)
    .outerjoin(DagModel, (DagModel.dag_id == TaskInstance.dag_id) & (DagModel.bundle_name == DagVersion.bundle_name))
    .outerjoin(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    .where(TaskInstance.id == bindparam("ti_id"))
)
_DAG_TEAMS = select(DagModel.dag_id, _bundle_team.team_name).join(
    dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name
)


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

    stamp: str = ""
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

    def instance(self, ti_id: str) -> Instance | None:
        """The task instance as it is now."""
        rows = self._all(_INSTANCE, {"ti_id": uuid.UUID(ti_id)})
        if not rows:
            return None
        row = rows[0]
        return Instance(ti_id, row.dag_id, row.team_name, row.state, row.queued_dttm)

    def team_of_dag(self, dag_id: str) -> str | None:
        """The team of a Dag; None for one without a team and for one that does not exist."""
        rows = self._all(_DAG_TEAMS.where(DagModel.dag_id == bindparam("dag_id")), {"dag_id": dag_id})
        return rows[0].team_name if rows else None

    def dags_of(self, team: str, dag_ids: Collection[str]) -> set[str]:
        """Which of these Dags are the team's."""
        if not dag_ids:
            return set()
        ask = _DAG_TEAMS.where(DagModel.dag_id.in_(dag_ids), _bundle_team.team_name == team)
        return {row.dag_id for row in self._all(ask)}

    def connections(self, names: Iterable[str]) -> dict[str, str | None]:
        """Name → team of those connections that exist."""
        return self._owned(Connection.conn_id, Connection.team_name, names)

    def variables(self, names: Iterable[str]) -> dict[str, str | None]:
        """Name → team of those variables that exist."""
        return self._owned(Variable.key, Variable.team_name, names)

    def connection_test(self, test_id: str) -> str | None:
        """The state of a connection test."""
        ask = select(ConnectionTestRequest.state).where(ConnectionTestRequest.id == bindparam("test_id"))
        rows = self._all(ask, {"test_id": uuid.UUID(test_id)})
        return rows[0].state if rows else None

    def assets(self, names: Collection[str]) -> list[AssetFacts]:
        """What is called by these names."""
        if not names:
            return []
        ids: dict[str, set[int]] = defaultdict(set)
        for row in self._all(select(AssetModel.id, AssetModel.name).where(AssetModel.name.in_(names))):
            ids[row.name].add(row.id)
        files = self._team_files()
        unclear = {each for name, found in ids.items() if len(files.named.get(name, ())) != 1 for each in found}
        touches = self._touches(unclear)
        return [
            self._asset(name, files, name in ids, [touch for each in ids.get(name, ()) for touch in touches[each]])
            for name in sorted(set(names))
        ]

    def names_at(self, uris: Collection[str]) -> set[str]:
        """The names of the active assets at these addresses: those that Airflow takes an address for."""
        if not uris:
            return set()
        active = (AssetActive.name == AssetModel.name) & (AssetActive.uri == AssetModel.uri)
        ask = select(AssetModel.name).join(AssetActive, active).where(AssetModel.uri.in_(uris))
        return {row.name for row in self._all(ask)}

    def alias(self, name: str) -> AssetFacts:
        """An alias of assets, which team files may name like an asset."""
        files = self._team_files()
        scheduled = (
            select(_bundle_team.team_name, DagScheduleAssetAliasReference.created_at)
            .join(AssetAliasModel, AssetAliasModel.id == DagScheduleAssetAliasReference.alias_id)
            .join(DagModel, DagModel.dag_id == DagScheduleAssetAliasReference.dag_id)
            .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
            .where(AssetAliasModel.name == name)
        )
        event = asset_alias_asset_event_association_table.c
        emitted = (
            select(_bundle_team.team_name, AssetEvent.timestamp)
            .join(event.event_id.table, event.event_id == AssetEvent.id)
            .join(AssetAliasModel, AssetAliasModel.id == event.alias_id)
            .join(DagModel, DagModel.dag_id == AssetEvent.source_dag_id)
            .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
            .where(AssetAliasModel.name == name)
            .order_by(AssetEvent.id)
            .limit(1)
        )
        touches = [Touch(row.team_name, True, row.timestamp) for row in self._all(emitted)]
        touches += [Touch(row.team_name, False, row.created_at) for row in self._all(scheduled)]
        return self._asset(name, files, bool(touches), touches)

    def _asset(self, name: str, files: _Files, exists: bool, touches: list[Touch]) -> AssetFacts:
        named = files.named.get(name, frozenset())
        owner = owner_of(named, touches)
        readers = files.grants.get((owner, name), frozenset()) if owner else frozenset()
        return AssetFacts(name, exists or bool(named), owner, readers)

    def _touches(self, ids: set[int]) -> dict[int, list[Touch]]:
        """Which teams' Dags have to do with each asset; of one that no Dag declares, who updated it first."""
        found: dict[int, list[Touch]] = defaultdict(list)
        if not ids:
            return found
        for reference in (TaskOutletAssetReference, DagScheduleAssetReference, TaskInletAssetReference):
            produces = reference is TaskOutletAssetReference
            ask: Any = (
                select(reference.asset_id, _bundle_team.team_name, reference.created_at)
                .join(DagModel, DagModel.dag_id == reference.dag_id)
                .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
                .where(reference.asset_id.in_(ids))
            )
            for row in self._all(ask):
                found[row.asset_id].append(Touch(row.team_name, produces, row.created_at))
        for asset_id in ids - found.keys():
            found[asset_id] = self._first_event(asset_id)
        return found

    def _first_event(self, asset_id: int) -> list[Touch]:
        ask = (
            select(_bundle_team.team_name, AssetEvent.timestamp)
            .join(DagModel, DagModel.dag_id == AssetEvent.source_dag_id)
            .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
            .where(AssetEvent.asset_id == asset_id)
            .order_by(AssetEvent.timestamp)
            .limit(1)
        )
        return [Touch(row.team_name, True, row.timestamp) for row in self._all(ask)]

    def _team_files(self) -> _Files:
        stamp = self._registry.stamp()
        with self._lock:
            if stamp != self._files.stamp:
                named: dict[str, set[str]] = defaultdict(set)
                for row in self._all(select(teams.c.name, teams.c.spec)):
                    for asset in row.spec.get("assets") or {}:
                        named[asset].add(row.name)
                grants = self._registry.grants()
                for team, asset in grants:
                    named[asset].add(team)
                self._files = _Files(stamp, {name: frozenset(by) for name, by in named.items()}, grants)
            return self._files

    def _owned(self, name: Any, team: Any, names: Iterable[str]) -> dict[str, str | None]:
        ask = select(name.label("name"), team.label("team")).where(name.in_(list(names)))
        return {row.name: row.team for row in self._all(ask)}

    def _all(self, ask: Any, parameters: dict[str, Any] | None = None) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(ask, parameters or {}))
