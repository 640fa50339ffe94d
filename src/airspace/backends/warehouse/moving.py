"""Tables that go from one team's schema to another's, by way of a schema of the platform's that nobody may enter.

They are in the one schema, aside, or in the other, each time all of them in one transaction; that the schema aside is
there says which. So whatever cuts this off, repeating it goes on with it, and from the moment in which they are taken
nobody of the old team can make anything that leans on them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from airspace.backends.warehouse import plain, publications
from airspace.backends.warehouse.plain import Problem
from airspace.backends.warehouse.server import Cursor, Server
from airspace.backends.warehouse.watching import Watch, weigh
from airspace.model.errors import InvalidInputError
from airspace.model.warehouse import published, schema

_PAGE = 8192
_INSIST = "3s"
"""For a lock, once who held it was sent away: whoever comes later stands behind us."""
_NAME_BYTES = 40  # of 63, so that there is room for what is added
_IN_USE = (psycopg2.OperationalError, psycopg2.InternalError)


@dataclass(frozen=True)
class Going:
    """Tables on their way.

    :param key: of the transfer
    :param names: as they are in the team's schema; what there is none of is not missed
    """

    key: str
    team: str
    target: str
    names: tuple[str, ...]

    @property
    def aside(self) -> str:
        """Where they are meanwhile. No team can be called so: its words are joined by single underscores."""
        return f"airspace__moving_{self.key}"


@dataclass(frozen=True)
class Look:
    """What is known before.

    :param tables: those that there are; ``bytes``: with their indexes
    :param used_by: teams that hold them in a transaction just now
    :param readers: views of others on what is published of them: they go with that
    """

    problems: tuple[Problem, ...]
    tables: tuple[str, ...]
    bytes: int
    used_by: tuple[str, ...]
    readers: tuple[str, ...]


def look(server: Server, going: Going, data: Path | None) -> Look:
    """What there is of them, and what stands in the way. Touches nothing, and waits for nobody.

    :param data: the server's data folder, where it is at hand
    """
    with server.warehouse() as cursor:
        found = plain.find(cursor, going.team, server.offer.role(going.team), going.names)
        problems = [*plain.kinds(found)]
        oids = [each.oid for each in found if each.kind == "r"]
        problems += plain.objections(cursor, going.team, oids)
        problems += [
            (f"team {going.target} has something called {plain.printable(name)} in the warehouse", "rename one of them")
            for name in sorted({each[1] for each in _clashes(cursor, schema(going.target), *_names(cursor, oids))})
        ]
        used = set(_held(cursor, _readable(cursor, server, going)).values())
        size = _size(cursor, oids, data)
        problems += _room(server, cursor, going, size, data)
        readers = plain.readers(cursor, going.team, going.names)
    return Look(tuple(problems), tuple(each.name for each in found), size, tuple(sorted(used)), tuple(readers))


def take(server: Server, going: Going, *, end: bool) -> list[str]:
    """Take them out of the team's schema: nobody reads or writes them any more. Twice is once.

    :param end: sessions of teams that hold them are ended
    :returns: who holds them, so that they were not taken; nobody: they were
    :raises InvalidInputError: they are not plain; nothing was changed
    """
    attempt = _Attempt(
        lambda cursor: _take(cursor, server, going), lambda cursor: _readable(cursor, server, going), aside=False
    )
    return _once(server, going, attempt, end=end)


def put(server: Server, going: Going, team: str, *, end: bool) -> list[str]:
    """Put what was taken into a team's schema, as its own. Twice is once, and nothing taken is nothing to put.

    What has one of their names there is given another one. Parameters and result: see :func:`take`.

    :param team: the new one, or the old one, which takes them back
    """
    attempt = _Attempt(
        lambda cursor: _put(cursor, server, going, team), lambda cursor: _met(cursor, going, team), aside=True
    )
    return _once(server, going, attempt, end=end)


class _ChangedError(Exception):
    """They are not what they were a moment ago."""


@dataclass(frozen=True)
class _Attempt:
    """
    :param touched: the relations whose locks may be in the way
    :param aside: whether the schema aside has to be there
    """

    act: Callable[[Cursor], None]
    touched: Callable[[Cursor], list[int]]
    aside: bool


def _once(server: Server, going: Going, attempt: _Attempt, *, end: bool) -> list[str]:
    """In one transaction, if the schema aside is there, or is not, as has to be."""
    with server.alone(), server.warehouse() as cursor:
        if _is_aside(cursor, going) != attempt.aside:
            return []
        if end:
            cursor.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(_INSIST)))
            held = list(_held(cursor, attempt.touched(cursor)))
            cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (held,))
        try:
            cursor.execute("BEGIN")
            attempt.act(cursor)
            cursor.execute("COMMIT")
        except (*_IN_USE, psycopg2.ProgrammingError, _ChangedError) as error:
            cursor.execute("ROLLBACK")
            users = set(_held(cursor, attempt.touched(cursor)).values())
            return sorted(users) or [(str(error).splitlines() or [type(error).__name__])[0]]
        except InvalidInputError:
            cursor.execute("ROLLBACK")
            raise
        publications.publish(cursor, {going.team})
    return []


def _is_aside(cursor: Cursor, going: Going) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", (going.aside,))
    return bool(cursor.fetchone()[0])


# --- taking ----------------------------------------------------------------------------------------------------------


def _take(cursor: Cursor, server: Server, going: Going) -> None:
    role = server.offer.role(going.team)
    found = plain.find(cursor, going.team, role, going.names)
    _refuse(plain.kinds(found))
    for each in found:  # first: a reader of the view holds that before it holds the table
        shown = sql.Identifier(published(going.team), each.name)
        # What readers have built on it goes too: it would keep the owner from moving the table.
        cursor.execute(sql.SQL("DROP VIEW IF EXISTS {} CASCADE").format(shown))
    if found:
        tables = sql.SQL(", ").join(sql.Identifier(schema(going.team), each.name) for each in found)
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(tables))
    if plain.find(cursor, going.team, role, going.names) != found:
        raise _ChangedError(f"team {going.team} changes them just now")
    oids = [each.oid for each in found]
    _refuse(plain.objections(cursor, going.team, oids))
    cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(going.aside)))
    _clear_grants(cursor, going.team, oids)
    for each in found:
        table = sql.Identifier(schema(going.team), each.name)
        cursor.execute(sql.SQL("ALTER TABLE {} OWNER TO CURRENT_USER").format(table))
        cursor.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(table, sql.Identifier(going.aside)))


def _refuse(problems: Iterable[Problem]) -> None:
    found = list(problems)
    if found:
        lines = "; ".join(f"{message} ({fix})" for message, fix in found)
        raise InvalidInputError(f"the tables cannot go: {lines}", fix="mend that, then run the command again")


def _clear_grants(cursor: Cursor, team: str, oids: Sequence[int]) -> None:
    """What the old team has let others do with them is not the new one's word; nor what it kept itself from."""
    for kind, name, role in plain.grantees(cursor, oids):
        place = sql.Identifier(schema(team), name)
        who = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        cursor.execute(sql.SQL("REVOKE ALL ON " + kind + " {} FROM {} CASCADE").format(place, who))
    cursor.execute(
        "SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname, pg_get_userbyid(relowner)"
        " FROM pg_class WHERE oid = ANY(%s::oid[]) AND relkind IN ('r', 'S')",
        (list(plain.relations(cursor, oids)),),
    )
    for kind, name, owner in cursor.fetchall():
        place = sql.Identifier(schema(team), name)
        cursor.execute(sql.SQL("GRANT ALL ON " + kind + " {} TO {}").format(place, sql.Identifier(owner)))


# --- putting ---------------------------------------------------------------------------------------------------------


def _put(cursor: Cursor, server: Server, going: Going, team: str) -> None:
    tables = _taken(cursor, going)
    for what, name in _clashes(cursor, schema(team), *_names(cursor, list(tables.values()))):
        kept = name.encode()[:_NAME_BYTES].decode(errors="ignore") + f"_before_{secrets.token_hex(4)}"
        rename = sql.SQL("ALTER " + what + " {} RENAME TO {}")
        cursor.execute(rename.format(sql.Identifier(schema(team), name), sql.Identifier(kept)))
    role = sql.Identifier(server.offer.role(team))
    for name in tables:
        table = sql.Identifier(going.aside, name)
        cursor.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(table, role))
        cursor.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(table, sql.Identifier(schema(team))))
    cursor.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(going.aside)))


def _taken(cursor: Cursor, going: Going) -> dict[str, int]:
    cursor.execute(
        "SELECT c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY 1",
        (going.aside,),
    )
    return dict(cursor.fetchall())


def _names(cursor: Cursor, oids: Sequence[int]) -> tuple[list[str], list[str]]:
    """What the tables and all that goes with them are called: relations, and types."""
    found = plain.relations(cursor, oids)
    cursor.execute(
        "SELECT y.typname FROM pg_type y WHERE y.typrelid = ANY(%(oids)s::oid[]) UNION"
        " SELECT e.typname FROM pg_type y JOIN pg_type e ON e.oid = y.typarray WHERE y.typrelid = ANY(%(oids)s::oid[])",
        {"oids": list(found)},
    )
    return list(found.values()), [row[0] for row in cursor.fetchall()]


def _clashes(cursor: Cursor, place: str, relations: Sequence[str], types: Sequence[str]) -> list[tuple[str, str]]:
    """What is called so in a schema already: what ALTER calls it, and its name. An array goes by what it is of."""
    cursor.execute(
        "SELECT CASE c.relkind WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.relname::text"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %(place)s AND c.relname = ANY(%(relations)s)"
        " UNION SELECT CASE coalesce(c.relkind, 'c') WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,"
        " coalesce(e.typname, y.typname)::text"
        " FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace LEFT JOIN pg_type e ON e.typarray = y.oid"
        " LEFT JOIN pg_class c ON c.oid = coalesce(e.typrelid, y.typrelid)"
        " WHERE n.nspname = %(place)s AND y.typname = ANY(%(types)s) ORDER BY 1, 2",
        {"place": place, "relations": list(relations), "types": list(types)},
    )
    return list(cursor.fetchall())


# --- who uses them, and how large they are ---------------------------------------------------------------------------


def _readable(cursor: Cursor, server: Server, going: Going) -> list[int]:
    """What the old team and its readers may hold."""
    found = plain.find(cursor, going.team, server.offer.role(going.team), going.names)
    return [
        *plain.relations(cursor, [each.oid for each in found]),
        *_called(cursor, published(going.team), going.names),
    ]


def _met(cursor: Cursor, going: Going, team: str) -> list[int]:
    """What has their names in the schema that they come to."""
    relations, types = _names(cursor, list(_taken(cursor, going).values()))
    return _called(cursor, schema(team), [name for _, name in _clashes(cursor, schema(team), relations, types)])


def _called(cursor: Cursor, place: str, names: Sequence[str]) -> list[int]:
    cursor.execute(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY(%s)",
        (place, list(names)),
    )
    return [row[0] for row in cursor.fetchall()]


def _held(cursor: Cursor, oids: Sequence[int]) -> dict[int, str]:
    """Sessions of teams that have locks on these, or stand in line for one: process → team."""
    cursor.execute(
        "SELECT DISTINCT l.pid, t.team FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " JOIN airspace.team t ON t.role = a.usename WHERE l.relation = ANY(%s::oid[])"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (list(oids),),
    )
    return dict(cursor.fetchall())


def _size(cursor: Cursor, oids: Sequence[int], data: Path | None) -> int:
    """Bytes of tables with their indexes; from the server's files where they are at hand, as nobody can lock these."""
    cursor.execute(
        "SELECT pg_relation_filenode(c.oid), c.relpages::bigint, (SELECT oid FROM pg_database WHERE datname ="
        " current_database()) FROM pg_class c WHERE c.oid = ANY(%s::oid[])",
        (list(plain.relations(cursor, oids)),),
    )
    rows = cursor.fetchall()
    if data is None or not rows:
        return sum(int(pages) for _, pages, _ in rows) * _PAGE
    files = weigh(data / "base" / str(rows[0][2]))
    return sum(files.get(number, 0) for number, _, _ in rows)


def _room(server: Server, cursor: Cursor, going: Going, size: int, data: Path | None) -> list[Problem]:
    cursor.execute("SELECT role, size FROM airspace.team WHERE team = %s", (going.target,))
    row = cursor.fetchone()
    if row is None:
        return []
    watch = Watch(server)
    try:
        used = watch.sizes(data, ()).get(row[0], 0)
    finally:
        watch.close()
    if used + size <= row[1]:
        return []
    left = max(0, row[1] - used) >> 20
    message = f"the tables take {-(-size >> 20)} MB, and team {going.target} has {left} MB left in the warehouse"
    return [(message, f"raise warehouse: {{size: ...}} in the file of {going.target}, and apply")]
