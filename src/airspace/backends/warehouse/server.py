"""Connections to the server that holds the warehouse, as the platform's own role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812  # a class

from airspace.backends.postgres import PostgresError
from airspace.model.warehouse import Offer

_CONNECT_SECONDS = 10
# One at a time on a server, whatever machine it comes from. Any number that nobody else uses.
_ADVISORY_LOCK = 0x77_61_72_65_68_6F_75_73
Cursor = Any


@dataclass(frozen=True)
class Server:
    """Where the warehouse is.

    :param url: of Airflow's database on that server, with the password of the platform's role
    """

    offer: Offer
    url: str = field(repr=False)

    @contextmanager
    def metadata(self) -> Iterator[Cursor]:
        """Airflow's database; each statement by itself."""
        with _opened(self.url, None) as link, link.cursor() as cursor:
            yield cursor

    def is_made(self) -> bool:
        """Whether there is a warehouse yet."""
        with self.metadata() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self.offer.database,))
            return cursor.fetchone() is not None

    @contextmanager
    def warehouse(self) -> Iterator[Cursor]:
        """The warehouse; each statement by itself. Nothing of a team's is waited for long."""
        with _opened(self.url, self.offer.database) as link, link.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'; SET statement_timeout = '60s'; SET search_path = pg_catalog")
            yield cursor

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes roles and schemas meanwhile."""
        with self.metadata() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
            yield


def connect(server: Server) -> Connection:
    """A connection that is kept, to the warehouse.

    :raises psycopg2.Error: there is none to be had
    """
    link = psycopg2.connect(_dsn(server.url, server.offer.database), connect_timeout=_CONNECT_SECONDS)
    link.autocommit = True
    return link


@contextmanager
def _opened(url: str, database: str | None) -> Iterator[Connection]:
    try:
        link = psycopg2.connect(_dsn(url, database), connect_timeout=_CONNECT_SECONDS)
    except psycopg2.Error as error:
        reason = str(error).strip().replace(urlsplit(url).password or "\0", "***")
        raise PostgresError(f"the warehouse cannot be reached: {reason}", fix="airspace status") from None
    link.autocommit = True
    try:
        yield link
    except psycopg2.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PostgresError(f"the warehouse: {lines[0]}", fix="airspace apply once more; airspace doctor") from error
    finally:
        link.close()


def _dsn(url: str, database: str | None) -> str:
    parts = urlsplit(url)._replace(scheme="postgresql")
    if database is not None:
        parts = parts._replace(path=f"/{quote(database)}")
    return urlunsplit(parts)
