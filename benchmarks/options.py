"""What a run of the benchmarks is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Options:
    """How much to measure, and of whom.

    :param repeats: timed starts, or rounds, of each side
    :param sides: only these
    :param team_counts: how many idle teams memory is measured with
    :param asked_teams: numbers of teams that were named on the command line
    :param scratch: a folder for everything that is written while measuring
    """

    repeats: int
    sides: tuple[str, ...]
    team_counts: tuple[int, ...]
    scratch: Path
    quick: bool = False
    asked_teams: tuple[int, ...] = ()


def say(message: str) -> None:
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)
