"""Airflow's database."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from airspace.verify.inside.acts import Refused, act
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

    made = sqlalchemy.create_engine(_url(), poolclass=sqlalchemy.pool.NullPool)
    with made.connect() as connection:
        return f"counted {connection.execute(sqlalchemy.text(_QUERY)).scalar()} Dags in the database"


@act("database.psycopg2")
def psycopg(facts: Facts) -> str:
    """At the place of the socket, with whatever the configuration knows beside it."""
    import psycopg2
    import sqlalchemy

    url = sqlalchemy.engine.make_url(_url())
    known: dict[str, Any] = {"user": url.username, "password": url.password, "dbname": url.database}
    known = {key: value for key, value in known.items() if value}
    host = url.query.get("host") or url.host or f"{facts.run}/postgres"
    with psycopg2.connect(**{"user": "airspace", "dbname": "airflow", **known, "host": host}) as opened:
        cursor = opened.cursor()
        cursor.execute(_QUERY)
        return f"counted {cursor.fetchone()[0]} Dags in the database"


def _url() -> str:
    from airflow.configuration import conf

    return str(conf.get("database", "sql_alchemy_conn"))


@act("database.cli")
def cli(_facts: Facts) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "variables", "list", "--output", "plain"],
        capture_output=True, text=True, check=False, timeout=35,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"airflow variables list: {(done.stderr or done.stdout).strip().splitlines()[-1][:160]}")
    return "listed the variables of all teams with Airflow's command line"
