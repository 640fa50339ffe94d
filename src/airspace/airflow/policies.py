"""Cluster policies that Airflow loads through the ``airflow.policy`` entry point.

The hook runs while task instances are made, in the scheduler and the API server, inside a transaction that must not be
committed: it opens no session. What it needs is read over a connection of its own, seldom.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

from airflow.policies import hookimpl
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow.guard.presence import refuse_unguarded

log = logging.getLogger(__name__)

# Airflow loads its policies, and so this module, in every process, also in one that loads no plugin.
refuse_unguarded(sys.argv, os.environ)

DEFAULT_POOL = "default_pool"
REMEMBERED = 5.0
MOST = 20_000

_TEAM_POOLS = text(
    "SELECT t.name AS team, p.pool AS pool FROM dag d JOIN airspace_team t ON t.bundle = d.bundle_name"
    " LEFT JOIN slot_pool p ON p.team_name = t.name WHERE d.dag_id = :dag_id"
)


class _Places:
    """Dag id → its team and the pools that the team has, remembered for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str | None, frozenset[str]]] = {}

    def of(self, dag_id: str) -> tuple[str | None, frozenset[str]]:
        """The team and its pools; no team where that cannot be told."""
        found = self._known.get(dag_id)
        if found is None or time.monotonic() - found[0] > REMEMBERED:
            if len(self._known) > MOST:
                self._known.clear()
            found = self._known[dag_id] = (time.monotonic(), *_ask(dag_id))
        return found[1], found[2]


def _ask(dag_id: str) -> tuple[str | None, frozenset[str]]:
    from airflow import settings  # its engine is set up after the policies are loaded

    engine = getattr(settings, "engine", None)
    if engine is None:
        return None, frozenset()
    try:
        with engine.connect() as connection:
            rows = connection.execute(_TEAM_POOLS, {"dag_id": dag_id}).all()
    except SQLAlchemyError as error:
        log.warning("The team of Dag %s could not be read: %s", dag_id, type(error).__name__)
        return None, frozenset()
    return (rows[0].team if rows else None), frozenset(row.pool for row in rows if row.pool)


_places = _Places()


def team_pool(pool: str, team: str, pools: frozenset[str]) -> str:
    """The pool that a task of the team gets for the one it asks for: ``gpu`` is the team's own ``gpu``."""
    if pool == DEFAULT_POOL:
        return team if team in pools else pool
    own = f"{team}.{pool}"
    return own if own in pools else pool


@hookimpl
def task_instance_mutation_hook(task_instance: Any) -> None:
    """Put a task instance into its team's pools. Without a team it is left as it is, and the executor refuses it."""
    if not task_instance.dag_id or not task_instance.pool:
        return
    team, pools = _places.of(task_instance.dag_id)
    if team is not None:
        task_instance.pool = team_pool(task_instance.pool, team, pools)
