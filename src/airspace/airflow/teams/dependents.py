"""What goes with a team, and who depends on it: shown before it is removed. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow import settings
from airflow.models import Connection, DagModel, DagRun, Pool, TaskInstance, Variable
from airflow.models.asset import AssetModel, DagScheduleAssetReference
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airspace.airflow.teams.holds import dags_of
from airspace.backends import tables

_MOST = 1000

Payload = Mapping[str, Any]


def preview(payload: Payload) -> dict[str, Any]:
    """What a team has, and what of it others use."""
    team = payload["team"]
    with settings.get_session()() as session:
        row = session.execute(select(tables.teams).where(tables.teams.c.name == team)).one_or_none()
        if row is None:
            return {"known": False, "has": {}, "consumers": [], "consumes": [], "hold": None}
        hold = tables.hold_of(team, session)
        return {
            "known": True,
            "has": _has(team, session),
            "consumers": _consumers(team, row.spec, session),
            "consumes": _consumes(team, session),
            "hold": hold.as_dict() if hold else None,
        }


def _has(team: str, session: Session) -> dict[str, int]:
    mine = dags_of(team)
    counts = {
        "dags": select(func.count()).select_from(DagModel).where(DagModel.dag_id.in_(mine)),
        "runs": select(func.count()).select_from(DagRun).where(DagRun.dag_id.in_(mine)),
        "running_runs": select(func.count())
        .select_from(DagRun)
        .where(DagRun.dag_id.in_(mine), DagRun.state == DagRunState.RUNNING),
        "running_tasks": select(func.count())
        .select_from(TaskInstance)
        .where(TaskInstance.dag_id.in_(mine), TaskInstance.state == TaskInstanceState.RUNNING),
        "connections": select(func.count()).select_from(Connection).where(Connection.team_name == team),
        "variables": select(func.count()).select_from(Variable).where(Variable.team_name == team),
        "pools": select(func.count()).select_from(Pool).where(Pool.team_name == team),
        "members": select(func.count()).select_from(tables.members).where(tables.members.c.team == team),
    }
    return {name: session.scalar(ask) or 0 for name, ask in counts.items()}


def _consumers(team: str, spec: Any, session: Session) -> list[dict[str, Any]]:
    """Who consumes its assets: by its file, and by Dags that start with them."""
    named = (spec.get("assets") if isinstance(spec, dict) else None) or {}
    grants = tables.asset_grants
    found: dict[tuple[str, str], set[str]] = {
        (row.asset, row.consumer): set()
        for row in session.execute(select(grants).where(grants.c.team == team, grants.c.consumer != team))
    }
    heard = (
        select(AssetModel.name, DagModel.dag_id, tables.teams.c.name.label("team"))
        .join(DagScheduleAssetReference, DagScheduleAssetReference.asset_id == AssetModel.id)
        .join(DagModel, DagModel.dag_id == DagScheduleAssetReference.dag_id)
        .join(tables.teams, tables.teams.c.bundle == DagModel.bundle_name)
        .where(AssetModel.name.in_(list(named)), tables.teams.c.name != team)
        .limit(_MOST)
    )
    for row in session.execute(heard):
        found.setdefault((row.name, row.team), set()).add(row.dag_id)
    return [{"asset": asset, "team": who, "dags": sorted(dags)} for (asset, who), dags in sorted(found.items())]


def _consumes(team: str, session: Session) -> list[dict[str, str]]:
    """Whose files name it as a consumer."""
    grants = tables.asset_grants
    ask = select(grants).where(grants.c.consumer == team, grants.c.team != team).order_by(grants.c.team, grants.c.asset)
    return [{"team": row.team, "asset": row.asset} for row in session.execute(ask)]
