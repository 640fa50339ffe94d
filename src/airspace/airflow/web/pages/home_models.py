"""What the homes answer with. ``ui/src/home/model.ts`` says the same for the pages. Times are moments, never ages."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from airspace.airflow.web.assets import Lineage


class Places(BaseModel):
    """How many places are taken, of how many; ``most`` below 0: any number."""

    name: str
    used: int
    most: int


class HourOfRuns(BaseModel):
    """Runs made within one hour, by their state."""

    hour: datetime
    state: str
    count: int


class Where(BaseModel):
    """A Dag, a run of it or a task instance: as far as it is said, the page links to it. ``team``: on the platform."""

    team: str | None = None
    dag_id: str
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1


class Ran(Where):
    """A run. ``began`` None: it waits to; ``ended`` None: it goes on."""

    state: str
    began: datetime | None
    ended: datetime | None


class Failure(Where):
    """A task that failed: its newest failed instance, how many failed, and the last lines of the error.

    :param readable: whether its log could be read here
    """

    try_number: int
    ended: datetime | None
    again: bool
    times: int
    readable: bool = False
    error: str | None = None
    place: str | None = None
    lines: list[str] = []


class Failures(BaseModel):
    """``total`` task instances failed, or more if ``more``."""

    total: int
    more: bool
    tasks: list[Failure]


class Late(Where):
    """``how``: ``overruns``, ``deadline``, ``overdue``; ``usual``: seconds that its runs take."""

    how: str
    since: datetime
    usual: float | None = None
    detail: str | None = None


class Wait(Where):
    """What waits and for whom; of ``times`` that wait for the same, the one that has waited longest.

    :param until: when it goes on, where that is known
    """

    state: str
    since: datetime | None
    whom: str
    words: str
    until: datetime | None = None
    times: int = 1


class Waits(BaseModel):
    """How many task instances wait, and those that have waited longest."""

    total: int
    longest: list[Wait]


class Cost(Where):
    """What a task took, all its tries; seconds. ``share`` is its part of all the time, 0 to 1.

    :param slots: that a try asks for
    :param cpu: seconds on processors, of what was measured; None: nothing was, as for ``busy`` and ``peak``
    :param busy: processors that it kept busy on average
    :param peak: bytes of its largest process
    """

    tries: int
    failed: int
    total: float
    median: float
    p95: float
    share: float
    slots: int = 1
    cpu: float | None = None
    busy: float | None = None
    peak: int | None = None


class Memory(BaseModel):
    """Bytes that the team may use, and the peak of its largest task; ``limit`` None: its file says nothing."""

    limit: int | None
    peak: int | None
    largest: Where | None
    advice: str


class Waste(Where):
    """A task that wastes time, how much, and what helps."""

    seconds: float
    words: str
    advice: str


class FileError(BaseModel):
    """A file that makes no Dags."""

    file: str
    at: datetime | None
    words: str


class FileErrors(BaseModel):
    """The newest, and how many there are."""

    total: int
    newest: list[FileError]


class Source(BaseModel):
    """Where the team's Dags come from, as far as members may know, and what is wrong with it."""

    kind: str
    place: str
    version: str | None
    fetched: datetime | None
    problem: str | None
    left_out: int


class Update(BaseModel):
    """The newest update of an asset; who made it only where it was the own team."""

    at: datetime
    rows: int | None
    version: str | None
    dag_id: str | None
    task_id: str | None
    run_id: str | None


class Asset(BaseModel):
    """One asset that the team owns, consumes or names. ``owner`` and ``consumers`` are titles of teams."""

    id: int
    name: str
    own: bool
    owner: str | None
    consumers: list[str]
    makers: list[str]
    users: list[str]
    last: Update | None
    expected: datetime | None


class DagCounts(BaseModel):
    """The Dags that there are now."""

    total: int
    paused: int


class TeamHome(BaseModel):
    """Everything on a team's home. ``missing`` names the parts that took too long to find.

    :param lineage: of its assets, as ``/airspace/api/lineage`` tells it, without the Dags that touch none
    """

    name: str
    title: str
    now: datetime
    since: datetime
    hold: str | None
    hold_reason: str
    slots: Places
    pools: list[Places]
    dags: DagCounts
    hours: list[HourOfRuns]
    ran: list[Ran]
    failures: Failures
    late: list[Late]
    waits: Waits
    slowest: list[Cost]
    wasteful: list[Waste]
    memory: Memory
    files: FileErrors
    source: Source | None
    assets: list[Asset]
    lineage: Lineage
    missing: list[str]


class TeamHealth(BaseModel):
    """One team in a line. ``moods`` are all that hold, the worst first."""

    name: str
    title: str
    moods: list[str]
    words: str
    slots: int
    dags: int
    runs: int
    failed_runs: int
    failing: int
    running: int
    waiting: int
    late: int
    import_errors: int


class TeamHealths(BaseModel):
    """The teams that the reader may see."""

    teams: list[TeamHealth]
    total_entries: int
    missing: list[str]


class Component(BaseModel):
    """A process that all teams share, and when it was last heard of."""

    name: str
    alive: bool
    heard: datetime | None


class PlatformHome(TeamHealths):
    """Everything on the platform's home."""

    now: datetime
    since: datetime
    components: list[Component]
    places: Places
    waits: list[Wait]
    slowest: list[Cost]
    wasteful: list[Waste]
