"""How the homes read: within a window of time, each part within its own patience, and never more than so many rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from airspace.backends import tables

log = logging.getLogger(__name__)

T = TypeVar("T")

DAY = timedelta(hours=24)
PATIENCE = 2000
"""Milliseconds that one part may take: then it is left out, and the rest is told."""
CANCELLED = "57014"
"""What PostgreSQL calls a statement that was ended by its own time-out."""

run_table = DagRun.__table__
_run = run_table.c


@dataclass(frozen=True)
class Window:
    """The last day.

    Airflow's tables have no index by time, but their keys grow with it: ``first_run`` is the last run made before,
    and ``first_try`` is below every try made since, whose keys begin with the time.
    """

    now: datetime
    since: datetime
    first_run: int
    first_try: UUID


@dataclass
class Reading:
    """One answer under way.

    :param missing: the parts that took too long
    """

    session: Any
    window: Window
    missing: list[str] = field(default_factory=list)

    def part(self, name: str, read: Callable[[Any, Window], T], otherwise: T) -> T:
        """What ``read`` finds, or ``otherwise`` when it takes too long; that is all it can do to the others."""
        try:
            with self.session.begin_nested():
                return read(self.session, self.window)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != CANCELLED:
                raise
            log.warning("The part %s of a home took more than %d ms and is left out", name, PATIENCE)
            self.missing.append(name)
            return otherwise


@contextmanager
def reading() -> Iterator[Reading]:
    """A session of its own, in which no statement takes longer than the patience."""
    with create_session(scoped=False) as session:
        session.execute(text(f"SET LOCAL statement_timeout = {PATIENCE}"))
        now = datetime.now(timezone.utc)
        yield Reading(session, _window(session, now))


def _window(session: Any, now: datetime) -> Window:
    since = now - DAY
    # From the newest run backwards, up to the first one that is too old.
    made = func.coalesce(_run.created_at, _run.run_after)
    first = session.scalar(select(_run.id).where(made < since).order_by(_run.id.desc()).limit(1))
    return Window(now, since, first or 0, tables.key_of(since))
