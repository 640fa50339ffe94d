"""Whose is it: teams of Dags and assets, and the rows that belong to given teams, read from Airflow's tables.

What decides is read from the tables themselves and not through mapped classes, which show a reader only a part of them
(see :mod:`airspace.airflow.web.visible_rows`): a decision about whose something is must see all who claim it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow.models import Connection, DagModel, Log, Pool, Variable
from airflow.models.asset import (
    AssetModel,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
)
from airflow.models.team import Team, dag_bundle_team_association_table
from sqlalchemy import and_, func, or_, select, union

from airspace.access.rules import Resource
from airspace.access.table import Kind
from airspace.access.tasks import Touch, owner_of
from airspace.airflow.asset_history import first_updates
from airspace.backends import tables

_bundle_team = dag_bundle_team_association_table.c
_dag = DagModel.__table__.c
_asset = AssetModel.__table__.c
_OUTLET, _SCHEDULE, _INLET = (
    reference.__table__ for reference in (TaskOutletAssetReference, DagScheduleAssetReference, TaskInletAssetReference)
)
_TELL_OF_LISTENERS = ("missing partition key", "failed to map partition_key", "partition fan-out exceeded")
_FILES = select(
    tables.teams.c.name, func.json_object_keys(tables.teams.c.spec["assets"]).column_valued("asset")
).subquery()
"""What team files name: one row for each team and asset."""

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

    The owner is found as for tasks (:func:`airspace.access.tasks.owner_of`); consumers are named in its team file.
    Other claimants read their own part of it only, and take nothing from the owner by claiming.
    """

    owner: str | None
    consumers: frozenset[str]
    claimants: frozenset[str]

    def resource(self, asset_id: int) -> Resource:
        """What the decision is about."""
        return Resource(Kind.ASSET, self.owner, str(asset_id), readers=self.consumers | self.claimants)


def assets_near(teams: Iterable[str], session: Any) -> dict[int, AssetPlace]:
    """The assets that these teams' files name, their Dags produce or start by, or that are shared with these teams."""
    mine = list(teams)
    shared = select(tables.asset_grants.c.asset).where(tables.asset_grants.c.consumer.in_(mine))
    own = select(_FILES.c.asset).where(_FILES.c.name.in_(mine))
    touched = touched_by(mine, _OUTLET, _SCHEDULE)
    near = or_(_asset.id.in_(touched), _asset.name.in_(shared), _asset.name.in_(own))
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
    named = _named(asset_names.values(), session)
    touches = _touches(wanted, session)
    grants: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in session.execute(
        select(tables.asset_grants).where(tables.asset_grants.c.asset.in_(list(asset_names.values())))
    ):
        grants[row.asset, row.team].add(row.consumer)
    places = {}
    for asset_id, name in asset_names.items():
        owner = owner_of(frozenset(named[name]), touches[asset_id])
        # Who merely waits for what others produce has no part in it.
        claims = [touch for touch in touches[asset_id] if touch.produces] or touches[asset_id]
        claimants = frozenset(claim.team for claim in claims) - {owner}
        readers = frozenset(grants.get((name, owner), ())) if owner else frozenset()
        places[asset_id] = AssetPlace(owner, readers, claimants)
    return places


def _named(assets: Iterable[str], session: Any) -> dict[str, set[str]]:
    """Asset → the teams whose files name it."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in session.execute(select(_FILES).where(_FILES.c.asset.in_(list(assets)))):
        found[row.asset].add(row.name)
    return found


def _touches(ids: list[int], session: Any) -> dict[int, list[Touch]]:
    """The teams whose Dags produce each asset or start by it."""
    found: dict[int, list[Touch]] = defaultdict(list)
    for reference, produces in ((_OUTLET, True), (_SCHEDULE, False)):
        since = func.min(reference.c.created_at).label("since")
        ask = (
            select(reference.c.asset_id, _bundle_team.team_name, since)
            .join(DagModel.__table__, _dag.dag_id == reference.c.dag_id)
            .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
            .where(reference.c.asset_id.in_(ids))
            .group_by(reference.c.asset_id, _bundle_team.team_name)
        )
        for row in session.execute(ask):
            found[row.asset_id].append(Touch(row.team_name, produces, row.since))
    _add_first_events(found, ids, session)
    return found


def _add_first_events(found: dict[int, list[Touch]], ids: list[int], session: Any) -> None:
    """Of an asset that no Dag says it produces (an alias made it), whoever updated it first is its producer."""
    unclaimed = [asset_id for asset_id in ids if not any(touch.produces for touch in found[asset_id])]
    for row in session.execute(first_updates(unclaimed)):
        found[row.asset_id].append(Touch(row.team_name, True, row.since))


def log_rows_of(teams: Iterable[str]) -> Any:
    """The condition for rows of the event log that these teams may read.

    Those that Airflow writes about a producer's event name the Dags of every team that listens.
    """
    return and_(Log.dag_id.in_(dags_of(teams)), Log.event.not_in(_TELL_OF_LISTENERS))


def dags_of(teams: Iterable[str]) -> Any:
    """A subquery of the Dags of these teams."""
    return _dag_teams().where(_bundle_team.team_name.in_(sorted(teams)))


def _dag_teams() -> Any:
    return select(_dag.dag_id).join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
