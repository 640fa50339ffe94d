"""Signals to processes outside. Number 0 asks whether one may; SIGURG is ignored by all who do not wait for it."""

from __future__ import annotations

import os
import signal
from functools import partial

from airspace.verify.inside.acts import act, first
from airspace.verify.inside.facts import Facts, Process


def _may(name: str, target: Process) -> str:
    os.kill(target.look(), 0)
    return f"may send signals to {name}"


@act("signals.platform")
def platform(facts: Facts) -> str:
    return first([partial(_may, name, target) for name, target in facts.control.items()])


@act("signals.victim")
def victim(facts: Facts) -> str:
    return _may("the victim's task", facts.victim)


@act("signals.init")
def init(facts: Facts) -> str:
    return _may("the machine's first process", facts.init)


@act("signals.everybody")
def everybody(facts: Facts) -> str:
    """Whom it reached, a process outside tells."""
    os.kill(-1, signal.SIGURG)
    return f"nobody outside got a signal from {facts.role}"
