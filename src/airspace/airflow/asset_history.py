"""Who updated an asset first: what decides whose it is where no Dag says that it produces it, as when an alias made it.

A statement over the tables themselves, for whoever asks: the guard, the pages, and the Dag processor.
"""

from __future__ import annotations

from typing import Any

from airflow.models import DagModel
from airflow.models.asset import AssetEvent
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import select

_event, _dag = AssetEvent.__table__.c, DagModel.__table__.c
_bundle_team = dag_bundle_team_association_table.c


def first_updates(among: Any) -> Any:
    """One row (``asset_id``, ``team_name``, ``since``) for each of these assets that a Dag of a team has updated.

    :param among: what an asset's id is compared with: a list, or ``any_`` of a parameter
    """
    wanted = _event.asset_id.in_(among) if isinstance(among, list) else _event.asset_id == among
    return (
        select(_event.asset_id, _bundle_team.team_name, _event.timestamp.label("since"))
        .distinct(_event.asset_id)
        .join(DagModel.__table__, _dag.dag_id == _event.source_dag_id)
        .join(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == _dag.bundle_name)
        .where(wanted)
        .order_by(_event.asset_id, _event.id)
    )
