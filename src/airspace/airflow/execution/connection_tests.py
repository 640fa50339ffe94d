"""Whose a connection test is: decided by what the database holds, not by what was asked for.

Who looks at a connection is shown neither its password nor what else is secret in it, and sends the mask back. As
Airflow does where it tests at once, the stored secrets stand in for the mask, as long as they go to the stored place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from airflow._shared.secrets_masker import merge
from airflow.models import Connection
from airflow.models.connection_test import ACTIVE_STATES, ConnectionTestRequest, ConnectionTestState
from airflow.utils.session import create_session
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from airspace.access.naming import belongs
from airspace.access.table import Kind
from airspace.airflow.callbacks import storable

MASK = "***"
NO_TEAM = (
    "A connection without a team is not tested: a test runs in a sandbox, and nothing of the platform's goes into one."
)


class ForeignError(Exception):
    """It is no team's to test; the message is for who asked."""


def admit(test_id: UUID, teams: Collection[str]) -> str:
    """The team in whose sandbox it may run; the test then has everything that it needs.

    :param teams: all that there are
    :raises ForeignError: in none
    """
    with create_session(scoped=False) as session:
        asked = session.get(ConnectionTestRequest, test_id)
        if asked is None or not asked.team_name:
            raise ForeignError(NO_TEAM)
        team, name = asked.team_name, asked.connection_id
        stored = session.scalar(select(Connection).where(Connection.conn_id == name))
        foreign = stored is not None and stored.team_name != team
        if team not in teams or not belongs(Kind.CONNECTION, team, name) or foreign:
            raise ForeignError(f"The connection {name!r} is not team {team}'s.")
        if stored is not None and _place(asked) == _place(stored):
            _unmask(asked, stored)
        return team


def _place(connection: Any) -> tuple[str, str]:
    """Where it leads. The UI sends an empty text for what is not there."""
    return str(connection.host or ""), str(connection.port or "")


def _unmask(asked: ConnectionTestRequest, stored: Connection) -> None:
    if asked.password in (None, "", MASK):
        asked.password = stored.password
    if asked.extra and stored.extra and MASK in asked.extra:
        with contextlib.suppress(ValueError, RecursionError):
            asked.extra = json.dumps(merge(json.loads(asked.extra), json.loads(stored.extra)))


def fail(test_id: str, reason: str) -> None:
    """It is over without a result of its own."""
    mine = (ConnectionTestRequest.id == UUID(test_id), ConnectionTestRequest.state.in_(ACTIVE_STATES))
    values = {"state": ConnectionTestState.FAILED, "result_message": storable(reason), "active_connection_id": None}
    # Where the database is away, Airflow ends the test when its time is over.
    with contextlib.suppress(SQLAlchemyError), create_session(scoped=False) as session:
        session.execute(update(ConnectionTestRequest).where(*mine).values(**values))
