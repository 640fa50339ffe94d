"""Runs of teams on hold, and of Dags that are moved: none is made and none begins. Those that began go on.

Airflow picks the Dags whose time has come, and the runs that may begin, in statements with limits: what is left out has
to be left out there, or the held teams' would fill the limits for ever. SQLAlchemy offers a place for that
(``do_orm_execute`` and ``with_loader_criteria``); it is used while these two steps of the scheduler run, and only then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.models import DagModel, DagRun
from airflow.models.asset import AssetDagRunQueue, AssetPartitionDagRun
from sqlalchemy import and_, event, exists, or_, select
from sqlalchemy.orm import with_loader_criteria

from airspace.backends.tables import dag_holds, holds, teams

ANY = or_(exists(select(holds.c.team)), exists(select(dag_holds.c.dag_id)))
"""Whether any team or Dag is held: the common case is asked for along with other things, and is "no"."""

# By what a statement is about, so that what it loads along with that (a queued event's Dag) is never missing.
_COLUMNS: dict[Any, Any] = {
    DagModel: DagModel.dag_id,
    DagRun: DagRun.dag_id,
    AssetDagRunQueue: AssetDagRunQueue.target_dag_id,
    AssetPartitionDagRun: AssetPartitionDagRun.target_dag_id,
}


@contextmanager
def left_out(session: Any) -> Iterator[None]:
    """Within it, the session shows no Dag of a held team or on its way, no run of one, and nothing to make one."""
    bundles = select(teams.c.bundle).join(holds, holds.c.team == teams.c.name)
    theirs = select(DagModel.__table__.c.dag_id).where(DagModel.__table__.c.bundle_name.in_(bundles))
    moving = select(dag_holds.c.dag_id)

    def leave_out(state: Any) -> None:
        if not state.is_select or state.is_column_load or state.is_relationship_load or state.bind_mapper is None:
            return
        column = _COLUMNS.get(state.bind_mapper.class_)
        if column is not None:
            free = and_(column.not_in(theirs), column.not_in(moving))
            criteria = with_loader_criteria(column.class_, free, propagate_to_loaders=False)
            state.statement = state.statement.options(criteria)

    event.listen(session, "do_orm_execute", leave_out)
    try:
        yield
    finally:
        event.remove(session, "do_orm_execute", leave_out)
