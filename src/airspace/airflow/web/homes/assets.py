"""The assets of a team's home: who made them, when last, how many rows, and where data goes.

What the team may see of them is :mod:`airspace.airflow.web.assets`'s to say; here is what its home makes of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.asset import AssetDagRunQueue, AssetModel, DagScheduleAssetReference
from sqlalchemy import and_, func, select

from airspace.airflow.web.assets import Lineage, Use, assets_of, lineage_of, updates_of, uses_of
from airspace.airflow.web.assets import Update as Told
from airspace.airflow.web.homes.reading import Window
from airspace.airflow.web.homes.teams import dag, dag_table, titles
from airspace.insight.excerpt import plain
from airspace.insight.late import expected_update

_MOST_ASSETS, _MOST_UPDATES, _MOST_AWAITED, _MOST_TIES = 200, 12, 500, 400
_SHOWN_USES = 5

_asset = AssetModel.__table__.c
_schedule, _queue = DagScheduleAssetReference.__table__, AssetDagRunQueue.__table__


@dataclass(frozen=True)
class Update:
    """The newest update of an asset; who made it only where it is the reader's own team."""

    at: datetime
    rows: int | None
    version: str | None
    dag_id: str | None
    task_id: str | None
    run_id: str | None


@dataclass(frozen=True)
class AssetFacts:
    """One asset, as one team may see it.

    :param owner: the title of the team that owns it, where that is known to this one
    :param consumers: the titles of those that the owner shares it with; told to the owner alone
    :param makers: the team's own tasks that make it, as ``dag.task``
    :param users: the team's own Dags that start by it or read it
    :param expected: when its next update was to be expected, if it is late
    """

    id: int
    name: str
    own: bool
    owner: str | None
    consumers: list[str]
    makers: list[str]
    users: list[str]
    last: Update | None
    expected: datetime | None


@dataclass(frozen=True)
class Awaited:
    """A Dag of the team's that was told of some assets and waits for this one."""

    dag_id: str
    asset: str
    owner: str | None
    since: datetime | None


@dataclass(frozen=True)
class Assets:
    """All of them, what is waited for, and where data goes."""

    all: list[AssetFacts]
    awaited: list[Awaited]
    lineage: Lineage


def assets(team: str, dags: Any, session: Any, window: Window) -> Assets:
    """The team's assets by name. A fixed number of queries, however many there are."""
    seen = assets_of(team, session, _MOST_ASSETS)
    names = titles({name for each in seen if each.owned for name in (each.owner, *each.consumers)}, session)
    updates = updates_of(seen, session, most=_MOST_UPDATES, told=1)
    uses = uses_of(team, session)
    makers, users = _by_asset(uses)
    found = []
    for each in seen:
        if each.asset_id is None:  # named in the file, and no Dag's so far
            continue
        told = updates.get(each.asset_id, [])
        found.append(
            AssetFacts(
                id=each.asset_id,
                name=each.name,
                own=each.own and each.owned,
                owner=names[each.owner] if each.owned else None,
                consumers=sorted(names[name] for name in each.consumers) if each.owned else [],
                makers=makers[each.asset_id][:_SHOWN_USES],
                users=users[each.asset_id][:_SHOWN_USES],
                last=_last(told[0]) if told else None,
                expected=expected_update([update.at for update in told], window.now),
            )
        )
    owners = {each.id: each.owner for each in found if not each.own}
    ties = lineage_of(team, seen, updates, uses, _MOST_TIES)
    by_name = sorted(found, key=lambda each: (not each.own, each.name, each.id))
    return Assets(by_name, _awaited(dags, owners, session), ties)


def _by_asset(uses: Sequence[Use]) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """What the team's own Dags make, by task, and use."""
    makers: dict[int, list[str]] = defaultdict(list)
    users: dict[int, list[str]] = defaultdict(list)
    for use in uses:
        if use.task_id is not None:
            makers[use.asset_id].append(f"{use.dag_id}.{use.task_id}")
        elif use.dag_id not in users[use.asset_id]:
            users[use.asset_id].append(use.dag_id)
    return makers, users


def _last(told: Told) -> Update:
    version = plain(told.version, 60) if told.version else None
    return Update(told.at, told.rows, version, told.dag_id, told.task_id, told.run_id)


def _awaited(dags: Any, owners: dict[int, str | None], session: Any) -> list[Awaited]:
    """The Dags that start by several assets and have some of them."""
    told = _queue.alias()
    since = select(func.min(told.c.created_at)).where(told.c.target_dag_id == _schedule.c.dag_id).scalar_subquery()
    here = and_(_queue.c.asset_id == _schedule.c.asset_id, _queue.c.target_dag_id == _schedule.c.dag_id)
    ask = (
        select(_schedule.c.dag_id, _asset.id, _asset.name, since.label("since"))
        .join(AssetModel.__table__, _asset.id == _schedule.c.asset_id)
        .join(dag_table, dag.dag_id == _schedule.c.dag_id)
        .outerjoin(_queue, here)
        .where(_schedule.c.dag_id.in_(dags), _queue.c.asset_id.is_(None), since.is_not(None))
        .where(dag.is_paused.is_(False), dag.is_stale.is_(False))
        .order_by(_schedule.c.dag_id, _asset.name)
        .limit(_MOST_AWAITED)
    )
    return [Awaited(row.dag_id, row.name, owners.get(row.id), row.since) for row in session.execute(ask)]
