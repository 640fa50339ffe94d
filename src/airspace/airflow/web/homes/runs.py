"""What ran, and what is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.deadline import Deadline
from airflow.models.deadline_alert import DeadlineAlert
from sqlalchemy import Select, and_, func, select

from airspace.airflow.web.homes.reading import Window, run_table
from airspace.airflow.web.homes.teams import dag, dag_table
from airspace.insight.late import GRACE, Usual, overruns
from airspace.insight.waiting import Slots, WaitingRun

_MOST_RUNS, _MOST_RUNNING, _MOST_LATE, _EARLIER, _MOST_TOLD = 20_000, 2_000, 20, 20, 10
run = run_table.c
_deadline, _alert = Deadline.__table__, DeadlineAlert.__table__


@dataclass(frozen=True)
class HourOfRuns:
    """Runs that were made within one hour, by the state they are in."""

    hour: datetime
    state: str
    count: int


@dataclass(frozen=True)
class Ran:
    """A run, and when it began and ended, if it did."""

    dag_id: str
    run_id: str
    state: str
    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Late:
    """A Dag or run that is late.

    :param how: ``overruns``, ``deadline`` or ``overdue``
    :param since: when it began, or should have
    :param usual: how long it usually takes, in seconds
    """

    how: str
    dag_id: str
    since: datetime
    run_id: str | None = None
    usual: float | None = None
    detail: str | None = None


@dataclass(frozen=True)
class DagCounts:
    """How many Dags there are."""

    total: int
    paused: int


def dag_counts(dags: Any, session: Any, _window: Window) -> DagCounts:
    """Of the Dags that are there now."""
    found = session.execute(
        select(func.count(), func.count().filter(dag.is_paused)).where(dag.dag_id.in_(dags), dag.is_stale.is_(False))
    ).one()
    return DagCounts(*found)


def by_hour(dags: Any, session: Any, window: Window) -> list[HourOfRuns]:
    """The runs made in the last day; of very many, the newest."""
    made = func.coalesce(run.created_at, run.run_after).label("made")
    recent = select(made, run.state).where(run.dag_id.in_(dags), run.id > window.first_run)
    newest = recent.order_by(run.id.desc()).limit(_MOST_RUNS).subquery()
    hour = func.date_trunc("hour", newest.c.made).label("hour")
    ask = select(hour, newest.c.state, func.count()).group_by(hour, newest.c.state).order_by(hour, newest.c.state)
    return [HourOfRuns(*row) for row in session.execute(ask)]


def newest(dags: Any, session: Any, window: Window) -> list[Ran]:
    """The runs made last; of no more than the last day's, which their keys bound."""
    ask = select(run.dag_id, run.run_id, run.state, run.start_date, run.end_date)
    ask = ask.where(run.dag_id.in_(dags), run.id > window.first_run).order_by(run.id.desc()).limit(_MOST_TOLD)
    return [Ran(*row) for row in session.execute(ask)]


def overrunning(dags: Any, session: Any, window: Window) -> list[Late]:
    """Running runs that take much longer than the last good ones of their Dags did."""
    begun = select(run.dag_id, run.run_id, run.start_date).where(
        run.dag_id.in_(dags), run.state == "running", run.start_date.is_not(None)
    )
    running = begun.order_by(run.start_date).limit(_MOST_RUNNING).subquery()
    usual = _usual(select(running.c.dag_id).distinct().subquery())
    ask = select(running, usual.c.seconds, usual.c.runs).outerjoin(usual, usual.c.dag_id == running.c.dag_id)
    found = []
    for row in session.execute(ask.order_by(running.c.start_date)):
        known = Usual(row.seconds, row.runs) if row.runs else None
        if overruns((window.now - row.start_date).total_seconds(), known):
            found.append(Late("overruns", row.dag_id, row.start_date, row.run_id, row.seconds))
    return found


def missed_deadlines(dags: Any, session: Any, window: Window) -> list[Late]:
    """Deadlines that passed within the last day before their runs had ended."""
    ask = (
        select(run.dag_id, run.run_id, _deadline.c.deadline_time, _alert.c.name)
        .join(_deadline, _deadline.c.dagrun_id == run.id)
        .outerjoin(_alert, _alert.c.id == _deadline.c.deadline_alert_id)
        .where(_deadline.c.missed, _deadline.c.deadline_time >= window.since, run.dag_id.in_(dags))
        .order_by(_deadline.c.deadline_time.desc(), run.id)
    )
    rows = session.execute(ask.limit(_MOST_LATE))
    return [Late("deadline", row.dag_id, row.deadline_time, row.run_id, detail=row.name) for row in rows]


def overdue(dags: Any, session: Any, window: Window) -> list[Late]:
    """Dags whose time has come, and of which there is no run."""
    ask = (
        select(dag.dag_id, dag.next_dagrun_create_after, dag.exceeds_max_non_backfill)
        .where(dag.dag_id.in_(dags), is_overdue(window))
        .order_by(dag.next_dagrun_create_after, dag.dag_id)
    )
    full = "as many of its runs are active as may be"
    return [
        Late("overdue", row.dag_id, row.next_dagrun_create_after, detail=full if row.exceeds_max_non_backfill else None)
        for row in session.execute(ask.limit(_MOST_LATE))
    ]


def is_overdue(window: Window) -> Any:
    """The condition for a Dag whose time has come."""
    due = window.now - GRACE
    return and_(dag.next_dagrun_create_after < due, dag.is_paused.is_(False), dag.is_stale.is_(False))


def _usual(dags: Any) -> Any:
    """How long the last good runs of these Dags took."""
    took = func.extract("epoch", run.end_date - run.start_date).label("took")
    last = (
        select(took)
        .where(run.dag_id == dags.c.dag_id, run.state == "success", run.end_date.is_not(None))
        .order_by(run.id.desc())
        .limit(_EARLIER)
        .lateral()
    )
    median = func.percentile_cont(0.5).within_group(last.c.took)
    ask: Select[Any] = select(dags.c.dag_id, median.label("seconds"), func.count().label("runs"))
    return ask.join(last, last.c.took.is_not(None)).group_by(dags.c.dag_id).subquery()


@dataclass(frozen=True)
class QueuedRun:
    """A run that has not begun."""

    dag_id: str
    run_id: str
    since: datetime | None
    run: WaitingRun


def queued_runs(dags: Any, session: Any, _window: Window) -> list[QueuedRun]:
    """The runs that have waited longest to begin."""
    since = func.coalesce(run.queued_at, run.created_at).label("since")
    first = (
        select(run.dag_id, run.run_id, since, run.backfill_id)
        .where(run.dag_id.in_(dags), run.state == "queued")
        .order_by(run.id)
        .limit(_MOST_LATE)
        .subquery()
    )
    beside = run_table.alias().c
    active = (
        select(func.count())
        .where(beside.dag_id == first.c.dag_id, beside.state == "running", beside.backfill_id.is_(None))
        .scalar_subquery()
    )
    ask = select(first, dag.is_paused, dag.max_active_runs, active.label("active"))
    ask = ask.select_from(first).join(dag_table, dag.dag_id == first.c.dag_id)
    rows = session.execute(ask.order_by(first.c.since, first.c.run_id))
    return [
        QueuedRun(
            row.dag_id, row.run_id, row.since, WaitingRun(row.is_paused, _slots(row), row.backfill_id is not None)
        )
        for row in rows
    ]


def _slots(row: Any) -> Slots:
    return Slots(row.active, -1 if row.max_active_runs is None else row.max_active_runs)
