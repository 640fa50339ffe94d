"""Whether tables may go to another team: what hangs on them, what they hang on, and what would act in its hands.

Whoever writes into a table runs its rules, triggers, policies, defaults, checks and the expressions of its indexes with
their own rights. The team that made them is another one from then on. So only plain tables go: everything that belongs
to one is of a kind that only holds data, is written with functions that only calculate, leans on nothing that stays,
and nothing that stays leans on it. PostgreSQL's own record of who needs whom says so, whatever things are called.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from airspace.backends.warehouse.server import Cursor
from airspace.model.warehouse import published, schema

Problem = tuple[str, str]
"""What is wrong, and how to mend it."""

MOST_TOLD = 10
MOST_RELATIONS, LONGEST, MOST_CALLS = 1000, 100_000, 1000
"""Tables, indexes and sequences that go at once: each takes a lock, and the server has one table of them for all.
Characters of an expression as it is kept, and calls of all of them: the platform's own processes look at them."""

_PARTS = sql.SQL("""
WITH RECURSIVE part (classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, unnest(%(tables)s::oid[])
  UNION
    SELECT d.classid, d.objid FROM pg_depend d JOIN part p ON d.refclassid = p.classid AND d.refobjid = p.objid
    WHERE d.deptype IN ('a', 'i', 'P', 'S')
)""")
_FOUND = """
SELECT c.relname, c.oid, c.relkind::text, pg_get_userbyid(c.relowner) = %(role)s,
    c.relrowsecurity OR c.relforcerowsecurity, c.reloftype <> 0 OR c.relpersistence = 't',
    EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(place)s AND c.relname = ANY(%(names)s) ORDER BY c.relname
"""
_STRANGE = sql.SQL("""{}
SELECT coalesce(pg_describe_object(p.classid, p.objid, 0), 'something') FROM part p
LEFT JOIN pg_class c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid
LEFT JOIN pg_trigger g ON p.classid = 'pg_trigger'::regclass AND g.oid = p.objid
WHERE NOT (coalesce(c.relkind IN ('i', 'S', 't') OR c.oid = ANY(%(tables)s::oid[]), false)
    OR coalesce(g.tgisinternal, false)
    OR p.classid IN ('pg_attrdef'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass))
ORDER BY 1 LIMIT %(most)s
""").format(_PARTS)
_LEANING = sql.SQL("""{}
SELECT DISTINCT coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), 'something')
FROM part p JOIN pg_depend d ON d.refclassid = p.classid AND d.refobjid = p.objid
WHERE NOT EXISTS (SELECT FROM part q WHERE q.classid = d.classid AND q.objid = d.objid)
    AND NOT EXISTS (SELECT FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
        JOIN pg_namespace n ON n.oid = v.relnamespace
        WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND n.nspname = %(shown)s)
ORDER BY 1 LIMIT %(most)s
""").format(_PARTS)
_NEEDED = sql.SQL("""{}
SELECT DISTINCT coalesce(pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid), 'something')
FROM part p JOIN pg_depend d ON d.classid = p.classid AND d.objid = p.objid
WHERE d.refclassid <> 'pg_namespace'::regclass
    AND NOT EXISTS (SELECT FROM part q WHERE q.classid = d.refclassid AND q.objid = d.refobjid)
    AND (pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid)).schema IS DISTINCT FROM 'pg_catalog'
ORDER BY 1 LIMIT %(most)s
""").format(_PARTS)
# What an expression calls is not recorded where it is PostgreSQL's own: it is in the expression as it is kept.
_WRITTEN = sql.SQL("""{}, written (what, tree, said) AS (
    SELECT format('the default of column %%s', a.attname), d.adbin::text, pg_get_expr(d.adbin, d.adrelid)
    FROM part p JOIN pg_attrdef d ON p.classid = 'pg_attrdef'::regclass AND d.oid = p.objid
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL
    SELECT format('the constraint %%s', k.conname), k.conbin::text, pg_get_expr(k.conbin, k.conrelid)
    FROM part p JOIN pg_constraint k ON p.classid = 'pg_constraint'::regclass AND k.oid = p.objid
    WHERE k.conbin IS NOT NULL
  UNION ALL
    SELECT format('the index %%s', c.relname), concat(i.indexprs::text, i.indpred::text), ''
    FROM part p JOIN pg_index i ON p.classid = 'pg_class'::regclass AND i.indexrelid = p.objid
    JOIN pg_class c ON c.oid = p.objid
)""").format(_PARTS)
_LONG = sql.SQL("""{}
SELECT what FROM written WHERE length(tree) > %(long)s ORDER BY 1 LIMIT %(most)s
""").format(_WRITTEN)
_CALLS = sql.SQL("""{}
SELECT DISTINCT w.what, left(w.said, 200), f.proname, f.provolatile::text FROM written w
CROSS JOIN LATERAL regexp_matches(w.tree, %(pattern)s, 'g') AS m
LEFT JOIN pg_operator o ON m[1] = 'opno' AND o.oid = m[2]::oid
JOIN pg_proc f ON f.oid = CASE m[1] WHEN 'opno' THEN o.oprcode::oid ELSE m[2]::oid END
WHERE f.provolatile <> 'i' ORDER BY 1, 3 LIMIT %(calls)s
""").format(_WRITTEN)
_PATTERN = ":(opno|[a-z]*(?:funcid|fnoid)) ([0-9]+)"
# Of two expressions that every server has: that it keeps them in the form that the pattern is about.
_KNOWN = """
SELECT EXISTS (
    SELECT FROM pg_rewrite r CROSS JOIN LATERAL regexp_matches(r.ev_action::text, %(pattern)s, 'g') AS m
    WHERE r.ev_class = 'pg_locks'::regclass AND m[2]::oid = 'pg_lock_status'::regproc
) AND EXISTS (
    SELECT FROM pg_constraint k CROSS JOIN LATERAL regexp_matches(k.conbin::text, %(pattern)s, 'g') AS m
    JOIN pg_operator o ON m[1] = 'opno' AND o.oid = m[2]::oid
    WHERE k.contypid = 'information_schema.cardinal_number'::regtype AND o.oprname = '>='
)
"""
# Functions that depend on the clock, on chance or on a setting, and read no table: the others that PostgreSQL calls
# stable or volatile may run a statement (query_to_xml) or read a table by its name (table_to_xml).
_MOMENT = "(?:date|time|timetz|timestamp|timestamptz|interval)"
_CALCULATES = re.compile(
    "now|(?:transaction|statement|clock)_timestamp|timeofday|random|gen_random_uuid|uuidv[47]"
    f"|{_MOMENT}|to_(?:char|date|timestamp|json|jsonb)|date_(?:part|trunc|bin)|extract|age|timezone|make_timestamptz"
    "|concat|concat_ws|format|array_to_string"
    f"|{_MOMENT}_(?:eq|ne|lt|le|gt|ge|cmp|pl|mi)_{_MOMENT}"
)
_OWN_SEQUENCE = re.compile(r"nextval\('(?:[^']|'')+'::regclass\)(?:::\w+)?")
_KINDS = {"v": "a view", "m": "a materialized view", "p": "partitioned", "f": "a foreign table"}


@dataclass(frozen=True)
class Found:
    """One thing of a name that goes, as it lies in a team's schema.

    :param own: the team owns it
    :param guarded: by policies; typed: of a composite type, or temporary; related: by inheritance
    """

    name: str
    oid: int
    kind: str
    own: bool
    guarded: bool
    typed: bool
    related: bool


def find(cursor: Cursor, team: str, role: str, names: Sequence[str]) -> list[Found]:
    """What there is of these names in a team's schema."""
    cursor.execute(_FOUND, {"role": role, "place": schema(team), "names": list(names)})
    return [Found(*row) for row in cursor.fetchall()]


def kinds(found: Collection[Found]) -> Iterator[Problem]:
    """Things that are no plain tables by themselves."""
    for each in found:
        if each.kind != "r":
            what = _KINDS.get(each.kind, "no table")
            yield f"{each.name} of the warehouse is {what}: it cannot go", "write its rows into a plain table"
        elif not each.own or each.typed:
            yield f"the table {each.name} is no plain one of the team's", "make it anew with CREATE TABLE"
        elif each.related:
            yield f"the table {each.name} inherits, or is inherited from", "write the rows into a plain table"
        elif each.guarded:
            fix = f"ALTER TABLE {each.name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
            yield f"the table {each.name} has row-level security", fix


def objections(cursor: Cursor, team: str, tables: Sequence[int]) -> Iterator[Problem]:
    """Why these tables together are not plain: what is part of them, what leans on them, what they lean on."""
    if not tables:
        return
    many = len(relations(cursor, tables))
    if many > MOST_RELATIONS:
        yield f"{many} tables, indexes and sequences would go", f"drop some: {MOST_RELATIONS} go at once"
        return
    asked = {"tables": list(tables), "shown": published(team), "most": MOST_TOLD}
    for said in _told(cursor, _STRANGE, asked):
        yield f"with the tables would go {said}, which acts on its own", "drop it: the new team makes it anew"
    for said in _told(cursor, _LEANING, asked):
        yield f"{said} depends on a table that goes", f"drop it, or let it go too; it would be in team {team}'s hands"
    for said in _told(cursor, _NEEDED, asked):
        yield f"a table that goes depends on {said}, which stays", "drop what binds them, or let both go"
    yield from _expressions(cursor, asked)


def _expressions(cursor: Cursor, asked: Mapping[str, object]) -> Iterator[Problem]:
    too_long = _told(cursor, _LONG, {**asked, "long": LONGEST})
    if too_long:
        yield from ((f"{what} is too long to be looked through", "drop it") for what in too_long)
        return
    cursor.execute(_KNOWN, {"pattern": _PATTERN})
    if not cursor.fetchone()[0]:
        yield "this server keeps expressions in a form that is not known here", "move the rows, not the tables"
        return
    cursor.execute(_CALLS, {**asked, "calls": MOST_CALLS, "pattern": _PATTERN})
    found = cursor.fetchall()
    if len(found) == MOST_CALLS:
        yield "defaults and checks of the tables call too much to be looked through", "drop some of them"
    acting = [(what, name) for what, said, name, volatility in found if acts(said, name, volatility)]
    for what, name in acting[:MOST_TOLD]:
        yield f"{printable(what)} calls {name}", "drop it: whoever writes there would run it with their rights"


def _told(cursor: Cursor, query: sql.Composed, asked: Mapping[str, object]) -> list[str]:
    cursor.execute(query, asked)
    return [printable(row[0]).removeprefix("rule _RETURN on ") for row in cursor.fetchall()]


def acts(said: str, name: str, volatility: str) -> bool:
    """Whether an expression that calls one of PostgreSQL's functions may do more than calculate.

    :param said: the whole expression, as PostgreSQL tells it
    :param volatility: ``i`` for functions of their arguments and of nothing else
    """
    if volatility == "i" or _CALCULATES.fullmatch(name):
        return False
    return not (name == "nextval" and _OWN_SEQUENCE.fullmatch(said))


def printable(text: str) -> str:
    """A name of a team's choosing, as a line of a message."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"


def relations(cursor: Cursor, tables: Sequence[int]) -> dict[int, str]:
    """Number → name of the tables, their indexes, their sequences and what holds their large values."""
    cursor.execute(
        sql.SQL(
            "{} SELECT c.oid, c.relname FROM part p"
            " JOIN pg_class c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid"
        ).format(_PARTS),
        {"tables": list(tables)},
    )
    return dict(cursor.fetchall())


def grantees(cursor: Cursor, tables: Sequence[int]) -> list[tuple[str, str, str | None]]:
    """What was granted of them: table or sequence, its name, and to whom; None for everybody."""
    cursor.execute(
        sql.SQL(
            "{} SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname,"
            " CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee) END"
            " FROM part p JOIN pg_class c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid"
            " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL"
            " CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) x"
            " WHERE x.grantee <> c.relowner"
        ).format(_PARTS),
        {"tables": list(tables)},
    )
    return list(cursor.fetchall())


def readers(cursor: Cursor, team: str, names: Sequence[str]) -> list[str]:
    """Views, or rules of tables, that others have built on what a team publishes under these names."""
    cursor.execute(
        "SELECT DISTINCT r.ev_class::regclass::text FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace"
        " JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid"
        " JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class <> v.oid"
        " WHERE n.nspname = %s AND v.relname = ANY(%s) ORDER BY 1 LIMIT %s",
        (published(team), list(names), MOST_TOLD),
    )
    return [printable(row[0]) for row in cursor.fetchall()]
