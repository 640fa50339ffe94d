"""A warehouse of two teams and a third on the session's PostgreSQL, without a platform around it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from airspace.backends.postgres import Cluster
from airspace.backends.warehouse import Server, drop_team, settle
from airspace.backends.warehouse.settling import Settled
from airspace.model.warehouse import Bounds, Offer, password
from airspace.teams.warehouse import TeamWarehouse
from tests.conftest import PASSWORD

KEY = "a-key-of-these-tests"


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


@dataclass
class House:
    """The warehouse, and whoever asks it something."""

    server: Server
    cluster: Cluster
    links: list[Any] = field(default_factory=list)

    def settle(self, shared: dict[str, dict[str, set[str]]] | None = None, **bounds: Bounds) -> Settled:
        """Three teams: ds, da and de."""
        teams = [
            TeamWarehouse(
                team,
                bounds.get(team, Bounds()),
                {table: frozenset(names) for table, names in (shared or {}).get(team, {}).items()},
            )
            for team in ("ds", "da", "de")
        ]
        return settle(self.server, KEY, teams)

    def connect(self, team: str, database: str | None = None, given: str | None = None) -> Any:
        """As the team's code does, but past the relay: what the server itself allows."""
        role = self.server.offer.role(team)
        link = psycopg2.connect(
            host=str(self.cluster.socket_dir),
            user=role,
            password=given or password(KEY, role),
            dbname=database or self.server.offer.database,
        )
        link.autocommit = True
        self.links.append(link)
        return link

    def ask(self, team: str, statement: str) -> list[Any]:
        """One statement of a team's."""
        with closing(self.connect(team)) as link, link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def sessions(self, team: str) -> int:
        """How many it has."""
        with self.server.warehouse() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (self.server.offer.role(team),))
            return int(cursor.fetchone()[0])

    def refused(self, team: str, statement: str) -> str:
        """Why it may not."""
        with pytest.raises(psycopg2.Error) as caught:
            self.ask(team, statement)
        return str(caught.value)


@pytest.fixture(scope="module")
def house(postgres: Cluster) -> Iterator[House]:
    """Roles and schemas of three teams, for all tests of a file; nothing is watched."""
    mark = secrets.token_hex(4)
    offer = Offer(str(postgres.socket_dir), database=f"w_{mark}", prefix=f"w{mark}_")
    postgres.create_database(PASSWORD, f"a_{mark}")
    made = House(Server(offer, postgres.url(PASSWORD, f"a_{mark}")), postgres)
    made.settle()
    yield made
    for link in made.links:
        link.close()
    for team in ("ds", "da", "de"):
        drop_team(made.server, team)
    postgres.drop_database(PASSWORD, offer.database)
    with made.server.metadata() as cursor:
        cursor.execute(f'DROP ROLE "{offer.all_teams}"')
