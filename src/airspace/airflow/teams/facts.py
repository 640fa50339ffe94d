"""What the risk of a change depends on: what runs now, who has an account."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from airspace.backends.tables.schema import users
from airspace.model.change import Change, ChangeAction
from airspace.model.names import qualified


def running_in_pools(session: Session, changes: Sequence[Change]) -> dict[str, int]:
    """Pool → running tasks, of pools that shrink or go; of a team with fewer slots, of all its pools."""
    teams: set[str] = set()
    pools: set[str] = set()
    for change in changes:
        kind, _, name = change.resource.partition(" ")
        if change.action == ChangeAction.CREATE or "slots" not in (change.before or {}):
            continue
        if kind == "team":
            teams.add(change.team)
        elif kind == "pool":
            pools.add(qualified(change.team, name))
    if not teams and not pools:
        return {}
    named = or_(
        TaskInstance.pool.in_(teams | pools),
        *(TaskInstance.pool.startswith(f"{team}.", autoescape=True) for team in teams),
    )
    ask = (
        select(TaskInstance.pool, func.count())
        .where(TaskInstance.state == TaskInstanceState.RUNNING, named)
        .group_by(TaskInstance.pool)
    )
    return {str(pool): int(count) for pool, count in session.execute(ask)}


def without_account(session: Session, changes: Sequence[Change]) -> list[str]:
    """Users who become members by these changes and cannot sign in yet, because nobody has added them."""
    named = {
        change.resource.partition(" ")[2]
        for change in changes
        if change.resource.startswith("member ") and change.action == ChangeAction.CREATE
    }
    known = select(users.c.name).where(users.c.name.in_(named))
    return sorted(named - set(session.scalars(known))) if named else []
