"""What a team's code may ask for while its files are read: its own connections and variables, looked up directly.

Airflow's in-process API, which its Dag processor asks, knows no team and no guard: it would answer for everybody's.
"""

from __future__ import annotations

from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection, Variable
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.utils.session import create_session
from sqlalchemy import select

from airspace.access.tasks import own_name


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


def _is_own(name: Any, team_name: Any, asked: str, team: str) -> bool:
    """Whether the team has one of this name: Airflow would fall back to those of the whole deployment."""
    if "\0" in asked:
        return False
    ask = select(name).where(name.in_([own_name(team, asked), asked]), team_name == team).limit(1)
    with create_session() as session:
        return session.scalar(ask) is not None
