"""The updates of assets, as far as a team may see them: what their tasks told, and to the owner which tasks they were.

Events' ``extra`` is a team's own text of any size. The database says how long it is and no more: it fails over some of
what JSON may hold, and a producer would break the page of its consumers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models import DagModel
from airflow.models.asset import AssetEvent
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import Boolean, Integer, String, Text, and_, case, cast, column, func, or_, select, true, values

from airspace.airflow.web.assets.seen import SeenAsset
from airspace.insight.excerpt import plain

UPDATES = 10
_LOOKED_AT = 2_000  # events of one asset, whoever's: others may claim its name
_MOST_TOLD = 1_000  # of all assets: what is told may have to be unpacked
_MOST_STORED, _LONGEST = 4_096, 16_384  # of one, in bytes as it is stored, maybe compressed, and in characters
_MOST_NUMBER = 2**53
_MOST_INPUTS = 50
_event, _dag = AssetEvent.__table__.c, DagModel.__table__.c
_bundle_team = dag_bundle_team_association_table.c


@dataclass(frozen=True)
class Update:
    """One update: when, what its task said, and which task it was, if that is the reader's own team's.

    :param inputs: ``team/asset/version`` that it was made of; told to the owner alone
    """

    at: datetime
    rows: int | None
    bytes: int | None
    version: str | None
    inputs: tuple[str, ...]
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int | None


def updates_of(
    assets: Sequence[SeenAsset], session: Any, *, most: int = UPDATES, told: int = UPDATES
) -> dict[int, list[Update]]:
    """Asset → its newest updates, those of its owner's Dags or of nobody's; newest first. One query.

    :param most: of each asset
    :param told: of each asset, with what their tasks said; of the others the moment alone
    """
    own = {asset.asset_id: asset.own for asset in assets if asset.asset_id is not None}
    asked = [
        (place, asset.asset_id, asset.owner, asset.owned) for place, asset in enumerate(assets) if asset.asset_id in own
    ]
    found: dict[int, list[Update]] = defaultdict(list)
    if asked:
        for row in session.execute(_newest(asked, most, told)):
            found[row.asset_id].append(_update(row, own=own[row.asset_id]))
    return found


def _newest(asked: Sequence[tuple[Any, ...]], most: int, told: int) -> Any:
    """Of each asset the newest first, and all of a place before the next: so the newest of each is told for certain."""
    columns = (column("place", Integer), column("asset_id", Integer), column("owner", String), column("owned", Boolean))
    of = values(*columns, name="of").data(asked)
    counted = _counted(of, most)
    order = (counted.c.timestamp.desc(), counted.c.id.desc())
    nth = func.row_number().over(partition_by=counted.c.asset_id, order_by=order).label("nth")
    ranked = select(of.c.place, nth, counted).select_from(of).join(counted, true()).subquery("ranked")
    line = func.row_number().over(order_by=(ranked.c.nth, ranked.c.place)).label("line")
    lined = select(ranked, line).subquery("lined")
    small = (lined.c.nth <= told, lined.c.line <= _MOST_TOLD, func.pg_column_size(lined.c.extra) < _MOST_STORED)
    said = case((and_(*small), func.left(cast(lined.c.extra, Text), _LONGEST + 1))).label("said")
    return select(*(lined.c[name] for name in _SHOWN), said).order_by(lined.c.line)


def _counted(of: Any, most: int) -> Any:
    """Of one asset the newest that count, found without reading more of the others than there are in between."""
    looked_at = (
        select(AssetEvent.__table__)
        .where(_event.asset_id == of.c.asset_id)
        .order_by(_event.timestamp.desc(), _event.id.desc())
        .limit(_LOOKED_AT)
        .correlate(of)
        .lateral("looked_at")
    )
    theirs = (
        select(_dag.dag_id)
        .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
        .where(_dag.dag_id == looked_at.c.source_dag_id, _bundle_team.team_name == of.c.owner)
        .correlate(of, looked_at)
    )
    return (
        select(looked_at)
        .where(or_(and_(of.c.owned, looked_at.c.source_dag_id.is_(None)), theirs.exists()))
        .order_by(looked_at.c.timestamp.desc(), looked_at.c.id.desc())
        .limit(most)
        .correlate(of)
        .lateral("counted")
    )


_SHOWN = ("asset_id", "timestamp", "source_dag_id", "source_run_id", "source_task_id", "source_map_index")


def _update(row: Any, *, own: bool) -> Update:
    said = _said(row.said)
    version = said.get("version")
    return Update(
        at=row.timestamp,
        rows=_number(said.get("rows")),
        bytes=_number(said.get("bytes")),
        version=plain(version, 150) if isinstance(version, str) and version else None,
        inputs=_inputs(said.get("inputs")) if own else (),
        dag_id=row.source_dag_id if own else None,
        run_id=row.source_run_id if own else None,
        task_id=row.source_task_id if own else None,
        map_index=row.source_map_index if own else None,
    )


def _said(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > _LONGEST:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(found: Any) -> int | None:
    return found if type(found) is int and 0 <= found < _MOST_NUMBER else None


def _inputs(found: Any) -> tuple[str, ...]:
    return tuple(each for each in found if isinstance(each, str))[:_MOST_INPUTS] if isinstance(found, list) else ()
