"""What one team can do with another's tables, with Airflow's database and with the server: what its file says."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from airspace.backends.postgres import Cluster
from airspace.backends.warehouse import Server, drop_team, settle
from airspace.model.warehouse import Bounds, Offer
from airspace.teams.warehouse import TeamWarehouse
from tests.conftest import PASSWORD
from tests.integration.warehouse.conftest import House

pytestmark = pytest.mark.integration


def test_a_team_works_in_its_own_schema(house: House) -> None:
    house.ask("ds", "CREATE TABLE scores (user_id int PRIMARY KEY, score float); INSERT INTO scores VALUES (1, 0.5)")
    assert house.ask("ds", "SELECT * FROM ds.scores") == [(1, 0.5)]
    assert house.ask("ds", "CREATE TEMP TABLE t AS SELECT 1 AS one; SELECT * FROM t") == [(1,)]
    assert house.ask("ds", "CREATE VIEW v AS SELECT score FROM scores; SELECT * FROM v") == [(0.5,)]
    assert house.ask("ds", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ds' ORDER BY 1") == [
        ("scores",),
        ("v",),
    ]


def test_settling_again_changes_nothing_and_heals(house: House) -> None:
    assert house.settle().made == ()
    role = house.server.offer.role("ds")
    with house.server.warehouse() as cursor:
        cursor.execute(f'ALTER SCHEMA ds OWNER TO "{role}"; REVOKE CREATE ON SCHEMA ds FROM "{role}"')
        cursor.execute(f'GRANT USAGE ON SCHEMA ds TO PUBLIC; ALTER ROLE "{role}" CREATEDB CONNECTION LIMIT -1')
    house.ask("ds", f"ALTER ROLE \"{role}\" PASSWORD 'another'")
    house.settle()
    house.ask("ds", "CREATE TABLE again (a int)")
    assert "permission denied" in house.refused("da", "SELECT * FROM ds.again")
    assert "permission denied" in house.refused("ds", "CREATE DATABASE more")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM ds.secret",
        "INSERT INTO ds.secret VALUES (1)",
        "CREATE TABLE ds.mine (a int)",
        "DROP TABLE ds.secret",
        "DROP SCHEMA ds CASCADE",
        "CREATE TABLE public.t (a int)",
        "CREATE SCHEMA another",
        "SELECT * FROM airspace.team",
        "SET ROLE \"{ds}\"",
        "SET SESSION AUTHORIZATION \"{ds}\"",
        "GRANT \"{ds}\" TO \"{da}\"",
        "ALTER ROLE \"{da}\" CONNECTION LIMIT -1",
        "ALTER ROLE \"{da}\" CREATEROLE",
        "ALTER ROLE \"{ds}\" PASSWORD 'x'",
        "SET temp_file_limit = -1",
        "ALTER ROLE \"{da}\" SET temp_file_limit = -1",
        "ALTER ROLE \"{da}\" IN DATABASE \"{db}\" RESET temp_file_limit",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SET session_replication_role = replica",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "CREATE TABLE f (a text); COPY f FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('PG_VERSION')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT * FROM pg_database",
        "SELECT * FROM pg_roles",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_stat_get_activity(NULL)",
        "SELECT * FROM pg_stat_user_tables",
        "SELECT * FROM pg_locks",
        "SELECT * FROM pg_db_role_setting",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT pg_advisory_lock(i) FROM generate_series(1, 100000) i",
        "SELECT pg_try_advisory_xact_lock_shared(1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT pg_create_physical_replication_slot('a')",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'int4pl'",
        "CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE EXTENSION plpgsql",
        "CREATE LANGUAGE plpython3u",
        "CREATE FOREIGN DATA WRAPPER w",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
        "CREATE PUBLICATION p FOR ALL TABLES",
        "CREATE SUBSCRIPTION s CONNECTION 'host=/tmp' PUBLICATION p",
        "CREATE CAST (text AS int) WITH INOUT AS IMPLICIT",
        "CREATE TABLESPACE t LOCATION '/tmp'",
        "BEGIN; PREPARE TRANSACTION 'x'",
        "LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE",
    ],
)  # fmt: skip
def test_it_is_refused(house: House, statement: str) -> None:
    offer = house.server.offer
    house.ask("ds", "CREATE TABLE IF NOT EXISTS secret (a int)")
    said = statement.format(ds=offer.role("ds"), da=offer.role("da"), db=offer.database)
    why = house.refused("da", said)
    told = ("permission denied", "must be", "only ", "Only ", "may not", "superuser", "does not exist", "disabled")
    told += ("not permitted", "requires", "not available", "already exists", "can only run", "syntax")
    assert any(each in why for each in told), why
    assert "syntax error" not in why, why


def test_the_settings_that_bound_a_role_are_not_its_own(house: House) -> None:
    name = f'"{house.server.offer.role("da")}"'
    house.ask("da", f"ALTER ROLE {name} RESET ALL")
    house.ask("da", f'ALTER ROLE {name} IN DATABASE "{house.server.offer.database}" RESET ALL')
    assert house.ask("da", "SHOW temp_file_limit") == [("2GB",)]
    house.settle()
    assert house.ask("da", "SHOW search_path") == [("da",)]


def test_no_other_database_can_be_entered(house: House) -> None:
    """Nor with another's name, without the password, or by more than one may."""
    for database in (urlsplit(house.server.url).path[1:], "postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            house.connect("da", database=database)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        house.connect("da", given="guessed")
    held = [house.connect("da") for _ in range(Bounds().connections)]
    with pytest.raises(psycopg2.OperationalError, match="too many connections"):
        house.connect("da")
    house.ask("ds", "SELECT 1")
    for link in held:
        link.close()


def test_what_a_team_publishes_is_read_by_consumers_and_nobody_else(house: House) -> None:
    house.ask("ds", "CREATE TABLE churn (user_id int, score float); INSERT INTO churn VALUES (1, 0.5)")
    house.ask("ds", "CREATE TABLE hidden (a int); GRANT ALL ON hidden, churn TO PUBLIC")
    assert house.settle({"ds": {"churn": {"da"}, "later": {"da"}}}).unpublished == {
        "ds.later": "there is no such table yet"
    }
    read = "SELECT * FROM ds__published.churn"
    assert house.ask("da", read) == [(1, 0.5)]
    for team, statement in (
        ("de", read), ("da", "SELECT * FROM ds.hidden"), ("da", "SELECT * FROM ds.churn"),
        ("da", "INSERT INTO ds__published.churn VALUES (2, 1)"), ("da", "DELETE FROM ds__published.churn"),
        ("da", "DROP VIEW ds__published.churn"), ("ds", "CREATE VIEW ds__published.more AS SELECT 1"),
        ("ds", "GRANT SELECT ON ds__published.churn TO PUBLIC"),
    ):  # fmt: skip
        why = house.refused(team, statement)
        assert "permission denied" in why or "must be owner" in why, (team, statement, why)
    # A schema is not the team's to open: PostgreSQL warns, and grants nothing.
    house.ask("ds", "GRANT USAGE ON SCHEMA ds TO PUBLIC")
    assert "permission denied for schema" in house.refused("da", "SELECT * FROM ds.hidden")
    assert "permission denied for schema" in house.refused("de", read)
    # Made anew, with another column: whoever looks next publishes that one.
    house.ask("ds", "DROP TABLE churn CASCADE; CREATE TABLE churn (user_id int, score float, why text)")
    assert "does not exist" in house.refused("da", read)
    assert house.settle({"ds": {"churn": {"da", "de"}}}).unpublished == {}
    assert house.ask("de", read) == []
    house.settle({"ds": {"churn": {"de"}}})
    assert "permission denied" in house.refused("da", read)
    house.settle()
    assert "permission denied" in house.refused("de", read)
    with house.server.warehouse() as cursor:
        cursor.execute("SELECT count(*) FROM pg_views WHERE schemaname = 'ds__published'")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("CREATE VIEW trap AS SELECT 1 AS a", "it is no table"),
        ("CREATE TYPE mood AS ENUM ('x'); CREATE TABLE trap (a mood)", "type that the team made"),
        ("CREATE DOMAIN small AS int; CREATE TABLE trap (a small[])", "type that the team made"),
    ],
)
def test_what_could_run_something_of_the_owners_is_not_published(house: House, made: str, why: str) -> None:
    house.ask("ds", made)
    assert why in house.settle({"ds": {"trap": {"da"}}}).unpublished["ds.trap"]
    assert "does not exist" in house.refused("da", "SELECT * FROM ds__published.trap")
    house.ask("ds", "DROP OWNED BY CURRENT_USER")
    house.settle()


def test_a_policy_of_the_owners_does_not_run_for_the_reader(house: House) -> None:
    """Row-level security is evaluated as the reader; a view of the platform's goes past it."""
    house.ask(
        "ds", "CREATE TABLE rows (a int); INSERT INTO rows VALUES (1); ALTER TABLE rows ENABLE ROW LEVEL SECURITY"
    )
    house.ask("ds", "CREATE POLICY p ON rows USING (query_to_xml('DROP TABLE da.mine', true, true, '') IS NOT NULL)")
    house.ask("da", "CREATE TABLE mine (a int)")
    house.settle({"ds": {"rows": {"da"}}})
    assert house.ask("da", "SELECT * FROM ds__published.rows") == [(1,)]
    assert house.ask("da", "SELECT * FROM mine") == []
    house.settle()


def test_a_table_that_is_held_holds_up_no_other(house: House) -> None:
    house.ask("ds", "CREATE TABLE held (a int); CREATE TABLE free (a int)")
    link = house.connect("ds")
    link.autocommit = False
    with link.cursor() as cursor:
        cursor.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        told = house.settle({"ds": {"held": {"da"}, "free": {"da"}}}).unpublished
        assert told == {"ds.held": "it is in use; it follows by itself"}
        assert house.ask("da", "SELECT * FROM ds__published.free") == []
    link.rollback()
    assert house.settle({"ds": {"held": {"da"}, "free": {"da"}}}).unpublished == {}
    house.settle()


def test_a_team_that_is_dropped_leaves_nothing(house: House) -> None:
    house.ask("de", "CREATE TABLE big AS SELECT 1 AS a; CREATE SEQUENCE s; CREATE TYPE y AS ENUM ('a')")
    house.ask("de", "CREATE MATERIALIZED VIEW m AS SELECT * FROM big")
    house.settle({"de": {"big": {"da"}}})
    reading = house.connect("da")
    reading.autocommit = False
    reading.cursor().execute("SELECT * FROM de__published.big")
    house.connect("de").cursor().execute("CREATE TEMP TABLE t (a int)")
    assert drop_team(house.server, "de")
    assert not drop_team(house.server, "de")
    with house.server.warehouse() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^de'")
        assert cursor.fetchall() == []
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (house.server.offer.role("de"),))
        assert cursor.fetchall() == []
    house.settle()
    assert house.ask("de", "SELECT count(*) FROM pg_class WHERE relname IN ('big', 'm', 's')") == [(0,)]
    assert house.ask("da", "SELECT 1") == [(1,)]


def test_the_names_of_a_server_are_nobodys_trap(house: House, tmp_path: Path) -> None:
    """What a team makes is never found by the platform's own statements: they look in PostgreSQL's own schema."""
    house.ask("ds", "CREATE TABLE pg_class (oid oid); CREATE VIEW pg_roles AS SELECT 1 / 0 AS rolname")
    house.settle({"ds": {"pg_class": {"da"}}})
    assert house.ask("da", "SELECT * FROM ds__published.pg_class") == []
    house.settle()


def test_a_team_that_holds_its_role_keeps_nobody_waiting(house: House) -> None:
    """A role may change its own password: the row is its transaction's until that ends."""
    link = house.connect("ds")
    link.autocommit = False
    link.cursor().execute(f"ALTER ROLE \"{house.server.offer.role('ds')}\" PASSWORD 'mine'")
    began = time.monotonic()
    done = house.settle(ds=Bounds(connections=3), da=Bounds(connections=2))
    assert done.late == ()
    assert time.monotonic() - began < 15
    with pytest.raises(psycopg2.Error):
        link.cursor().execute("SELECT 1")
    house.settle()
    assert house.ask("ds", "SELECT 1") == [(1,)]


def test_a_materialized_view_is_a_table_to_its_readers(house: House) -> None:
    house.ask("ds", "CREATE MATERIALIZED VIEW m AS SELECT 7 AS a")
    assert house.settle({"ds": {"m": {"da"}}}).unpublished == {}
    assert house.ask("da", "SELECT * FROM ds__published.m") == [(7,)]
    house.settle()


def test_many_teams_take_seconds_once_and_nothing_again(postgres: Cluster) -> None:
    mark = secrets.token_hex(4)
    postgres.create_database(PASSWORD, f"a_{mark}")
    offer = Offer(str(postgres.socket_dir), database=f"w_{mark}", prefix=f"w{mark}_")
    server = Server(offer, postgres.url(PASSWORD, f"a_{mark}"))
    teams = [TeamWarehouse(f"team{number}", shared={"t": frozenset({"team1"})}) for number in range(100)]
    began = time.monotonic()
    assert len(settle(server, "key", teams).made) == 100
    first = time.monotonic() - began
    again = first
    for _ in range(3):
        began = time.monotonic()
        assert settle(server, "key", teams).made == ()
        again = min(again, time.monotonic() - began)
    assert first < 60, (first, again)
    assert again < first / 4, (first, again)
    with server.metadata() as cursor:
        cursor.execute(f'DROP DATABASE "{offer.database}"')
        for team in teams:
            cursor.execute(f'DROP ROLE "{offer.role(team.team)}"')
        cursor.execute(f'DROP ROLE "{offer.all_teams}"')
