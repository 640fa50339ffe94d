"""Airflow's Execution API inside a trusted process, asked in the name of one team at a time.

Airflow's own in-process API knows no team: what a team's code asks for while it is parsed would be looked up among the
deployment's global objects only. And it takes seconds and a lot of memory to build: what nearly all code asks for,
connections and variables, is answered here without it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection, Variable
from airflow.sdk.api.client import Client
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

HEADER = "x-airspace-team"


class TeamApi:
    """One API for all teams, built when it is needed; each team gets a client of its own."""

    def __init__(self) -> None:
        self._clients: dict[str, TeamClient] = {}

    @cached_property
    def transport(self) -> Any:
        """The way to the API, in which the team comes from the header instead of from a task's token."""
        from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI
        from airflow.api_fastapi.execution_api.security import get_team_name_dep
        from starlette.requests import Request

        api = InProcessExecutionAPI()

        async def team(request: Request) -> str | None:
            return request.headers.get(HEADER)

        # The parameter's type is looked up by name in the module, and this function is not at its level.
        team.__annotations__["request"] = Request
        api.app.dependency_overrides[get_team_name_dep] = team
        return api.transport

    def client(self, team: str) -> TeamClient:
        """The team's client."""
        return self._clients.setdefault(team, TeamClient(self, team))


class TeamClient:
    """What a supervisor asks on behalf of a team's code. It stands in for Airflow's client, which does the rest."""

    def __init__(self, api: TeamApi, team: str) -> None:
        self._api = api
        self._team = team
        self.connections = _Connections(team)
        self.variables = _Variables(self, team)

    @cached_property
    def whole(self) -> Client:
        """Airflow's own client; only this process can set its header."""
        client = Client(base_url=None, token="", dry_run=True, transport=self._api.transport)
        client.base_url = "http://in-process.invalid./"
        client.headers[HEADER] = self._team
        return client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


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
    def __init__(self, client: TeamClient, team: str) -> None:
        self._client = client
        self._team = team

    def get(self, key: str) -> VariableResponse | ErrorResponse:
        value = Variable.get_variable_from_secrets(key, team_name=self._team)
        if value is None:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": key})
        return VariableResponse(key=key, value=value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client.whole.variables, name)
