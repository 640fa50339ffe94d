"""What the Dags of one team make and use of assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from airflow.models import DagModel
from airflow.models.asset import DagScheduleAssetReference, TaskInletAssetReference, TaskOutletAssetReference
from sqlalchemy import Text, literal, select, union_all

from airspace.airflow.web import ownership

MOST_USES = 5_000
How = Literal["makes", "starts", "read"]
_dag = DagModel.__table__.c
_OUTLET, _SCHEDULE, _INLET = (
    reference.__table__ for reference in (TaskOutletAssetReference, DagScheduleAssetReference, TaskInletAssetReference)
)


@dataclass(frozen=True)
class Use:
    """A Dag ``makes`` an asset, by one of its tasks; the asset ``starts`` it, or is ``read`` by it."""

    asset_id: int
    dag_id: str
    title: str | None
    task_id: str | None
    how: How


def uses_of(team: str, session: Any) -> list[Use]:
    """Of the team's Dags that are there now, by asset, Dag and task; up to a bound. One query."""
    mine, nobody = ownership.dags_of([team]), literal(None, Text)
    asks = (
        select(table.c.asset_id, _dag.dag_id, _dag.dag_display_name.label("title"))
        .add_columns(task.label("task_id"), literal(how).label("how"))
        .join(DagModel.__table__, _dag.dag_id == table.c.dag_id)
        .where(_dag.dag_id.in_(mine), ~_dag.is_stale)
        for table, task, how in (
            (_OUTLET, _OUTLET.c.task_id, "makes"),
            (_SCHEDULE, nobody, "starts"),
            (_INLET, nobody, "read"),
        )
    )
    found = session.execute(union_all(*asks).order_by("asset_id", "dag_id", "task_id", "how").limit(MOST_USES))
    return [Use(row.asset_id, row.dag_id, row.title, row.task_id, row.how) for row in found]
