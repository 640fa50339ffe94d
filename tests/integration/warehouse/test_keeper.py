"""What takes too long or too much is ended, whatever a team has set for itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import pytest

from airspace.model.warehouse import Bounds
from airspace.platform.keeper import Keeper, Pace
from tests.integration.warehouse.conftest import House, until

pytestmark = pytest.mark.integration
MB = 1 << 20
PACE = Pace(0.05, 0.2, 60, 0.2)


@contextmanager
def keeping(house: House, clock: Any = time.monotonic) -> Iterator[Keeper]:
    """A keeper that looks every twentieth of a second."""
    keeper = Keeper(house.server, house.cluster.data, PACE, clock)
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join(10)
        keeper.close()


def test_a_long_statement_is_ended(house: House) -> None:
    house.settle(ds=Bounds(seconds=1))
    with keeping(house):
        began = time.monotonic()
        why = house.refused("ds", "SET statement_timeout = 0; SELECT pg_sleep(20)")
        assert "terminating connection" in why or "closed the connection" in why
        assert time.monotonic() - began < 15
        assert house.ask("da", "SELECT pg_sleep(1.5)") == [("",)]
        assert house.ask("ds", "SELECT 1") == [(1,)]
    house.settle()


def test_a_long_transaction_of_short_statements_is_ended(house: House) -> None:
    house.settle(ds=Bounds(seconds=1))
    link = house.connect("ds")
    with keeping(house), link.cursor() as cursor:
        cursor.execute("BEGIN")
        until = time.monotonic() + 30
        while _goes_on(cursor, "SELECT pg_sleep(0.1)"):
            assert time.monotonic() < until
    house.settle()


def test_who_takes_all_locks_is_ended(house: House) -> None:
    link = house.connect("ds")
    with keeping(house), link.cursor() as cursor:
        cursor.execute("BEGIN")
        tables = (
            ";".join(f"CREATE TABLE l{start + each} (a int)" for each in range(100)) for start in range(0, 20_000, 100)
        )
        assert not all(_goes_on(cursor, statements) for statements in tables)
    assert house.ask("ds", "SELECT count(*) FROM pg_class WHERE relname ~ '^l[0-9]+$'") == [(0,)]


def test_a_team_that_is_too_large_can_be_emptied_and_not_grow_on(house: House) -> None:
    """Also before it commits, where no catalogue knows of it yet, and though it says that it wants to write."""
    house.settle(ds=Bounds(size=16 * MB))
    fill = "CREATE TABLE big AS SELECT repeat(md5(i::text), 30) AS a FROM generate_series(1, 40000) i"
    with keeping(house):
        link = house.connect("ds")
        with link.cursor() as cursor:
            cursor.execute("BEGIN; SET TRANSACTION READ WRITE")
            until(lambda: not _goes_on(cursor, f"{fill}; SELECT pg_sleep(3); DROP TABLE big"))
        until(lambda: not _read_only(house))
    house.ask("ds", fill.replace("40000", "30000"))
    with keeping(house):  # little enough for nobody to be shut out: it is kept, and nothing is added to it
        until(lambda: _read_only(house))
        assert "read-only transaction" in house.refused("ds", "INSERT INTO big VALUES ('x')")
        assert house.ask("ds", "SELECT count(*) FROM big") == [(30000,)]
        house.ask("ds", "BEGIN READ WRITE; TRUNCATE big; COMMIT")
        until(lambda: not _read_only(house))
        house.ask("ds", "DROP TABLE big")
        assert house.ask("da", "SHOW default_transaction_read_only") == [("off",)]
    house.settle()


def test_a_team_may_write_again_soon_after_its_last_session_was_ended(house: House) -> None:
    """And not only at the next look at an empty house."""
    house.settle(ds=Bounds(size=MB))
    now = [0.0]
    keeper = Keeper(house.server, house.cluster.data, PACE, lambda: now[0])
    link = house.connect("ds")
    with link.cursor() as cursor:
        cursor.execute("BEGIN; CREATE TABLE big AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 4000) i")
        keeper.look()
        until(lambda: not _goes_on(cursor, "SELECT 1"))
    assert _read_only(house)
    until(lambda: house.sessions("ds") == 0)
    now[0] += PACE.weigh
    keeper.look()
    keeper.close()
    assert not _read_only(house)
    house.settle()


def test_who_grows_on_is_shut_out_for_a_while(house: House) -> None:
    house.settle(ds=Bounds(size=MB))
    ahead = [0.0]
    with keeping(house, lambda: time.monotonic() + ahead[0]):
        house.ask("ds", "CREATE TABLE big (a text)")
        more = "INSERT INTO big SELECT repeat(md5(i::text), 30) FROM generate_series(1, 8000) i; SELECT pg_sleep(0.1)"
        until(lambda: not _works(house, "ds", f"BEGIN READ WRITE; {more}; COMMIT") and _shut_out(house))
        assert house.ask("da", "SELECT 1") == [(1,)]
        ahead[0] = 61.0
        until(lambda: not _shut_out(house))
        house.ask("ds", "BEGIN READ WRITE; DROP TABLE big; COMMIT")
        until(lambda: not _read_only(house))
    house.settle()


def test_what_was_made_anew_is_published_again(house: House) -> None:
    house.ask("ds", "CREATE TABLE churn (a int); INSERT INTO churn VALUES (1)")
    house.settle({"ds": {"churn": {"da"}, "later": {"da"}}})
    with keeping(house):
        house.ask("ds", "DROP TABLE churn CASCADE; CREATE TABLE churn (a int, b int); CREATE TABLE later (a int)")
        for table in ("churn", "later"):
            until(lambda table=table: _works(house, "da", f"TABLE ds__published.{table}"))  # type: ignore[misc]
        assert "permission denied" in house.refused("de", "SELECT * FROM ds__published.churn")
    house.settle()


def test_tables_and_roles_that_are_held_hold_up_nobody_else(house: House) -> None:
    """While one team holds everything of its own that the keeper wants, another's long statement ends in time."""
    tables = [f"held{number}" for number in range(20)]
    house.ask("da", ";".join(f"CREATE TABLE {table} (a int)" for table in tables))
    house.settle({"da": {table: {"de"} for table in tables}}, ds=Bounds(seconds=1), da=Bounds(size=MB))
    link = house.connect("da")
    with link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(";".join(f"DROP TABLE {table} CASCADE; CREATE TABLE {table} (b int)" for table in tables[:10]))
        cursor.execute(f'ALTER ROLE "{house.server.offer.role("da")}" SET default_transaction_read_only = off')
    with keeping(house):
        began = time.monotonic()
        house.refused("ds", "SELECT pg_sleep(20)")
        assert time.monotonic() - began < 15
    link.close()
    house.settle()


def test_a_keeper_that_was_killed_is_followed_by_one_that_lets_in_again(house: House) -> None:
    with house.server.warehouse() as cursor:
        cursor.execute(f'ALTER ROLE "{house.server.offer.role("ds")}" NOLOGIN')
        cursor.execute("UPDATE airspace.team SET closed = true WHERE team = 'ds'")
    with keeping(house):
        until(lambda: _works(house, "ds", "SELECT 1"))


def test_teams_step_back_behind_airflow(house: House) -> None:
    link = house.connect("ds")
    with keeping(house):
        until(lambda: os.getpriority(os.PRIO_PROCESS, link.info.backend_pid) == 10)


def test_a_statement_that_wants_too_much_memory_fails_alone(house: House) -> None:
    """Not the server, whose end would be that of everybody's connections."""
    bystander = house.connect("da")
    why = house.refused("ds", "SELECT length(string_agg(repeat(i::text, 200), '')) FROM generate_series(1, 900000) i")
    assert "memory" in why or "too large" in why or "exceeds" in why, why
    with bystander.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def _read_only(house: House) -> bool:
    return bool(house.ask("ds", "SHOW default_transaction_read_only") == [("on",)])


def _shut_out(house: House) -> bool:
    return not _works(house, "ds", "SELECT pg_sleep(0.3)")


def _goes_on(cursor: Any, statement: str) -> bool:
    try:
        cursor.execute(statement)
    except psycopg2.Error:
        return False
    return True


def _works(house: House, team: str, statement: str) -> bool:
    with suppress(psycopg2.Error):
        house.ask(team, statement)
        return True
    return False
