"""Supervising one task instance: Airflow's own supervisor, with the team's sandbox around its child.

Airflow's ``supervise_task`` does the same with a client of its own each time, picks a coordinator by the task's queue,
which the task's author chooses, and forks. Here there is one place where a task's process begins, ``start_child``, and
it begins in the team's sandbox or not at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import attrs
from airflow.executors.workloads import ExecuteTask
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.api.client import BearerAuth, Client
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.comms import DeferTask

from airspace.airflow import sandbox_child
from airspace.airflow.execution.listening import Listening
from airspace.platform import bells
from airspace.sandbox.ports import Child, Sandboxes, Used
from airspace.sandbox.relay.hearing import Hearing


@attrs.define(kw_only=True)
class TaskProcess(Listening, supervisor.ActivitySubprocess):
    """A task's process, in its team's sandbox.

    ``on_stored`` is called as soon as the API server knows the task's end.
    """

    on_stored: Callable[[], None] = attrs.field(default=lambda: None)

    @classmethod
    def start(
        cls,
        *,
        what: Any,
        dag_rel_path: str | os.PathLike[str],
        bundle_info: Any,
        client: Client,
        logger: Any,
        sentry_integration: str,
        launch: Callable[[Sequence[int]], Child],
        **kwargs: Any,
    ) -> TaskProcess:
        """Begin the child. Nothing is forked here: the sandbox's zygote does, with the ends that it is sent.

        :param launch: gets descriptors for requests, stdout, stderr and logs
        """
        process: TaskProcess
        process, _ = sandbox_child.supervised(
            cls, launch, lambda it: it._terminal_state is not None, logger, id=what.id, client=client, **kwargs
        )
        process._on_child_started(
            ti=what, dag_rel_path=dag_rel_path, bundle_info=bundle_info, sentry_integration=sentry_integration
        )
        # Telling the API server of the start was the first heartbeat. Airflow's supervisor sends another at once.
        process._last_heartbeat_attempt = time.monotonic()
        return process

    def _send_terminal_state_msg(self, msg: Any) -> None:
        super()._send_terminal_state_msg(msg)
        # The scheduler can go on while the child still runs its listeners and its logs are closed.
        self.on_stored()
        if isinstance(msg, DeferTask):  # its trigger is stored, and need not wait for the triggerer's next look
            bells.ring(bells.TRIGGERS)


@dataclass(frozen=True)
class Assignment:
    """A task instance that a supervisor is to see through.

    :param nice: how much its process steps back for others, in Unix's sense
    :param environment: of the task's process
    :param bundle_path: where the team's checkout is
    """

    task: ExecuteTask
    team: str
    nice: int
    environment: Mapping[str, str]
    bundle_path: str
    on_stored: Callable[[], None]

    @property
    def title(self) -> str:
        """How the task's process calls itself, so that a look at the process list counts by team."""
        ti = self.task.ti
        mapped = f"[{ti.map_index}]" if ti.map_index is not None and ti.map_index >= 0 else ""
        return f"airspace task: {self.team} {ti.dag_id}.{ti.task_id}{mapped}"


def supervise(assignment: Assignment, client: Client, sandboxes: Sandboxes, hearing: Hearing) -> Used | None:
    """Run a task instance to its end and store that; what its process used, where that is known.

    :param hearing: what the network refuses the team meanwhile
    :raises SandboxError: it could not be put into its team's sandbox, so nothing of it was run
    :raises Exception: the API server refused the start, or its end could not be stored
    """
    supervisor._make_process_nondumpable()
    client.auth = BearerAuth(assignment.task.token)
    logger, file = supervisor._configure_logging(assignment.task.log_path or "", client)
    reset_secrets_masker()
    process, stop_hearing = None, hearing.close
    try:
        process = start_child(assignment, client, logger, sandboxes)
        stop_hearing = sandbox_child.log_refusals(process.selector, hearing, logger)
        process.wait()
        return process.child.used
    except Exception as error:
        logger.error("The task was stopped by its supervisor", error=str(error), error_type=type(error).__name__)
        raise
    finally:
        if process is not None:
            process.child.close()
        stop_hearing()
        file.close()


def start_child(assignment: Assignment, client: Client, logger: Any, sandboxes: Sandboxes) -> TaskProcess:
    """Begin the process that runs the team's code, in the team's sandbox."""
    task = assignment.task
    nest = {
        "file": os.path.join(assignment.bundle_path, task.dag_rel_path),  # noqa: PTH118  # as Airflow's child will
        "bundle_path": assignment.bundle_path,
        "bundle": task.bundle_info.name,
    }
    work = sandbox_child.order(
        sandbox_child.TASK, assignment.title, assignment.environment, nice=assignment.nice, nest=nest
    )
    children: list[Child] = []

    def launch(streams: Sequence[int]) -> Child:
        children.append(sandboxes.start(assignment.team, work, streams))
        return children[-1]

    try:
        return TaskProcess.start(
            what=task.ti,
            dag_rel_path=task.dag_rel_path,
            bundle_info=task.bundle_info,
            client=client,
            logger=logger,
            sentry_integration=task.sentry_integration,
            subprocess_logs_to_stdout=False,
            launch=launch,
            on_stored=assignment.on_stored,
        )
    except BaseException:
        for child in children:
            child.close()
        raise
