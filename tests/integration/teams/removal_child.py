"""Removes a team in one process that is killed after every step, and once in the middle of it, and begun again."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airspace.airflow.admin import COMMANDS
from airspace.model.home import HomeLayout
from airspace.platform import leaving
from airspace.sandbox.spec import TeamPlace
from airspace.teams import markers, removal
from airspace.teams.ports import Packing, Tell


class InProcess:
    """See :class:`airspace.teams.ports.Machine`; the admin worker's commands without a worker.

    :param calls: of the worker, until the process is killed
    """

    def __init__(self, layout: HomeLayout, calls: int) -> None:
        self.layout, self._left = layout, calls

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        answer = pkgutil.resolve_name(COMMANDS[arguments[0]])(payload)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return json.loads(json.dumps(answer))

    def settle(self, places: Sequence[TeamPlace]) -> None:
        raise NotImplementedError

    def ring(self, bundle: str) -> None:
        pass

    def end_work(self, team: str, seconds: float) -> None:
        pass

    def pack(self, packing: Packing, tell: Tell) -> dict[str, Any]:
        return leaving.pack(self.layout, packing, tell)

    def forget(self, team: str, dags: Sequence[str], tell: Tell) -> None:
        leaving.forget(self.layout, team, dags, tell)


def killing(act: removal.Step) -> removal.Step:
    """The step, and then the end."""

    def wrapped(it: Any) -> None:
        act(it)
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapped


def attempt(layout: HomeLayout, team: str, dying: int | None, calls: int = -1) -> int:
    """In a fork, which dies after step number ``dying``; how it ended."""
    pid = os.fork()
    if pid == 0:
        steps = list(removal.STEPS)
        if dying is not None:
            name, act = steps[dying]
            steps[dying] = (name, killing(act))
        removal.STEPS = tuple(steps)
        removal.HEARD_SECONDS = 0.0
        leaving._FETCHER_SECONDS = 0.2  # nobody fetches here
        done = removal.remove_team(InProcess(layout, calls), team, removal.Options(drain=0.0))
        sys.stdout.write(json.dumps(done.as_dict()))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """``removal_child HOME TEAM``."""
    from airspace.airflow.teams import belongings

    belongings.tables()  # imported once, before the forks
    layout, team = HomeLayout(Path(sys.argv[1])), sys.argv[2]
    # In the middle of a step: after the first, the second and the third answer of the worker.
    ends = [attempt(layout, team, None, calls) for calls in (1, 2, 3)]
    marker = markers.read(layout, team)
    assert marker is not None
    # Between a step and writing down that it is over: the next attempt does it again.
    ends += [attempt(layout, team, number) for number in range(len(marker.done), len(removal.STEPS))]
    assert ends == [-signal.SIGKILL] * len(ends), ends
    sys.exit(attempt(layout, team, None))


if __name__ == "__main__":
    main()
