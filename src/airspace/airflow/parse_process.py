"""The process that reads one Dag file: a team's code, with the team's environment."""

from __future__ import annotations

import os
import selectors
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
from airflow.dag_processing.processor import DagFileProcessorProcess, _parse_file_entrypoint
from setproctitle import setproctitle

from airspace.airflow.child_process import PidFd, close_descriptors, die_with, gone_handler, open_descriptors
from airspace.airflow.team_environment import enter


@attrs.define(kw_only=True)
class TeamParseProcess(DagFileProcessorProcess):
    """Airflow's parse process, whose end is noticed at once."""

    @classmethod
    def start(cls, **kwargs: Any) -> TeamParseProcess:
        """Start it, and watch for its end as well as for its sockets'."""
        process: TeamParseProcess = super().start(**kwargs)
        handler = gone_handler(process.selector.unregister)
        process.selector.register(PidFd(process.pid), selectors.EVENT_READ, handler)
        return process

    @property
    def ending(self) -> int | None:
        """The exit code, once it is known."""
        return self._exit_code


def target(team: str, rel_path: str, values: Mapping[str, str]) -> Callable[[], None]:
    """What the child runs: the place where a sandbox will be entered."""
    return partial(_parse, f"airspace parse: {team} {rel_path}", dict(values), os.getpid(), open_descriptors())


def _parse(title: str, values: dict[str, str], parent: int, inherited: frozenset[int]) -> None:
    die_with(parent)
    close_descriptors(inherited)  # the manager's: database, doorbell, other files' sockets
    setproctitle(title)
    enter(values)
    sys.dont_write_bytecode = True  # as for tasks
    _parse_file_entrypoint()
