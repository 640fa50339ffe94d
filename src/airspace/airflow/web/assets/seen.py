"""The assets of a team and those that others share with it. Reads rows only.

What decides is read from the tables themselves (see :mod:`airspace.airflow.web.ownership`): who shares with whom from
the grants, as everywhere; team files say which tables go with an asset.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.models.asset import AssetModel
from sqlalchemy import select

from airspace.airflow.web import ownership
from airspace.backends import tables

MOST_ASSETS = 500
_asset, _grant = AssetModel.__table__.c, tables.asset_grants.c


@dataclass(frozen=True)
class SeenAsset:
    """An asset as one team sees it.

    :param asset_id: None: a team file names it, and no Dag does so far
    :param owner: whose part of it is shown: all teams share one namespace of assets, so several may claim a name
    :param own: that is the team itself
    :param owned: by whom it is shown of; else somebody else's or nobody's, and merely named there
    :param consumers: who may read it; told to the owner alone
    :param tables: of the warehouse, that go with it
    """

    asset_id: int | None
    name: str
    owner: str
    own: bool
    owned: bool
    consumers: tuple[str, ...]
    tables: tuple[str, ...]


def assets_of(team: str, session: Any, most: int = MOST_ASSETS) -> list[SeenAsset]:
    """Its own by name, then others' by owner and name; up to ``most`` of each. A fixed number of queries.

    A team that shares very many pushes out its own only, and nobody else's.
    """
    places = ownership.assets_near([team], session)
    named = dict(session.execute(select(_asset.id, _asset.name).where(_asset.id.in_(list(places)))).all())
    shown = {asset_id: whose for asset_id, place in places.items() if (whose := _shown_as(place, team)) is not None}
    of_files = _tables({team, *(whose for whose, _ in shown.values())}, session)
    consumers = _consumers(team, session)

    def seen(asset_id: int | None, name: str, owner: str, owned: bool) -> SeenAsset:
        own = owner == team
        told = consumers[name] if own else ()
        return SeenAsset(asset_id, name, owner, own, owned, tuple(told), of_files.get((owner, name), ()))

    found = [seen(key, named[key], *whose) for key, whose in shown.items() if key in named]
    there = {asset.name for asset in found if asset.own}
    found += [seen(None, name, owner, True) for owner, name in of_files if owner == team and name not in there]
    found.sort(key=lambda asset: (asset.owner, asset.name))
    return [asset for asset in found if asset.own][:most] + _fairly([asset for asset in found if not asset.own], most)


def _shown_as(place: ownership.AssetPlace, team: str) -> tuple[str, bool] | None:
    """Whose part of an asset the team sees, and whether that is the owner's; None: it sees nothing of it."""
    if place.owner is not None and (place.owner == team or team in place.consumers):
        return place.owner, True
    return (team, False) if team in place.claimants else None


def _fairly(assets: list[SeenAsset], most: int) -> list[SeenAsset]:
    """So many of them, as far as they go round: the first of each owner, the second of each …"""
    place: Counter[str] = Counter()
    ranked = []
    for asset in assets:
        ranked.append((place[asset.owner], asset))
        place[asset.owner] += 1
    kept = sorted(ranked, key=lambda each: (each[0], each[1].owner))[:most]
    return sorted((asset for _, asset in kept), key=lambda asset: (asset.owner, asset.name))


def may_read(team: str, owner: str, asset: str, session: Any) -> bool:
    """Whether this was published by the team, or to it: as the owner's file says at this moment."""
    named = select(_grant.consumer).where(_grant.team == owner, _grant.asset == asset, _grant.consumer == team)
    return owner == team or session.scalar(named) is not None


def may_read_table(team: str, owner: str, table: str, session: Any) -> bool:
    """Whether a table of the warehouse is the team's, or goes with something that its owner shares with it."""
    if owner == team:
        return True
    shared = set(session.scalars(select(_grant.asset).where(_grant.team == owner, _grant.consumer == team)))
    return any(name in shared and table in found for (_, name), found in _tables({owner}, session).items())


def _consumers(team: str, session: Any) -> dict[str, list[str]]:
    """Asset of the team's → who may read it."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in session.execute(select(_grant.asset, _grant.consumer).where(_grant.team == team)):
        found[row.asset].append(row.consumer)
    return defaultdict(list, {asset: sorted(consumers) for asset, consumers in found.items()})


def _tables(teams: Iterable[str], session: Any) -> dict[tuple[str, str], tuple[str, ...]]:
    """(Team, asset) that a team file names → the tables that go with it."""
    ask = select(tables.teams.c.name, tables.teams.c.spec["assets"].label("assets"))
    found = {}
    for row in session.execute(ask.where(tables.teams.c.name.in_(sorted(teams)))):
        for name, said in (row.assets or {}).items() if isinstance(row.assets, Mapping) else ():
            if isinstance(said, Mapping):
                told = said.get("tables")
                found[row.name, name] = tuple(sorted(map(str, told))) if isinstance(told, list) else ()
    return found
