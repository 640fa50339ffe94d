"""Which triggers there are to run, and whose each is: from Airflow's own rows, never from what a team's code says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.asset import AssetModel, AssetWatcherModel
from airflow.models.callback import Callback
from airflow.models.dag_version import DagVersion
from airflow.models.deadline import Deadline
from airflow.models.team import dag_bundle_team_association_table
from airflow.models.trigger import Trigger
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, case, func, select, update

from airspace.model.hold import Stage

_callback, _deadline, _run = Callback.__table__.c, Deadline.__table__.c, DagRun.__table__.c
_bundle_team = dag_bundle_team_association_table.c


class For(IntEnum):
    """What a trigger is waited for by; a team's are begun in this order, as Airflow does."""

    CALLBACK = 0
    TASK = 1
    ASSET = 2


@dataclass(frozen=True)
class Found:
    """A trigger that something waits for.

    :param team: None where it cannot be told
    :param ours: whether this triggerer has it already
    """

    id: int
    team: str | None
    kind: For
    ours: bool


def share(found: Iterable[Found], most: int) -> dict[str, set[int]]:
    """Team → the triggers that it runs now: what it runs already, then more as long as its share is not full.

    One that several things of different teams wait for is nobody's: its events would be one team's word in the other's.
    """
    teams: dict[int, set[str | None]] = defaultdict(set)
    for each in found:
        teams[each.id].add(each.team)
    chosen: dict[str, set[int]] = defaultdict(set)
    for each in sorted(found, key=lambda it: not it.ours):  # stable: the order within is the database's
        if each.team is not None and len(teams[each.id]) == 1 and len(chosen[each.team] | {each.id}) <= most:
            chosen[each.team].add(each.id)
    return dict(chosen)


def not_held(found: Iterable[Found], stages: Mapping[str, str | None]) -> list[Found]:
    """Without what does not run: of a team on hold nobody watches assets, and of one that is halted nothing runs.

    :param stages: team → how far it is held
    """
    kept = []
    for each in found:
        stage = stages.get(each.team) if each.team is not None else None
        if stage is None or (stage == Stage.DRAIN and each.kind is not For.ASSET):
            kept.append(each)
    return kept


def homeless(found: Collection[Found]) -> set[int]:
    """Triggers of tasks that are no team's: they never run."""
    return {each.id for each in found if each.kind is For.TASK and each.team is None}


def waiting(job_id: int, most: int, session: Any) -> tuple[list[Found], dict[int, set[str]]]:
    """What callbacks and tasks wait for, at most so many of each team; and of watchers the names of their assets."""
    ours = case((Trigger.triggerer_id == job_id, 1), else_=0).label("ours")
    found = [
        Found(row.id, row.team, kind, bool(row.ours))
        for kind, ask in ((For.CALLBACK, _for_callbacks(ours)), (For.TASK, _for_tasks(ours)))
        for row in session.execute(_first(ask.subquery(), most))
    ]
    watched: dict[int, set[str]] = defaultdict(set)
    ask = select(AssetWatcherModel.trigger_id, AssetModel.name).join(AssetModel)
    for row in session.execute(ask.order_by(AssetWatcherModel.trigger_id)):
        watched[row.trigger_id].add(row.name)
    return found, dict(watched)


def watching(watched: Mapping[int, set[str]], owners: Mapping[str, str | None], running: set[int]) -> list[Found]:
    """Watchers: of the team that owns everything that they watch."""
    found = []
    for trigger_id, names in watched.items():
        teams = {owners.get(name) for name in names}
        found.append(Found(trigger_id, teams.pop() if len(teams) == 1 else None, For.ASSET, trigger_id in running))
    return found


def assign(trigger_ids: Collection[int], job_id: int, session: Any) -> None:
    """Write down that this triggerer has them: Airflow's pages and logs find it by that."""
    ask = update(Trigger).where(Trigger.id.in_(trigger_ids), Trigger.triggerer_id.is_distinct_from(job_id))
    session.execute(ask.values(triggerer_id=job_id).execution_options(synchronize_session=False))


def _first(inner: Any, most: int) -> Any:
    order = (inner.c.ours.desc(), inner.c.weight.desc(), inner.c.created_date, inner.c.id)
    place = func.row_number().over(partition_by=inner.c.team, order_by=order).label("place")
    numbered = select(inner, place).subquery()
    return select(numbered).where(numbered.c.place <= most).order_by(numbered.c.place)


def _for_tasks(ours: Any) -> Any:
    """By the version of the Dag that the instance is of, if that is still its bundle's: as the guard does."""
    weight = func.coalesce(TaskInstance.priority_weight, 0).label("weight")
    return (
        select(Trigger.id, Trigger.created_date, ours, weight, _bundle_team.team_name.label("team"))
        .join(
            TaskInstance,
            and_(TaskInstance.trigger_id == Trigger.id, TaskInstance.state == TaskInstanceState.DEFERRED),
        )
        .outerjoin(DagVersion, DagVersion.id == TaskInstance.dag_version_id)
        .outerjoin(
            DagModel, and_(DagModel.dag_id == TaskInstance.dag_id, DagModel.bundle_name == DagVersion.bundle_name)
        )
        .outerjoin(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    )


def _for_callbacks(ours: Any) -> Any:
    """Of the Dag whose deadline was missed."""
    weight = _callback.priority_weight.label("weight")
    return (
        select(Trigger.id, Trigger.created_date, ours, weight, _bundle_team.team_name.label("team"))
        .join(Callback.__table__, _callback.trigger_id == Trigger.id)
        .outerjoin(Deadline.__table__, _deadline.callback_id == _callback.id)
        .outerjoin(DagRun.__table__, _run.id == _deadline.dagrun_id)
        .outerjoin(DagModel, DagModel.dag_id == _run.dag_id)
        .outerjoin(dag_bundle_team_association_table, _bundle_team.dag_bundle_name == DagModel.bundle_name)
    )
