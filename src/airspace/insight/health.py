"""How a team is, in one word: what the platform's page shows of each, and the chooser of those with several teams."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mood(str, Enum):
    """From the worst to the best; a team has the first that holds."""

    LEAVING = "leaving"
    SUSPENDED = "suspended"
    BROKEN = "broken"
    FAILING = "failing"
    LATE = "late"
    WAITING = "waiting"
    QUIET = "quiet"
    EMPTY = "empty"
    WELL = "well"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Vitals:
    """The figures of one team; counts of the last day, and of this moment.

    :param failing: Dags whose last run failed
    :param source_problem: why its Dags cannot be fetched
    """

    dags: int = 0
    runs: int = 0
    failed_runs: int = 0
    failing: int = 0
    running: int = 0
    waiting: int = 0
    late: int = 0
    import_errors: int = 0
    slots: int = 0
    hold: str | None = None
    source_problem: str | None = None


def moods(vitals: Vitals) -> list[Mood]:
    """All that holds, the worst first: the page's filters go by these."""
    holds = {
        Mood.LEAVING: vitals.hold == "leaving",
        Mood.SUSPENDED: vitals.hold == "suspended",
        Mood.BROKEN: vitals.source_problem is not None or vitals.import_errors > 0,
        Mood.FAILING: vitals.failing > 0,
        Mood.LATE: vitals.late > 0,
        Mood.WAITING: vitals.waiting > max(vitals.slots, vitals.running),
        Mood.EMPTY: vitals.dags == 0,
        Mood.QUIET: vitals.dags > 0 and vitals.runs == 0 and vitals.running == 0,
    }
    return [mood for mood in Mood if holds.get(mood)] or [Mood.WELL]


def sentence(vitals: Vitals) -> str:
    """The same in a line of words."""
    parts = [
        f"{vitals.hold}" if vitals.hold else "",
        "its Dags cannot be fetched" if vitals.source_problem else "",
        _counted(vitals.import_errors, "file with an error", "files with errors"),
        _counted(vitals.failing, "Dag fails", "Dags fail"),
        _counted(vitals.late, "late", "late"),
        _counted(vitals.waiting, "task waits", "tasks wait"),
        _counted(vitals.running, "task runs", "tasks run"),
    ]
    said = ", ".join(part for part in parts if part)
    if said:
        return said
    if vitals.dags == 0:
        return "no Dags yet"
    return f"{_counted(vitals.runs, 'run', 'runs')} in a day, all is well" if vitals.runs else "nothing ran for a day"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
