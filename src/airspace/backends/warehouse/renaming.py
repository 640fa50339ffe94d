"""A team's role and schemas under another name. Tables, views, grants and settings hang on them by number, and stay."""

from __future__ import annotations

import time

import psycopg2
from psycopg2 import sql

from airspace.backends.postgres import PostgresError
from airspace.backends.warehouse.removal import drop_what_is_there
from airspace.backends.warehouse.server import Cursor, Server
from airspace.model.errors import AirspaceError
from airspace.model.warehouse import published, schema

_SECONDS = 60.0


def rename_team(server: Server, team: str, name: str) -> bool:
    """Give role and schemas the names that go with the team's. Repeating it goes on with it.

    Its password is made from the role's name: whoever settles the warehouse next gives it the new one.

    :returns: whether there was something to rename
    :raises AirspaceError: the new name is somebody's who has tables there
    :raises PostgresError: somebody kept it in use for a minute
    """
    with server.alone():
        if not server.is_made():
            return False
        with server.warehouse() as cursor:
            cursor.execute("SELECT to_regclass('airspace.team') IS NOT NULL")
            if not cursor.fetchone()[0] or not _is_there(cursor, server.offer.role(team)):
                return False
            _insist(cursor, server, team, name)
            return True


def holds_tables(server: Server, team: str) -> bool:
    """Whether there is something in the schemas of that name."""
    if not server.is_made():
        return False
    with server.warehouse() as cursor:
        return _holds_something(cursor, team)


def _holds_something(cursor: Cursor, team: str) -> bool:
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(%s))",
        ([schema(team), published(team)],),
    )
    return bool(cursor.fetchone()[0])


def _is_there(cursor: Cursor, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() is not None


def _insist(cursor: Cursor, server: Server, team: str, name: str) -> None:
    """A team may hold the row of its own role: its sessions end."""
    until, role = time.monotonic() + _SECONDS, server.offer.role(team)
    while True:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
        try:
            cursor.execute("BEGIN")
            _make_room(cursor, server, name)
            _rename(cursor, server, team, name)
            cursor.execute("COMMIT")
        except (psycopg2.OperationalError, psycopg2.InternalError) as error:
            cursor.execute("ROLLBACK")
            if time.monotonic() > until:
                raise PostgresError(
                    f"the tables of {team} are in use: {str(error).splitlines()[0]}", fix="try it again"
                ) from None
            time.sleep(0.2)
        except AirspaceError:
            cursor.execute("ROLLBACK")
            raise
        else:
            return


def _make_room(cursor: Cursor, server: Server, name: str) -> None:
    """Whoever settled the warehouse since the rows say the new name has made a role and a schema for it: empty ones."""
    if _holds_something(cursor, name):
        raise AirspaceError(
            f"the warehouse has tables in the schema {schema(name)} already",
            fix=f"look at them, then drop the schema {schema(name)}, and run the command again",
        )
    drop_what_is_there(cursor, name, server.offer.role(name))
    cursor.execute("DELETE FROM airspace.team WHERE team = %s", (name,))
    cursor.execute("DELETE FROM airspace.role WHERE role = %s", (server.offer.role(name),))


def _rename(cursor: Cursor, server: Server, team: str, name: str) -> None:
    old, new = server.offer.role(team), server.offer.role(name)
    for before, after in ((schema(team), schema(name)), (published(team), published(name))):
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (before,))
        if cursor.fetchone() is not None:
            rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
            cursor.execute(rename.format(sql.Identifier(before), sql.Identifier(after)))
    cursor.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
    # The one setting of a role that says its name.
    path = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}")
    database = sql.Identifier(server.offer.database)
    cursor.execute(path.format(sql.Identifier(new), database, sql.Literal(schema(name))))
    cursor.execute("DELETE FROM airspace.role WHERE role = %s", (old,))
    names = {"old": team, "new": name, "role": new}
    cursor.execute(
        "INSERT INTO airspace.team (team, role, size, seconds, connections, closed)"
        " SELECT %(new)s, %(role)s, size, seconds, connections, closed FROM airspace.team WHERE team = %(old)s",
        names,
    )
    cursor.execute("UPDATE airspace.publication SET team = %(new)s WHERE team = %(old)s", names)
    cursor.execute("DELETE FROM airspace.team WHERE team = %(old)s", names)
    cursor.execute(
        "UPDATE airspace.publication SET consumers = array_replace(consumers, %(old)s, %(new)s)"
        " WHERE %(old)s = ANY(consumers)",
        names,
    )
