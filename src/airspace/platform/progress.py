"""What a long command tells of its course: the doors decide how it looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something began or ended. ``seconds`` is set when it ended."""

    step: str
    done: bool = False
    seconds: float = 0.0


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Tells nobody."""


@contextmanager
def step(progress: Progress, name: str) -> Iterator[None]:
    """Tell that ``name`` begins and, if nothing is raised, that it ended."""
    started = time.monotonic()
    progress(Event(name))
    yield
    progress(Event(name, done=True, seconds=time.monotonic() - started))
