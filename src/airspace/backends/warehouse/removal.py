"""Taking a team out of the warehouse, with everything it has there."""

from __future__ import annotations

import time

import psycopg2
from psycopg2 import sql

from airspace.backends.postgres import PostgresError
from airspace.backends.warehouse.server import Cursor, Server
from airspace.model.warehouse import published, schema

_SECONDS = 60.0
_AT_ONCE = 200  # tables in one transaction: each takes some of the server's locks


def drop_team(server: Server, team: str) -> bool:
    """Remove role, tables, schemas and what others could read of it. Repeating it goes on with it.

    :returns: whether there was something
    :raises PostgresError: somebody kept it in use for a minute
    """
    role = server.offer.role(team)
    with server.alone():
        if not server.is_made():
            return False
        with server.warehouse() as cursor:
            cursor.execute("SELECT to_regclass('airspace.team') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return False
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            there = cursor.fetchone() is not None
            _insist(cursor, team, role)
            cursor.execute("DELETE FROM airspace.team WHERE team = %s", (team,))
            cursor.execute("DELETE FROM airspace.role WHERE role = %s", (role,))
            return there


def _insist(cursor: Cursor, team: str, role: str) -> None:
    """Who uses it meanwhile is sent away."""
    until = time.monotonic() + _SECONDS
    while True:
        try:
            _send_away(cursor, team, role)
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            if cursor.fetchone() is not None:
                cursor.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
                _send_away(cursor, team, role)
            drop_what_is_there(cursor, team, role)
        except (psycopg2.OperationalError, psycopg2.InternalError) as error:
            if time.monotonic() > until:
                raise PostgresError(
                    f"the tables of {team} are in use: {str(error).splitlines()[0]}", fix="try it again"
                ) from None
            time.sleep(0.2)
        else:
            return


def _send_away(cursor: Cursor, team: str, role: str) -> None:
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        " UNION ALL SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND n.nspname = ANY(%s) AND l.pid <> pg_backend_pid()",
        (role, [schema(team), published(team)]),
    )


def drop_what_is_there(cursor: Cursor, team: str, role: str) -> None:
    """Its schemas with all that is in them, and its role."""
    cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(published(team))))
    while True:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind IN ('r', 'p') LIMIT %s",
            (schema(team), _AT_ONCE),
        )
        names = [sql.Identifier(schema(team), row[0]) for row in cursor.fetchall()]
        if not names:
            break
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.SQL(", ").join(names)))
    cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema(team))))
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if cursor.fetchone() is not None:
        cursor.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
