"""The warehouse as the team files say it, and when a session in it has to end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.model.warehouse import Bounds

IDLE_IN_TRANSACTION = 600.0
"""Seconds in which a transaction does nothing: its locks hold up others, and what was deleted is kept for it."""
STATEMENTS_OF_TRANSACTION = 2
"""A transaction may last as long as so many statements."""
MOST_LOCKS = 5_000
"""Of one session: the server has one table of locks for everybody, also for Airflow."""


@dataclass(frozen=True)
class TeamWarehouse:
    """What one team has of the warehouse.

    :param shared: table → the teams that may read it
    """

    team: str
    bounds: Bounds = field(default_factory=Bounds)
    shared: Mapping[str, frozenset[str]] = field(default_factory=dict)


def of_specs(specs: Mapping[str, Mapping[str, Any]]) -> list[TeamWarehouse]:
    """Of team files as the database keeps them: team → spec."""
    return [
        TeamWarehouse(team, Bounds.of(spec.get("warehouse") or {}), _shared(team, spec, specs))
        for team, spec in sorted(specs.items())
    ]


def _shared(team: str, spec: Mapping[str, Any], teams: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for asset in (spec.get("assets") or {}).values():
        consumers = frozenset(asset.get("consumers") or ()) & frozenset(teams) - {team}
        for table in asset.get("tables") or ():
            found[table] = found.get(table, frozenset()) | consumers
    return found


@dataclass(frozen=True)
class Session:
    """A team's session as the server tells it.

    :param state: ``active``, ``idle``, ``idle in transaction`` …
    :param statement: seconds since the statement began; ``transaction``: since the transaction did; ``still``: since
        the state changed
    :param writes: the transaction has changed something
    """

    pid: int
    role: str
    state: str
    statement: float = 0.0
    transaction: float | None = None
    still: float = 0.0
    writes: bool = False
    locks: int = 0


EMPTYING = 256 << 10
"""Bytes that a table takes more while it is emptied: until that is committed, its new files stand beside the old."""


def grows(session: Session, before: int, size: int) -> bool:
    """Whether a session of a team that is too large has to end: it writes, and the team took more than emptying takes.

    Whoever grows on by less than that meets the bar of :class:`Quota`.
    """
    return session.writes and size > before + EMPTYING


def overdue(session: Session, bounds: Bounds) -> str | None:
    """Why a session has to end; None: it may go on."""
    if session.locks > MOST_LOCKS:
        return f"it holds {session.locks} locks, of {MOST_LOCKS}"
    if session.state == "active" and session.statement > bounds.seconds:
        return f"a statement took longer than {bounds.seconds} s"
    if session.state.startswith("idle in transaction") and session.still > IDLE_IN_TRANSACTION:
        return f"its transaction did nothing for {IDLE_IN_TRANSACTION:.0f} s"
    if session.transaction is not None and session.transaction > STATEMENTS_OF_TRANSACTION * bounds.seconds:
        return f"a transaction took longer than {STATEMENTS_OF_TRANSACTION * bounds.seconds} s"
    return None


SLACK, STEP = 64 << 20, 16 << 20
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 6 * 3600.0


@dataclass
class Quota:
    """One team's size against its bound, over time.

    Too large: new transactions read only unless they say otherwise, and one that goes on growing ends. Larger still, by
    a tenth: the role is shut out for a while, each time twice as long, and let in again to be emptied. So it can be
    emptied at any time but these, and growing on by small pieces leads nowhere.
    """

    closed_until: float | None = None
    times: int = 0
    bar: int | None = None

    def judge(self, size: int, bounds: Bounds, now: float) -> Iterator[str]:
        """What holds now: ``open``, ``over``, ``close``."""
        if self.closed_until is not None and now >= self.closed_until:
            self.closed_until, self.bar = None, size + STEP
            yield "open"
        if size <= bounds.size:
            self.times, self.bar = 0, None
            return
        yield "over"
        bar = self.bar if self.bar is not None else bounds.size + max(bounds.size // 10, SLACK)
        if size > bar and self.closed_until is None:
            self.times += 1
            self.closed_until = now + min(FIRST_PAUSE * 2 ** min(self.times - 1, 16), LONGEST_PAUSE)
            yield "close"
