"""Which teams are on hold, and the meeting of those who begin something for a team with whoever holds it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from airspace.backends.tables.schema import dag_holds, holds
from airspace.model.hold import HoldKind, Stage

_LOCKS = 0x61_73_70_68  # a namespace of PostgreSQL's advisory locks


@dataclass(frozen=True)
class Hold:
    """One team on hold."""

    team: str
    kind: HoldKind
    stage: Stage
    reason: str
    since: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"kind": self.kind.value, "stage": self.stage.value, "reason": self.reason, "since": self.since}


@dataclass(frozen=True)
class DagHold:
    """One Dag on its way to another team.

    :param moved: it is the target's already
    """

    dag_id: str
    team: str
    target: str
    moved: bool


def hold_of(team: str, session: Any) -> Hold | None:
    """The hold of a team, read now.

    :param session: a session or a connection
    """
    row = session.execute(select(holds).where(holds.c.team == team)).one_or_none()
    return None if row is None else _hold(row)


def all_holds(session: Any) -> dict[str, Hold]:
    """Team → its hold."""
    return {row.team: _hold(row) for row in session.execute(select(holds))}


def keep_waiting(team: str) -> Any:
    """As SQL: :func:`await_readers` waits for the end of this transaction. What is asked in a later statement of it is
    what was there when the lock was given."""
    return func.pg_advisory_xact_lock_shared(_LOCKS, func.hashtext(team))


def holding(team: str) -> Any:
    """As SQL: whether a team is held. Asked after :func:`keep_waiting`."""
    return exists().where(holds.c.team == team)


def dag_hold_of(dag_id: str, session: Any) -> DagHold | None:
    """Where a Dag is on its way to, read now."""
    row = session.execute(select(dag_holds).where(dag_holds.c.dag_id == dag_id)).one_or_none()
    return None if row is None else DagHold(row.dag_id, row.team, row.target, row.moved)


def moving(dag_ids: Collection[str]) -> Any:
    """As SQL: whether one of these Dags is on its way, and nobody's to store. Asked after :func:`keep_waiting`."""
    return exists().where(dag_holds.c.dag_id.in_(dag_ids), dag_holds.c.moved.is_(False))


def await_readers(team: str, session: Any) -> None:
    """Wait for the transactions that found the team not held. The hold has been committed before."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(team))))


def _hold(row: Any) -> Hold:
    return Hold(row.team, HoldKind(row.kind), Stage(row.stage), row.reason, row.since.isoformat())
