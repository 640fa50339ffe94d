"""What failed, where the time goes, and what waits for what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow.models.hitl import HITLDetail
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.tasklog import LogTemplate
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.trigger import Trigger
from sqlalchemy import Float, and_, case, cast, func, select, union_all

from airspace.airflow.web.homes.reading import Window, run_table
from airspace.airflow.web.homes.teams import dag, dag_table
from airspace.backends import tables
from airspace.insight.excerpt import plain
from airspace.insight.failures import FailedTask
from airspace.insight.waiting import WAITING_STATES, Slots, WaitingTask
from airspace.insight.waste import TaskCost, Used

MOST_FAILED = 1000
"""Failed task instances that are looked at; the page says "1000 or more"."""
_MOST_COUNTED, _MOST_WAITING, _MOST_SORTED = 50_000, 60, 5_000
_MOST_RUNS, _MOST_TRIES, _MOST_TASKS, _MOST_POOLS = 2_000, 50_000, 400, 100
_HOLDING = ("running", "queued")

run = run_table.c
ti_table, _history = TaskInstance.__table__, TaskInstanceHistory.__table__
ti = ti_table.c
_trigger, _question, _pool = Trigger.__table__.c, HITLDetail.__table__.c, Pool.__table__.c
_again = TaskReschedule.__table__.c
_use = tables.task_use.c


@dataclass(frozen=True)
class Failed:
    """A failed task instance, with what its log's name is made of."""

    task: FailedTask
    template: str | None
    when: datetime
    interval: tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Load:
    """What of a team's is under way now.

    :param states: state → task instances
    :param pools: pool → its places, of the pools that are the team's
    """

    states: dict[str, int]
    pools: dict[str, Slots]

    def count(self, *states: str) -> int:
        """Task instances in these states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def waiting(self) -> int:
        """Task instances that wait for anything."""
        return self.count(*WAITING_STATES)


@dataclass(frozen=True)
class Waiting:
    """A waiting task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    since: datetime | None
    task: WaitingTask


def failed(dags: Any, session: Any, window: Window) -> list[Failed]:
    """Task instances whose try in the last day failed, the newest first."""
    ask = (
        select(
            *(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, ti.try_number, ti.end_date, ti.state),
            *(run.logical_date, run.run_after, run.data_interval_start, run.data_interval_end),
            LogTemplate.filename,
        )
        .join(run_table, (run.dag_id == ti.dag_id) & (run.run_id == ti.run_id))
        .outerjoin(LogTemplate, LogTemplate.id == run.log_template_id)
        .where(ti.dag_id.in_(dags), ti.state.in_(("failed", "up_for_retry")), ti.id >= window.first_try)
        .order_by(ti.id.desc())
        .limit(MOST_FAILED)
    )
    return [_failed(row) for row in session.execute(ask)]


def _failed(row: Any) -> Failed:
    again = row.state == "up_for_retry"
    task = FailedTask(row.dag_id, row.task_id, row.run_id, row.map_index, row.try_number, row.end_date, again)
    interval = (row.data_interval_start, row.data_interval_end)
    return Failed(task, row.filename, row.logical_date or row.run_after, interval)


def costs(dags: Any, session: Any, window: Window) -> list[TaskCost]:
    """What the tasks of the last day's newest runs took, all tries, the most expensive first."""
    recent = select(run.dag_id, run.run_id).where(run.id > window.first_run)
    if dags is not None:
        recent = recent.where(run.dag_id.in_(dags))
    runs = recent.order_by(run.id.desc()).limit(_MOST_RUNS).subquery()
    both = (_tries(ti_table, ti.id, runs), _tries(_history, _history.c.task_instance_id, runs))
    tries = union_all(*both).limit(_MOST_TRIES).subquery()
    took, bad = tries.c.duration, tries.c.state == "failed"
    total = func.sum(took)
    ask = (
        select(
            *(tries.c.dag_id, tries.c.task_id, func.max(tries.c.operator), func.count(), func.count().filter(bad)),
            *(total, func.coalesce(func.sum(took).filter(bad), 0.0)),
            *(func.percentile_cont(part).within_group(took) for part in (0.5, 0.95)),
            *(func.max(tries.c.pool_slots), func.sum(_use.cpu), func.sum(_use.wall), func.max(_use.memory)),
        )
        .outerjoin(tables.task_use, _use.task_instance == tries.c.key)
        .group_by(tries.c.dag_id, tries.c.task_id)
        .order_by(total.desc(), tries.c.dag_id, tries.c.task_id)
        .limit(_MOST_TASKS)
    )
    return [_cost(*row) for row in session.execute(ask)]


def _cost(dag_id: str, task_id: str, operator: str | None, *figures: Any) -> TaskCost:
    *counted, cpu, wall, memory = figures
    cost = TaskCost(dag_id, task_id, operator or "", *counted)
    if wall is None:
        return cost
    return replace(cost, used=Used(float(cpu) / 1000, float(wall) / 1000, int(memory) * 1024))


def _tries(table: Any, key: Any, runs: Any) -> Any:
    each = table.c
    # What a person set has no end or no beginning that would say how long it took.
    return (
        select(
            *(each.dag_id, each.task_id, each.operator, cast(each.duration, Float).label("duration"), each.state),
            *(each.pool_slots, key.label("key")),
        )
        .join(runs, (runs.c.dag_id == each.dag_id) & (runs.c.run_id == each.run_id))
        .where(each.duration.is_not(None), each.state.in_(("success", "failed")))
    )


def load(team: str, dags: Any, session: Any, _window: Window) -> Load:
    """How much is under way, in which pools. Two queries."""
    found = select(ti.state, ti.pool, ti.pool_slots)
    found = found.where(ti.dag_id.in_(dags), ti.state.in_(("running", *WAITING_STATES))).limit(_MOST_COUNTED)
    some = found.subquery().c
    ask = select(some.state, some.pool, func.count().label("count"), func.sum(some.pool_slots).label("taken"))
    states: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    deferred: Counter[str] = Counter()
    for row in session.execute(ask.group_by(some.state, some.pool)):
        states[row.state] += row.count
        if row.state in _HOLDING:
            taken[row.pool] += row.taken
        elif row.state == "deferred":
            deferred[row.pool] += row.taken
    pools = {}
    asked = select(_pool.pool, _pool.slots, _pool.include_deferred).where(_pool.team_name == team).order_by(_pool.pool)
    for row in session.execute(asked.limit(_MOST_POOLS)):
        also = deferred[row.pool] if row.include_deferred else 0
        pools[row.pool] = Slots(taken[row.pool] + also, row.slots)
    return Load(dict(states), pools)


def waiting(dags: Any, session: Any, window: Window) -> list[Waiting]:
    """The task instances that have waited longest."""
    found = session.execute(_longest(dags)).all()
    return [_wait(row, window) for row in found]


def _longest(dags: Any) -> Any:
    some = select(ti.id).where(ti.dag_id.in_(dags), ti.state.in_(WAITING_STATES)).limit(_MOST_SORTED).subquery()
    since = case(
        (ti.state == "scheduled", ti.scheduled_dttm),
        (ti.state == "queued", ti.queued_dttm),
        (ti.state.in_(("deferred", "awaiting_input")), func.coalesce(_trigger.created_date, ti.start_date)),
        else_=func.coalesce(ti.end_date, ti.updated_at),
    ).label("since")
    beside = ti_table.alias().c
    # Airflow's limit of a Dag's active tasks counts within one run.
    active = (
        select(func.count())
        .where(beside.dag_id == ti.dag_id, beside.run_id == ti.run_id, beside.state.in_(_HOLDING))
        .scalar_subquery()
    )
    wakes = select(func.max(_again.reschedule_date)).where(_again.ti_id == ti.id).scalar_subquery()
    longest = (
        select(ti.id, since)
        .join(some, some.c.id == ti.id)
        .outerjoin(Trigger.__table__, _trigger.id == ti.trigger_id)
        .order_by(since.asc().nulls_last(), ti.id)
        .limit(_MOST_WAITING)
        .subquery()
    )
    asked = and_(_question.ti_id == ti.id, _question.responded_at.is_(None))
    return (
        select(
            *(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, ti.state, ti.pool, ti.pool_slots, ti.try_number),
            *(ti.max_tries, longest.c.since, dag.is_paused, dag.max_active_tasks, active.label("active")),
            *(_question.subject, _trigger.classpath, _trigger.triggerer_id, wakes.label("wakes")),
        )
        .select_from(ti_table)
        .join(longest, longest.c.id == ti.id)
        .join(dag_table, dag.dag_id == ti.dag_id)
        .outerjoin(Trigger.__table__, _trigger.id == ti.trigger_id)
        .outerjoin(HITLDetail.__table__, asked)
        .order_by(longest.c.since.asc().nulls_last(), ti.id)
    )


def _wait(row: Any, window: Window) -> Waiting:
    task = WaitingTask(
        state=row.state,
        pool=row.pool,
        pool_slots=row.pool_slots,
        try_number=row.try_number,
        max_tries=row.max_tries,
        paused=row.is_paused,
        dag_slots=Slots(row.active, row.max_active_tasks),
        question=None if row.subject is None else plain(row.subject, 120),
        trigger=row.classpath,
        taken=row.triggerer_id is not None,
        wakes_at=row.wakes if row.wakes and row.wakes > window.now else None,
    )
    return Waiting(row.dag_id, row.task_id, row.run_id, row.map_index, row.since, task)
