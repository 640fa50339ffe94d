"""The database itself: made, and closed as far as PostgreSQL lets it be closed. All of it may be repeated.

A team's role may make tables, views, indexes, sequences and types, and nothing that runs: it would run with the rights
of who reads what it is part of. What is one for all databases of a server (the table of locks, the activity of
everybody) is closed to teams; ``docs/adr/0023-warehouse.md`` says why, and ``docs/known-flaws.md`` what is left.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from psycopg2 import sql

from airspace.backends.warehouse.server import Cursor, Server
from airspace.model.warehouse import CONNECTIONS_OF_ALL

OWN = "airspace"
"""The platform's own schema, which nobody else may look into."""
_VERSION = 1
_TABLES = """
CREATE SCHEMA IF NOT EXISTS airspace;
CREATE TABLE IF NOT EXISTS airspace.team (
    team text PRIMARY KEY, role text NOT NULL UNIQUE, size bigint NOT NULL, seconds integer NOT NULL,
    connections integer NOT NULL, closed boolean NOT NULL DEFAULT false);
CREATE TABLE IF NOT EXISTS airspace.publication (
    team text NOT NULL REFERENCES airspace.team ON DELETE CASCADE, name text NOT NULL, consumers text[] NOT NULL,
    seen text NOT NULL DEFAULT '', why text, PRIMARY KEY (team, name));
CREATE TABLE IF NOT EXISTS airspace.role (role text PRIMARY KEY, proof text NOT NULL);
CREATE TABLE IF NOT EXISTS airspace.version (number integer NOT NULL);
"""
# Running code of one's own; what is one for the whole server; what tells of others; what has no size that is counted.
_CLOSED = r"""
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT lanname AS name FROM pg_language WHERE lanpltrusted LOOP
        EXECUTE format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC', each.name);
    END LOOP;
    FOR each IN
        SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND (
            proname ~ '^pg_(try_)?advisory_' OR proname ~ '^lo_' OR proname IN ('loread', 'lowrite')
            OR proname ~ '^pg_stat_get_' OR proname IN ('pg_lock_status', 'pg_prepared_xact', 'pg_notify',
            'pg_logical_emit_message', 'pg_export_snapshot', 'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids',
            'pg_isolation_test_session_is_blocked', 'pg_notification_queue_usage'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each.name);
    END LOOP;
    FOR each IN
        SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = 'pg_catalog'::regnamespace AND (
            relname IN ('pg_database', 'pg_db_role_setting', 'pg_auth_members', 'pg_shdescription', 'pg_shdepend',
            'pg_roles', 'pg_user', 'pg_group', 'pg_locks', 'pg_prepared_xacts', 'pg_largeobject_metadata')
            OR (relkind = 'v' AND relname ~ '^pg_stat(io)?_' AND relname NOT IN ('pg_stats', 'pg_stats_ext',
            'pg_stats_ext_exprs')))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', each.name);
    END LOOP;
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA airspace FROM PUBLIC;
"""


def make_database(cursor: Cursor, server: Server) -> None:
    """Make it and the role of all teams, and let nobody into it or beside it who has nothing to do there.

    :param cursor: of Airflow's database
    """
    offer = server.offer
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (offer.database,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(offer.database)))
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (offer.all_teams,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(offer.all_teams)))
    name, teams = sql.Identifier(offer.database), sql.Identifier(offer.all_teams)
    cursor.execute(
        "SELECT datconnlimit = %s AND has_database_privilege(%s, datname, 'CONNECT, TEMPORARY') FROM pg_database"
        " WHERE datname = %s",
        (CONNECTIONS_OF_ALL, offer.all_teams, offer.database),
    )
    if not cursor.fetchone()[0] or _is_public(cursor, offer.database):
        cursor.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(CONNECTIONS_OF_ALL)))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        cursor.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, teams))
    if offer.own_server:
        for beside in (urlsplit(server.url).path.lstrip("/"), "postgres", "template1"):
            if _is_public(cursor, beside):
                cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(beside)))


def _is_public(cursor: Cursor, database: str) -> bool:
    cursor.execute(
        "SELECT EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0)"
        " FROM pg_database WHERE datname = %s",
        (database,),
    )
    found = cursor.fetchone()
    return bool(found and found[0])


def close(cursor: Cursor) -> None:
    """Close what is open to everybody in a new database. Once for each version of this page.

    :param cursor: of the warehouse
    """
    cursor.execute("SELECT to_regclass('airspace.version') IS NOT NULL")
    if cursor.fetchone()[0]:
        cursor.execute("SELECT max(number) FROM airspace.version")
        if (cursor.fetchone()[0] or 0) >= _VERSION:
            return
    cursor.execute("BEGIN")
    cursor.execute(_TABLES)
    cursor.execute(_CLOSED)
    cursor.execute("INSERT INTO airspace.version VALUES (%s)", (_VERSION,))
    cursor.execute("COMMIT")
