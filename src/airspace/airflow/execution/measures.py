"""What tasks used, gathered as they end and stored now and then: no task waits for it, and none costs a transaction.

It comes with what a supervisor tells the executor anyway. What a crash of the scheduler loses is some seconds of it.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta, timezone
from uuid import UUID

from airflow import settings
from sqlalchemy.exc import SQLAlchemyError

from airspace.backends.tables import TaskUse, TaskUseStore

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds
KEPT = timedelta(days=3)
"""Longer than the day that the homes look at."""
_MOST, _FORGET_EVERY, _PAUSE = 20_000, 3600.0, 60.0


class Measures:
    """What is not stored yet, by try. A try has several processes where it waits for a trigger or pokes anew."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, TaskUse] = {}
        self._due = self._forget_due = 0.0

    def add(self, task_instance: UUID | str, cpu: int, wall: int, memory: int) -> None:
        """One process has ended: milliseconds, milliseconds, KB."""
        key = UUID(str(task_instance))
        if key in self._waiting or len(self._waiting) < _MOST:
            self._waiting[key] = TaskUse(cpu, wall, memory).and_also(self._waiting.get(key))

    def store(self, *, now: bool = False) -> None:
        """Store what has gathered, if it is time. A database that does not answer is asked again later."""
        moment = time.monotonic()
        if not self._waiting or not (now or moment >= self._due):
            return
        self._due = moment + EVERY
        try:
            store = TaskUseStore(settings.engine)
            store.add(self._waiting)
            self._waiting = {}
            if moment >= self._forget_due:
                self._forget_due = moment + _FORGET_EVERY
                store.forget(before=datetime.now(timezone.utc) - KEPT)
        except SQLAlchemyError:
            self._due = moment + _PAUSE
            log.warning("What tasks used could not be stored; trying again", exc_info=True)
