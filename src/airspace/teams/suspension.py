"""Suspending a team: nothing of it begins, and all of it stays. Resuming is taking that back, and nothing else.

What a suspended team has is not touched: not the switches of its Dags, not its runs that wait. So nothing has to be put
back, and a crash in between leaves nothing half done.
"""

from __future__ import annotations

from typing import Any

from airspace.model.errors import InvalidInputError
from airspace.model.hold import HoldKind, Stage
from airspace.teams.ports import WORKER, Machine
from airspace.teams.removal import CLEAN_UP_SECONDS

_LONGEST = 500


def suspend(control: Machine, name: str, reason: str = "", *, now: bool = False) -> dict[str, Any]:
    """Let no run of the team begin. Doing so again may change the reason, or end what runs.

    :param reason: told to whoever tries to start something for it
    :param now: end what runs; otherwise it may finish
    :raises InvalidInputError: there is no such team, or it is being removed
    """
    if len(reason) > _LONGEST or not reason.isprintable():
        raise InvalidInputError(f"a reason is one line of at most {_LONGEST} characters", fix="shorten --reason")
    asked = {"team": name, "kind": HoldKind.SUSPENDED.value, "reason": reason}
    if now:
        running = control.run_control(WORKER, ["halt-team"], asked)
        control.ring(name)
        control.end_work(name, CLEAN_UP_SECONDS if any(running.values()) else 0.0)
    else:
        control.run_control(WORKER, ["hold-team"], {**asked, "stage": Stage.DRAIN.value})
        control.ring(name)
        running = control.run_control(WORKER, ["await-team"], {"team": name, "seconds": 0})
    return {"team": name, "state": HoldKind.SUSPENDED.value, "reason": reason, "running": running}


def resume(control: Machine, name: str) -> dict[str, Any]:
    """Let it work again; fine if it does.

    :raises InvalidInputError: there is no such team, or it is being removed
    """
    before = control.run_control(WORKER, ["release-team"], {"team": name})["before"]
    control.ring(name)
    return {"team": name, "state": "idle", "was": before}
