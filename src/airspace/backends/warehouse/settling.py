"""Every team's role and schema as they shall be. What is so already is left alone: all of it may be repeated."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from airspace.backends.warehouse import hardening, publications
from airspace.backends.warehouse.server import Cursor, Server
from airspace.model.warehouse import password, schema
from airspace.teams.warehouse import TeamWarehouse

TEMPORARY = "2GB"
"""What one session may put aside on disk; what all of a team's do counts to its size."""
_ROUNDS, _TRIES = 4096, 3
_FLAGS = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT LOGIN"


@dataclass(frozen=True)
class Settled:
    """What was done.

    :param made: roles that are new
    :param unpublished: ``team.table`` → why others cannot read it although the team's file says so
    :param late: teams that kept their roles from being put right just now
    """

    made: tuple[str, ...]
    unpublished: Mapping[str, str]
    late: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Role:
    """As the server has it.

    :param good: it may do what it has to and no more, and has the password that we gave it
    """

    good: bool
    connections: int
    settings: frozenset[str]

    def is_as(self, team: TeamWarehouse) -> bool:
        """Whether nothing has to be changed."""
        has = all(setting in self.settings for setting, _ in _settings(team))
        return self.good and has and self.connections == team.bounds.connections


def settle(server: Server, key: str, teams: Sequence[TeamWarehouse]) -> Settled:
    """Make it so. Teams that are not named stay as they are.

    :raises airspace.backends.postgres.PostgresError: it could not be done; repeating it goes on with it
    """
    with server.alone():
        with server.metadata() as cursor:
            hardening.make_database(cursor, server)
        with server.warehouse() as cursor:
            hardening.close(cursor)
            made, late = _roles(cursor, server, key, teams)
            _schemas(cursor, server, teams)
            _remember(cursor, server, teams)
            return Settled(tuple(made), publications.publish(cursor), tuple(late))


def _roles(cursor: Cursor, server: Server, key: str, teams: Sequence[TeamWarehouse]) -> tuple[list[str], list[str]]:
    """Those that are new, and those that could not be put right."""
    known = _known(cursor, server, key)
    new = [team for team in teams if server.offer.role(team.team) not in known]
    cursor.execute("BEGIN")  # nobody can hold what is not there yet
    for team in new:
        _role(cursor, server, key, team, None)
    cursor.execute("COMMIT")
    late = []
    for team in teams:
        present = known.get(server.offer.role(team.team))
        if present is not None and not present.is_as(team):
            done = _insist(cursor, server, team, partial(_role, cursor, server, key, team, present))
            late += [] if done else [team.team]
    return [server.offer.role(team.team) for team in new], late


def _insist(cursor: Cursor, server: Server, team: TeamWarehouse, change: Callable[[], None]) -> bool:
    """A team may change its own password, and so hold the row of its role: its sessions end, and nobody waits."""
    for _ in range(_TRIES):
        try:
            cursor.execute("BEGIN")
            change()
            cursor.execute("COMMIT")
        except (psycopg2.OperationalError, psycopg2.InternalError):
            cursor.execute("ROLLBACK")
            role = server.offer.role(team.team)
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
        else:
            return True
    return False


def _role(cursor: Cursor, server: Server, key: str, team: TeamWarehouse, present: _Role | None) -> None:
    offer, role = server.offer, server.offer.role(team.team)
    name = sql.Identifier(role)
    if present is None:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    for setting, value in _settings(team):
        if present is None or setting not in present.settings:
            what = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
            names = (sql.Identifier(offer.database), sql.Identifier(setting))
            cursor.execute(what.format(name, *names, sql.Literal(value)))
    if present is None or not present.good:
        # A statement with a password may be in the server's log: this one holds its verifier only.
        verifier = _verifier(password(key, role))
        cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(offer.all_teams), name))
        cursor.execute(sql.SQL("ALTER ROLE {} " + _FLAGS + " PASSWORD {}").format(name, sql.Literal(verifier)))
        proof = _proof(key, verifier)
        cursor.execute(
            "INSERT INTO airspace.role VALUES (%s, %s) ON CONFLICT (role) DO UPDATE SET proof = excluded.proof",
            (role, proof),
        )
    if present is None or present.connections != team.bounds.connections:
        most = sql.Literal(team.bounds.connections)
        cursor.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(name, most))


def _settings(team: TeamWarehouse) -> tuple[tuple[str, str], ...]:
    return (("search_path", schema(team.team)), ("temp_file_limit", TEMPORARY))


def _verifier(secret: str) -> str:
    """What the server keeps of a password, by SCRAM-SHA-256: it cannot be turned back."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    kept, first, second = (base64.b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256${_ROUNDS}:{kept}${first}:{second}"


def _proof(key: str, verifier: str) -> str:
    """That a verifier was made by us, with this key: to make it again for each look would take seconds."""
    return hmac.new(key.encode(), verifier.encode(), hashlib.sha256).hexdigest()


def _known(cursor: Cursor, server: Server, key: str) -> dict[str, _Role]:
    cursor.execute(
        "SELECT a.rolname, a.rolconnlimit, coalesce(a.rolpassword, ''), coalesce(p.proof, ''),"
        " a.rolcanlogin AND a.rolinherit AND NOT"
        " (a.rolsuper OR a.rolcreatedb OR a.rolcreaterole OR a.rolreplication OR a.rolbypassrls)"
        " AND (SELECT array_agg(g.rolname) FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid"
        "      WHERE m.member = a.oid) IS NOT DISTINCT FROM ARRAY[%s::name],"
        " array(SELECT split_part(unnest(s.setconfig), '=', 1) FROM pg_db_role_setting s"
        "       JOIN pg_database d ON d.oid = s.setdatabase"
        "       WHERE s.setrole = a.oid AND d.datname = current_database())"
        " FROM pg_authid a LEFT JOIN airspace.role p ON p.role = a.rolname WHERE starts_with(a.rolname, %s)",
        (server.offer.all_teams, server.offer.prefix),
    )
    return {
        name: _Role(bool(good) and hmac.compare_digest(proof, _proof(key, verifier)), limit, frozenset(found))
        for name, limit, verifier, proof, good, found in cursor.fetchall()
    }


def _schemas(cursor: Cursor, server: Server, teams: Sequence[TeamWarehouse]) -> None:
    """The platform owns them: who owned one could let others into it."""
    cursor.execute(
        "SELECT n.nspname, n.nspowner = (SELECT oid FROM pg_authid WHERE rolname = current_user),"
        " array(SELECT r.rolname || ' ' || x.privilege_type FROM aclexplode(n.nspacl) x"
        " LEFT JOIN pg_authid r ON r.oid = x.grantee WHERE x.grantee <> n.nspowner ORDER BY 1) FROM pg_namespace n"
    )
    known = {name: (own, held) for name, own, held in cursor.fetchall()}
    for team in teams:
        name, role = schema(team.team), server.offer.role(team.team)
        if known.get(name) == (True, [f"{role} CREATE", f"{role} USAGE"]):
            continue
        place, who = sql.Identifier(name), sql.Identifier(role)
        cursor.execute("BEGIN")
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(place))
        cursor.execute(sql.SQL("ALTER SCHEMA {} OWNER TO CURRENT_USER").format(place))
        for other in {entry.rpartition(" ")[0] for entry in known.get(name, (True, []))[1] if entry}:
            cursor.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(place, sql.Identifier(other)))
        cursor.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(place))
        cursor.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(place, who))
        cursor.execute("COMMIT")


def _remember(cursor: Cursor, server: Server, teams: Sequence[TeamWarehouse]) -> None:
    """What was asked for, for the keeper: it knows no team files."""
    names = [team.team for team in teams]
    rows: list[Any] = [
        (team.team, server.offer.role(team.team), team.bounds.size, team.bounds.seconds, team.bounds.connections)
        for team in teams
    ]
    shared = [
        (team.team, table, sorted(consumers)) for team in teams for table, consumers in sorted(team.shared.items())
    ]
    cursor.execute("BEGIN")
    if rows:
        execute_values(
            cursor,
            "INSERT INTO airspace.team (team, role, size, seconds, connections) VALUES %s ON CONFLICT (team) DO UPDATE"
            " SET role = excluded.role, size = excluded.size, seconds = excluded.seconds,"
            " connections = excluded.connections, closed = false",
            rows,
        )
    # One that is no longer published stays until its view is gone, with nobody to read it.
    cursor.execute("UPDATE airspace.publication SET consumers = '{}' WHERE team = ANY(%s)", (names,))
    if shared:
        execute_values(
            cursor,
            "INSERT INTO airspace.publication (team, name, consumers) VALUES %s ON CONFLICT (team, name) DO UPDATE"
            " SET consumers = excluded.consumers",
            shared,
        )
    cursor.execute("COMMIT")
