"""May a team's file name an asset as its own? Not one that is another team's: by its file, or because it makes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from airflow.models import DagModel
from airflow.models.asset import AssetModel, TaskOutletAssetReference
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import select
from sqlalchemy.orm import Session

from airspace.backends import tables
from airspace.teams.desired import DesiredTeam


def asset_conflicts(session: Session, teams: Sequence[DesiredTeam]) -> Iterator[str]:
    """Assets that these files name and that belong to other teams, each with the reason."""
    wanted = {asset for team in teams for asset in team.assets}
    if not wanted:
        return
    named = _named(session, teams)
    makers = _makers(session, wanted)
    for team in teams:
        for asset in sorted(team.assets):
            others = sorted(named.get(asset, set()) - {team.name})
            made_by = sorted(makers.get(asset, set()) - {team.name})
            if others:
                yield f"asset {asset} of team {team.name}: the file of team {others[0]} names it too"
            elif made_by and team.name not in makers[asset]:
                yield f"asset {asset} of team {team.name}: Dags of team {made_by[0]} produce it"


def _named(session: Session, teams: Sequence[DesiredTeam]) -> dict[str, set[str]]:
    """Asset → the teams whose files name it, once these are applied."""
    files: dict[str, Any] = {
        row.name: row.spec for row in session.execute(select(tables.teams.c.name, tables.teams.c.spec))
    }
    files |= {team.name: {"assets": team.assets} for team in teams}
    found: dict[str, set[str]] = {}
    for name, spec in files.items():
        for asset in (spec or {}).get("assets") or ():
            found.setdefault(asset, set()).add(name)
    return found


def _makers(session: Session, assets: set[str]) -> dict[str, set[str]]:
    """Asset → the teams whose Dags in service produce it."""
    team = dag_bundle_team_association_table.c
    ask = (
        select(AssetModel.name, team.team_name)
        .join(TaskOutletAssetReference, TaskOutletAssetReference.asset_id == AssetModel.id)
        .join(DagModel, DagModel.dag_id == TaskOutletAssetReference.dag_id)
        .join(dag_bundle_team_association_table, team.dag_bundle_name == DagModel.bundle_name)
        .where(AssetModel.name.in_(assets), DagModel.is_stale.is_(False))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for name, maker in session.execute(ask):
        found.setdefault(name, set()).add(maker)
    return found
