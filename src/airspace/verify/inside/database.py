"""Airflow's database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from airspace.verify.inside.acts import Refused, act, first
from airspace.verify.inside.facts import Facts

_QUERY = "SELECT count(*) FROM dag"


@act("database.session")
def session(_facts: Facts) -> str:
    from airflow.utils.session import create_session
    from sqlalchemy import text

    try:
        with create_session() as opened:
            return f"counted {opened.execute(text(_QUERY)).scalar()} Dags in the database"
    except RuntimeError as error:  # Airflow's own refusal
        raise Refused(str(error)) from None


@act("database.engine")
def engine(_facts: Facts) -> str:
    import sqlalchemy

    url = _url()
    if not url:
        raise Refused("Airflow's configuration names no database here")
    made = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with made.connect() as connection:
        return f"counted {connection.execute(sqlalchemy.text(_QUERY)).scalar()} Dags in the database"


@act("database.psycopg2")
def psycopg(facts: Facts) -> str:
    """At the place of its socket, with whatever the configuration, or the platform's own file of it, knows."""
    return first([partial(_count, facts, ""), *(partial(_count, facts, url) for url in _urls(facts))])


def _count(facts: Facts, given: str) -> str:
    import psycopg2
    import sqlalchemy

    url = sqlalchemy.engine.make_url(given) if given else None
    known: dict[str, Any] = {"host": f"{facts.run}/postgres", "user": "airspace", "dbname": "airflow"}
    if url is not None:
        found = {"user": url.username, "password": url.password, "dbname": url.database, "port": url.port}
        known |= {"host": url.query.get("host") or url.host, **{key: value for key, value in found.items() if value}}
    try:
        opened = psycopg2.connect(**known)
    except psycopg2.Error as error:
        raise Refused(str(error)) from None
    cursor = opened.cursor()
    cursor.execute(_QUERY)
    return f"counted {cursor.fetchone()[0]} Dags in the database"


def _urls(facts: Facts) -> Iterator[str]:
    yield _url()
    with suppress(OSError):
        for line in Path(facts.home, "airflow", "airflow.cfg").read_text().splitlines():
            if line.startswith("sql_alchemy_conn "):
                yield line.partition("=")[2].strip().replace("%%", "%")


def _url() -> str:
    from airflow.configuration import conf

    found = str(conf.get("database", "sql_alchemy_conn"))
    return found if found.startswith("postgresql") else ""


@act("database.cli")
def cli(_facts: Facts) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "variables", "list", "--output", "plain"],
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"airflow variables list: {(done.stderr or done.stdout).strip().splitlines()[-1][:160]}")
    return "listed the variables of all teams with Airflow's command line"
