"""What waits, and for whom: the one reason that keeps a task or a run from going on, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

WAITING_STATES = (
    "scheduled",
    "queued",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "awaiting_input",
    "restarting",
)


class For(str, Enum):
    """Who or what is waited for. The page links each to where one acts."""

    HOLD = "hold"
    PERSON = "person"
    TRIGGER = "trigger"
    TIME = "time"
    SLOTS = "slots"
    POOL = "pool"
    DAG = "dag"
    ASSET = "asset"
    PLATFORM = "platform"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Reason:
    """Why something waits; ``words`` go on where "waits for" ends."""

    whom: For
    words: str


@dataclass(frozen=True)
class Slots:
    """How many places there are, and how many are taken; ``most`` below 0: any number."""

    used: int
    most: int

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return 0 <= self.most <= self.used

    def __str__(self) -> str:
        return f"{self.used} of {self.most} in use"


@dataclass(frozen=True)
class Around:
    """What surrounds everything that a team has waiting.

    :param hold: ``suspended``, ``renaming`` or ``leaving``, and ``hold_reason`` the words that were given for it
    :param own_pool: the name of the pool that holds the team's slots
    """

    slots: Slots
    own_pool: str
    pools: Mapping[str, Slots] = field(default_factory=dict)
    hold: str | None = None
    hold_reason: str = ""


@dataclass(frozen=True)
class WaitingTask:
    """A task instance that has not ended and does not run.

    :param question: what a person is asked, while nobody answered
    :param trigger: the class of the trigger that it is deferred to; ``taken``: a triggerer runs it
    :param wakes_at: when a sensor looks again
    """

    state: str
    pool: str
    pool_slots: int = 1
    try_number: int = 1
    max_tries: int = 0
    paused: bool = False
    dag_slots: Slots = Slots(0, -1)
    question: str | None = None
    trigger: str | None = None
    taken: bool = False
    wakes_at: datetime | None = None


@dataclass(frozen=True)
class WaitingRun:
    """A run that has not begun.

    :param backfill: whether a backfill made it, which has a limit of its own
    """

    paused: bool
    active: Slots
    backfill: bool = False


def why_task(task: WaitingTask, around: Around) -> Reason:
    """The reason. The first that holds: a team on hold would not go on if its pool had room."""
    return _held(around) or _asked(task) or _timed(task) or _limited(task, around)


def why_run(run: WaitingRun, around: Around) -> Reason:
    """The reason."""
    if held := _held(around):
        return held
    if run.paused:
        return Reason(For.DAG, "the Dag to be unpaused")
    if run.backfill:
        return Reason(For.DAG, "its turn in the backfill")
    if run.active.full:
        return Reason(For.DAG, f"a place among the Dag's active runs: {run.active}")
    return Reason(For.PLATFORM, "the scheduler to start it")


def why_asset(asset: str, owner: str | None) -> Reason:
    """The reason of a Dag that has some of the assets that it starts by, and not this one.

    :param owner: the title of the team that owns it, if it is another's that shares it
    """
    return Reason(For.ASSET, f"asset {asset} of {owner}" if owner else f"asset {asset}")


def _held(around: Around) -> Reason | None:
    if around.hold == "leaving":
        return Reason(For.HOLD, "nothing: the team is being removed")
    if around.hold == "renaming":
        return Reason(For.HOLD, "the team's new name: it is being renamed")
    if around.hold:
        said = f": {around.hold_reason}" if around.hold_reason else ""
        return Reason(For.HOLD, f"the end of the team's suspension{said}")
    return None


def _asked(task: WaitingTask) -> Reason | None:
    if task.state not in ("deferred", "awaiting_input"):
        return None
    if task.question is not None:
        return Reason(For.PERSON, f"an answer: {task.question}")
    if task.state == "awaiting_input":
        return Reason(For.PERSON, "a person's answer")
    trigger = (task.trigger or "an unknown one").rpartition(".")[2]
    if not task.taken:
        return Reason(For.PLATFORM, f"the triggerer to begin its trigger, {trigger}")
    return Reason(For.TRIGGER, f"its trigger, {trigger}")


def _timed(task: WaitingTask) -> Reason | None:
    if task.state == "up_for_retry":
        return Reason(For.TIME, f"its next try: {task.try_number} of {task.max_tries + 1} failed")
    if task.state == "up_for_reschedule":
        return Reason(For.TIME, "the moment at which it looks again")
    if task.state == "restarting":
        return Reason(For.PLATFORM, "its end: it is being started anew")
    return None


def _limited(task: WaitingTask, around: Around) -> Reason:
    if task.state == "queued":
        if around.slots.full:
            return Reason(For.SLOTS, f"a slot of the team: {around.slots}")
        return Reason(For.PLATFORM, "the team's turn: the machine is busy")
    if task.paused:
        return Reason(For.DAG, "the Dag to be unpaused")
    pool = around.pools.get(task.pool)
    if pool is not None and (pool.full or (pool.most >= 0 and pool.used + task.pool_slots > pool.most)):
        if task.pool == around.own_pool:
            return Reason(For.SLOTS, f"a slot of the team: {pool}")
        return Reason(For.POOL, f"a slot of pool {task.pool}: {pool}")
    if task.dag_slots.full:
        return Reason(For.DAG, f"a place among the Dag's active tasks: {task.dag_slots}")
    return Reason(For.PLATFORM, "the scheduler to queue it")
