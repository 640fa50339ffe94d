"""Making changes of one team so, through Airflow's own models and our tables, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow.models import Connection, Pool, Variable
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from airspace.airflow.teams.state import Present, connection_fields
from airspace.backends import tables
from airspace.model.change import Change, ChangeAction
from airspace.model.names import qualified
from airspace.teams.desired import DesiredTeam


class TeamWriter:
    """Writes one team. Only rows that :func:`airspace.airflow.teams.state.conflicts` did not object to are touched."""

    def __init__(self, session: Session, team: DesiredTeam, present: Present) -> None:
        self._session = session
        self._team = team
        self._present = present

    def write(self, changes: Sequence[Change]) -> None:
        """Make the changes so, and keep the file's contents beside them."""
        if self._team.name not in self._present.native:
            self._session.add(Team(name=self._team.name))
            self._session.flush()  # connections, pools and variables refer to it
        for change in changes:
            kind, _, name = change.resource.partition(" ")
            _WRITERS[kind](self, name, change.action == ChangeAction.DELETE)
        self._row(changed=bool(changes))
        self._session.flush()

    def _row(self, *, changed: bool) -> None:
        team, before = self._team, self._present.rows.get(self._team.name)
        values: dict[str, Any] = {"title": team.title, "bundle": team.bundle, "slots": team.slots, "spec": team.spec}
        if before is None:
            self._session.execute(insert(tables.teams).values(name=team.name, **values))
        elif changed or before.spec != team.spec:
            # The clock, not the transaction's start: a waiting apply began before the one that it waited for.
            values["applied_at"] = func.clock_timestamp()
            self._session.execute(update(tables.teams).where(tables.teams.c.name == team.name).values(**values))

    def _pool_named(self, key: str, slots: int, description: str) -> None:
        pool = self._session.scalar(select(Pool).where(Pool.pool == key, Pool.team_name == self._team.name))
        if pool is None:
            pool = Pool(pool=key, include_deferred=False, team_name=self._team.name, description=description)
            self._session.add(pool)
        pool.slots, pool.include_deferred = slots, False

    # One method a kind of resource: its name, and whether it goes.

    def _slots(self, _name: str, _gone: bool) -> None:
        self._pool_named(self._team.name, self._team.slots, f"Slots of the team {self._team.title}")

    def _bundle(self, _name: str, _gone: bool) -> None:
        bundle = self._session.get(DagBundleModel, self._team.bundle)
        if bundle is None:
            bundle = DagBundleModel(name=self._team.bundle)
            self._session.add(bundle)
        bundle.active = True
        bundle.teams = [self._session.get_one(Team, self._team.name)]

    def _member(self, name: str, gone: bool) -> None:
        rows = tables.members
        self._session.execute(delete(rows).where(rows.c.team == self._team.name, rows.c.user_name == name))
        if not gone:
            values = {"team": self._team.name, "user_name": name, "role": self._team.members[name]}
            self._session.execute(insert(rows).values(**values))

    def _asset(self, name: str, gone: bool) -> None:
        rows = tables.asset_grants
        self._session.execute(delete(rows).where(rows.c.team == self._team.name, rows.c.asset == name))
        for consumer in () if gone else sorted(set(self._team.assets[name])):
            values = {"team": self._team.name, "asset": name, "consumer": consumer}
            self._session.execute(insert(rows).values(**values))

    def _pool(self, name: str, gone: bool) -> None:
        key = qualified(self._team.name, name)
        if gone:
            self._session.execute(delete(Pool).where(Pool.pool == key, Pool.team_name == self._team.name))
        else:
            self._pool_named(key, self._team.pools[name], "")

    def _connection(self, name: str, gone: bool) -> None:
        key = qualified(self._team.name, name)
        row = self._present.connections.get(key)
        if gone:
            self._session.delete(row)
            return
        if row is None:
            row = Connection(conn_id=key, team_name=self._team.name)
            self._session.add(row)
        fields = connection_fields(self._team.name, name, self._team.connections[name])
        for column, value in fields.items():
            setattr(row, column, value or None)
        if not fields.get("password"):
            row._password = None  # the property ignores an empty value, so an old password would stay
            row.is_encrypted = False

    def _variable(self, name: str, gone: bool) -> None:
        key = qualified(self._team.name, name)
        row = self._present.variables.get(key)
        if gone:
            self._session.delete(row)
            return
        if row is None:
            row = Variable(key=key, team_name=self._team.name)
            self._session.add(row)
        row.set_val(self._team.variables[name].text)


_WRITERS: dict[str, Callable[[TeamWriter, str, bool], None]] = {
    "team": TeamWriter._slots,
    "bundle": TeamWriter._bundle,
    "member": TeamWriter._member,
    "asset": TeamWriter._asset,
    "pool": TeamWriter._pool,
    "connection": TeamWriter._connection,
    "variable": TeamWriter._variable,
}
