"""A team's own connections and variables, looked up directly: for its files while they are read, and its triggers.

Airflow's in-process API, which its Dag processor and its triggerer ask, knows no team and no guard: it would answer for
everybody's.
"""

from __future__ import annotations

from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection, Variable
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, VariableKeysResult
from airflow.utils.session import create_session
from sqlalchemy import func, select

from airspace.access.tasks import name_to_write, own_name

_MOST_KEYS, _MOST_OFFSET = 10_000, 2**31 - 1


class TeamApi:
    """Each team gets a client of its own."""

    def __init__(self) -> None:
        self._clients: dict[str, TeamClient] = {}

    def client(self, team: str) -> TeamClient:
        """The team's client."""
        return self._clients.setdefault(team, TeamClient(team))


class TeamClient:
    """What a parse process's parent asks on behalf of a team's code. It stands in for Airflow's client."""

    def __init__(self, team: str) -> None:
        self.connections = _Connections(team)
        self.variables = _Variables(team)


class _Connections:
    def __init__(self, team: str) -> None:
        self._team = team

    def get(self, conn_id: str) -> ConnectionResponse | ErrorResponse:
        missing = ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})
        if not _is_own(Connection.conn_id, Connection.team_name, conn_id, self._team):
            return missing
        try:
            found = Connection.get_connection_from_secrets(conn_id, team_name=self._team)
        except AirflowNotFoundException:
            return missing
        fields = ("conn_id", "conn_type", "host", "schema", "login", "password", "port", "extra")
        return ConnectionResponse(**{name: getattr(found, name) for name in fields})


class _Variables:
    def __init__(self, team: str) -> None:
        self._team = team

    def get(self, key: str) -> VariableResponse | ErrorResponse:
        own = _is_own(Variable.key, Variable.team_name, key, self._team)
        value = Variable.get_variable_from_secrets(key, team_name=self._team) if own else None
        if value is None:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": key})
        return VariableResponse(key=key, value=value)

    def keys(self, prefix: str, limit: int, offset: int) -> VariableKeysResult:
        """The short names of the team's variables that begin so."""
        cut = len(self._team) + 1
        begins = Variable.key.startswith(f"{self._team}.{prefix}", autoescape=True)
        ask = select(Variable.key).where(begins, Variable.team_name == self._team)
        if "\0" in prefix:
            return VariableKeysResult(keys=[], total_entries=0)
        with create_session() as session:
            total = session.scalar(select(func.count()).select_from(ask.subquery())) or 0
            most, first = max(1, min(limit, _MOST_KEYS)), max(0, min(offset, _MOST_OFFSET))
            found = session.scalars(ask.order_by(Variable.key).offset(first).limit(most)).all()
        return VariableKeysResult(keys=[key[cut:] for key in found], total_entries=total)

    def set(self, key: str, value: str | None, description: str | None) -> bool:
        """Store a variable of the team's; False: what has that name is not the team's."""
        stored = self._to_write(key)
        if stored is None:
            return False
        Variable.set(key=stored, value=value, description=description, team_name=self._team)
        return True

    def delete(self, key: str) -> bool:
        """Delete one, if there is one; False as above."""
        stored = self._to_write(key)
        if stored is None:
            return False
        Variable.delete(key=stored, team_name=self._team)
        return True

    def _to_write(self, key: str) -> str | None:
        if not key or "\0" in key:
            return None
        ask = select(Variable.key, Variable.team_name).where(Variable.key.in_([own_name(self._team, key), key]))
        with create_session() as session:
            existing = {row.key: row.team_name for row in session.execute(ask)}
        return name_to_write(self._team, key, existing)


def _is_own(name: Any, team_name: Any, asked: str, team: str) -> bool:
    """Whether the team has one of this name: Airflow would fall back to those of the whole deployment."""
    if "\0" in asked:
        return False
    ask = select(name).where(name.in_([own_name(team, asked), asked]), team_name == team).limit(1)
    with create_session() as session:
        return session.scalar(ask) is not None
