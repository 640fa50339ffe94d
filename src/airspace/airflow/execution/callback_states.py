"""What became of deadlines' callbacks, also where the scheduler that asked for them is gone.

Airflow gives every callback to an executor once. One that a dead scheduler left is taken up here: what never began is
given out again, what has a living supervisor is waited for, and what has none has failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from airflow import settings
from airflow.models import Log
from airflow.models.callback import CallbackKey, ExecutorCallback
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow.callbacks import FAILED, storable
from airspace.airflow.execution.presence import Holder, TaskPresence

log = logging.getLogger(__name__)

_OPEN = (CallbackState.PENDING, CallbackState.QUEUED, CallbackState.RUNNING)
_KILLED = "the process that supervised it ended with the scheduler"


def place_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Where its team looks for it in the event log. The scheduler has put the Dag and its run into its data."""
    found: Any = data
    for key in ("kwargs", "context", "dag_run", "dag_run_id"):
        found = found.get(key) if isinstance(found, dict) else None
    named = {"dag_id": data.get("dag_id"), "run_id": found}
    return {key: value for key, value in named.items() if isinstance(value, str)}


def store(callback_id: str, reason: str | None) -> None:
    """It has ended; with a reason: it failed. By whoever saw it, over a connection of its own."""
    state = CallbackState.SUCCESS if reason is None else CallbackState.FAILED
    mine = (ExecutorCallback.id == UUID(callback_id), ExecutorCallback.state.in_(_OPEN))
    output = None if reason is None else storable(reason)
    try:
        with create_session(scoped=False) as session:
            session.execute(update(ExecutorCallback).where(*mine).values(state=state, output=output))
    except SQLAlchemyError as error:
        log.warning("How callback %s ended could not be stored; the scheduler does: %s", callback_id, error)
    finally:
        settings.engine.dispose()


def recover(presence: TaskPresence, follow: Callable[[Holder, CallbackKey], bool]) -> None:
    """Take up what a dead scheduler left.

    :param follow: waits for the supervisor; False when it is gone already
    """
    with create_session(scoped=False) as session:
        ask = select(ExecutorCallback).where(ExecutorCallback.state.in_(_OPEN[1:]))
        for callback in session.scalars(ask):
            key = CallbackKey(str(callback.id))
            holder = presence.holder(key.id)
            if holder is not None and follow(holder, key):
                continue
            if callback.state == CallbackState.QUEUED:
                callback.state = CallbackState.PENDING
            else:
                _fail(callback, session)


def settle(key: CallbackKey) -> None:
    """A supervisor that was waited for has ended: it stored how, or was killed."""
    with create_session(scoped=False) as session:
        callback = session.get(ExecutorCallback, UUID(key.id))
        if callback is not None and callback.state in _OPEN:
            _fail(callback, session)


def _fail(callback: ExecutorCallback, session: Any) -> None:
    callback.state, callback.output = CallbackState.FAILED, _KILLED
    session.add(Log(event=FAILED, extra=f"The callback failed: {_KILLED}", **place_of(callback.data)))
