"""What Dags that go to another team have to do with assets, and whose these are afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.models import DagModel
from airflow.models.asset import (
    AssetModel,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
)
from sqlalchemy import select, union
from sqlalchemy.orm import Session

from airspace.airflow.teams.holds import dags_of
from airspace.airflow.web import ownership
from airspace.backends import tables


@dataclass
class AssetsOf:
    """Of the Dags that go.

    :param handed_over: assets that the old team's file names: asset → who may consume it afterwards
    :param tables: of these, those that come with tables of the warehouse: asset → the tables
    :param consent: assets of others that the Dags hear, with their owner afterwards, and whether it lets the new team
    """

    handed_over: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    consent: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"handed_over": self.handed_over, "tables": self.tables, "consent": self.consent}


def assets_of(dags: Collection[str], team: str, target: str, session: Session) -> AssetsOf:
    """What changes hands, and what the new team has to be let."""
    found = AssetsOf()
    spec = session.scalar(select(tables.teams.c.spec).where(tables.teams.c.name == team))
    named = (spec.get("assets") if isinstance(spec, dict) else None) or {}
    made = _referred(TaskOutletAssetReference, dags, session)
    shared = _makers(set(made), dags, team, session)
    for asset_id, name in sorted(made.items(), key=lambda item: item[1]):
        grant = named.get(name)
        if asset_id in shared:
            others = ", ".join(sorted(shared[asset_id]))
            found.problems.append(
                {
                    "message": f"asset {name} is produced by {others} too, which stays: an asset is one team's",
                    "fix": f"move {others} along, or have one of them produce it",
                }
            )
        elif isinstance(grant, dict):
            if grant.get("tables"):
                found.tables[name] = sorted(grant["tables"])
            staying = _hearers(asset_id, dags, team, session)
            consumers = set(grant.get("consumers") or ()) - {target} | ({team} if staying else set())
            found.handed_over[name] = sorted(consumers)
    found.problems += _divided(named, found)
    found.consent = list(_consents(dags, target, set(found.handed_over), session))
    return found


def _divided(named: Mapping[str, Any], found: AssetsOf) -> Iterator[dict[str, str]]:
    """Tables that an asset which stays names too."""
    for asset, tables_of in found.tables.items():
        for other, grant in sorted(named.items()):
            both = sorted(set(tables_of) & set(grant.get("tables") or ())) if other not in found.handed_over else []
            if both:
                yield {
                    "message": f"asset {asset} goes with the table {both[0]}, and so does {other}, which stays",
                    "fix": f"take {both[0]} from one of them in the team file, and apply",
                }


def _referred(reference: Any, dags: Collection[str], session: Session) -> dict[int, str]:
    """The assets that the Dags refer to in a table: id → name."""
    ask = select(AssetModel.id, AssetModel.name).join(reference, reference.asset_id == AssetModel.id)
    return {row.id: row.name for row in session.execute(ask.where(reference.dag_id.in_(dags)))}


def _makers(assets: Collection[int], dags: Collection[str], team: str, session: Session) -> dict[int, set[str]]:
    """Asset → the team's other Dags that produce it."""
    outlet = TaskOutletAssetReference
    ask = (
        select(outlet.asset_id, outlet.dag_id)
        .join(DagModel, DagModel.dag_id == outlet.dag_id)
        .where(outlet.asset_id.in_(assets), outlet.dag_id.not_in(dags), outlet.dag_id.in_(dags_of(team)))
        .where(DagModel.is_stale.is_(False))
    )
    found: dict[int, set[str]] = defaultdict(set)
    for row in session.execute(ask):
        found[row.asset_id].add(row.dag_id)
    return found


def _hearers(asset_id: int, dags: Collection[str], team: str, session: Session) -> bool:
    """Whether Dags of the team that stay start by the asset, or read it."""
    asks = (
        select(reference.dag_id).where(reference.asset_id == asset_id, reference.dag_id.not_in(dags))
        for reference in (DagScheduleAssetReference, TaskInletAssetReference)
    )
    heard = union(*asks).subquery()
    return session.scalar(select(heard.c.dag_id).where(heard.c.dag_id.in_(dags_of(team))).limit(1)) is not None


def _consents(
    dags: Collection[str], target: str, handed: Collection[str], session: Session
) -> Iterator[dict[str, Any]]:
    heard: dict[int, str] = {}
    for reference in (DagScheduleAssetReference, TaskInletAssetReference):
        heard |= _referred(reference, dags, session)
    for asset_id, place in sorted(ownership.asset_places(heard, session).items()):
        if heard[asset_id] not in handed and place.owner not in (None, target):
            yield {"asset": heard[asset_id], "owner": place.owner, "given": target in place.consumers}
