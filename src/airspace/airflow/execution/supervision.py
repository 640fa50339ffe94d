"""Supervising one task instance: Airflow's own supervisor, with a team around its child.

Airflow's ``supervise_task`` does the same with a client of its own each time and picks a coordinator by the task's
queue, which the task's author chooses. Here there is one place where a task's process begins, ``start_child``.
"""

from __future__ import annotations

import os
import selectors
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import attrs
from airflow.executors.workloads import ExecuteTask
from airflow.listeners import hookimpl
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.api.client import BearerAuth, Client
from airflow.sdk.execution_time import supervisor, task_runner
from airflow.sdk.listener import get_listener_manager
from setproctitle import setproctitle

from airspace.airflow.child_process import PidFd, close_descriptors, die_with, gone_handler, open_descriptors


@attrs.define(kw_only=True)
class TaskProcess(supervisor.ActivitySubprocess):
    """A task's process. ``on_stored`` is called as soon as the API server knows the task's end."""

    on_stored: Callable[[], None] = attrs.field(default=lambda: None)

    @classmethod
    def start(cls, **kwargs: Any) -> TaskProcess:
        """Start the child, and watch for its end as well as for its sockets'."""
        process: TaskProcess = super().start(**kwargs)
        handler = gone_handler(process.selector.unregister)
        process.selector.register(PidFd(process.pid), selectors.EVENT_READ, handler)
        return process

    def _send_terminal_state_msg(self, msg: Any) -> None:
        super()._send_terminal_state_msg(msg)
        # The scheduler can go on while the child still runs its listeners and its logs are closed.
        self.on_stored()


@dataclass(frozen=True)
class Assignment:
    """A task instance that a supervisor is to see through.

    :param nice: how much its process steps back for others, in Unix's sense
    """

    task: ExecuteTask
    team: str
    nice: int
    on_started: Callable[[int], None]
    on_stored: Callable[[], None]

    @property
    def title(self) -> str:
        """How the task's process calls itself, so that a look at the process list counts by team."""
        ti = self.task.ti
        mapped = f"[{ti.map_index}]" if (ti.map_index or -1) >= 0 else ""
        return f"airspace task: {self.team} {ti.dag_id}.{ti.task_id}{mapped}"


def supervise(assignment: Assignment, client: Client) -> int:
    """Run a task instance to its end and store that; the child's exit code.

    :raises Exception: the API server refused the start, or its end could not be stored
    """
    supervisor._make_process_nondumpable()
    client.auth = BearerAuth(assignment.task.token)
    logger, file = supervisor._configure_logging(assignment.task.log_path or "", client)
    reset_secrets_masker()
    try:
        process = start_child(assignment, client, logger)
        assignment.on_started(process.pid)
        return process.wait()
    except Exception as error:
        logger.error("The task was stopped by its supervisor", error=str(error), error_type=type(error).__name__)
        raise
    finally:
        file.close()


def start_child(assignment: Assignment, client: Client, logger: Any) -> TaskProcess:
    """Begin the process that runs the team's code. Its environment is the caller's, which is the team's already."""
    task = assignment.task
    target = partial(_run_task, assignment, os.getpid(), open_descriptors())
    return TaskProcess.start(
        what=task.ti,
        dag_rel_path=task.dag_rel_path,
        bundle_info=task.bundle_info,
        client=client,
        logger=logger,
        sentry_integration=task.sentry_integration,
        subprocess_logs_to_stdout=False,
        target=target,
        on_stored=assignment.on_stored,
    )


def _run_task(assignment: Assignment, parent: int, inherited: frozenset[int]) -> None:
    die_with(parent)
    os.nice(assignment.nice)
    # The supervisor's link, its connection to the API server and the log file: the objects that own them live on the
    # stack below and are never used again, because this process ends without returning to it.
    close_descriptors(inherited)
    # Bytecode is recognised by its source's time, and the fetcher keeps the times that a team's files came with.
    sys.dont_write_bytecode = True
    get_listener_manager().add_listener(_Title(assignment.title))
    task_runner.main()


class _Title:
    """Airflow names the process by the task instance's id; we come right after it."""

    def __init__(self, title: str) -> None:
        self._title = title

    @hookimpl
    def on_starting(self, component: Any) -> None:  # noqa: ARG002  # the hook's signature
        setproctitle(self._title)
