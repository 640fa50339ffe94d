"""What failed: tries of the same task as one failure, the newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

MOST_SHOWN = 10


@dataclass(frozen=True)
class FailedTask:
    """A task instance whose last try failed.

    :param again: whether it will be tried again
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    ended: datetime | None
    again: bool = False


@dataclass(frozen=True)
class Failure:
    """A task that failed, by its newest failed instance, and how many instances of it failed."""

    newest: FailedTask
    times: int


def grouped(failed: Iterable[FailedTask], most: int = MOST_SHOWN) -> list[Failure]:
    """One for each task, the one that failed last first: a thousand failures of one task hide no other."""
    by_task: dict[tuple[str, str], list[FailedTask]] = {}
    for each in failed:
        by_task.setdefault((each.dag_id, each.task_id), []).append(each)
    found = [Failure(max(them, key=_moment), len(them)) for them in by_task.values()]
    return sorted(found, key=lambda failure: _moment(failure.newest), reverse=True)[:most]


def _moment(failed: FailedTask) -> tuple[float, str, str, str, int]:
    ended = failed.ended.timestamp() if failed.ended else 0.0
    return ended, failed.dag_id, failed.task_id, failed.run_id, failed.map_index
