"""What runs in sandboxes: ``python -m airspace.airflow.sandboxed FD``, the template of all zygotes.

It imports what every task needs, so that no task has to, and nothing that knows a secret: its settings are the few that
team code may read.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from airflow.dag_processing.processor import _parse_file_entrypoint
from airflow.listeners import hookimpl
from airflow.sdk.execution_time import supervisor, task_runner
from airflow.sdk.listener import get_listener_manager
from setproctitle import setproctitle

from airspace.airflow import callback_child, nest, trigger_runner
from airspace.airflow.sandbox_child import CALLBACK, CONNECTION_TEST, PARSE, TASK, TRIGGER, VIEWING
from airspace.backends import team_warehouse
from airspace.sandbox import template
from airspace.sandbox.zygote import Work
from airspace.storage.viewing import reader

# What Airflow imports only when it gets there, in the process of a task or in one that reads a file. One that is no
# longer there is no matter. Airflow's own Dag processor imports before its fork whatever of Airflow a file names.
_LATE = (
    "airflow.dag_processing.bundles.local",
    "airflow.models.serialized_dag",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.sdk._shared.logging.factory",
    "airflow.sdk._shared.logging.remote",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "anyio._backends._asyncio",
    "encodings.idna",
    "jinja2.ext",
)


def run_task(work: Work) -> NoReturn:
    """Be a task's process."""
    get_listener_manager().add_listener(_Title(work.title))
    _main(work, task_runner.main, work.over)


def read_file(work: Work) -> NoReturn:
    """Be the process that reads a Dag file."""
    _main(work, _parse_file_entrypoint)


def run_callback(work: Work) -> NoReturn:
    """Be the process of a deadline's callback."""
    _main(work, callback_child.run_callback)


def test_connection(work: Work) -> NoReturn:
    """Be the process that tries a connection."""
    _main(work, callback_child.test_connection)


def run_triggers(work: Work) -> NoReturn:
    """Be the process that runs a team's triggers."""
    _main(work, trigger_runner.main)


def view(work: Work) -> NoReturn:
    """Be the process that looks at the team's files and tables for somebody; it needs nothing of Airflow's."""
    setproctitle(work.title)
    reader.main(work.streams[0], {reader.TABLE: team_warehouse.table, reader.TABLES: team_warehouse.tables})


def _main(work: Work, target: Callable[[], None], over: Callable[[], None] = lambda: None) -> NoReturn:
    """As Airflow's supervisor would have it after its fork."""

    def whole() -> None:
        try:
            target()
        finally:
            over()

    setproctitle(work.title)
    # Bytecode is recognised by its source's time, and the fetcher keeps the times that a team's files came with.
    sys.dont_write_bytecode = True
    requests, stdout, stderr, logs = work.streams
    supervisor._fork_main(
        socket.socket(fileno=requests), socket.socket(fileno=stdout), socket.socket(fileno=stderr), logs, whole
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
    for name in _LATE:
        with suppress(ImportError):
            import_module(name)
    get_listener_manager()


def main() -> None:
    """Serve the spawner until it closes the link."""
    link = socket.socket(fileno=int(sys.argv[1]))
    warm()
    setproctitle("airspace sandboxes: template")
    # A fork copies only the thread that forks, and what another one held stays locked for ever.
    if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208
        raise SystemExit(f"the template has {threads} threads: some package starts one when it is imported")
    runners = {
        TASK: run_task,
        PARSE: read_file,
        TRIGGER: run_triggers,
        CALLBACK: run_callback,
        CONNECTION_TEST: test_connection,
        VIEWING: view,
    }
    template.serve(link, runners, nest.read)


if __name__ == "__main__":
    main()
