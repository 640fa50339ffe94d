"""What the processes of each try of a task used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from airspace.backends.tables.schema import task_use

_PATIENCE = 2000  # milliseconds
_MOST_FORGOTTEN = 20_000  # rows at once


@dataclass(frozen=True)
class TaskUse:
    """All processes of one try together.

    :param cpu: milliseconds on processors
    :param wall: milliseconds that there was a process
    :param memory: KB, of the one with the highest peak
    """

    cpu: int
    wall: int
    memory: int

    def and_also(self, other: TaskUse | None) -> TaskUse:
        """Both together."""
        if other is None:
            return self
        return TaskUse(self.cpu + other.cpu, self.wall + other.wall, max(self.memory, other.memory))


class TaskUseStore:
    """Raises SQLAlchemy's errors. It waits for nobody for long, and for no disk: what a power cut loses is no harm."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, found: Mapping[UUID, TaskUse]) -> None:
        """Add what was used to what is known of these tries, in one transaction."""
        rows = [
            {"task_instance": key, "cpu": use.cpu, "wall": use.wall, "memory": use.memory}
            for key, use in sorted(found.items())  # two who store the same do not wait for each other in a circle
        ]
        new = insert(task_use)
        more = {
            "cpu": task_use.c.cpu + new.excluded.cpu,
            "wall": task_use.c.wall + new.excluded.wall,
            "memory": func.greatest(task_use.c.memory, new.excluded.memory),
        }
        with self._engine.begin() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = {_PATIENCE}"))
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            connection.execute(new.on_conflict_do_update(index_elements=["task_instance"], set_=more), rows)

    def forget(self, before: datetime) -> None:
        """Remove some of the tries that were made before: their keys begin with the time."""
        old = select(task_use.c.task_instance).where(task_use.c.task_instance < key_of(before))
        with self._engine.begin() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = {_PATIENCE}"))
            connection.execute(delete(task_use).where(task_use.c.task_instance.in_(old.limit(_MOST_FORGOTTEN))))


def key_of(moment: datetime) -> UUID:
    """Below every key (UUID 7) that was made from this moment on."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
