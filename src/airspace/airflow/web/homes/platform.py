"""How all teams are, in a fixed number of queries: the platform's page, and the chooser of those with several teams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from airflow.jobs.job import Job, health_check_threshold
from airflow.models.deadline import Deadline
from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from sqlalchemy import func, select, true

from airspace.airflow.web.homes.reading import Reading, Window, run_table
from airspace.airflow.web.homes.runs import Late, is_overdue
from airspace.airflow.web.homes.tasks import ti
from airspace.airflow.web.homes.teams import TeamFacts, bundle_team, dag, dag_table
from airspace.insight.health import Vitals
from airspace.insight.waiting import WAITING_STATES, Slots

_MOST_OF_A_DAG = 1_000
"""Task instances of one Dag in one state that are counted: a Dag that has more has enough."""
_HEARTBEAT = 5  # seconds; where Airflow has no threshold for a kind, it takes a multiple of this
_COMPONENTS = {"SchedulerJob": "scheduler", "DagProcessorJob": "Dag processor", "TriggererJob": "triggerer"}

run, _job, _pool = run_table.c, Job.__table__.c, Pool.__table__.c
_deadline, _error = Deadline.__table__, ParseImportError.__table__.c
Counts = dict[str, dict[str, int]]
"""Team → name of a figure → how many."""


@dataclass(frozen=True)
class Component:
    """One of the shared processes, as its heartbeats in the database tell."""

    name: str
    alive: bool
    heard: datetime | None


def vitals(
    teams: list[TeamFacts], reading: Reading, late: Collection[Late], problems: dict[str, str]
) -> dict[str, Vitals]:
    """Each team's figures. Eight queries, for one team or for a thousand."""
    names = [team.name for team in teams]
    counts: dict[str, Counts] = {}
    for part in (_dags, _runs, _failing, _tasks, _errors, _missed):
        name = part.__name__.strip("_")
        counts[name] = reading.part(name, partial(part, names), Counts())
    slow = reading.part("overruns", lambda session, _window: _teams_of(late, session), dict[str, int]())

    def of(part: str, team: str, figure: str) -> int:
        return counts[part].get(team, {}).get(figure, 0)

    return {
        team.name: Vitals(
            dags=of("dags", team.name, "dags"),
            runs=of("runs", team.name, "runs"),
            failed_runs=of("runs", team.name, "failed"),
            failing=of("failing", team.name, "failing"),
            running=of("tasks", team.name, "running"),
            waiting=of("tasks", team.name, "waiting"),
            late=of("dags", team.name, "overdue") + of("missed", team.name, "missed") + slow.get(team.name, 0),
            import_errors=of("errors", team.name, "errors"),
            slots=team.slots,
            hold=team.hold,
            source_problem=problems.get(team.name),
        )
        for team in teams
    }


def components(session: Any, window: Window) -> list[Component]:
    """The processes that all teams share and that leave a heartbeat."""
    ask = select(_job.job_type, func.max(_job.latest_heartbeat).label("heard")).where(
        _job.job_type.in_(list(_COMPONENTS)), _job.state == "running"
    )
    heard = dict(session.execute(ask.group_by(_job.job_type)).all())
    return [
        Component(name, kind in heard and _alive(kind, (window.now - heard[kind]).total_seconds()), heard.get(kind))
        for kind, name in _COMPONENTS.items()
    ]


def _alive(kind: str, silent: float) -> bool:
    """As Airflow's own health report judges."""
    return silent < health_check_threshold(kind, _HEARTBEAT)


def owners(dags: Collection[str], session: Any) -> dict[str, str]:
    """Dag → team."""
    ask = _by_team(select(dag.dag_id, bundle_team.c.team_name)).where(dag.dag_id.in_(sorted(dags)))
    return dict(session.execute(ask).all())


def pools(names: Collection[str], session: Any) -> dict[str, Slots]:
    """The places of these pools."""
    taken = (
        select(ti.pool, func.sum(ti.pool_slots).label("taken"))
        .where(ti.pool.in_(sorted(names)), ti.state.in_(("running", "queued")))
        .group_by(ti.pool)
        .subquery()
    )
    ask = select(_pool.pool, _pool.slots, func.coalesce(taken.c.taken, 0)).outerjoin(taken, taken.c.pool == _pool.pool)
    return {row[0]: Slots(row[2], row[1]) for row in session.execute(ask.where(_pool.pool.in_(sorted(names))))}


def _teams_of(late: Collection[Late], session: Any) -> dict[str, int]:
    whose = owners({each.dag_id for each in late}, session)
    found: dict[str, int] = defaultdict(int)
    for each in late:
        if each.dag_id in whose:
            found[whose[each.dag_id]] += 1
    return dict(found)


def _by_team(ask: Any) -> Any:
    return ask.select_from(dag_table).join(bundle_team, bundle_team.c.dag_bundle_name == dag.bundle_name)


def _gather(ask: Any, session: Any) -> Counts:
    """Rows of a team's name and its figures."""
    return {row.team_name: {key: row._mapping[key] for key in row._mapping} for row in session.execute(ask)}


def _dags(names: list[str], session: Any, window: Window) -> Counts:
    overdue = func.count().filter(is_overdue(window)).label("overdue")
    ask = _by_team(select(bundle_team.c.team_name, func.count().label("dags"), overdue))
    ask = ask.where(bundle_team.c.team_name.in_(names), dag.is_stale.is_(False)).group_by(bundle_team.c.team_name)
    return _gather(ask, session)


def _runs(names: list[str], session: Any, window: Window) -> Counts:
    failed = func.count().filter(run.state == "failed").label("failed")
    ask = _by_team(select(bundle_team.c.team_name, func.count().label("runs"), failed))
    ask = ask.join(run_table, run.dag_id == dag.dag_id).where(run.id > window.first_run)
    return _gather(ask.where(bundle_team.c.team_name.in_(names)).group_by(bundle_team.c.team_name), session)


def _failing(names: list[str], session: Any, window: Window) -> Counts:
    last = (
        select(run.dag_id, run.state)
        .distinct(run.dag_id)
        .where(run.id > window.first_run, run.state.in_(("success", "failed")))
        .order_by(run.dag_id, run.id.desc())
        .subquery()
    )
    ask = _by_team(select(bundle_team.c.team_name, func.count().label("failing")))
    ask = ask.join(last, last.c.dag_id == dag.dag_id).where(last.c.state == "failed")
    return _gather(ask.where(bundle_team.c.team_name.in_(names)).group_by(bundle_team.c.team_name), session)


def _tasks(names: list[str], session: Any, _window: Window) -> Counts:
    states = ("running", *WAITING_STATES)
    state = func.unnest(func.string_to_array(",".join(states), ",")).table_valued("name").lateral()
    some = select(ti.id).where(ti.dag_id == dag.dag_id, ti.state == state.c.name).limit(_MOST_OF_A_DAG)
    few = some.correlate(dag_table, state).subquery()
    counted = select(func.count().label("count")).select_from(few).lateral()
    running = func.sum(counted.c.count).filter(state.c.name == "running")
    waits = func.sum(counted.c.count).filter(state.c.name != "running")
    ask = _by_team(select(bundle_team.c.team_name, running.label("running"), waits.label("waiting")))
    ask = ask.join(state, true()).join(counted, true()).where(bundle_team.c.team_name.in_(names))
    found = _gather(ask.group_by(bundle_team.c.team_name), session)
    return {team: {key: int(row[key] or 0) for key in ("running", "waiting")} for team, row in found.items()}


def _errors(names: list[str], session: Any, _window: Window) -> Counts:
    ask = select(bundle_team.c.team_name, func.count().label("errors"))
    ask = ask.join(ParseImportError.__table__, _error.bundle_name == bundle_team.c.dag_bundle_name)
    return _gather(ask.where(bundle_team.c.team_name.in_(names)).group_by(bundle_team.c.team_name), session)


def _missed(names: list[str], session: Any, window: Window) -> Counts:
    ask = _by_team(select(bundle_team.c.team_name, func.count().label("missed")))
    ask = ask.join(run_table, run.dag_id == dag.dag_id).join(_deadline, _deadline.c.dagrun_id == run.id)
    ask = ask.where(_deadline.c.missed, _deadline.c.deadline_time >= window.since)
    return _gather(ask.where(bundle_team.c.team_name.in_(names)).group_by(bundle_team.c.team_name), session)
