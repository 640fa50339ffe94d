"""The platform's home: every team's health, what all share, and the worst of all teams together."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import asdict
from typing import TypeVar

from airflow.configuration import conf

from airspace.airflow.web.homes import files, platform, runs, tasks, teams
from airspace.airflow.web.homes.reading import Reading, reading
from airspace.airflow.web.pages import home_models as models
from airspace.airflow.web.pages.team_home import gathered, slowest, wait_of, wasteful
from airspace.insight.excerpt import plain
from airspace.insight.health import Vitals, moods, sentence
from airspace.insight.waiting import Around, Slots, why_task
from airspace.insight.waste import TaskCost

_SECONDS, _MOST_WAITS = 3.0, 15
Placed = TypeVar("Placed", bound=models.Where)


def healths(names: Collection[str] | None, found: Reading) -> models.TeamHealths:
    """How each of these teams is; None: all."""
    known = teams.teams(names, found.session)
    vitals = _vitals(known, found)
    lines = [_health(team, vitals[team.name]) for team in known]
    return models.TeamHealths(teams=lines, total_entries=len(lines), missing=sorted(set(found.missing)))


class _Remembered:
    """The last answer, which is the same for all who may have it: it is found once, however many ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, models.PlatformHome] | None = None

    def __call__(self) -> models.PlatformHome:
        """A fresh one; while somebody else looks for it, the last one."""
        last = self._last
        if last and time.monotonic() - last[0] < _SECONDS:
            return last[1]
        if last and not self._lock.acquire(blocking=False):
            return last[1]
        if not last:
            self._lock.acquire()
        try:
            if self._last and self._last is not last:
                return self._last[1]
            with reading() as found:
                answer = _told(found)
            self._last = (time.monotonic(), answer)
            return answer
        finally:
            self._lock.release()


remembered = _Remembered()


def _told(found: Reading) -> models.PlatformHome:
    known = teams.teams(None, found.session)
    vitals = _vitals(known, found)
    costs = found.part("costs", lambda session, window: tasks.costs(None, session, window), list[TaskCost]())
    slow, lost = slowest(costs), wasteful(costs)
    waits = _waits(known, vitals, found)
    shared = found.part("components", platform.components, list[platform.Component]())
    whose = platform.owners({each.dag_id for each in (*slow, *lost)}, found.session)
    return models.PlatformHome(
        teams=[_health(team, vitals[team.name]) for team in known],
        total_entries=len(known),
        now=found.window.now,
        since=found.window.since,
        components=[models.Component(**asdict(each)) for each in shared],
        places=models.Places(
            name="platform",
            used=sum(each.running for each in vitals.values()),
            most=conf.getint("core", "parallelism"),
        ),
        waits=waits,
        slowest=_placed(slow, whose),
        wasteful=_placed(lost, whose),
        missing=sorted(set(found.missing)),
    )


def _vitals(known: list[teams.TeamFacts], found: Reading) -> dict[str, Vitals]:
    names = [team.name for team in known]
    dags = teams.dags_of(names)
    late = found.part("overruns", lambda session, window: runs.overrunning(dags, session, window), list[runs.Late]())
    return platform.vitals(known, found, late, files.source_problems())


def _health(team: teams.TeamFacts, vitals: Vitals) -> models.TeamHealth:
    return models.TeamHealth(
        name=team.name,
        title=team.title,
        moods=[mood.value for mood in moods(vitals)],
        words=sentence(vitals),
        slots=vitals.slots,
        dags=vitals.dags,
        runs=vitals.runs,
        failed_runs=vitals.failed_runs,
        failing=vitals.failing,
        running=vitals.running,
        waiting=vitals.waiting,
        late=vitals.late,
        import_errors=vitals.import_errors,
    )


def _waits(known: list[teams.TeamFacts], vitals: dict[str, Vitals], found: Reading) -> list[models.Wait]:
    dags = teams.dags_of([team.name for team in known])
    longest = found.part("waits", lambda *how: tasks.waiting(dags, *how), list[tasks.Waiting]())
    whose = platform.owners({each.dag_id for each in longest}, found.session)
    pools = platform.pools({each.task.pool for each in longest}, found.session)
    around = {
        team.name: Around(
            Slots(vitals[team.name].running, team.slots), team.name, pools, team.hold, plain(team.hold_reason, 300)
        )
        for team in known
    }
    waits = [
        wait_of(each, why_task(each.task, around[team]), team)
        for each in longest
        if (team := whose.get(each.dag_id)) in around and team is not None
    ]
    return gathered(waits)[:_MOST_WAITS]


def _placed(found: list[Placed], whose: dict[str, str]) -> list[Placed]:
    """With the team; what has none is not shown as anybody's."""
    return [each.model_copy(update={"team": whose[each.dag_id]}) for each in found if each.dag_id in whose]
