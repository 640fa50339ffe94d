"""Holding Dags, ending what runs of them, and making them another team's in one transaction: for the admin worker.

Whose a Dag is, is one column of its row, and everything of its past hangs on its id. So its history goes along by
staying where it is; what is changed besides is what names the old team and is still to be acted upon.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow import settings
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.callback import Callback
from airflow.models.dag import clear_team_name_cache
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.deadline import Deadline
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.utils.state import DagRunState, State, TaskInstanceState
from sqlalchemy import ColumnElement, case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from airspace.airflow.teams import holds
from airspace.airflow.teams.locking import lock
from airspace.backends import tables
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.hold import HoldKind
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells

MOVED_EVENT = "dags_transferred"
_LOOK = 0.25
_MOST_TOLD = 1000  # task instances whose supervisors are waited for by name
_ONLY_ROWS = {"synchronize_session": False}
_ACTIVE = (
    TaskInstanceState.QUEUED,
    TaskInstanceState.RUNNING,
    TaskInstanceState.RESTARTING,
    TaskInstanceState.DEFERRED,
)

Payload = Mapping[str, Any]


def hold_dags(payload: Payload) -> dict[str, Any]:
    """Let no run of these Dags be made or begin. Whoever began something for them has finished when this returns.

    :raises InvalidInputError: one of them is on its way to another team already
    """
    dags, team, target = list(payload["dags"]), payload["team"], payload["target"]
    held = tables.dag_holds
    with settings.get_session()() as session:
        with session.begin():
            lock(session)
            there = {row.dag_id: row for row in session.execute(select(held).where(held.c.dag_id.in_(dags)))}
            for row in there.values():
                if (row.team, row.target) != (team, target):
                    fix = f"finish that first: airspace dag transfer {row.dag_id} --from {row.team} --to {row.target}"
                    raise InvalidInputError(f"Dag {row.dag_id} is on its way to team {row.target}", fix=fix)
            fresh = [{"dag_id": dag, "team": team, "target": target} for dag in dags if dag not in there]
            if fresh:
                session.execute(insert(held), fresh)
        for each in (team, target):
            with session.begin():
                tables.await_readers(each, session)
    return {"held": len(dags)}


def await_dags(payload: Payload) -> dict[str, Any]:
    """Wait until nothing of these Dags runs, at most so many seconds; how much still does."""
    deadline = time.monotonic() + float(payload["seconds"])
    while True:
        with settings.get_session()() as session:
            work = running(list(payload["dags"]), session)
        if not any(work.values()) or time.monotonic() >= deadline:
            return work
        time.sleep(_LOOK)


def running(dags: Sequence[str], session: Session) -> dict[str, int]:
    """Tasks that have begun, and runs that have, also those of paused Dags: they would go on somewhere else."""
    tasks = select(func.count()).where(TaskInstance.dag_id.in_(dags), TaskInstance.state.in_(_ACTIVE))
    runs = select(func.count()).where(DagRun.dag_id.in_(dags), DagRun.state == DagRunState.RUNNING)
    return {"tasks": session.scalar(tasks) or 0, "runs": session.scalar(runs) or 0}


def halt_dags(payload: Payload) -> dict[str, Any]:
    """Fail what has begun and is not over, as Airflow's "mark as failed" does; their supervisors hear of it.

    :returns: how much was ended, and the task instances whose processes may take a moment to go
    """
    mine = select(DagModel.dag_id).where(DagModel.dag_id.in_(list(payload["dags"])))
    ended, going = {"tasks": 0, "runs": 0, "callbacks": 0}, []
    with settings.get_session()() as session:
        begun = TaskInstance.state.in_((TaskInstanceState.RUNNING, TaskInstanceState.RESTARTING))
        ask = select(TaskInstance.id).where(TaskInstance.dag_id.in_(list(payload["dags"])), begun).limit(_MOST_TOLD)
        going = [str(each) for each in session.scalars(ask)]
    while True:
        with settings.get_session()() as session, session.begin():
            found = holds.end_some(mine, session)
        for kind, count in found.items():
            ended[kind] += count
        if not any(found.values()):
            bells.ring(bells.WAKE)
            bells.ring(bells.TRIGGERS)
            return {"ended": ended, "going": going}


def switch_dags(payload: Payload) -> dict[str, Any]:
    """Make them the other team's, all of them in one transaction. Twice is once.

    :param payload: dags, team, target, and files: where their files will lie in the new team's bundle
    :raises AirspaceError: something of them has begun again, or the new team is gone; nothing was changed
    """
    dags, team, target = list(payload["dags"]), payload["team"], payload["target"]
    with settings.get_session()() as session:
        with session.begin():
            lock(session)
            bundle = _bundle(target, session)
            if (hold := tables.hold_of(team, session)) and hold.kind is HoldKind.LEAVING:
                raise AirspaceError(f"team {team} is being removed", fix=f"airspace team remove {team} finishes it")
            moving = _locked(dags, team, bundle, session)
            if moving:
                _check_rest(moving, session)
                _switch(moving, (team, target), bundle, session)
            now = session.scalar(select(func.clock_timestamp()))
            _ask_to_read(team, bundle, payload["files"], session)
        clear_team_name_cache()
    return {"moved": len(moving), "at": now.timestamp() if now else time.time()}


def _bundle(team: str, session: Session) -> str:
    row = session.execute(select(tables.teams.c.bundle).where(tables.teams.c.name == team)).one_or_none()
    if row is None or tables.hold_of(team, session) is not None:
        raise AirspaceError(f"team {team} is gone, or held", fix=f"airspace team show {team}")
    return str(row.bundle)


def _locked(dags: list[str], team: str, bundle: str, session: Session) -> list[str]:
    """Those of the Dags that are still to be moved, with the rows by which something could begin."""
    ask = select(DagModel.dag_id, DagModel.bundle_name).where(DagModel.dag_id.in_(dags)).with_for_update()
    found = {row.dag_id: row.bundle_name for row in session.execute(ask)}
    own = session.scalar(holds.bundle_of(team).select())
    strange = sorted(dag for dag in dags if found.get(dag) not in (own, bundle))
    if strange:
        raise AirspaceError(f"Dag {strange[0]} is not team {team}'s any more", fix="airspace dag transfer --cancel")
    moving = [dag for dag in dags if found[dag] != bundle]
    # A scheduler that is about to begin one of these holds its row: what it does is seen after that.
    waiting = DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
    session.execute(select(DagRun.id).where(DagRun.dag_id.in_(moving), waiting).with_for_update()).all()
    return moving


def _check_rest(dags: list[str], session: Session) -> None:
    held = select(func.count()).select_from(tables.dag_holds).where(tables.dag_holds.c.dag_id.in_(dags))
    if session.scalar(held) != len(dags):
        raise AirspaceError("these Dags are not held any more", fix="begin again with the same command")
    work = running(dags, session)
    if any(work.values()):
        raise AirspaceError(
            f"{work['tasks']} tasks and {work['runs']} runs have begun again", fix="the same command with --now"
        )


def unmoved(table: Any) -> dict[str, Any]:
    """The columns that say when a row was changed, as they are: nothing has happened to it."""
    return {column.name: column for column in table.columns if column.onupdate is not None}


def _switch(dags: list[str], teams: tuple[str, str], bundle: str, session: Session) -> None:
    team, target = teams
    folder = str(HomeLayout(home_root()).bundles / bundle)
    mine = DagModel.dag_id.in_(dags)
    place = func.concat(folder, "/", DagModel.relative_fileloc)
    session.execute(
        update(DagModel).where(mine).values(bundle_name=bundle, fileloc=place, **unmoved(DagModel.__table__)),
        execution_options=_ONLY_ROWS,
    )
    # A task instance is a team's by the version of its Dag too: without this, nothing of the past could run again.
    versions = update(DagVersion).where(DagVersion.dag_id.in_(dags))
    values = {"bundle_name": bundle, **unmoved(DagVersion.__table__)}
    session.execute(versions.values(**values), execution_options=_ONLY_ROWS)
    pool = TaskInstance.pool
    renamed = case(
        (pool == team, target),
        (pool.startswith(f"{team}.", autoescape=True), func.concat(target, func.substr(pool, len(team) + 1))),
        else_=pool,
    )
    waiting = or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(State.finished))
    unfinished = update(TaskInstance).where(TaskInstance.dag_id.in_(dags), waiting)
    values = {"pool": renamed, **unmoved(TaskInstance.__table__)}
    session.execute(unfinished.values(**values), execution_options=_ONLY_ROWS)
    late = select(Deadline.callback_id).join(DagRun, DagRun.id == Deadline.dagrun_id).where(DagRun.dag_id.in_(dags))
    callbacks = update(Callback).where(Callback.id.in_(late), Callback.bundle_name.is_not(None))
    session.execute(callbacks.values(bundle_name=bundle), execution_options=_ONLY_ROWS)
    held = tables.dag_holds
    session.execute(update(held).where(held.c.dag_id.in_(dags)).values(moved=True))
    extra = json.dumps({"from": team, "to": target, "dags": dags})
    session.add(Log(event=MOVED_EVENT, owner="airspace", owner_display_name="airspace dag transfer", extra=extra))


def _ask_to_read(team: str, bundle: str, files: Sequence[str], session: Session) -> None:
    """Airflow's own request to read a file soon: one that was there before the Dags came was refused then."""
    requests = DagPriorityParsingRequest
    session.execute(
        delete(requests).where(requests.bundle_name.in_((team, bundle)), requests.relative_fileloc.in_(files)),
        execution_options=_ONLY_ROWS,
    )
    for file in files:
        session.add(requests(bundle_name=bundle, relative_fileloc=file))


def settled_dags(payload: Payload) -> dict[str, Any]:
    """What became of the Dags in their new team: read anew since then, or what its file's import error says."""
    dags, since, files = list(payload["dags"]), float(payload["since"]), list(payload["files"])
    deadline = time.monotonic() + float(payload["seconds"])
    while True:
        with settings.get_session()() as session:
            bundle = _bundle(payload["target"], session)
            read = {
                row.dag_id
                for row in session.execute(
                    select(DagModel.dag_id, DagModel.last_parsed_time).where(
                        DagModel.dag_id.in_(dags), DagModel.bundle_name == bundle, DagModel.is_stale.is_(False)
                    )
                )
                if row.last_parsed_time is not None and row.last_parsed_time.timestamp() >= since
            }
            errors = {
                row.filename: row.stacktrace
                for row in session.scalars(
                    select(ParseImportError).where(ParseImportError.bundle_name == bundle, _of_files(files))
                )
                if row.timestamp is not None and row.timestamp.timestamp() >= since
            }
        unread = sorted(set(dags) - read)
        if not unread or errors or time.monotonic() >= deadline:
            return {"unread": unread, "errors": errors}
        time.sleep(_LOOK)


def _of_files(files: Sequence[str]) -> ColumnElement[bool]:
    """Import errors of files, and of what is packed in them, which Airflow names by its place in the archive."""
    name = ParseImportError.filename
    packed = [name.contains(f"{file}/", autoescape=True) for file in files if file.endswith(".zip")]
    return or_(name.in_(files), *packed)


def release_dags(payload: Payload) -> dict[str, Any]:
    """Let them run again: in the new team, or in the old one if they were not moved."""
    held = tables.dag_holds
    with settings.get_session()() as session, session.begin():
        moved = set(session.scalars(select(held.c.dag_id).where(held.c.dag_id.in_(payload["dags"]), held.c.moved)))
        if payload.get("only_unmoved") and moved:
            raise InvalidInputError(
                f"Dag {min(moved)} is the other team's already", fix="finish it: the same command without --cancel"
            )
        session.execute(delete(held).where(held.c.dag_id.in_(payload["dags"])))
        if payload["files"]:
            team = payload["team"]
            _ask_to_read(team, str(session.scalar(holds.bundle_of(team).select())), payload["files"], session)
    bells.ring(bells.WAKE)
    return {"moved": sorted(moved)}
