"""Whose a connection test is: decided by what the database holds, not by what was asked for."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from airflow.models import Connection
from airflow.models.connection_test import ACTIVE_STATES, ConnectionTestRequest, ConnectionTestState
from airflow.utils.session import create_session
from sqlalchemy import select, update

from airspace.access.naming import belongs
from airspace.access.table import Kind

NO_TEAM = (
    "A connection without a team is not tested: a test runs in a sandbox, and nothing of the platform's goes into one."
)


class ForeignError(Exception):
    """It is no team's to test; the message is for who asked."""


def team_of(test_id: UUID, teams: Collection[str]) -> str:
    """The team in whose sandbox it may run.

    :param teams: all that there are
    :raises ForeignError: in none
    """
    with create_session(scoped=False) as session:
        asked = session.get(ConnectionTestRequest, test_id)
        team, name = (asked.team_name, asked.connection_id) if asked else (None, "")
        ask = select(Connection.team_name).where(Connection.conn_id == name)
        owners = set(session.scalars(ask).all())
    if not team:
        raise ForeignError(NO_TEAM)
    if team not in teams or not belongs(Kind.CONNECTION, team, name) or owners - {team}:
        raise ForeignError(f"The connection {name!r} is not team {team}'s.")
    return team


def fail(test_id: str, reason: str) -> None:
    """It is over without a result of its own."""
    mine = (ConnectionTestRequest.id == UUID(test_id), ConnectionTestRequest.state.in_(ACTIVE_STATES))
    values = {"state": ConnectionTestState.FAILED, "result_message": reason[:2000], "active_connection_id": None}
    with create_session(scoped=False) as session:
        session.execute(update(ConnectionTestRequest).where(*mine).values(**values))
