"""Callbacks that Airflow runs outside a task: off until they run in their team's sandbox, and each refusal is told.

Those are a Dag's own callbacks, deadlines, and what the scheduler asks for in the name of a task whose process is
gone (its failure callback, its e-mail). A task's callbacks run with the task and are not among them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airflow.callbacks.callback_requests import CallbackRequest, DagCallbackRequest
from airflow.models import Log
from airflow.utils.session import create_session

log = logging.getLogger(__name__)

OFF = (
    "Callbacks and e-mails that Airflow sends outside a task (a Dag's own, deadlines, a killed task's) are off on this"
    " platform. A task's own callbacks run with the task: add a last task with trigger_rule='all_done' for a Dag's."
)
EVENT = "airspace refused"
"""Under which the team finds it in the event log of its Dag or task."""


def refuse(requests: Iterable[CallbackRequest]) -> None:
    """Write down for the team that these do not run."""
    with create_session() as session:
        for request in requests:
            if isinstance(request, DagCallbackRequest):
                place = {"dag_id": request.dag_id, "run_id": request.run_id}
            else:
                task = request.ti
                place = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id}
            session.add(Log(event=EVENT, extra=OFF, **place))
            log.warning("%s of %s refused: %s", type(request).__name__, place, OFF)
