"""What a team's code may ask for where no task's token says who asks: in Dag files, callbacks and triggers.

Its own connections and variables are looked up directly. Airflow's in-process API, which its Dag processor and its
triggerer ask, knows no team and no guard: it would answer for everybody's. So what a callback asks about a Dag goes
there only after it was found to be the team's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.models import Connection, DagModel, Variable
from airflow.models.team import dag_bundle_team_association_table
from airflow.models.xcom import XComModel
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse
from airflow.utils.session import create_session
from sqlalchemy import Text, cast, func, select

from airspace.access.tasks import name_to_write, own_name
from airspace.airflow.warehouse import is_given

MOST_VALUE = 1024**2
"""Characters of a variable that is written from here: whoever answers does it for all teams."""
MOST_XCOM = 4 * 1024**2
"""Bytes of the XComs of one question, for the same reason."""
_MOST_KEYS = 1000
_LONGEST = 250

_bundle_team = dag_bundle_team_association_table.c


class NotTheTeamsError(Exception):
    """It is not the team's, or too much; the message is for the author."""


class TeamApi:
    """Each team gets a client of its own.

    :param ask_airflow: makes Airflow's own client, which answers for everybody; made when it is first needed
    """

    def __init__(self, ask_airflow: Callable[[], Any] | None = None) -> None:
        self._clients: dict[str, TeamClient] = {}
        self._ask_airflow = ask_airflow

    def client(self, team: str) -> TeamClient:
        """The team's client."""
        return self._clients.setdefault(team, TeamClient(team, self._ask_airflow))

    def warm(self) -> None:
        """Have Airflow's own client made, and asked once: that takes seconds, in which nobody should wait."""
        if self._ask_airflow is not None:
            self._ask_airflow().task_instances.get_count(dag_id="airspace")


class TeamClient:
    """What a process of a team's may be told by the parent that answers it. It stands in for Airflow's client.

    :param ask_airflow: see :class:`TeamApi`; without one, nothing is told about runs
    """

    def __init__(self, team: str, ask_airflow: Callable[[], Any] | None = None) -> None:
        self.team = team
        self.connections = _Connections(team)
        self.variables = _Variables(team)
        self._ask_airflow = ask_airflow

    @cached_property
    def _airflow(self) -> Any:
        return SimpleNamespace() if self._ask_airflow is None else self._ask_airflow()

    @property
    def xcoms(self) -> Any:
        """Airflow's own; :meth:`permit` comes first."""
        return self._airflow.xcoms

    @property
    def task_instances(self) -> Any:
        """As :attr:`xcoms`."""
        return self._airflow.task_instances

    @property
    def dag_runs(self) -> Any:
        """As :attr:`xcoms`."""
        return self._airflow.dag_runs

    def permit(self, message: Any) -> None:
        """Return if a question about a Dag is about one of the team's, and the answer not too large.

        :raises NotTheTeamsError: it is not, or nothing is told about Dags here
        """
        dag_id = str(message.dag_id)
        with create_session() as session:
            ask = (
                select(_bundle_team.team_name)
                .join(DagModel, DagModel.bundle_name == _bundle_team.dag_bundle_name)
                .where(DagModel.dag_id == dag_id)
            )
            if "\0" in dag_id or session.scalar(ask) != self.team:
                raise NotTheTeamsError(f"team {self.team} has no Dag {dag_id!r}")
            if hasattr(message, "key"):
                size = func.coalesce(func.sum(func.octet_length(cast(XComModel.value, Text))), 0)
                mine = [getattr(XComModel, name) == getattr(message, name) for name in ("dag_id", "task_id", "key")]
                if not getattr(message, "include_prior_dates", False):
                    mine.append(XComModel.run_id == message.run_id)
                if (session.scalar(select(size).where(*mine)) or 0) > MOST_XCOM:
                    raise NotTheTeamsError("these XComs are too large to be read in a callback; read them in a task")


class _Connections:
    def __init__(self, team: str) -> None:
        self._team = team

    def get(self, conn_id: str) -> ConnectionResponse | ErrorResponse:
        missing = ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})
        own = _is_own(Connection.conn_id, Connection.team_name, conn_id, self._team)
        if not own and not is_given(self._team, conn_id):
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

    def keys(self, *, prefix: str | None = None, limit: int = _MOST_KEYS, offset: int = 0) -> Any:
        """The short names of the team's variables, some of them."""
        full = f"{self._team}."
        ask = select(Variable.key).where(
            Variable.team_name == self._team, Variable.key.startswith(full + (prefix or ""), autoescape=True)
        )
        with create_session() as session:
            total = session.scalar(select(func.count()).select_from(ask.subquery())) or 0
            page = ask.order_by(Variable.key).limit(min(max(limit, 0), _MOST_KEYS)).offset(max(offset, 0))
            found = session.scalars(page).all()
        return SimpleNamespace(keys=[key.removeprefix(full) for key in found], total_entries=total)

    def set(self, key: str, value: str | None, description: str | None = None) -> None:
        """Write the team's variable of that short name.

        :raises NotTheTeamsError: what has that name is not the team's, or the value is too large
        """
        stored = self._to_write(key)
        if len(value or "") > MOST_VALUE or len(description or "") > MOST_VALUE or "\0" in f"{value}{description}":
            raise NotTheTeamsError(f"the value of {key!r} is too large, or holds what no database stores")
        Variable.set(key=stored, value=value, description=description, team_name=self._team)

    def delete(self, key: str) -> OKResponse:
        """Delete it; fine when there is none."""
        Variable.delete(key=self._to_write(key), team_name=self._team)
        return OKResponse(ok=True)

    def _to_write(self, key: str) -> str:
        if not key or "\0" in key or len(own_name(self._team, key)) > _LONGEST:
            raise NotTheTeamsError("that is no name of a variable")
        with create_session() as session:
            ask = select(Variable.key, Variable.team_name).where(Variable.key.in_([own_name(self._team, key), key]))
            found = {row.key: row.team_name for row in session.execute(ask)}
        stored = name_to_write(self._team, key, found)
        if stored is None:
            raise NotTheTeamsError(f"there is a variable {key!r} already that is not team {self._team}'s")
        return stored


def _is_own(name: Any, team_name: Any, asked: str, team: str) -> bool:
    """Whether the team has one of this name: Airflow would fall back to those of the whole deployment."""
    if "\0" in asked:
        return False
    ask = select(name).where(name.in_([own_name(team, asked), asked]), team_name == team).limit(1)
    with create_session() as session:
        return session.scalar(ask) is not None
