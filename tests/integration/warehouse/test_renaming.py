"""A team's role and schemas under another name: what it has, what it published, and who may read it, go along."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airspace.backends.warehouse import drop_team, holds_tables, rename_team, settle
from airspace.model.errors import AirspaceError
from airspace.model.warehouse import Bounds
from airspace.teams.warehouse import TeamWarehouse
from tests.integration.warehouse.conftest import KEY, House, until

pytestmark = pytest.mark.integration


def settled(house: House, team: str, reads: str = "da") -> None:
    """The team of that name, which publishes a table to the other one and reads one of its own."""
    shared = {"scores": frozenset({reads})}
    teams = [TeamWarehouse(team, Bounds(), shared), TeamWarehouse("da", Bounds(), {"sales": frozenset({team})})]
    settle(house.server, KEY, teams)


def test_tables_views_rights_and_sessions_go_along(house: House) -> None:
    house.ask("ds", "CREATE TABLE scores (id serial, a int); INSERT INTO scores (a) VALUES (7)")
    house.ask("ds", "CREATE VIEW own AS SELECT a FROM scores; CREATE MATERIALIZED VIEW kept AS SELECT a FROM scores")
    house.ask("da", "CREATE TABLE sales AS SELECT 3 AS b")
    settled(house, "ds")
    settled(house, "ds")
    assert house.ask("da", "SELECT a FROM ds__published.scores") == [(7,)]
    assert house.ask("ds", "SELECT b FROM da__published.sales") == [(3,)]
    lasting = house.connect("ds")
    role = house.server.offer.role("ds")
    with lasting.cursor() as cursor:  # a team that holds the row of its role, and would keep others from it
        cursor.execute("BEGIN")
        cursor.execute(f"ALTER ROLE \"{role}\" PASSWORD 'mine'")
    settled(house, "bakers", reads="de")  # somebody's apply, after the rows of the team have the new name
    assert rename_team(house.server, "ds", "bakers")
    until(lambda: house.sessions("bakers") == 0)  # told to end, it does so in its own time
    settled(house, "bakers")
    assert house.ask("bakers", "SELECT a FROM own") == [(7,)]
    assert house.ask("bakers", "INSERT INTO scores (a) VALUES (8) RETURNING id") == [(2,)]
    assert house.ask("bakers", "SELECT current_schema(), count(*) FROM kept") == [("bakers", 1)]
    assert house.ask("da", "SELECT a FROM bakers__published.scores ORDER BY a") == [(7,), (8,)]
    assert house.ask("bakers", "SELECT b FROM da__published.sales") == [(3,)]
    assert "failed" in house.refused("ds", "SELECT 1") or "not exist" in house.refused("ds", "SELECT 1")
    assert "permission denied" in house.refused("de", "SELECT * FROM bakers__published.scores")
    assert "permission denied" in house.refused("da", "SELECT * FROM bakers.scores")
    assert not rename_team(house.server, "ds", "bakers")

    # A later team of the old name finds nothing; and a name under which there are tables is not to be had.
    house.settle()
    assert house.ask("ds", "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'ds'") == [(0,)]
    assert "permission denied" in house.refused("ds", "SELECT * FROM bakers.scores")
    assert holds_tables(house.server, "bakers")
    assert not holds_tables(house.server, "ds")
    with pytest.raises(AirspaceError, match="has tables in the schema bakers already"):
        rename_team(house.server, "ds", "bakers")
    assert house.ask("bakers", "SELECT a FROM own ORDER BY a") == [(7,), (8,)]
    drop_team(house.server, "bakers")


def test_where_there_is_no_warehouse_nothing_is_renamed(house: House) -> None:
    nowhere = replace(house.server, offer=replace(house.server.offer, database="nowhere"))
    assert not rename_team(nowhere, "ds", "other")
    assert not holds_tables(nowhere, "ds")
    assert not rename_team(house.server, "nobody", "other")
