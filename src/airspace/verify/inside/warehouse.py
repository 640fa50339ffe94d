"""The warehouse: another team's tables, Airflow's database beside it, and the server below both."""

from __future__ import annotations

import configparser
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from airspace.verify.inside.acts import Refused, Unshown, act
from airspace.verify.inside.facts import ATTACKER, VICTIM, Facts

TABLE, OPEN_TABLE, SHOWN = "verify_private", "verify_open", "verify_shown"
SECONDS = 2
"""That a statement of the attacker's may take, by its team file."""
_MANY = 20
"""Connections: more than a team may have."""


def opened(facts: Facts, database: str | None = None, user: str | None = None) -> Any:
    """As the team's code connects; as the platform's own user, with the password of the platform's role.

    :raises Unshown: there is no warehouse
    """
    import psycopg2

    if facts.role == "platform":
        return psycopg2.connect(_platforms(facts, database))
    from airflow.sdk.bases.hook import BaseHook

    found = BaseHook.get_connection("warehouse")
    link = psycopg2.connect(
        host=found.host,
        port=found.port,
        user=user or found.login,
        password=found.password,
        dbname=database or found.schema,
        connect_timeout=5,
    )
    link.autocommit = True
    return link


def _offer(facts: Facts) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(Path(facts.home, "warehouse.json").read_text())
    except OSError:
        raise Unshown("this platform has no warehouse") from None
    return found


def _platforms(facts: Facts, database: str | None) -> str:
    parser = configparser.RawConfigParser()
    parser.read(Path(facts.home, "airflow", "airflow.cfg"))
    parts = urlsplit(parser.get("database", "sql_alchemy_conn").replace("%%", "%"))
    path = parts.path if database == "airflow" else f"/{quote(database or _offer(facts)['database'])}"
    return urlunsplit(parts._replace(scheme="postgresql", path=path))


def _role(team: str, facts: Facts, link: Any) -> str:
    """What the server calls a team: names begin alike."""
    if facts.role == "platform":
        return str(_offer(facts)["prefix"]) + team
    return str(link.info.user).removesuffix(facts.own) + team


def _do(facts: Facts, statement: str, database: str | None = None) -> Any:
    """One statement, taken back where the platform's own role says it."""
    with closing(opened(facts, database)) as link, link.cursor() as cursor:
        said = statement.format(victim=_role(VICTIM, facts, link), own=_role(ATTACKER, facts, link))
        cursor.execute(said)
        found = cursor.fetchone() if cursor.description else None
        link.rollback()
        return found[0] if found else None


@act("warehouse.metadata")
def metadata(facts: Facts) -> str:
    found = _do(facts, "SELECT count(*) FROM dag", "airflow")
    return f"counted {found} Dags in Airflow's database"


@act("warehouse.other-role")
def other_role(facts: Facts) -> str:
    """With its own password, as the victim; the platform's own role may do as anybody."""
    if facts.role == "platform":
        return str(_do(facts, 'SET ROLE "{victim}"; SELECT current_user'))
    with closing(opened(facts)) as link:
        victims = _role(VICTIM, facts, link)
    with closing(opened(facts, user=victims)):
        return f"connected as {victims}"


@act("warehouse.table-read")
def table_read(facts: Facts) -> str:
    return f"read {_do(facts, f'SELECT count(*) FROM {VICTIM}.{TABLE}')} rows"  # noqa: S608  # our own names


@act("warehouse.table-write")
def table_write(facts: Facts) -> str:
    _do(facts, f"INSERT INTO {VICTIM}.{TABLE} VALUES ('{facts.role}')")  # noqa: S608  # as above
    return "wrote a row"


@act("warehouse.granted")
def granted(facts: Facts) -> str:
    """A table that the victim granted to everybody, as only its own SQL says and not its team file."""
    return f"read {_do(facts, f'SELECT count(*) FROM {VICTIM}.{OPEN_TABLE}')} rows"  # noqa: S608  # as above


@act("warehouse.published-write")
def published_write(facts: Facts) -> str:
    if facts.role == ATTACKER:
        read = _do(facts, f"SELECT count(*) FROM {VICTIM}__published.{SHOWN}")  # noqa: S608  # as above
        if read is None:
            raise Refused("it could not even be read")
        _do(facts, f"INSERT INTO {VICTIM}__published.{SHOWN} VALUES ('x')")  # noqa: S608  # as above
    else:
        _do(facts, f"INSERT INTO {VICTIM}.{SHOWN} VALUES ('x')")  # noqa: S608  # as above
    return "wrote into what is published"


@act("warehouse.set-role")
def set_role(facts: Facts) -> str:
    return f"is {_do(facts, 'SET ROLE {victim}; SELECT current_user')} now"


@act("warehouse.activity")
def activity(facts: Facts) -> str:
    found = _do(facts, "SELECT count(*) FROM pg_stat_activity")
    return f"saw {found} sessions of the server"


@act("warehouse.locks")
def locks(facts: Facts) -> str:
    """One table of locks is the whole server's: whoever fills it stops Airflow."""
    _do(facts, "SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 100) i")
    return "took a hundred locks at will"


@act("warehouse.program")
def program(facts: Facts) -> str:
    _do(facts, "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'")
    return "ran a program as the server's user"


@act("warehouse.file")
def file(facts: Facts) -> str:
    return f"read {len(_do(facts, 'SELECT pg_read_file($$PG_VERSION$$)'))} bytes of the server's files"


@act("warehouse.function")
def function(facts: Facts) -> str:
    """What one team's code computes would run with the rights of whoever reads it."""
    _do(facts, "CREATE FUNCTION {own}_trap() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    return "made a function"


@act("warehouse.limits")
def limits(facts: Facts) -> str:
    _do(facts, "ALTER ROLE {own} CONNECTION LIMIT -1")
    return "raised its own number of connections"


@act("warehouse.connections")
def connections(facts: Facts) -> str:
    held: list[Any] = []
    try:
        for _ in range(_MANY):
            held.append(opened(facts))
    finally:
        _close(held)
    return f"held {_MANY} connections at once"


def _close(links: list[Any]) -> None:
    for link in links:
        link.close()


@act("warehouse.long")
def long(facts: Facts) -> str:
    """A role may set every limit of time for itself: the keeper ends it all the same."""
    with closing(opened(facts)) as link, link.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        began = time.monotonic()
        cursor.execute(f"SELECT pg_sleep({SECONDS + 3})")
    return f"a statement went on for {time.monotonic() - began:.0f} s"


def prepare(facts: Facts) -> None:
    """What the victim has in the warehouse. Where there is none, nothing of this surface is shown."""
    import psycopg2
    from airflow.sdk.exceptions import AirflowException

    try:
        with closing(opened(facts)) as link, link.cursor() as cursor:
            for name in (TABLE, OPEN_TABLE, SHOWN):
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} (a text)")
            cursor.execute(f"GRANT ALL ON {OPEN_TABLE} TO PUBLIC")
            cursor.execute(f"INSERT INTO {TABLE} VALUES (%s)", (facts.secret,))  # noqa: S608  # our own name
    except (AirflowException, psycopg2.Error) as error:
        print(f"no warehouse: {error}")  # noqa: T201  # into the task's log
