"""One team's home, put together of the facts and what they mean."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import PurePath
from typing import Any

from airspace.airflow.web.assets import Lineage
from airspace.airflow.web.homes import assets, files, logs, runs, tasks, teams
from airspace.airflow.web.homes.reading import Reading
from airspace.airflow.web.pages import home_models as models
from airspace.insight import failures, waste
from airspace.insight.excerpt import plain
from airspace.insight.waiting import Around, Reason, Slots, why_asset, why_run, why_task
from airspace.platform.source_status import SourceStatus

_MOST_WAITS, _MOST_LATE = 30, 20


def told(team: teams.TeamFacts, reading: Reading) -> models.TeamHome:
    """Everything; a fixed number of queries, whatever the team has."""
    dags = teams.team_dags(team.name)

    def part(name: str, read: Any, otherwise: Any, *given: Any) -> Any:
        return reading.part(name, lambda session, window: read(*given, dags, session, window), otherwise)

    load = part("load", tasks.load, tasks.Load({}, {}), team.name)
    nothing = assets.Assets([], [], Lineage(team.name, [], [], complete=False))
    named = part("assets", assets.assets, nothing, team.name)
    costs = part("costs", tasks.costs, [])
    errors = reading.part("files", lambda *how: files.import_errors(team.name, *how), files.FileErrors(0, []))
    slots = Slots(load.count("running"), team.slots)
    around = Around(slots, team.name, load.pools, team.hold, plain(team.hold_reason, 300))
    late = [
        found for read in (runs.overrunning, runs.missed_deadlines, runs.overdue) for found in part("late", read, [])
    ]
    return models.TeamHome(
        name=team.name,
        title=team.title,
        now=reading.window.now,
        since=reading.window.since,
        hold=team.hold,
        hold_reason=around.hold_reason,
        slots=models.Places(name=team.name, used=slots.used, most=slots.most),
        pools=[models.Places(name=name, **asdict(pool)) for name, pool in load.pools.items() if name != team.name],
        dags=models.DagCounts(**asdict(part("dags", runs.dag_counts, runs.DagCounts(0, 0)))),
        hours=[models.HourOfRuns(**asdict(hour)) for hour in part("hours", runs.by_hour, [])],
        ran=[models.Ran(**asdict(each)) for each in part("ran", runs.newest, [])],
        failures=_failures(part("failures", tasks.failed, [])),
        late=[models.Late(**asdict(each)) for each in late[:_MOST_LATE]],
        waits=models.Waits(
            total=load.waiting,
            longest=_waits(part("waits", tasks.waiting, []), part("runs", runs.queued_runs, []), named.awaited, around),
        ),
        slowest=slowest(costs),
        wasteful=wasteful(costs),
        memory=_memory(waste.memory(costs, team.memory, team.slots)),
        files=models.FileErrors(**asdict(errors)),
        source=_source(files.source_of(team.name)),
        assets=[models.Asset(**asdict(each)) for each in named.all],
        lineage=named.lineage,
        missing=sorted(set(reading.missing)),
    )


def slowest(costs: list[waste.TaskCost]) -> list[models.Cost]:
    """The tasks that took most of the time."""
    everything = sum(cost.total for cost in costs)
    return [
        models.Cost(
            dag_id=cost.dag_id,
            task_id=cost.task_id,
            tries=cost.tries,
            failed=cost.failed,
            total=cost.total,
            median=cost.median,
            p95=cost.p95,
            share=round(waste.share(cost, everything), 4),
            slots=cost.slots,
            cpu=cost.used and cost.used.cpu,
            busy=cost.used and round(cost.used.busy, 4),
            peak=cost.used and cost.used.peak,
        )
        for cost in waste.slowest(costs)
    ]


def _memory(found: waste.Memory) -> models.Memory:
    largest = found.largest and models.Where(dag_id=found.largest.dag_id, task_id=found.largest.task_id)
    return models.Memory(limit=found.limit, peak=found.peak, largest=largest, advice=found.advice)


def wasteful(costs: list[waste.TaskCost]) -> list[models.Waste]:
    """The tasks that waste most."""
    return [
        models.Waste(
            dag_id=each.task.dag_id,
            task_id=each.task.task_id,
            seconds=each.seconds,
            words=each.words,
            advice=each.advice,
        )
        for each in waste.wasteful(costs)
    ]


def wait_of(found: tasks.Waiting, reason: Reason, team: str | None = None) -> models.Wait:
    """A waiting task instance, with its reason."""
    return models.Wait(
        team=team,
        dag_id=found.dag_id,
        task_id=found.task_id,
        run_id=found.run_id,
        map_index=found.map_index,
        state=found.task.state,
        since=found.since,
        whom=reason.whom.value,
        words=reason.words,
        until=found.task.wakes_at,
    )


def _failures(failed: list[tasks.Failed]) -> models.Failures:
    by_task = {each.task: each for each in failed}
    shown = failures.grouped(by_task)
    return models.Failures(
        total=len(failed), more=len(failed) >= tasks.MOST_FAILED, tasks=[_failure(each, by_task) for each in shown]
    )


def _failure(failure: failures.Failure, by_task: dict[failures.FailedTask, tasks.Failed]) -> models.Failure:
    newest, said = failure.newest, logs.error_of(by_task[failure.newest])
    return models.Failure(
        **asdict(newest),
        times=failure.times,
        readable=said is not None,
        error=said.error if said else None,
        place=said.place if said else None,
        lines=list(said.lines) if said else [],
    )


def _waits(
    waiting: list[tasks.Waiting], queued: list[runs.QueuedRun], awaited: list[assets.Awaited], around: Around
) -> list[models.Wait]:
    found = [wait_of(each, why_task(each.task, around)) for each in waiting]
    found += [_run_wait(each, why_run(each.run, around)) for each in queued]
    found += [_dag_wait(each) for each in awaited]
    return gathered(found)[:_MOST_WAITS]


def gathered(waits: list[models.Wait]) -> list[models.Wait]:
    """The longest first; those of one task that wait for the same (a mapped one's, or of many runs) as one."""
    by_reason: dict[tuple[str | None, ...], list[models.Wait]] = {}
    for wait in sorted(waits, key=_how_long):
        by_reason.setdefault((wait.dag_id, wait.task_id, wait.state, wait.words), []).append(wait)
    return [same[0].model_copy(update={"times": len(same)}) for same in by_reason.values()]


def _how_long(wait: models.Wait) -> tuple[float, str, str, str, int]:
    since = wait.since.timestamp() if wait.since else float("inf")
    return since, wait.dag_id, wait.run_id or "", wait.task_id or "", wait.map_index


def _run_wait(found: runs.QueuedRun, reason: Reason) -> models.Wait:
    return models.Wait(
        dag_id=found.dag_id,
        run_id=found.run_id,
        state="queued",
        since=found.since,
        whom=reason.whom.value,
        words=reason.words,
    )


def _dag_wait(found: assets.Awaited) -> models.Wait:
    reason = why_asset(plain(found.asset, 120), found.owner)
    return models.Wait(
        dag_id=found.dag_id, state="not made", since=found.since, whom=reason.whom.value, words=reason.words
    )


def _source(status: SourceStatus | None) -> models.Source | None:
    if status is None:
        return None
    return models.Source(
        kind=status.kind,
        place=_place(status),
        version=status.version[:12] if status.version else None,
        fetched=datetime.fromisoformat(status.fetched_at) if status.fetched_at else None,
        problem=plain(status.problem) if status.problem else None,
        left_out=len(status.left_out),
    )


def _place(status: SourceStatus) -> str:
    """As much as members need to find it: not where the platform lies on its machine, and no address of a host."""
    if status.kind == "folder":
        parts = PurePath(str(status.place.get("folder", ""))).parts[-2:]
        return "…/" + "/".join(part for part in parts if part != "/")
    named = [f"{key} {status.place[key]}" for key in ("branch", "tag", "folder") if status.place.get(key)]
    return plain(", ".join(named), 200) or "all of it"
