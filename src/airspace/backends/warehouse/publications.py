"""What teams publish: views of the platform's own over their tables, in a schema that only consumers may enter.

A team owns its tables, so it could grant them to anybody; that is worth nothing without the right to enter the schema,
which only the platform gives. Consumers enter another schema, where there is nothing but these views. They run no code
of the owner's: only tables are published, with columns of PostgreSQL's own types, past row-level security.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from airspace.backends.warehouse.server import Cursor
from airspace.model.warehouse import published, schema

log = logging.getLogger("airspace.warehouse")

IN_USE, CHANGING = "it is in use; it follows by itself", "it is being changed; it follows by itself"
_TABLES = ("r", "p", "m")  # tables, partitioned ones, materialised views: what a read of them does is only reading
_FACTS = """
WITH place (team, own, shown) AS (VALUES %s)
SELECT p.team, p.name, p.consumers, p.seen, p.why, t.role, c.oid, coalesce(c.relkind, ' '),
    coalesce(pg_get_userbyid(c.relowner) = t.role, false),
    array(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
    (SELECT coalesce(md5(string_agg(format('%%s %%s %%s', a.attname, a.atttypid, a.atttypmod), ','
     ORDER BY a.attnum)), '')
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = c.oid
            AND a.attnum > 0 AND NOT a.attisdropped AND y.typnamespace <> 'pg_catalog'::regnamespace),
    v.oid, array(SELECT pg_get_userbyid(x.grantee)::text FROM aclexplode(v.relacl) x
                 WHERE x.grantee <> v.relowner ORDER BY 1)
FROM airspace.publication p JOIN airspace.team t USING (team) JOIN place USING (team)
LEFT JOIN pg_namespace n ON n.nspname = place.own
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
LEFT JOIN pg_namespace m ON m.nspname = place.shown
LEFT JOIN pg_class v ON v.relnamespace = m.oid AND v.relname = p.name
ORDER BY p.team, p.name
"""


@dataclass(frozen=True)
class _Published:
    """One table that a file names, with what is there of it."""

    team: str
    name: str
    wanted: list[str]
    seen: str
    why: str | None
    role: str
    table: int | None
    kind: str
    own: bool
    columns: list[str]
    shape: str
    strange: bool
    view: int | None
    granted: list[str]

    @property
    def now(self) -> str:
        """Changes with the table and with its columns."""
        return f"{self.table} {self.shape}"

    @property
    def stands(self) -> bool:
        """Whether the view is as it has to be: of this very table, or none of one that cannot be read."""
        return self.view is None if self.objection else self.view is not None and self.seen == self.now

    @property
    def objection(self) -> str | None:
        """Why it cannot be read by others."""
        if self.table is None:
            return "there is no such table yet"
        if self.kind not in _TABLES or not self.own:
            return "it is no table of the team's: of a view, write a table or a materialized view"
        if self.strange:
            return "it has columns of a type that the team made itself: use PostgreSQL's own types"
        return None


def publish(cursor: Cursor, only: Collection[str] | None = None) -> dict[str, str]:
    """Make it so, team by team; what is in use just now is done the next time.

    :param only: these teams; None: all
    :returns: ``team.table`` → why others cannot read it
    """
    cursor.execute("SELECT team, role FROM airspace.team")
    roles = dict(cursor.fetchall())
    by_team: dict[str, list[_Published]] = defaultdict(list)
    for each in _facts(cursor, roles):
        if only is None or each.team in only:
            by_team[each.team].append(each)
    entered = _entered(cursor)
    unpublished: dict[str, str] = {}
    for team, found in by_team.items():
        consumers = {table.name: [roles[each] for each in sorted(table.wanted) if each in roles] for table in found}
        _let_in(cursor, team, entered.get(published(team)), {roles[team]}.union(*consumers.values()))
        held = False
        for table in found:
            # Who holds one of its tables holds up its others, and nobody else's.
            why = IN_USE if held else _settle(cursor, table, consumers[table.name])
            held = why == IN_USE
            if why is not None:
                unpublished[f"{team}.{table.name}"] = why
    return unpublished


def changed(cursor: Cursor) -> set[str]:
    """The teams of which something that is published is not as it was when it was published."""
    cursor.execute("SELECT team, role FROM airspace.team WHERE team IN (SELECT team FROM airspace.publication)")
    return {each.team for each in _facts(cursor, dict(cursor.fetchall())) if each.wanted and not each.stands}


def _facts(cursor: Cursor, teams: Iterable[str]) -> list[_Published]:
    places = [(team, schema(team), published(team)) for team in teams]
    if not places:
        return []
    rows = execute_values(cursor, _FACTS, places, fetch=True, page_size=len(places))
    return [_Published(*row) for row in rows]


def _entered(cursor: Cursor) -> dict[str, set[str]]:
    """Schema → the roles that may enter it."""
    cursor.execute(
        "SELECT nspname, array(SELECT pg_get_userbyid(x.grantee)::text FROM aclexplode(nspacl) x"
        " WHERE x.grantee <> nspowner) FROM pg_namespace WHERE nspname ~ '__published$'"
    )
    return {name: set(held) for name, held in cursor.fetchall()}


def _let_in(cursor: Cursor, team: str, held: set[str] | None, wanted: set[str]) -> None:
    """Who may enter the schema. Revoking waits for nobody."""
    place = sql.Identifier(published(team))
    if held is None:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(place))
    for role in (held or set()) - wanted:
        cursor.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(place, sql.Identifier(role)))
    for role in wanted - (held or set()):
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(place, sql.Identifier(role)))


def _settle(cursor: Cursor, table: _Published, consumers: list[str]) -> str | None:
    """One table. :returns: why it cannot be read"""
    why = table.objection
    if consumers and table.stands and why == table.why and set(table.granted) == (set(consumers) if not why else set()):
        return why
    view = sql.Identifier(published(table.team), table.name)
    for role in set(table.granted) - set(consumers):
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(view, sql.Identifier(role)))
    try:
        cursor.execute("BEGIN")
        if not consumers or why is not None:
            cursor.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        else:
            _show(cursor, table, view, consumers)
        _note(cursor, table, why, gone=not consumers)
        cursor.execute("COMMIT")
    except (psycopg2.OperationalError, psycopg2.InternalError) as error:  # somebody holds it, and may do so for a while
        cursor.execute("ROLLBACK")
        log.info("%s.%s could not be published now: %s", table.team, table.name, str(error).splitlines()[0])
        return IN_USE
    except (psycopg2.ProgrammingError, _ChangedError) as error:
        cursor.execute("ROLLBACK")
        log.info("%s.%s changes just now: %s", table.team, table.name, str(error).splitlines()[0])
        return CHANGING
    return why if consumers else None


class _ChangedError(Exception):
    """It is another table than a moment ago."""


def _show(cursor: Cursor, table: _Published, view: sql.Identifier, consumers: list[str]) -> None:
    granted = set(table.granted)
    if not table.stands:
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        own = sql.Identifier(schema(table.team), table.name)
        cursor.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        cursor.execute(sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(view, columns, own))
        # Its owner may have put another thing in its place since it was looked at. Now the view holds it as it is.
        (now,) = [each for each in _facts(cursor, [table.team]) if each.name == table.name]
        if now.objection is not None or now.now != table.now:
            raise _ChangedError("it is another one now")
        granted = set()
    for role in set(consumers) - granted:
        cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(role)))


def _note(cursor: Cursor, table: _Published, why: str | None, *, gone: bool) -> None:
    mine = {"team": table.team, "name": table.name, "seen": table.now if why is None else "", "why": why}
    what = (
        "DELETE FROM airspace.publication" if gone else "UPDATE airspace.publication SET seen = %(seen)s, why = %(why)s"
    )
    cursor.execute(f"{what} WHERE team = %(team)s AND name = %(name)s", mine)
