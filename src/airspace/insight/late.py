"""What is late: runs that take much longer than usual, runs that should have begun, assets not updated as usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

LEAST_RUNS = 3
"""Earlier runs without which nothing is known to be usual."""
LEAST_UPDATES = 4
GRACE = timedelta(minutes=2)
"""What a schedule may be behind: a busy scheduler is not late yet."""
_TIMES, _LEAST_SECONDS = 2.0, 60.0


@dataclass(frozen=True)
class Usual:
    """How long a Dag's runs took lately.

    :param seconds: the median
    :param runs: how many there were
    """

    seconds: float
    runs: int


def overruns(elapsed: float, usual: Usual | None) -> bool:
    """Whether a run that began so many seconds ago takes much longer than its Dag's runs do."""
    if usual is None or usual.runs < LEAST_RUNS:
        return False
    return elapsed > max(_TIMES * usual.seconds, usual.seconds + _LEAST_SECONDS)


def overdue(due: datetime, now: datetime) -> bool:
    """Whether a run that was due then should be there by now."""
    return now - due > GRACE


def expected_update(updates: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next update of an asset was to be expected; None where it is not late, or nothing is usual.

    :param updates: the last ones, in any order
    """
    if len(updates) < LEAST_UPDATES:
        return None
    known = sorted(updates)
    usual = median((later - earlier).total_seconds() for earlier, later in pairwise(known))
    if usual < _LEAST_SECONDS:
        return None  # many at once: no rhythm
    expected = known[-1] + timedelta(seconds=usual)
    slack = timedelta(seconds=usual * (_TIMES - 1)) + GRACE
    return expected if now > expected + slack else None
