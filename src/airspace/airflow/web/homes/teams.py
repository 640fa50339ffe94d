"""Which teams there are, with what the platform knows of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from airflow.models import DagModel
from airflow.models.team import Team, dag_bundle_team_association_table
from sqlalchemy import select

from airspace.backends import tables
from airspace.model.team import DEFAULT_SLOTS

bundle_team = dag_bundle_team_association_table
dag_table = DagModel.__table__
dag = dag_table.c
_MEMORY = tables.teams.c.spec[("limits", "memory")].as_string()


@dataclass(frozen=True)
class TeamFacts:
    """One team. ``hold`` is ``suspended``, ``renaming`` or ``leaving``.

    :param memory: bytes that all its tasks together may use, as its file says; None: as much as the platform gives
    """

    name: str
    title: str
    slots: int
    hold: str | None = None
    hold_reason: str = ""
    memory: int | None = None


def teams(names: Collection[str] | None, session: Any) -> list[TeamFacts]:
    """Those of these teams that exist, by name; None: all."""
    known, held = tables.teams.c, tables.holds.c
    ask = (
        select(Team.name, known.title, known.slots, held.kind, held.reason, _MEMORY.label("memory"))
        .outerjoin(tables.teams, known.name == Team.name)
        .outerjoin(tables.holds, held.team == Team.name)
        .order_by(Team.name)
    )
    if names is not None:
        ask = ask.where(Team.name.in_(sorted(names)))
    return [
        TeamFacts(
            row.name,
            row.title or made_title(row.name),
            row.slots or DEFAULT_SLOTS,
            row.kind,
            row.reason or "",
            int(row.memory) if (row.memory or "").isdecimal() else None,
        )
        for row in session.execute(ask)
    ]


def titles(names: Collection[str], session: Any) -> dict[str, str]:
    """Team → its title."""
    known = tables.teams.c
    found = dict(session.execute(select(known.name, known.title).where(known.name.in_(sorted(names)))).all())
    return {name: found.get(name) or made_title(name) for name in names}


def made_title(name: str) -> str:
    """What a team is called that says nothing else."""
    return name.replace("_", " ").title()


def team_dags(team: str) -> Any:
    """A subquery of the team's Dags."""
    return dags_of([team])


def dags_of(names: Collection[str]) -> Any:
    """A subquery of these teams' Dags."""
    ask = select(dag.dag_id).join(bundle_team, bundle_team.c.dag_bundle_name == dag.bundle_name)
    return ask.where(bundle_team.c.team_name.in_(sorted(names)))
