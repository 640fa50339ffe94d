"""Tables of the warehouse over the real API server: looked at in real sandboxes, through the relay, by teams' roles.

What a table can do to whoever looks is tried beside the server (``tests/integration/warehouse``); here it is who may
look, and that the platform's own processes take no part in it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest
from sqlalchemy import text

from airspace.model.warehouse import KEY, Offer, password
from tests.integration.conftest import run_admin
from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.test_f_viewings import Member, member

pytestmark = pytest.mark.integration

OWNER, CONSUMER, OTHER = "tabler", "table_guest", "table_peek"
ASSET, TABLE = "tabled", "scores"


@dataclass
class Scene:
    """The teams, and a member of each."""

    home: Home
    owner: Member
    consumer: Member
    other: Member

    def ask(self, team: str, statement: str) -> None:
        """One statement of a team's, past the relay."""
        offer = Offer.read(self.home.layout.warehouse.read_text())
        role, key = offer.role(team), (self.home.layout.secrets / KEY).read_text()
        link = psycopg2.connect(host=offer.host, user=role, password=password(key, role), dbname=offer.database)
        link.autocommit = True
        with closing(link), link.cursor() as cursor:
            cursor.execute(statement)

    def share(self, consumers: list[str]) -> None:
        """As the owner's team file, applied."""
        spec = json.dumps({"assets": {ASSET: {"consumers": consumers, "tables": [TABLE]}}})
        with self.home.engine.begin() as db:
            db.execute(text("UPDATE airspace_team SET spec = :s WHERE name = :t"), {"s": spec, "t": OWNER})
        self.home.grant(OWNER, ASSET, consumers)
        run_admin(self.home.env, "settle-warehouse")


@pytest.fixture(scope="module")
def scene(running: Home) -> Iterator[Scene]:
    for team in (OWNER, CONSUMER, OTHER):
        running.add_team(team)
    with contextlib.ExitStack() as stack:
        made = Scene(running, *(stack.enter_context(member(running, team)) for team in (OWNER, CONSUMER, OTHER)))
        run_admin(running.env, "settle-warehouse")
        made.ask(OWNER, f"CREATE TABLE {TABLE} AS SELECT 1 AS player, '<b>x' AS word")
        made.ask(OWNER, "CREATE TABLE own AS SELECT 7 AS a")
        made.share([CONSUMER])
        yield made


def test_owner_and_consumer_see_rows_and_whoever_is_in_another_team_that_there_is_nothing(scene: Scene) -> None:
    at = f"tables/{OWNER}/{TABLE}"
    for who in (scene.owner, scene.consumer):
        found = who.ask("table", at)
        assert found.status_code == 200, found.text
        assert (found.json()["rows"], found.json()["note"]) == ([["1", "<b>x"]], "")
        assert [column["type"] for column in found.json()["columns"]] == ["integer", "text"]
    assert scene.owner.ask("table", f"tables/{OWNER}/own").json()["rows"] == [["7"]]
    assert [each["name"] for each in scene.owner.ask("tables").json()["tables"]] == ["own", TABLE]
    assert scene.other.ask("tables").json() == {"tables": [], "more": False, "note": ""}
    nothing = [
        scene.other.ask("table", at),
        scene.consumer.ask("table", f"tables/{OWNER}/own"),
        scene.consumer.ask("table", f"tables/{OWNER}/missing"),
        scene.consumer.ask("table", f"tables/{CONSUMER}/{TABLE}"),
        scene.consumer.ask("table", f"tables/{OWNER}__published/{TABLE}"),
        scene.consumer.ask("table", f"files/{OWNER}/{TABLE}"),
    ]
    assert [answer.status_code for answer in nothing] == [404, 404, 404, 404, 422, 422]
    for what in ("table", "tables"):
        foreign, missing = scene.other.ask(what, at, team=OWNER), scene.other.ask(what, at, team="no_such")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.text.replace(f"team `{OWNER}`", "team `no_such`") == missing.text


def test_a_consent_that_is_withdrawn_ends_it_at_the_door_and_at_the_server(scene: Scene) -> None:
    at = f"tables/{OWNER}/{TABLE}"
    try:
        scene.home.grant(OWNER, ASSET, [])
        assert scene.consumer.ask("table", at).status_code == 404
        scene.share([])
        scene.home.grant(OWNER, ASSET, [CONSUMER])  # were the door wrong
        refused = scene.consumer.ask("table", at)
        assert refused.status_code in (403, 404), refused.text
        assert "<b>x" not in refused.text
    finally:
        scene.share([CONSUMER])
    assert scene.consumer.ask("table", at).status_code == 200


def test_a_warm_look_is_quick(scene: Scene, record_property: Callable[[str, object], None]) -> None:
    took = []
    for _ in range(8):
        started = time.monotonic()
        assert scene.owner.ask("table", f"tables/{OWNER}/{TABLE}").status_code == 200
        took.append(time.monotonic() - started)
    record_property("warm look at a table, ms: median, worst", [round(1000 * t) for t in (sorted(took)[4], max(took))])
    assert sorted(took)[4] < 1.0


def test_what_takes_for_ever_is_told_and_leaves_nobody_behind(scene: Scene) -> None:
    scene.ask(OWNER, "CREATE VIEW sleeps AS SELECT 1 AS a, pg_sleep(600)::text AS b")
    found = scene.owner.ask("table", f"tables/{OWNER}/sleeps").json()
    assert ([column["name"] for column in found["columns"]], found["rows"]) == (["a", "b"], [])
    assert "too long" in found["note"]
    wait_for(lambda: not [title for title in scene.home.titles() if title.startswith("airspace viewing")])
