"""The guard's way to the database: asyncpg's own pool in the server's event loop, statements put together once.

Airflow's sessions would cost more than the questions: a thread, a check of the connection and a statement to be looked
up, at each request of each task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql import asyncpg as sqlalchemy_asyncpg
from sqlalchemy.engine import make_url

MOST_CONNECTIONS = 16
PATIENCE = 10.0  # seconds for an answer, and for a connection
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError)
"""What is raised when the database does not answer as it should."""

_dialect: Any = sqlalchemy_asyncpg.dialect
# Of SQLAlchemy's own options for asyncpg: asyncpg does not know them.
_NOT_ASYNCPGS = ("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback", "async_creator_fn")


class Ask:
    """A statement in PostgreSQL's own words, with its parameters by name."""

    def __init__(self, statement: Any) -> None:
        compiled = statement.compile(dialect=_dialect())
        self.sql = str(compiled)
        self._order: list[str] = list(compiled.positiontup or ())
        self._given: dict[str, Any] = dict(compiled.params)

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """The parameters in the statement's order."""
        return [parameters.get(name, self._given.get(name)) for name in self._order]


class Session:
    """One connection for a while; each statement is a transaction of its own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def all(self, ask: Ask, **parameters: Any) -> list[Any]:
        """Every row, as a mapping."""
        rows: list[Any] = await self._connection.fetch(ask.sql, *ask.arguments(parameters))
        return rows


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        """Nothing: only single reading statements are ever asked, which leave nothing behind."""
        return ""


class Database:
    """A pool that is made when it is first needed, in the event loop that needs it.

    :param url: SQLAlchemy's, for asyncpg
    """

    def __init__(self, url: str) -> None:
        _, arguments = _dialect().create_connect_args(make_url(url))
        self._arguments = {name: value for name, value in arguments.items() if name not in _NOT_ASYNCPGS}
        self._pool: Any = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection from the pool.

        :raises Exception: one of ``TROUBLE``
        """
        if self._pool is None:
            async with self._making:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        **self._arguments, min_size=0, max_size=MOST_CONNECTIONS, timeout=PATIENCE,
                        command_timeout=PATIENCE, connection_class=_Connection,
                    )  # fmt: skip
        async with self._pool.acquire(timeout=PATIENCE) as connection:
            yield Session(connection)
