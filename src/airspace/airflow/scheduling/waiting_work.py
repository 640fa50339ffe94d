"""What waits for the scheduler, asked in one small statement each.

Airflow asks for each kind of work in every loop, with statements that lock and load whole rows. A loop of a team's
chain of tasks is mostly such questions, and their answer is nearly always: nothing. These ask for a little more than
Airflow will act on, never for less: where they say yes, Airflow looks for itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models import DagModel, DagRun
from airflow.models.asset import AssetDagRunQueue, AssetPartitionDagRun
from airflow.models.callback import CallbackState, ExecutorCallback
from airflow.models.connection_test import ACTIVE_STATES, ConnectionTestRequest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, State, TaskInstanceState
from sqlalchemy import exists, func, or_, select, tuple_

from airspace.airflow.scheduling.held import ANY

_RUNS = select(
    or_(
        exists().where(
            DagModel.next_dagrun_create_after <= func.now(), DagModel.is_paused.is_(False), DagModel.is_stale.is_(False)
        ),
        exists(select(AssetDagRunQueue.asset_id)),
        exists().where(AssetPartitionDagRun.created_dag_run_id.is_(None)),
    ).label("to_make"),
    exists().where(DagRun.state == DagRunState.QUEUED).label("to_start"),
    ANY.label("any_held"),
)
_ORDERS = select(
    exists().where(ExecutorCallback.state == CallbackState.PENDING).label("callbacks"),
    exists().where(ConnectionTestRequest.state.in_(ACTIVE_STATES)).label("tests"),
)
_UNDER_WAY = (
    TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED, TaskInstanceState.RUNNING, TaskInstanceState.DEFERRED
)  # fmt: skip
_READY = select(exists().where(TaskInstance.state == TaskInstanceState.SCHEDULED))


@dataclass(frozen=True)
class Runs:
    """Whether there may be runs to make (their time has come, or an asset's event), and such that may start.

    :param any_held: whether there are teams on hold, whose runs are left out
    """

    to_make: bool
    to_start: bool
    any_held: bool


@dataclass(frozen=True)
class Orders:
    """Whether there may be callbacks for executors, and connection tests."""

    callbacks: bool
    tests: bool


def runs(session: Any) -> Runs:
    """What there is to do before runs are looked at."""
    found = session.execute(_RUNS).one()
    return Runs(found.to_make, found.to_start, found.any_held)


def orders(session: Any) -> Orders:
    """What there is to do besides tasks."""
    found = session.execute(_ORDERS).one()
    return Orders(found.callbacks, found.tests)


def ready_tasks(session: Any) -> bool:
    """Whether a task instance is ready to be queued, whatever may keep it from that."""
    return bool(session.scalar(_READY))


def ended_since(moment: datetime, keys: Collection[tuple[str, str]], session: Any) -> bool:
    """Whether a task of these runs has ended since without having been queued: what waits for it could go on.

    One that was queued ran in a process, and its supervisor tells of its end.

    :param keys: dag_id and run_id of each
    """
    if not keys:
        return False
    ask = exists().where(
        tuple_(TaskInstance.dag_id, TaskInstance.run_id).in_(list(keys)),
        TaskInstance.state.in_(State.finished),
        TaskInstance.queued_dttm.is_(None),
        TaskInstance.end_date >= moment,
    )
    return bool(session.scalar(select(ask)))


def marks(keys: Collection[tuple[str, str]], session: Any) -> dict[tuple[str, str], tuple[int, datetime | None]]:
    """Run → what differs when a task of it has ended, is to be tried again or was cleared.

    That a task was queued or began to run changes nothing: a look decides nothing by it. Two ends of which the earlier
    one is committed later do not hide each other: both are counted.

    :param keys: dag_id and run_id of each
    """
    if not keys:
        return {}
    state = TaskInstance.state
    over = state.not_in(_UNDER_WAY)
    ask = (
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            func.count().filter(over).label("over"),
            func.max(TaskInstance.updated_at).filter(or_(over, state.is_(None))).label("latest"),
        )
        .where(tuple_(TaskInstance.dag_id, TaskInstance.run_id).in_(list(keys)))
        .group_by(TaskInstance.dag_id, TaskInstance.run_id)
    )
    return {(row.dag_id, row.run_id): (row.over, row.latest) for row in session.execute(ask)}
