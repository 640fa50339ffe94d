"""A team that gets another name: all rows that say the old one, in one transaction. For the admin worker.

Which columns hold names of teams and bundles comes from Airflow's own metadata, as for removals: a table that a later
Airflow adds is found by the same rule. Values are not looked into: what is encrypted stays so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow import settings
from airflow.models import Connection, DagModel, Pool, TaskInstance, Variable
from airflow.models.asset import DagScheduleAssetReference, TaskOutletAssetReference
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.dag import clear_team_name_cache
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagcode import DagCode
from airflow.models.log import Log
from airflow.models.team import Team, dag_bundle_team_association_table
from airflow.utils.state import State
from sqlalchemy import Table, Text, case, cast, delete, func, insert, literal, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from airspace.airflow.moving import rows
from airspace.airflow.teams import belongings, holds
from airspace.airflow.teams.locking import lock
from airspace.backends import tables
from airspace.model.errors import AirspaceError
from airspace.model.hold import HoldKind
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells
from airspace.teams.desired import stored_team

RENAMED_EVENT = "team_renamed"
_ATTEMPTS = 3
_ONLY_ROWS = {"synchronize_session": False}
# Of a moment, or keyed by a team's name and rebuilt in no time.
_DROPPED = (ConnectionTestRequest.__table__, DagPriorityParsingRequest.__table__)
_BY_HAND = {"team", "dag_bundle", "dag_bundle_team", *(table.name for table in _DROPPED)}

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Names:
    """Both names, and what becomes of text that holds the old one."""

    old: str
    new: str

    def of(self, column: Any) -> Any:
        """A column that holds the name, or the name of something of the team's: ``<team>.<name>``."""
        return case(
            (column == self.old, self.new),
            (self._is_of(column), func.concat(self.new, func.substr(column, len(self.old) + 1))),
            else_=column,
        )

    def named(self, column: Any) -> Any:
        """Whether it does."""
        return or_(column == self.old, self._is_of(column))

    def _is_of(self, column: Any) -> Any:
        return column.startswith(f"{self.old}.", autoescape=True)


def rename_rows(payload: Payload) -> dict[str, Any]:
    """Give the team its new name everywhere, in one transaction. Twice is once.

    :param payload: team, name
    :returns: how many rows of which table were changed, and the database's clock
    :raises AirspaceError: it is not at rest, or the new name is taken; nothing was changed
    """
    names, left = Names(payload["team"], payload["name"]), _ATTEMPTS
    while True:
        left -= 1
        try:
            with settings.get_session()() as session, session.begin():
                lock(session)
                _check_rest(names, session)
                changed = {what: count for what, count in _rename(names, session).items() if count}
                now = session.scalar(select(func.clock_timestamp()))
            break
        except OperationalError:  # two that want the same rows in another order: the database ends one of them
            if not left:
                raise
    clear_team_name_cache()
    bells.ring(bells.WAKE)
    bells.ring(bells.TRIGGERS)
    return {"rows": changed, "at": now.timestamp() if now else time.time()}


def left_of(payload: Payload) -> dict[str, Any]:
    """Table → how many of its rows say the old name; of what is over, the pool is not asked."""
    names = Names(payload["team"], "")
    found = {}
    with settings.get_session()() as session:
        for table, columns in _columns():
            named = or_(*(column == names.old for column in columns))
            if count := session.scalar(select(func.count()).select_from(table).where(named)):
                found[table.name] = count
    return {"left": found}


def restore_hold(payload: Payload) -> dict[str, Any]:
    """The team works again under its new name, or is as suspended as it was before.

    :param payload: name, and suspended: the hold that it had, or None
    """
    name, before = payload["name"], payload["suspended"]
    mine = tables.holds.c.team == name
    with settings.get_session()() as session, session.begin():
        session.execute(delete(tables.holds).where(mine, tables.holds.c.kind == HoldKind.RENAMING.value))
        if before and tables.hold_of(name, session) is None:
            values = {key: before[key] for key in ("kind", "stage", "reason")}
            since = datetime.fromisoformat(before["since"])
            row = {"team": name, "since": since, "changed_at": func.clock_timestamp(), **values}
            session.execute(insert(tables.holds).values(**row))
    bells.ring(bells.WAKE)
    return {"released": True}


def _check_rest(names: Names, session: Session) -> None:
    for team in (names.old, names.new):
        hold = tables.hold_of(team, session)
        if hold is not None and hold.kind is HoldKind.RENAMING:
            break
    else:
        raise AirspaceError(f"team {names.old} is not held any more", fix="begin again with the same command")
    work = rows.running(holds.dags_of(names.old), session)
    if any(work.values()):
        begun = f"{work['tasks']} tasks and {work['runs']} runs have begun again"
        raise AirspaceError(begun, fix="the same command with --now")
    known = set(session.scalars(select(tables.teams.c.name).where(tables.teams.c.name.in_((names.old, names.new)))))
    if len(known) != 1:
        taken = f"there is a team {names.new} already" if known else f"there is no team {names.old} any more"
        raise AirspaceError(taken, fix=f"airspace team show {names.new}")


def _rename(names: Names, session: Session) -> dict[str, int]:
    """The new name's rows before those that refer to it; the old name's go last."""
    first = session.scalar(select(Team.name).where(Team.name == names.new)) is None
    _new_parents(names, session)
    changed = {
        **_named_columns(names, session),
        "dags": _dags(names, session),
        "pools of waiting tasks": _waiting(names, session),
        "assets shared": _asset_teams(names, session),
        **_objects(names, session),
    }
    _old_parents(names, session)
    _ours(names, session)
    if first:
        extra = json.dumps({"from": names.old, "to": names.new})
        owner = {"owner": "airspace", "owner_display_name": "airspace team rename"}
        session.add(Log(event=RENAMED_EVENT, extra=extra, **owner))
    return changed


def _columns() -> Iterator[tuple[Table, list[Any]]]:
    """Airflow's tables with the columns that hold a team's name, or its bundle's, which is the same."""
    for table in belongings.tables():
        columns = [column for column, what in belongings.naming(table) if what != "dag"]
        if table.name in ("dag", "dag_version"):
            columns.append(table.c.bundle_name)
        if columns:
            yield table, columns


def _new_parents(names: Names, session: Session) -> None:
    if session.scalar(select(Team.name).where(Team.name == names.new)) is None:
        session.execute(insert(Team).values(name=names.new))
    bundles, linked = DagBundleModel.__table__, dag_bundle_team_association_table
    if session.scalar(select(bundles.c.name).where(bundles.c.name == names.new)) is None:
        others = [column for column in bundles.columns if column.name != "name"]
        copied = select(literal(names.new), *others).where(bundles.c.name == names.old)
        session.execute(insert(bundles).from_select(["name", *(column.name for column in others)], copied))
    there = select(linked.c.team_name).where(linked.c.team_name == names.new, linked.c.dag_bundle_name == names.new)
    if session.scalar(there) is None:
        session.execute(insert(linked).values(team_name=names.new, dag_bundle_name=names.new))


def _old_parents(names: Names, session: Session) -> None:
    linked, bundles = dag_bundle_team_association_table, DagBundleModel
    both = or_(linked.c.team_name == names.old, linked.c.dag_bundle_name == names.old)
    session.execute(delete(linked).where(both))
    session.execute(delete(bundles).where(bundles.name == names.old), execution_options=_ONLY_ROWS)
    session.execute(delete(Team).where(Team.name == names.old), execution_options=_ONLY_ROWS)


def _named_columns(names: Names, session: Session) -> dict[str, int]:
    for table in _DROPPED:
        condition = belongings.named(table, belongings.Whose(names.old, names.old, []))
        if condition is not None:
            session.execute(delete(table).where(condition))
    changed: dict[str, int] = {}
    for table, columns in _columns():
        for column in columns if table.name not in _BY_HAND else ():
            values = {column.name: names.new, **rows.unmoved(table)}
            done: Any = session.execute(update(table).where(column == names.old).values(**values))
            changed[table.name] = changed.get(table.name, 0) + done.rowcount
    return changed


def _dags(names: Names, session: Session) -> int:
    """Where their files are. Whose they are was changed with the other columns."""
    folders = HomeLayout(home_root()).bundles
    before, after = f"{folders / names.old}/", f"{folders / names.new}/"
    mine = select(DagModel.dag_id).where(DagModel.bundle_name == names.new)
    count = 0
    for model in (DagModel, DagCode):
        place = func.concat(after, func.substr(model.fileloc, len(before) + 1))
        moved = update(model).where(model.dag_id.in_(mine), model.fileloc.startswith(before, autoescape=True))
        values = {"fileloc": place, **rows.unmoved(model.__table__)}
        done: Any = session.execute(moved.values(**values), execution_options=_ONLY_ROWS)
        count += done.rowcount
    return count


def _waiting(names: Names, session: Session) -> int:
    """The pool of what is still to run; what is over is rewritten later, a bounded number at a time."""
    mine = select(DagModel.dag_id).where(DagModel.bundle_name == names.new)
    unfinished = or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(State.finished))
    waiting = update(TaskInstance).where(TaskInstance.dag_id.in_(mine), unfinished, names.named(TaskInstance.pool))
    values = {"pool": names.of(TaskInstance.pool), **rows.unmoved(TaskInstance.__table__)}
    done: Any = session.execute(waiting.values(**values), execution_options=_ONLY_ROWS)
    return int(done.rowcount)


def _asset_teams(names: Names, session: Session) -> int:
    """Who may hear whom: Airflow keeps it with each reference, as it was when the Dag was read."""
    count = 0
    for model, attribute in (
        (DagScheduleAssetReference, "allow_producer_teams"),
        (TaskOutletAssetReference, "allow_consumer_teams"),
    ):
        column = getattr(model, attribute)
        for row in session.scalars(select(model).where(cast(column, Text).contains(f'"{names.old}"', autoescape=True))):
            teams = getattr(row, attribute)
            if isinstance(teams, list) and names.old in teams:
                setattr(row, attribute, [names.new if each == names.old else each for each in teams])
                count += 1
    session.flush()
    return count


def _objects(names: Names, session: Session) -> dict[str, int]:
    """Connections, variables and pools go by ``<team>.<name>``. Their values are encrypted, and stay as they are."""
    changed = {}
    for model, key in ((Connection, Connection.conn_id), (Variable, Variable.key), (Pool, Pool.pool)):
        mine = names.named(key) if model is Pool else key.startswith(f"{names.old}.", autoescape=True)
        done: Any = session.execute(
            update(model).where(mine).values({key: names.of(key)}), execution_options=_ONLY_ROWS
        )
        changed[f"{model.__tablename__} names"] = done.rowcount
    return changed


def _ours(names: Names, session: Session) -> None:
    """Our own tables: what the team is, who is in it, and what others' files say of it."""
    for table, column in (
        (tables.members, tables.members.c.team),
        (tables.asset_grants, tables.asset_grants.c.team),
        (tables.asset_grants, tables.asset_grants.c.consumer),
    ):
        session.execute(update(table).where(column == names.old).values({column.name: names.new}))
    now = func.clock_timestamp()
    mine = tables.holds.c.team == names.old
    session.execute(update(tables.holds).where(mine).values(team=names.new, changed_at=now))
    known = tables.teams
    for row in session.execute(select(known.c.name, known.c.title, known.c.spec)).all():
        if row.name == names.old:
            spec = {**row.spec, "name": names.new} if isinstance(row.spec, dict) else row.spec
            desired = stored_team(spec) if isinstance(spec, dict) else None
            title = desired.title if desired else row.title
            values = {"name": names.new, "bundle": names.new, "title": title, "spec": spec, "applied_at": now}
            session.execute(update(known).where(known.c.name == names.old).values(**values))
            described = f"Slots of the team {row.title}"
            pool = update(Pool).where(Pool.pool == names.new, Pool.description == described)
            session.execute(pool.values(description=f"Slots of the team {title}"), execution_options=_ONLY_ROWS)
        elif (spec := with_consumer(row.spec, names.old, names.new)) != row.spec:
            # The clock: whoever follows the teams sees by it that this one's consents have changed.
            session.execute(update(known).where(known.c.name == row.name).values(spec=spec, applied_at=now))
    said, says = (json.dumps({"team": team})[:-1] for team in (names.old, names.new))
    told = update(Log).where(Log.event == "team_network", Log.extra.startswith(f"{said},", autoescape=True))
    extra = func.concat(says, func.substr(Log.extra, len(said) + 1))
    session.execute(told.values(extra=extra), execution_options=_ONLY_ROWS)


def with_consumer(spec: Any, old: str, new: str) -> Any:
    """A stored team file in which one consumer is called otherwise."""
    if not isinstance(spec, dict) or not isinstance(spec.get("assets"), dict):
        return spec
    assets = {
        name: {**grant, "consumers": [new if each == old else each for each in grant["consumers"]]}
        if isinstance(grant, dict) and old in (grant.get("consumers") or ())
        else grant
        for name, grant in spec["assets"].items()
    }
    return {**spec, "assets": assets}
