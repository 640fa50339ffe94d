"""What runs in sandboxes: ``python -m airspace.airflow.sandboxed FD``, the template of all zygotes.

It imports what every task needs, so that no task has to, and nothing that knows a secret: its settings are the few that
team code may read.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from airflow.dag_processing.processor import _parse_file_entrypoint
from airflow.listeners import hookimpl
from airflow.sdk.execution_time import supervisor, task_runner
from airflow.sdk.listener import get_listener_manager
from setproctitle import setproctitle

from airspace.airflow import nest, trigger_runner
from airspace.airflow.sandbox_child import PARSE, TASK, TRIGGER
from airspace.sandbox import template
from airspace.sandbox.zygote import Work


def run_task(work: Work) -> NoReturn:
    """Be a task's process."""
    get_listener_manager().add_listener(_Title(work.title))
    _main(work, task_runner.main)


def read_file(work: Work) -> NoReturn:
    """Be the process that reads a Dag file."""
    _main(work, _parse_file_entrypoint)


def run_triggers(work: Work) -> NoReturn:
    """Be the process that runs a team's triggers."""
    _main(work, trigger_runner.main)


def _main(work: Work, target: Callable[[], None]) -> NoReturn:
    """As Airflow's supervisor would have it after its fork."""
    setproctitle(work.title)
    # Bytecode is recognised by its source's time, and the fetcher keeps the times that a team's files came with.
    sys.dont_write_bytecode = True
    requests, stdout, stderr, logs = work.streams
    supervisor._fork_main(
        socket.socket(fileno=requests), socket.socket(fileno=stdout), socket.socket(fileno=stderr), logs, target
    )
    raise AssertionError  # Airflow's function ends the process


class _Title:
    """Airflow names the process by the task instance's id; we come right after it."""

    def __init__(self, title: str) -> None:
        self._title = title

    @hookimpl
    def on_starting(self, component: object) -> None:  # noqa: ARG002  # the hook's signature
        setproctitle(self._title)


def warm() -> None:
    """Import now what every task, and every runner of triggers, would otherwise import after the fork."""
    import anyio._backends._asyncio  # noqa: F401  # what its loops run on
    import jinja2.ext  # noqa: F401

    get_listener_manager()


def main() -> None:
    """Serve the spawner until it closes the link."""
    link = socket.socket(fileno=int(sys.argv[1]))
    warm()
    setproctitle("airspace sandboxes: template")
    # A fork copies only the thread that forks, and what another one held stays locked for ever.
    if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208
        raise SystemExit(f"the template has {threads} threads: some package starts one when it is imported")
    template.serve(link, {TASK: run_task, PARSE: read_file, TRIGGER: run_triggers}, nest.read)


if __name__ == "__main__":
    main()
