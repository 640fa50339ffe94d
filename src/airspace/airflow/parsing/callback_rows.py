"""The requests for callbacks that wait in Airflow's table: whose they are, and when a row may go.

Airflow deletes a row when it fetches it, and what it had fetched is lost when the Dag processor ends. Here a row stays
until its callback has ended; one that was begun twice without an end is not begun again. So a callback runs at least
once, and one that has ended never again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from airflow.callbacks.callback_requests import CallbackRequest, DagCallbackRequest
from airflow.models import DagModel, Log
from airflow.models.db_callback_request import DbCallbackRequest
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState
from sqlalchemy import Text, cast, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow import callbacks

MOST_BYTES = 2 * 1024**2
"""Of one request: it goes through the process of all teams. Its size is that of the run's ``conf``."""
_NAME = re.compile(r"[^/\0]{1,250}")


@dataclass(frozen=True)
class Asked:
    """A request that may run.

    :param rel_path: the Dag's file within its bundle, as the platform knows it
    :param again: it was begun before, and the Dag processor ended
    """

    id: UUID
    bundle: str
    rel_path: str
    request: CallbackRequest
    again: bool

    @property
    def place(self) -> dict[str, Any]:
        """Where its team looks for it in the event log."""
        return place_of(self.request)

    @property
    def as_id(self) -> UUID:
        """Who asks, in Airflow's sense: the task instance, where the callback is a task's."""
        return self.id if isinstance(self.request, DagCallbackRequest) else self.request.ti.id

    @property
    def task(self) -> Any:
        """The task instance whose log is the place for what it says; None for a run without one."""
        if isinstance(self.request, DagCallbackRequest):
            context = self.request.context_from_server
            return context.last_ti if context else None
        return self.request.ti


def place_of(request: CallbackRequest) -> dict[str, Any]:
    """The fields of a row of the event log."""
    if isinstance(request, DagCallbackRequest):
        return {"dag_id": request.dag_id, "run_id": request.run_id}
    task = request.ti
    mapped = {} if task.map_index < 0 else {"map_index": task.map_index}
    return {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, **mapped}


def waiting(bundles: Collection[str], held: Collection[UUID], each: int) -> dict[str, list[UUID]]:
    """Bundle → the requests that are next, so many of each at most.

    :param held: those that are in hand already
    """
    turn = func.row_number().over(
        partition_by=DbCallbackRequest.bundle_name,
        order_by=(DbCallbackRequest.priority_weight.desc(), DbCallbackRequest.created_at, DbCallbackRequest.id),
    )
    ask = (
        select(DbCallbackRequest.id, DbCallbackRequest.bundle_name, turn.label("turn"))
        .where(DbCallbackRequest.bundle_name.in_(bundles), DbCallbackRequest.id.not_in(held))
        .subquery()
    )
    found: dict[str, list[UUID]] = {}
    with create_session() as session:
        for row in session.execute(select(ask).where(ask.c.turn <= each).order_by(ask.c.turn)):
            found.setdefault(row.bundle_name, []).append(row.id)
    return found


def take(request_id: UUID) -> Asked | None:
    """The request, if it may run; otherwise it is refused and gone, and None."""
    with create_session() as session:
        size = func.octet_length(cast(DbCallbackRequest.data, Text))
        ask = select(size.label("size"), DbCallbackRequest.bundle_name, DbCallbackRequest.state)
        row = session.execute(ask.where(DbCallbackRequest.id == request_id)).one_or_none()
        if row is None:
            return None
        request, dag, reason = None, None, None
        if row.size > MOST_BYTES:
            reason = (
                f"it takes {row.size / 1024**2:.0f} MB, and may take {MOST_BYTES // 1024**2}: shorten the run's conf"
            )
        else:
            request = _read(session, request_id)
            reason = "it cannot be read" if request is None else None
        if request is not None:
            place = place_of(request)
            dag = session.get(DagModel, place["dag_id"])
            reason = _objection(request, place, row.bundle_name, dag)
        if reason is None and request is not None and dag is not None:
            path = str(dag.relative_fileloc)
            return Asked(request_id, row.bundle_name, path, request, row.state == CallbackState.RUNNING)
        # Of another team's Dag nothing is told in that Dag's name: only administrators read what names none.
        own = (
            place_of(request) if request is not None and dag is not None and dag.bundle_name == row.bundle_name else {}
        )
        told = f"A callback of bundle {row.bundle_name!r} was refused: {reason}"
        session.add(Log(event=callbacks.EVENT, extra=callbacks.storable(told), **own))
        session.execute(delete(DbCallbackRequest).where(DbCallbackRequest.id == request_id))
        return None


def _read(session: Any, request_id: UUID) -> CallbackRequest | None:
    try:
        found: CallbackRequest = session.get(DbCallbackRequest, request_id).get_callback_request()
    except SQLAlchemyError:
        raise
    except Exception:  # noqa: BLE001 - whatever Airflow's decoders, pydantic or an attribute have against it: one row ends nothing but itself
        return None
    return found


def _objection(request: CallbackRequest, place: Mapping[str, Any], bundle: str, dag: DagModel | None) -> str | None:
    """Why it may not run: everything in it has to be of the bundle that its row is filed under."""
    if dag is None or dag.bundle_name != bundle or request.bundle_name != bundle:
        return f"Dag {place['dag_id']!r} is not of this bundle"
    if not dag.relative_fileloc or ".." in dag.relative_fileloc.split("/") or dag.relative_fileloc.startswith("/"):
        return "its Dag has no file"
    if not all(_NAME.fullmatch(str(value)) for value in place.values()):
        return "it names no proper run or task"
    last = request.context_from_server.last_ti if isinstance(request, DagCallbackRequest) and (
        request.context_from_server) else None  # fmt: skip
    if last is not None and (last.dag_id, last.run_id) != (place["dag_id"], place["run_id"]):
        return "it names another Dag's task"
    return None


def begun(asked: Asked) -> None:
    """It runs. The second time its row goes at once: what ends the Dag processor each time ends it twice."""
    mine = DbCallbackRequest.id == asked.id
    with create_session() as session:
        if asked.again:
            session.execute(delete(DbCallbackRequest).where(mine))
        else:
            session.execute(update(DbCallbackRequest).where(mine).values(state=CallbackState.RUNNING))


def over(ended: Iterable[tuple[Asked, str | None]]) -> None:
    """They have ended, each with a reason if it went wrong."""
    with create_session() as session:
        for asked, reason in ended:
            session.execute(delete(DbCallbackRequest).where(DbCallbackRequest.id == asked.id))
            if reason is not None:
                session.add(Log(event=callbacks.FAILED, extra=callbacks.storable(reason), **asked.place))
