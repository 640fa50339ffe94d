"""Whose is it: teams of Dags and assets, and the rows that belong to given teams, read from Airflow's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from airflow.models import Connection, DagModel, Pool, Variable
from airflow.models.asset import AssetModel, DagScheduleAssetReference, TaskOutletAssetReference
from airflow.models.team import Team, dag_bundle_team_association_table
from sqlalchemy import or_, select

from airspace.access.rules import Resource
from airspace.access.table import Kind
from airspace.backends.tables import asset_grants

_bundle_team = dag_bundle_team_association_table.c

NAME_AND_TEAM: dict[Kind, tuple[Any, Any]] = {
    Kind.CONNECTION: (Connection.conn_id, Connection.team_name),
    Kind.VARIABLE: (Variable.key, Variable.team_name),
    Kind.POOL: (Pool.pool, Pool.team_name),
}


def team_of_dag(dag_id: str, session: Any) -> str | None:
    """The team of a Dag, past Airflow's cache: a Dag that has just appeared is its team's at once."""
    return session.scalar(_dag_teams().where(DagModel.dag_id == dag_id).with_only_columns(_bundle_team.team_name))


def dag_ids(teams: Iterable[str] | None, session: Any) -> set[str]:
    """The Dags of these teams; None: all Dags, also those of no team."""
    ask: Any = select(DagModel.dag_id)
    if teams is not None:
        ask = _dag_teams().where(_bundle_team.team_name.in_(list(teams)))
    return set(session.scalars(ask))


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


def asset_ids(may: Callable[[Resource], bool], teams: Iterable[str], session: Any) -> set[int]:
    """The assets that may be read: among those that Dags of these teams touch or that are shared with them."""
    mine = list(teams)
    touched = [
        select(reference.asset_id).where(reference.dag_id.in_(_dag_teams().where(_bundle_team.team_name.in_(mine))))
        for reference in (TaskOutletAssetReference, DagScheduleAssetReference)
    ]
    shared = select(AssetModel.id).join(asset_grants, asset_grants.c.asset == AssetModel.name)
    ask = select(AssetModel.id).where(
        or_(
            *(AssetModel.id.in_(ids) for ids in touched),
            AssetModel.id.in_(shared.where(asset_grants.c.consumer.in_(mine))),
        )
    )
    found = asset_resources(set(session.scalars(ask)), session)
    return {asset_id for asset_id, resource in found.items() if may(resource)}


def asset_resources(ids: Iterable[int], session: Any) -> dict[int, Resource]:
    """Each existing asset with its owning team and the teams that may read it.

    The owner is the team whose Dag produces it; if several do, the one whose team file shares it; if nobody does, the
    one team whose Dags it starts. Where that leaves a doubt nobody owns it: they all read it, administrators change it.
    """
    wanted = list(ids)
    asset_names = dict(session.execute(select(AssetModel.id, AssetModel.name).where(AssetModel.id.in_(wanted))).all())
    producers = _teams_by_asset(TaskOutletAssetReference, wanted, session)
    started = _teams_by_asset(DagScheduleAssetReference, wanted, session)
    grants: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in session.execute(select(asset_grants).where(asset_grants.c.asset.in_(list(asset_names.values())))):
        grants[row.asset, row.team].add(row.consumer)
    return {
        asset_id: _place(asset_id, name, producers[asset_id], started[asset_id], grants)
        for asset_id, name in asset_names.items()
    }


def _place(
    asset_id: int, name: str, producers: set[str], started: set[str], grants: dict[tuple[str, str], set[str]]
) -> Resource:
    claims = producers or started
    owners = {team for team in producers if (name, team) in grants} or claims
    if len(owners) != 1:
        return Resource(Kind.ASSET, None, str(asset_id), readers=frozenset(owners))
    (owner,) = owners
    return Resource(Kind.ASSET, owner, str(asset_id), readers=frozenset(grants.get((name, owner), ())))


def _teams_by_asset(reference: Any, ids: list[int], session: Any) -> dict[int, set[str]]:
    ask = (
        select(reference.asset_id, _bundle_team.team_name)
        .join(DagModel, DagModel.dag_id == reference.dag_id)
        .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
        .where(reference.asset_id.in_(ids))
        .distinct()
    )
    found: dict[int, set[str]] = defaultdict(set)
    for asset_id, team in session.execute(ask):
        found[asset_id].add(team)
    return found


def _dag_teams() -> Any:
    return select(DagModel.dag_id).join(
        dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name
    )
