"""What nobody starts for a team on hold, whatever their role: the answer says why, and what to do about it."""

from __future__ import annotations

from typing import Any

from airflow.utils.session import create_session
from fastapi import HTTPException
from sqlalchemy import select

from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership
from airspace.backends import tables
from airspace.model.hold import HoldKind

_STARTS = frozenset(
    {
        (Kind.RUN, Action.TRIGGER),
        (Kind.RUN, Action.CHANGE),
        (Kind.TASK_INSTANCE, Action.CHANGE),
        (Kind.BACKFILL, Action.TRIGGER),
        (Kind.BACKFILL, Action.CHANGE),
        (Kind.DAG, Action.PAUSE),
        (Kind.ASSET, Action.POST),
        (Kind.CONNECTION, Action.TEST),
    }
)


def starts(kind: Kind, action: Action) -> bool:
    """Whether this may begin work, or change what begins after a suspension."""
    return (kind, action) in _STARTS


def refuse(team: str | None, kind: Kind, action: Action, dag_id: str | None = None) -> None:
    """Refuse with the reason what a team, or a Dag, on hold may not do. Ask it after the decision that the user may.

    :raises HTTPException: 409
    """
    if team is None or not starts(kind, action):
        return
    with create_session(scoped=False) as session:
        hold = tables.hold_of(team, session)
        moving = tables.dag_hold_of(dag_id, session) if dag_id is not None else None
    if hold is not None:
        raise HTTPException(409, words(hold))
    if moving is not None:
        raise HTTPException(409, f"Dag {dag_id} is being moved to another team: nothing is started for it meanwhile.")


def words(hold: tables.Hold) -> str:
    """Why not, and what to do."""
    if hold.kind is HoldKind.LEAVING:
        return f"Team {hold.team} is being removed: nothing is started for it any more."
    if hold.kind is HoldKind.RENAMING:
        return f"Team {hold.team} is getting another name: nothing is started for it meanwhile."
    reason = f": {hold.reason}" if hold.reason else ""
    since = hold.since[:16].replace("T", " ")
    return (
        f"Team {hold.team} is suspended since {since}{reason}. Nothing is started for it"
        f" until an administrator runs `airspace team resume {hold.team}`."
    )


def held_dags(session: Any) -> set[str]:
    """The Dags of all teams on hold, and those that are moved."""
    held = tables.all_holds(session)
    moving = set(session.scalars(select(tables.dag_holds.c.dag_id)))
    return moving | (ownership.dag_ids(list(held), session) if held else set())
