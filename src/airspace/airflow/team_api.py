"""What a team's code may ask for while its files are read: its own connections and variables, looked up directly.

Airflow's in-process API, which its Dag processor asks, knows no team and no guard: it would answer for everybody's.
"""

from __future__ import annotations

from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection, Variable
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse


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
        try:
            found = Connection.get_connection_from_secrets(conn_id, team_name=self._team)
        except AirflowNotFoundException:
            return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})
        fields = ("conn_id", "conn_type", "host", "schema", "login", "password", "port", "extra")
        return ConnectionResponse(**{name: getattr(found, name) for name in fields})


class _Variables:
    def __init__(self, team: str) -> None:
        self._team = team

    def get(self, key: str) -> VariableResponse | ErrorResponse:
        value = Variable.get_variable_from_secrets(key, team_name=self._team)
        if value is None:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": key})
        return VariableResponse(key=key, value=value)
