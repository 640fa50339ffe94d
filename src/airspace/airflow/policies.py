"""Cluster policies that Airflow loads through the ``airflow.policy`` entry point: every task in its team's place.

The hook runs while task instances are made, in the scheduler and the API server, inside a transaction that must not be
committed: it opens no session. What it needs is read over a connection of its own, seldom. Parsing has refused already
what it corrects here; this holds for whatever came into the database before, or by another way.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.policies import hookimpl
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow.guard.presence import refuse_unguarded
from airspace.model.limits import CodeLimits

log = logging.getLogger(__name__)

# Airflow loads its policies, and so this module, in every process, also in one that loads no plugin.
refuse_unguarded(sys.argv, os.environ)

DEFAULT_POOL = "default_pool"
DEFAULT_QUEUE = "default"
LEAST_PRIORITY, MOST_PRIORITY = 1, 100
REMEMBERED = 5.0
MOST = 20_000

_TEAM_POOLS = text(
    "SELECT t.name AS team, t.slots AS team_slots, p.pool AS pool, p.slots AS slots"
    " FROM dag d JOIN airspace_team t ON t.bundle = d.bundle_name"
    " LEFT JOIN slot_pool p ON p.team_name = t.name WHERE d.dag_id = :dag_id"
)


@dataclass(frozen=True)
class Place:
    """Where a team's tasks belong.

    :param pools: the team's pools, with their slots
    """

    team: str
    slots: int
    pools: Mapping[str, int] = field(default_factory=dict)

    def pool(self, asked: str) -> str:
        """The pool for the one that a task asks for: ``gpu`` is the team's own ``gpu``.

        One with more slots than the team has limits nothing: its tasks would only crowd the queue before the team's
        slots. They are in those from the start, as is everything that asks for a pool that is not the team's.
        """
        for name in (f"{self.team}.{asked}", asked):
            if name != self.team and name in self.pools:
                return name if 0 <= self.pools[name] <= self.slots else self.team
        return self.team if self.team in self.pools else asked

    def slots_of(self, pool: str) -> int:
        """How many slots one task can get there; 0 slots are somebody's way to stop a pool, and stay so."""
        return max(1, min(self.pools.get(pool, self.slots) or self.slots, self.slots))


class MapTooLongError(Exception):
    """A task is mapped over more values than the platform allows.

    Raised while its instances are made, so that nobody has to wait until a million are; the scheduler fails the task.
    """

    def __init__(self, task_id: str, most: int) -> None:
        super().__init__(
            f"Task {task_id!r} is mapped over more than {most} values (several outputs are multiplied)."
            " Give each instance a batch of values."
        )
        self.task_id = task_id


class _Places:
    """Dag id → its team's place, remembered for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Place | None]] = {}

    def of(self, dag_id: str) -> Place | None:
        """The place; None where the team cannot be told."""
        found = self._known.get(dag_id)
        if found is None or time.monotonic() - found[0] > REMEMBERED:
            if len(self._known) > MOST:
                self._known.clear()
            found = self._known[dag_id] = (time.monotonic(), _ask(dag_id))
        return found[1]


def _ask(dag_id: str) -> Place | None:
    from airflow import settings  # its engine is set up after the policies are loaded

    engine = getattr(settings, "engine", None)
    if engine is None:
        return None
    try:
        with engine.connect() as connection:
            rows = connection.execute(_TEAM_POOLS, {"dag_id": dag_id}).all()
    except SQLAlchemyError as error:
        log.warning("The team of Dag %s could not be read: %s", dag_id, type(error).__name__)
        return None
    if not rows:
        return None
    return Place(rows[0].team, rows[0].team_slots, {row.pool: row.slots for row in rows if row.pool})


_places = _Places()


@functools.cache
def _longest_map() -> int:
    from airflow.configuration import conf

    return CodeLimits.read(lambda section, key: conf.get(section, key, fallback=None)).map_length


def put(task_instance: Any, place: Place) -> None:
    """Put a task instance into its team's place. What it must not choose is not left to it."""
    task_instance.pool = place.pool(task_instance.pool)
    task_instance.pool_slots = min(task_instance.pool_slots or 1, place.slots_of(task_instance.pool))
    # Priorities order a team's own tasks. Between teams they would be a race that the rudest wins.
    task_instance.priority_weight = min(MOST_PRIORITY, max(LEAST_PRIORITY, task_instance.priority_weight or 1))
    task_instance.executor = None
    task_instance.queue = DEFAULT_QUEUE


@hookimpl
def task_instance_mutation_hook(task_instance: Any) -> None:
    """Put a task instance into its team's place. Without a team it is left as it is, and the executor refuses it."""
    if not task_instance.dag_id or not task_instance.pool:
        return
    if (task_instance.map_index or 0) >= _longest_map():
        raise MapTooLongError(task_instance.task_id, _longest_map())
    place = _places.of(task_instance.dag_id)
    if place is not None:
        put(task_instance, place)
