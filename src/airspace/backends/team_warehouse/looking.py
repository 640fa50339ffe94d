"""Which tables a team has, and how one of them begins.

The server holds what a team made: a view may run for ever, a cell hold a gigabyte, and a name be whatever PostgreSQL
takes. So all is asked in a transaction that only reads, each statement has its time, cells are cut before they are
sent, and a table is named by quoted names only. Settings of the session are given when it begins, where they go before
those that a role has set for itself; a statement that runs cannot change its own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import errorcodes, errors, sql

from airspace.storage.viewing.opening import MISSING, REFUSED, CannotOpenError
from airspace.storage.viewing.reader import fitting
from airspace.storage.viewing.tables import CELL, COLUMNS, ROWS, shaped

MOST_TABLES = 500
_CONNECT_SECONDS = 2
_SETTINGS = {
    "statement_timeout": "2500",
    "lock_timeout": "700",
    "idle_in_transaction_session_timeout": "5000",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog",
    "standard_conforming_strings": "on",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_BYTEA = 17
_IN_USE = "Somebody is changing it just now. Try again in a moment."
_SLOW = "Its first rows take too long to be read."
_LARGE = "Its cells are too large to be read here."
_NOTES = {
    errorcodes.LOCK_NOT_AVAILABLE: _IN_USE,
    errorcodes.QUERY_CANCELED: _SLOW,
    errorcodes.OUT_OF_MEMORY: _LARGE,
    errorcodes.PROGRAM_LIMIT_EXCEEDED: _LARGE,
}
_COLUMNS = """
SELECT c.relkind::text, c.reltuples::float8, a.attname::text, format_type(a.atttypid, a.atttypmod), a.atttypid::int8,
    count(a.attnum) OVER ()
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %s AND c.relname = %s ORDER BY a.attnum LIMIT %s
"""
_TABLES = """
SELECT c.relname::text, c.relkind::text, c.reltuples::float8
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind::text = ANY(%s) AND NOT c.relispartition ORDER BY c.relname LIMIT %s
"""


def table(question: Mapping[str, Any]) -> dict[str, Any]:
    """How a table begins, as :class:`airspace.storage.viewing.answers.Table`.

    :param question: ``warehouse``: what libpq is told; ``schema`` and ``name``: of the table
    :raises CannotOpenError: there is none, or it is not this team's to read
    """
    try:
        with _reading(question["warehouse"]) as cursor:
            return fitting(_table(cursor, question["schema"], question["name"]))
    except (errors.UndefinedTable, errors.InvalidSchemaName, errors.WrongObjectType, UnicodeError):
        raise CannotOpenError(MISSING) from None
    except errors.InsufficientPrivilege:
        raise CannotOpenError(REFUSED) from None
    except psycopg2.Error as error:
        return {"kind": None, "note": _note(error)}


def tables(question: Mapping[str, Any]) -> dict[str, Any]:
    """What is in the team's schema, as :class:`airspace.storage.viewing.answers.Tables`.

    :param question: ``warehouse``: what libpq is told; ``schema``: the team's own
    """
    try:
        with _reading(question["warehouse"]) as cursor:
            cursor.execute(_TABLES, (question["schema"], list(_KINDS), MOST_TABLES + 1))
            found = cursor.fetchall()
    except psycopg2.Error as error:
        return {"tables": [], "more": False, "note": _note(error)}
    shown = [{"name": name, "kind": _KINDS[kind], "about_rows": _about(rows)} for name, kind, rows in found]
    return {"tables": shown[:MOST_TABLES], "more": len(shown) > MOST_TABLES}


@contextmanager
def _reading(place: Mapping[str, Any]) -> Iterator[Any]:
    """A transaction that only reads, as the team's role."""
    link = psycopg2.connect(
        **place,
        connect_timeout=_CONNECT_SECONDS,
        client_encoding="UTF8",
        gssencmode="disable",
        application_name="airspace viewing",
        options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
    )
    with closing(link), link.cursor() as cursor:
        link.set_session(isolation_level="READ COMMITTED", readonly=True)
        yield cursor


def _table(cursor: Any, schema: str, name: str) -> dict[str, Any]:
    place = sql.Identifier(schema, name)
    # Holds it until the end: nobody can put another one in its place between the two looks at it.
    cursor.execute(sql.SQL("SELECT FROM {} LIMIT 0").format(place))
    cursor.execute(_COLUMNS, (schema, name, COLUMNS))
    found = cursor.fetchall()
    if not found or found[0][0] not in _KINDS:
        raise CannotOpenError(MISSING)
    kind, about, _, _, _, width = found[0]
    columns = [(str(column), str(said), number == _BYTEA) for _, _, column, said, number, _ in found if column]
    rows, note = _rows(cursor, place, columns)
    names, types = [column for column, _, _ in columns], [said for _, said, _ in columns]
    shown = shaped(names, rows[:ROWS], more=len(rows) > ROWS, types=types)
    return {
        **{key: shown[key] for key in ("columns", "rows", "more")},
        "kind": _KINDS[kind],
        "columns_left_out": width - len(columns),
        "about_rows": None if kind == "v" else _about(about),
        "note": note,
    }


def _rows(cursor: Any, place: sql.Identifier, columns: list[tuple[str, str, bool]]) -> tuple[list[list[Any]], str]:
    """Its first rows, or why there are none. Whatever is computed for them runs in the team's own session."""
    cells = sql.SQL(", ").join(_cell(sql.Identifier(name), binary) for name, _, binary in columns)
    try:
        cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT {}").format(cells, place, sql.Literal(ROWS + 1)))
        return [list(row) for row in cursor.fetchall()], ""
    except psycopg2.Error as error:
        return [], _note(error)


def _cell(name: sql.Identifier, binary: bool) -> sql.Composable:
    """A value as text, and of that as much as is shown: the rest never leaves the server."""
    if binary:
        return sql.SQL("'\\x' || encode(substring({} FROM 1 FOR {}), 'hex')").format(name, sql.Literal(CELL // 2))
    return sql.SQL('"left"({}::text, {})').format(name, sql.Literal(CELL + 1))


def _about(rows: float) -> int | None:
    """How many rows the server thinks there are; None where it has never counted."""
    return int(rows) if 0 <= rows < 2**62 else None


def _note(error: psycopg2.Error) -> str:
    """In words for a person. What PostgreSQL says is about what the team made; it names no password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _NOTES.get(error.pgcode or "") or f"The warehouse says: {lines[0]}"[:400]
