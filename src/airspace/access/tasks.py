"""What a running task may do: who it is, whether it is its turn, and whose an asset is.

Pure. A task asks the same decision function as everybody else, as the principal that :func:`acting` makes of it: an
author in its own team and nobody anywhere else. Doors find out the facts and say in their own words why not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from airspace.access.rules import Action, Kind, Resource, decide
from airspace.model.roles import Principal, Role

QUEUED, RUNNING = "queued", "running"
STARTING_TOKEN, WORKING_TOKEN = "workload", "execution"


class Turn(str, Enum):
    """When in a task instance's life something may be asked."""

    START = "start"
    """Once, to begin: the instance is queued and has not begun. Whoever began may say so again with the same token,
    as its answer can be lost; Airflow compares host, user and process."""
    WORK = "work"
    """While it runs."""
    REPORT = "report"
    """Its own end and its heartbeat. Airflow itself checks these against the state it holds, under a lock."""


class Refusal(str, Enum):
    """Why a task is told no."""

    GONE = "gone"
    NO_TEAM = "no team"
    EARLIER_TURN = "earlier turn"
    NOT_QUEUED = "not queued"
    NOT_RUNNING = "not running"
    WRONG_TOKEN = "wrong token"  # noqa: S105 - no secret
    SOMEBODY_ELSE = "somebody else"
    NOT_YOURS = "not yours"
    NOT_FOUND = "not found"
    UNCLEAR = "unclear"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Token:
    """What a valid token says: for which instance, for which part of its life, and since when (whole seconds)."""

    subject: str
    scope: str
    issued_at: int


@dataclass(frozen=True)
class Instance:
    """A task instance as the database has it at this moment."""

    id: str
    dag_id: str
    team: str | None
    state: str | None
    queued_at: datetime | None = None


@dataclass(frozen=True)
class Touch:
    """A team's Dags have to do with an asset since then; ``produces``: they update it."""

    team: str
    produces: bool
    since: datetime


def standing(instance: Instance | None, token: Token, turn: Turn, leeway: int = 0) -> Refusal | None:
    """Whether it is this token's turn to speak; None: it is.

    :param leeway: seconds by which the clocks of those who queue and those who sign may differ
    """
    if turn is not Turn.START and token.scope != WORKING_TOKEN:
        return Refusal.WRONG_TOKEN
    if instance is None:
        return Refusal.GONE
    if not instance.team:
        return Refusal.NO_TEAM
    # The same instance is queued anew after a deferral: what was issued before belongs to a process that is over.
    if instance.queued_at is not None and token.issued_at + leeway < int(instance.queued_at.timestamp()):
        return Refusal.EARLIER_TURN
    repeated = instance.state == RUNNING and token.scope == STARTING_TOKEN
    if turn is Turn.START and instance.state != QUEUED and not repeated:
        return Refusal.NOT_QUEUED
    if turn is Turn.WORK and instance.state != RUNNING:
        return Refusal.NOT_RUNNING
    return None


def acting(team: str) -> Principal:
    """Who a task of the team is in the eyes of the decision function: what its authors may do, its code may do."""
    return Principal(f"a task of {team}", teams={team: Role.AUTHOR})


def may(team: str, action: Action, kind: Kind, owner: str | None, readers: frozenset[str] = frozenset()) -> bool:
    """Whether a task of ``team`` may do this with a thing of ``owner``."""
    return decide(acting(team), action, Resource(kind, owner, "?", readers)).allowed


def owner_of(named_by: frozenset[str], touches: Iterable[Touch]) -> str | None:
    """Whose an asset is: the team whose file names it.

    Where no file does, or several do, it is whose Dags came first, those that update it before those that only wait
    for it. So naming another team's asset in Dag code takes nothing from anybody. Nobody's if all that tells nothing.
    """
    if len(named_by) == 1:
        return next(iter(named_by))
    candidates = [touch for touch in touches if not named_by or touch.team in named_by]
    first = min(candidates, key=lambda touch: (not touch.produces, touch.since, touch.team), default=None)
    return first.team if first else None


def own_name(team: str, name: str) -> str:
    """The stored name of what a task calls by its short name."""
    return name if name.startswith(f"{team}.") else f"{team}.{name}"


def name_to_write(team: str, name: str, existing: dict[str, str | None]) -> str | None:
    """Which stored name a task's write goes to; None: what has that name is not its team's.

    :param existing: name → team of those that exist among ``own_name`` and ``name``
    """
    own = own_name(team, name)
    if own in existing:
        return own if existing[own] == team else None
    # Made by a member under its plain name: it is the one that the team's tasks read, so they write it too.
    return name if existing.get(name) == team else own
