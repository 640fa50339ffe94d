"""Where a team's time goes: its slowest tasks, those that waste it, and what they asked for against what they used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_SHOWN = 8
_LONG_SENSOR = 300.0  # seconds that a sensor holds a slot before it is worth a word
_LEAST_LOST = 1.0
_IDLE = 0.05  # of a processor: a task that uses less waits for something
_LEAST_IDLE = 60.0  # seconds that a try idles before it is worth a word
_LEAST_SLOTS = 60.0  # seconds that slots too many were held
_TIGHT, _AMPLE = 0.8, 0.5  # of the memory that a team may use


@dataclass(frozen=True)
class Used:
    """What the measured processes of a task used together.

    :param cpu: seconds on processors
    :param wall: seconds that they ran
    :param peak: bytes, of the largest one
    """

    cpu: float
    wall: float
    peak: int

    @property
    def busy(self) -> float:
        """How many processors it kept busy on average; a fraction of one, mostly."""
        return self.cpu / self.wall if self.wall > 0 else 0.0


@dataclass(frozen=True)
class TaskCost:
    """What one task took lately, all its tries together. Times in seconds.

    :param p95: what nineteen of twenty tries stay below
    :param lost: the time of tries that failed
    :param slots: that each of its tries asks for
    :param used: None: nothing was measured
    """

    dag_id: str
    task_id: str
    operator: str
    tries: int
    failed: int
    total: float
    lost: float
    median: float
    p95: float
    slots: int = 1
    used: Used | None = None


@dataclass(frozen=True)
class Waste:
    """A task that wastes time, how much, and what to do about it."""

    task: TaskCost
    seconds: float
    words: str
    advice: str


@dataclass(frozen=True)
class Memory:
    """What a team's tasks may use of memory, and what the largest one did.

    :param limit: bytes for all of them together; None: the team's file says nothing
    :param peak: bytes; None: nothing was measured
    :param largest: the task of that peak
    :param advice: where the two do not fit each other
    """

    limit: int | None
    peak: int | None = None
    largest: TaskCost | None = None
    advice: str = ""


def slowest(tasks: Iterable[TaskCost], most: int = MOST_SHOWN) -> list[TaskCost]:
    """Those that took most of the time."""
    return sorted(tasks, key=lambda task: (-task.total, task.dag_id, task.task_id))[:most]


def share(task: TaskCost, everything: float) -> float:
    """The part of all time that the task took, from 0 to 1."""
    return min(1.0, task.total / everything) if everything > 0 else 0.0


def wasteful(tasks: Iterable[TaskCost], most: int = MOST_SHOWN) -> list[Waste]:
    """Those that waste most, each by its worst habit."""
    found = [waste for waste in map(_judge, tasks) if waste is not None]
    return sorted(found, key=lambda waste: (-waste.seconds, waste.task.dag_id, waste.task.task_id))[:most]


def memory(tasks: Iterable[TaskCost], limit: int | None, slots: int) -> Memory:
    """The largest task against what the team may use, for all that run in its slots at once."""
    measured = [(task.used.peak, task) for task in tasks if task.used is not None]
    if not measured:
        return Memory(limit)
    peak, largest = max(measured, key=lambda each: (each[0], each[1].dag_id, each[1].task_id))
    advice = ""
    if limit is not None and peak >= _TIGHT * limit:
        advice = "near the limit: read in pieces, or raise limits.memory in the team's file before a task is ended"
    elif limit is not None and peak * slots <= _AMPLE * limit:
        advice = f"{slots} of these at once would leave half of it: limits.memory in the team's file could be lower"
    return Memory(limit, peak, largest, advice)


def _judge(task: TaskCost) -> Waste | None:
    found = [waste for waste in (_failing(task), _waiting(task), _too_many_slots(task)) if waste is not None]
    return max(found, key=lambda waste: waste.seconds, default=None)


def _failing(task: TaskCost) -> Waste | None:
    if task.failed == 0 or task.lost < _LEAST_LOST:
        return None
    if task.failed == task.tries:
        advice = "look at the error; fewer retries until it is mended"
        return Waste(task, task.lost, f"every try failed ({task.failed})", advice)
    advice = "look at why the first tries fail: a retry pays for the whole task again"
    return Waste(task, task.lost, f"{task.failed} of {task.tries} tries failed", advice)


def _waiting(task: TaskCost) -> Waste | None:
    """It holds a slot and does nothing: sensors do so by what they are, others as it was measured."""
    sensor = task.operator.endswith("Sensor") or "SensorOperator" in task.operator
    if sensor and task.median >= _LONG_SENSOR:
        advice = "mode='reschedule' or deferrable=True frees the slot while it waits"
        return Waste(task, task.total - task.lost, "a sensor that holds a slot while it waits", advice)
    used = task.used
    if used is None or sensor or task.median < _LEAST_IDLE or used.busy > _IDLE:
        return None
    idle = used.wall - used.cpu  # while it waited for a trigger it had no process
    if idle < _LEAST_IDLE:
        return None
    words = f"holds a slot and keeps {_percent(used.busy)} of a processor busy"
    advice = "it waits for something: a deferrable operator frees the slot meanwhile"
    return Waste(task, idle, words, advice)


def _too_many_slots(task: TaskCost) -> Waste | None:
    """Several slots are for what needs several processors, or memory that one slot's part is too small for."""
    used = task.used
    if used is None or task.slots < 2:
        return None
    idle = used.wall * (task.slots - max(1.0, used.busy))
    if idle < _LEAST_SLOTS or used.busy > task.slots / 2:
        return None
    words = f"asks for {task.slots} slots and keeps {_percent(used.busy)} of one processor busy"
    return Waste(task, idle, words, "pool_slots=1, unless it asks for them to run alone")


def _percent(part: float) -> str:
    return "less than 1 %" if part < 0.01 else f"{part:.0%}".replace("%", " %")
