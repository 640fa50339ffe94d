"""The sessions of teams, and what each team's tables take of the disk, as the server and its files tell."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  # a class

from airspace.backends.warehouse import publications
from airspace.backends.warehouse.server import Server, connect
from airspace.model.warehouse import Bounds
from airspace.teams.warehouse import Session

_NICE = 10
_LATER = 10.0  # seconds until a table that somebody holds is tried again
_SESSIONS = """
SELECT a.pid, t.role, coalesce(a.state, ''), coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
    coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8, a.backend_xid IS NOT NULL,
    coalesce(l.held, 0)::int
FROM pg_stat_activity a JOIN airspace.team t ON t.role = a.usename
LEFT JOIN (SELECT pid, count(*) AS held FROM pg_locks GROUP BY pid) l USING (pid)
WHERE a.backend_type = 'client backend'
"""
# Of a file: which relation's it is (`t3_` stands before a temporary table's); of one put aside: which process's.
_RELATION, _ASIDE = re.compile(r"(?:t\d+_)?(\d+)(?:_\w+)?(?:\.\d+)?\Z"), re.compile(r"pgsql_tmp(\d+)\.")
_PAGE = 8192
PER_FILE = 32 << 10
"""Bytes that each relation is charged beside its own: an empty one takes a file, and rows of the catalogues."""


class Watch:
    """One look after the other over a connection that is kept; psycopg2's errors say that it is gone."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._link: Connection = connect(server)
        self._cursor = self._link.cursor()
        self._cursor.execute("SET application_name = 'airspace keeper'; SET search_path = pg_catalog")
        self._cursor.execute("SET lock_timeout = '100ms'; SET statement_timeout = '20s'")
        self._calmed: set[int] = set()
        self._later: dict[str, float] = {}

    @property
    def over(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._link.closed)

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    def bounds(self) -> dict[str, Bounds]:
        """Role → what it may have."""
        self._cursor.execute("SELECT role, size, seconds, connections FROM airspace.team")
        return {role: Bounds(size, seconds, most) for role, size, seconds, most in self._cursor.fetchall()}

    def sessions(self) -> list[Session]:
        """Those of all teams."""
        self._cursor.execute(_SESSIONS)
        return [Session(*row) for row in self._cursor.fetchall()]

    def end(self, pid: int) -> None:
        """End one: what it was doing is undone. Being asked to stop would leave a program that asks again at once."""
        self._cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def calm(self, sessions: Iterable[Session]) -> None:
        """Teams' sessions step back behind Airflow's where both want the processor."""
        if self._server.offer.own_server:
            pids = {session.pid for session in sessions}
            for pid in pids - self._calmed:
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, pid, _NICE)
            self._calmed = pids

    def publish(self) -> None:
        """Tables that were made anew are published again."""
        now = time.monotonic()
        teams = {team for team in publications.changed(self._cursor) if self._later.get(team, 0.0) <= now}
        if teams:
            told = publications.publish(self._cursor, teams)
            held = {name.partition(".")[0] for name, why in told.items() if why == publications.IN_USE}
            self._later = {team: now + _LATER for team in held} | {
                team: at for team, at in self._later.items() if at > now
            }

    def read_only(self, role: str, *, on: bool) -> None:
        """What the role's new transactions are by default; a program may still say that it wants to write."""
        name, database = sql.Identifier(role), sql.Identifier(self._server.offer.database)
        what = "ALTER ROLE {} IN DATABASE {} " + ("SET" if on else "RESET") + " default_transaction_read_only"
        self._cursor.execute(sql.SQL(what + (" = on" if on else "")).format(name, database))

    def is_read_only(self) -> set[str]:
        """The roles for which that holds."""
        self._cursor.execute(
            "SELECT r.rolname FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole"
            " JOIN airspace.team t ON t.role = r.rolname WHERE 'default_transaction_read_only=on' = ANY(s.setconfig)"
        )
        return {row[0] for row in self._cursor.fetchall()}

    def shut(self, role: str, *, out: bool) -> None:
        """Let the role in no more, or again."""
        self._cursor.execute("UPDATE airspace.team SET closed = %s WHERE role = %s", (out, role))
        self._cursor.execute(sql.SQL("ALTER ROLE {} " + ("NOLOGIN" if out else "LOGIN")).format(sql.Identifier(role)))

    def shut_out(self) -> set[str]:
        """The roles that were not let in because of their size."""
        self._cursor.execute("SELECT role FROM airspace.team WHERE closed")
        return {row[0] for row in self._cursor.fetchall()}

    def _one(self) -> Any:
        found = self._cursor.fetchone()
        return found[0] if found else None

    def sizes(self, data: Path | None, sessions: Iterable[Session]) -> Mapping[str, int]:
        """Role → bytes. From the server's own files where they are at hand: no lock of a team's hides anything there.

        :param data: the server's data folder; else what the catalogue says, as of the last vacuum
        """
        if data is None:
            self._cursor.execute(
                "SELECT t.role, sum(c.relpages::bigint) * %s FROM pg_class c JOIN airspace.team t"
                " ON t.role = pg_get_userbyid(c.relowner) GROUP BY 1",
                (_PAGE,),
            )
            return {role: int(size) for role, size in self._cursor.fetchall()}
        self._cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        folder = data / "base" / str(self._one())
        files = weigh(folder)
        self._cursor.execute(
            "SELECT pg_relation_filenode(c.oid), t.role FROM pg_class c LEFT JOIN airspace.team t"
            " ON t.role = pg_get_userbyid(c.relowner)"
        )
        owners = {int(number): role for number, role in self._cursor.fetchall() if number is not None}
        return total(files, owners, _known_to_nobody(files, owners, folder, sessions), _aside(data), sessions)


def total(
    files: Mapping[int, int],
    owners: Mapping[int, str | None],
    open_by: Mapping[int, str],
    aside: Mapping[int, int],
    sessions: Iterable[Session],
) -> dict[str, int]:
    """Role → bytes: of its tables, of those that only its running transactions know, of what these put aside."""
    found: dict[str, int] = defaultdict(int)
    for number, size in files.items():
        if role := owners.get(number) or open_by.get(number):
            found[role] += size + PER_FILE
    for session in sessions:
        found[session.role] += aside.get(session.pid, 0)
    return dict(found)


def weigh(folder: Path) -> dict[int, int]:
    """File number → bytes on disk, of a database's folder."""
    found: dict[int, int] = defaultdict(int)
    with os.scandir(folder) as entries:
        for entry in entries:
            if named := _RELATION.fullmatch(entry.name):
                with suppress(OSError):
                    found[int(named.group(1))] += entry.stat().st_size
    return found


def _known_to_nobody(
    files: Mapping[int, int], owners: Mapping[int, str | None], folder: Path, sessions: Iterable[Session]
) -> dict[int, str]:
    """What a transaction has made and not committed is in no catalogue: the process that writes it has it open."""
    found: dict[int, str] = {}
    for session in sessions:
        if not session.writes:
            continue
        with suppress(OSError):
            for handle in os.scandir(f"/proc/{session.pid}/fd"):
                with suppress(OSError):
                    path = Path(str(Path(handle.path).readlink()).removesuffix(" (deleted)"))
                    named = _RELATION.fullmatch(path.name) if path.parent.name == folder.name else None
                    if named and int(named.group(1)) in files and int(named.group(1)) not in owners:
                        found[int(named.group(1))] = session.role
    return found


def _aside(data: Path) -> dict[int, int]:
    """Process → bytes of what does not fit its memory."""
    found: dict[int, int] = defaultdict(int)
    with suppress(OSError):
        for path in (data / "base" / "pgsql_tmp").rglob("*"):
            if named := _ASIDE.match(str(path.relative_to(data / "base" / "pgsql_tmp"))):
                with suppress(OSError):
                    found[int(named.group(1))] += path.stat().st_size if path.is_file() else 0
    return found
