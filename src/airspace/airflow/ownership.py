"""Whose is it: teams of Dags and assets, and the rows that belong to given teams, read from Airflow's tables.

What decides is read from the tables themselves and not through mapped classes, which show a reader only a part of them
(see :mod:`airspace.airflow.visible_rows`): a decision about whose something is must see all who claim it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow.models import Connection, DagModel, Pool, Variable
from airflow.models.asset import (
    AssetModel,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
)
from airflow.models.team import Team, dag_bundle_team_association_table
from sqlalchemy import func, or_, select, union

from airspace.access.rules import Resource
from airspace.access.table import Kind
from airspace.backends.tables import asset_grants

_bundle_team = dag_bundle_team_association_table.c
_dag = DagModel.__table__.c
_asset = AssetModel.__table__.c
_OUTLET, _SCHEDULE, _INLET = (
    reference.__table__ for reference in (TaskOutletAssetReference, DagScheduleAssetReference, TaskInletAssetReference)
)

NAME_AND_TEAM: dict[Kind, tuple[Any, Any]] = {
    Kind.CONNECTION: (Connection.conn_id, Connection.team_name),
    Kind.VARIABLE: (Variable.key, Variable.team_name),
    Kind.POOL: (Pool.pool, Pool.team_name),
}


def team_of_dag(dag_id: str, session: Any) -> str | None:
    """The team of a Dag, past Airflow's cache: a Dag that has just appeared is its team's at once."""
    return session.scalar(_dag_teams().where(_dag.dag_id == dag_id).with_only_columns(_bundle_team.team_name))


def dag_ids(teams: Iterable[str] | None, session: Any) -> set[str]:
    """The Dags of these teams; None: all Dags, also those of no team."""
    if teams is None:
        return set(session.scalars(select(_dag.dag_id)))
    return set(session.scalars(dags_of(teams)))


def names(kind: Kind, teams: Iterable[str] | None, session: Any) -> set[str]:
    """The connections, variables or pools of these teams; None: all, also the global ones."""
    name, team = NAME_AND_TEAM[kind]
    ask: Any = select(name)
    if teams is not None:
        ask = ask.where(team.in_(list(teams)))
    return set(session.scalars(ask))


def teams_of(kind: Kind, wanted: Iterable[str], session: Any) -> dict[str, str | None]:
    """Name → team of those connections, variables or pools that exist."""
    name, team = NAME_AND_TEAM[kind]
    return dict(session.execute(select(name, team).where(name.in_(list(wanted)))).all())


def team_names(session: Any) -> set[str]:
    """All teams."""
    return set(session.scalars(select(Team.name)))


@dataclass(frozen=True)
class AssetPlace:
    """Whose an asset is. All teams share one namespace, so several may claim a name.

    The owner is the team whose Dag produces it (or, if nobody does, is started by it): of several, the one whose team
    file shares it, else the one that has claimed it the longest. Consumers are named in the owner's team file. Other
    claimants read their own part of it only, and take nothing from the owner by claiming.
    """

    owner: str | None
    consumers: frozenset[str]
    claimants: frozenset[str]

    def resource(self, asset_id: int) -> Resource:
        """What the decision is about."""
        return Resource(Kind.ASSET, self.owner, str(asset_id), readers=self.consumers | self.claimants)


def assets_near(teams: Iterable[str], session: Any) -> dict[int, AssetPlace]:
    """The assets that Dags of these teams produce or start by, or that are shared with these teams."""
    mine = list(teams)
    shared = select(asset_grants.c.asset).where(asset_grants.c.consumer.in_(mine))
    near = or_(_asset.id.in_(touched_by(mine, _OUTLET, _SCHEDULE)), _asset.name.in_(shared))
    return asset_places(set(session.scalars(select(_asset.id).where(near))), session)


def mentioned_assets(teams: Iterable[str]) -> Any:
    """A subquery of the assets that Dags of these teams name in any way."""
    return touched_by(teams, _OUTLET, _SCHEDULE, _INLET)


def touched_by(teams: Iterable[str], *references: Any) -> Any:
    """A subquery of the assets that Dags of these teams refer to in these tables."""
    mine = dags_of(teams)
    return union(*(select(table.c.asset_id).where(table.c.dag_id.in_(mine)) for table in references))


def asset_places(ids: Iterable[int], session: Any) -> dict[int, AssetPlace]:
    """Whose each existing one of these assets is."""
    wanted = list(ids)
    asset_names = dict(session.execute(select(_asset.id, _asset.name).where(_asset.id.in_(wanted))).all())
    producers = _claims(_OUTLET, wanted, session)
    started = _claims(_SCHEDULE, wanted, session)
    grants: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in session.execute(select(asset_grants).where(asset_grants.c.asset.in_(list(asset_names.values())))):
        grants[row.asset, row.team].add(row.consumer)
    return {
        asset_id: _place(name, producers[asset_id] or started[asset_id], grants)
        for asset_id, name in asset_names.items()
    }


def _place(name: str, claims: list[str], grants: dict[tuple[str, str], set[str]]) -> AssetPlace:
    if not claims:
        return AssetPlace(None, frozenset(), frozenset())
    owner = ([team for team in claims if (name, team) in grants] or claims)[0]
    return AssetPlace(owner, frozenset(grants.get((name, owner), ())), frozenset(claims) - {owner})


def _claims(reference: Any, ids: list[int], session: Any) -> dict[int, list[str]]:
    """The teams whose Dags refer to each asset, whoever did so first in front."""
    since = func.min(reference.c.created_at)
    ask = (
        select(reference.c.asset_id, _bundle_team.team_name)
        .join(DagModel.__table__, _dag.dag_id == reference.c.dag_id)
        .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
        .where(reference.c.asset_id.in_(ids))
        .group_by(reference.c.asset_id, _bundle_team.team_name)
        .order_by(reference.c.asset_id, since, _bundle_team.team_name)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for asset_id, team in session.execute(ask):
        found[asset_id].append(team)
    return found


def dags_of(teams: Iterable[str]) -> Any:
    """A subquery of the Dags of these teams."""
    return _dag_teams().where(_bundle_team.team_name.in_(sorted(teams)))


def _dag_teams() -> Any:
    return select(_dag.dag_id).join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
