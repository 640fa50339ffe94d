"""Holding a team, waiting for its work, ending it: for the admin worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from airflow import settings
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.callback import Callback
from airflow.models.deadline import Deadline
from airflow.utils import timezone
from airflow.utils.state import CallbackState, DagRunState, State, TaskInstanceState
from sqlalchemy import and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from airspace.backends import tables
from airspace.model.errors import InvalidInputError
from airspace.model.hold import HoldKind, Stage
from airspace.platform import bells

_RUNNING = (TaskInstanceState.RUNNING, TaskInstanceState.RESTARTING)
_ACTIVE_CALLBACKS = (CallbackState.PENDING, CallbackState.QUEUED, CallbackState.RUNNING)
_AT_ONCE = 5000  # rows in one statement: others' transactions come in between
_LOOK = 0.25
_ONLY_ROWS = {"synchronize_session": False}

Payload = Mapping[str, Any]


def hold_team(payload: Payload) -> dict[str, Any]:
    """Put a team on hold, or hold it further. Whoever began something for it before has finished when this returns.

    :raises InvalidInputError: there is no such team; it is on its way out, or to another name
    """
    team, kind, stage = payload["team"], HoldKind(payload["kind"]), Stage(payload["stage"])
    with settings.get_session()() as session:
        with session.begin():
            known = session.scalar(select(tables.teams.c.name).where(tables.teams.c.name == team).with_for_update())
            before = tables.hold_of(team, session)
            if before and before.kind is not kind:
                _check_may_change(before)
            if known is None:
                if kind is not HoldKind.LEAVING:
                    raise InvalidInputError(f"there is no team {team}", fix="airspace team list shows all")
                return {"known": False, "before": None}
            if before and before.stage is Stage.HALT:
                stage = Stage.HALT
            values = {"kind": kind.value, "stage": stage.value, "reason": payload.get("reason") or ""}
            values["changed_at"] = func.clock_timestamp()
            if before is None:
                session.execute(insert(tables.holds).values(team=team, **values))
            else:
                session.execute(update(tables.holds).where(tables.holds.c.team == team).values(**values))
        with session.begin():
            tables.await_readers(team, session)
    return {"known": True, "before": before.as_dict() if before else None}


def release_team(payload: Payload) -> dict[str, Any]:
    """End a suspension.

    :raises InvalidInputError: there is no such team; it is on its way out, or to another name
    """
    team = payload["team"]
    with settings.get_session()() as session, session.begin():
        if session.scalar(select(tables.teams.c.name).where(tables.teams.c.name == team).with_for_update()) is None:
            raise InvalidInputError(f"there is no team {team}", fix="airspace team list shows all")
        before = tables.hold_of(team, session)
        if before:
            _check_may_change(before)
        session.execute(delete(tables.holds).where(tables.holds.c.team == team))
    return {"before": before.as_dict() if before else None}


def _check_may_change(hold: tables.Hold) -> None:
    """
    :raises InvalidInputError: what holds the team has to come to its end
    """
    if hold.kind is HoldKind.LEAVING:
        fix = f"airspace team remove {hold.team} finishes it"
        raise InvalidInputError(f"team {hold.team} is being removed", fix=fix)
    if hold.kind is HoldKind.RENAMING:
        raise InvalidInputError(f"team {hold.team} is being renamed", fix="airspace up tells how to go on with that")


def await_team(payload: Payload) -> dict[str, Any]:
    """Wait until nothing of a team runs, at most so many seconds; how much still does."""
    deadline = time.monotonic() + float(payload["seconds"])
    while True:
        with settings.get_session()() as session:
            work = _work(payload["team"], session)
        if not any(work.values()) or time.monotonic() >= deadline:
            return work
        time.sleep(_LOOK)


def _work(team: str, session: Session) -> dict[str, int]:
    """Running tasks, and runs that go on: those of a paused Dag do not."""
    mine = dags_of(team)
    tasks = select(func.count()).where(TaskInstance.dag_id.in_(mine), TaskInstance.state.in_(_RUNNING))
    runs = (
        select(func.count())
        .select_from(DagRun)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagModel.bundle_name == bundle_of(team), DagModel.is_paused.is_(False), DagModel.is_stale.is_(False))
        .where(DagRun.state == DagRunState.RUNNING)
    )
    return {"tasks": session.scalar(tasks) or 0, "runs": session.scalar(runs) or 0}


def halt_team(payload: Payload) -> dict[str, Any]:
    """Let nothing of a team go on: fail what has begun and is not over, as Airflow's "mark as failed" does.

    A supervisor whose task is no longer running hears of it at its next heartbeat: it tells the task to stop, and kills
    it when it does not. Runs that wait for their turn stay as they are.
    """
    hold_team({**payload, "stage": Stage.HALT.value})
    team, ended = payload["team"], {"tasks": 0, "runs": 0, "callbacks": 0}
    while True:
        with settings.get_session()() as session, session.begin():
            found = end_some(dags_of(team), session)
        for kind, count in found.items():
            ended[kind] += count
        if not any(found.values()):
            bells.ring(bells.WAKE)
            bells.ring(bells.TRIGGERS)
            return ended


def end_some(mine: Any, session: Session) -> dict[str, int]:
    """Tasks first, a bounded number; then, when there are none left, runs and callbacks.

    :param mine: the Dags, as a subquery
    """
    ended = {"tasks": _end_tasks(mine, session), "runs": 0, "callbacks": 0}
    if not ended["tasks"]:
        runs = select(DagRun.id).where(DagRun.dag_id.in_(mine), DagRun.state == DagRunState.RUNNING)
        some = list(session.scalars(runs.limit(_AT_ONCE)))
        over = update(DagRun).where(DagRun.id.in_(some))
        session.execute(over.values(state=DagRunState.FAILED, end_date=timezone.utcnow()), execution_options=_ONLY_ROWS)
        ended |= {"runs": len(some), "callbacks": _end_callbacks(mine, session)}
    return ended


def _end_tasks(mine: Any, session: Session) -> int:
    unfinished = or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(State.finished))
    begun = (
        select(TaskInstance.id)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(TaskInstance.dag_id.in_(mine), unfinished)
        .where(or_(DagRun.state == DagRunState.RUNNING, TaskInstance.state.in_(_RUNNING)))
    )
    ids = list(session.scalars(begun.limit(_AT_ONCE)))
    running = TaskInstance.state.in_(_RUNNING)
    for which, state in ((running, TaskInstanceState.FAILED), (unfinished, TaskInstanceState.SKIPPED)):
        ending = update(TaskInstance).where(TaskInstance.id.in_(ids), which)
        values = {"state": state, "end_date": timezone.utcnow(), "trigger_id": None}
        session.execute(ending.values(**values), execution_options=_ONLY_ROWS)
    return len(ids)


def _end_callbacks(mine: Any, session: Session) -> int:
    theirs = select(Deadline.callback_id).join(DagRun, DagRun.id == Deadline.dagrun_id).where(DagRun.dag_id.in_(mine))
    active = and_(Callback.id.in_(theirs), Callback.state.in_(_ACTIVE_CALLBACKS))
    some = list(session.scalars(select(Callback.id).where(active).limit(_AT_ONCE)))
    failed = update(Callback).where(Callback.id.in_(some))
    values = {"state": CallbackState.FAILED, "output": "ended: its team or Dag was halted"}
    session.execute(failed.values(**values), execution_options=_ONLY_ROWS)
    return len(some)


def bundle_of(team: str) -> Any:
    """The name of the team's bundle, as SQL."""
    return func.coalesce(
        select(tables.teams.c.bundle).where(tables.teams.c.name == team).scalar_subquery(), literal(team)
    )


def dags_of(team: str) -> Any:
    """The team's Dags, as a subquery."""
    return select(DagModel.dag_id).where(DagModel.bundle_name == bundle_of(team))
