"""Each team has its own ``warehouse``: short names of connections and variables, looked up as ``<team>.<name>``.

Loaded by ``[secrets] backend``. It answers where Airflow's database is at hand and the asking team is known: in the API
server for tasks, in the Dag processor while parsing. Anywhere else, and without a team, it leaves the question to
Airflow's own backends.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.models import Connection
from airflow.secrets.metastore import MetastoreBackend

from airspace.airflow.warehouse import warehouse_of
from airspace.model.warehouse import CONNECTION


class TeamSecretsBackend(MetastoreBackend):
    """Airflow's own backend, asked for the team's name first."""

    def get_connection(self, conn_id: str, team_name: str | None = None) -> Any:
        """The team's connection of that short name, under that short name."""
        if not _may_ask(team_name):
            return None
        connection = super().get_connection(f"{team_name}.{conn_id}", team_name=team_name)
        if connection is not None and connection.team_name == team_name:
            connection.conn_id = conn_id
            return connection
        return self._warehouse(team_name) if conn_id == CONNECTION and team_name else None

    def _warehouse(self, team: str) -> Any:
        """The team's own place in the platform's warehouse, unless a member has made a connection called so."""
        own = super().get_connection(CONNECTION, team_name=team)
        found = warehouse_of(team) if own is None or own.team_name != team else None
        return None if found is None else Connection(conn_id=CONNECTION, **found)

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """The team's variable of that short name."""
        if not _may_ask(team_name):
            return None
        value: str | None = super().get_variable(f"{team_name}.{key}", team_name=team_name)
        return value


def _may_ask(team: str | None) -> bool:
    """Without a team nobody's secrets are given; team code's processes have no database to ask."""
    return bool(team) and os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "client"
