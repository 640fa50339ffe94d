"""Logs of tasks."""

from __future__ import annotations

from pathlib import Path

from airspace.verify.inside.acts import Unshown, act, create, read, writable
from airspace.verify.inside.facts import Facts


def _log(facts: Facts) -> Path:
    if not facts.victim_log:
        raise Unshown("the victim's task has no log file on this machine")
    return Path(facts.victim_log)


@act("logs.read")
def read_log(facts: Facts) -> str:
    return read(_log(facts))


@act("logs.write")
def write_log(facts: Facts) -> str:
    return writable(_log(facts))


@act("logs.place")
def place(facts: Facts) -> str:
    return create(facts.real(_log(facts).parent))
