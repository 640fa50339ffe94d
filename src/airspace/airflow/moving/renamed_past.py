"""What is over says the team's new name too: a bounded number of runs at a time, for the admin worker."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from airflow import settings
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.asset import AssetEvent
from airflow.models.taskinstancehistory import TaskInstanceHistory
from sqlalchemy import JSON, Text, cast, func, select, update
from sqlalchemy.orm import Session

from airspace.airflow.moving.renaming import Names
from airspace.airflow.moving.rows import unmoved
from airspace.model.home import HomeLayout, home_root

_RUNS = 100
_ONLY_ROWS = {"synchronize_session": False}

Payload = Mapping[str, Any]


def rewrite_past(payload: Payload) -> dict[str, Any]:
    """Rewrite for so many seconds.

    :param payload: team, name, seconds, and after: the number of the last run that was seen to
    :returns: up to which run, and whether there are more
    """
    names, after = Names(payload["team"], payload["name"]), int(payload["after"])
    deadline = time.monotonic() + float(payload["seconds"])
    mine = select(DagModel.dag_id).where(DagModel.bundle_name == names.new)
    while True:
        with settings.get_session()() as session, session.begin():
            some = select(DagRun.id).where(DagRun.dag_id.in_(mine), DagRun.id > after).order_by(DagRun.id).limit(_RUNS)
            ids = list(session.scalars(some))
            if ids:
                _rewrite(ids, names, session)
        if not ids:
            return {"after": after, "more": False}
        after = ids[-1]
        if time.monotonic() >= deadline:
            return {"after": after, "more": True}


def _rewrite(ids: list[int], names: Names, session: Session) -> None:
    runs = select(DagRun.dag_id, DagRun.run_id).where(DagRun.id.in_(ids)).subquery()
    for model in (TaskInstance, TaskInstanceHistory):
        of = (model.dag_id == runs.c.dag_id) & (model.run_id == runs.c.run_id)
        values = {"pool": names.of(model.pool), **unmoved(model.__table__)}
        pools = update(model).where(of, names.named(model.pool)).values(**values)
        session.execute(pools, execution_options=_ONLY_ROWS)
    # As text: what else tasks told may be anything that JSON can hold, and more than PostgreSQL's own kind can.
    before, now = (
        json.dumps((HomeLayout(home_root()).storage / team).as_uri())[:-1] + "/" for team in (names.old, names.new)
    )
    told = cast(AssetEvent.extra, Text)
    of = (AssetEvent.source_dag_id == runs.c.dag_id) & (AssetEvent.source_run_id == runs.c.run_id)
    places = update(AssetEvent).where(of, told.contains(before, autoescape=True))
    moved = cast(func.replace(told, before, now), JSON)
    session.execute(places.values(extra=moved), execution_options=_ONLY_ROWS)
