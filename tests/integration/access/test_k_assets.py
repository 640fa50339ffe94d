"""What a team may see of assets, over HTTP: the same wherever it is told, whatever others write into the same name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.access.conftest import Server
from tests.integration.access.test_j_homes import Client, copy, database, home, profiles

pytestmark = pytest.mark.integration

API = "/airspace/api"
DE, DS, DA = "data_engineering", "data_science", "data_analytics"
FIRST = 50_000
NASTY = ('{"rows": "\\u0000"}', '{"version": "\\ud800"}', '{"a": ' + "[" * 3000 + "]" * 3000 + "}", "[1]", "7")


@pytest.fixture
def told(server: Server) -> Iterator[int]:
    """DE's newest update of what it shares with DS, and after it what breaks who reads it carelessly."""
    with database(server) as connection:
        asset = profiles(connection)
        good = {"rows": 7, "bytes": 9, "version": "v9", "inputs": [f"{DE}/de_only/v1", "x/y/z", 3]}
        for number, extra in enumerate((*NASTY, json.dumps(good))):
            told = {"id": FIRST + number, "asset_id": asset, "extra": {}, "timestamp": f"2031-01-01T00:00:{number:02}Z"}
            copy(connection, "asset_event", "source_dag_id = 'de_etl'", **told)
            write = text("UPDATE asset_event SET extra = :extra WHERE id = :id")
            connection.execute(write, {"extra": extra, "id": FIRST + number})
    yield asset
    with database(server) as connection:
        connection.execute(text("DELETE FROM asset_event WHERE id >= :first"), {"first": FIRST})


def shelf(client: Any, team: str) -> dict[str, Any]:
    answer = client.get(f"{API}/artifacts/{team}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {asset["name"]: asset for asset in (*found["own"], *found["consumed"])}


def lineage(client: Any, team: str) -> dict[str, Any]:
    answer = client.get(f"{API}/lineage", params={"team": team})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_page_and_home_tell_the_same_update_and_nobody_elses_words_break_them(told: int, as_user: Client) -> None:
    for person, team, own in (("emil", DE, True), ("viewer", DS, False)):
        client = as_user(person)
        updates = shelf(client, team)["user_profiles"]["updates"]
        assert [each["rows"] for each in updates[:6]] == [7, None, None, None, None, None]
        (last,) = [asset["last"] for asset in home(client, team)["assets"] if asset["name"] == "user_profiles"]
        told_here = {key: updates[0][key] for key in ("rows", "version", "dag_id", "task_id", "run_id")}
        assert told_here == {key: last[key] for key in told_here}
        assert (last["version"], last["dag_id"]) == ("v9", "de_etl" if own else None)


def test_many_updates_by_others_hide_none_of_the_owners(server: Server, told: int, as_user: Client) -> None:
    """DA names DE's asset, and writes to it without pause."""
    with database(server) as connection:
        of = {
            "asset_id": told,
            "timestamp": "2032-01-01T00:00:00Z",
            "source_dag_id": "da_spare",
            "extra": {"rows": 666},
        }
        copy(connection, "asset_event", "source_dag_id = 'de_etl'", id=FIRST + 100, **of)
        row = "jsonb_populate_record(t, jsonb_build_object('id', t.id + n))"
        connection.execute(
            text(f"INSERT INTO asset_event SELECT p.* FROM asset_event t, generate_series(1, 900) n,"  # noqa: S608
                 f" LATERAL {row} p WHERE t.id = :id"),
            {"id": FIRST + 100},
        )  # fmt: skip
    for person, team in (("emil", DE), ("viewer", DS)):
        assert shelf(as_user(person), team)["user_profiles"]["updates"][0]["rows"] == 7
        assert "666" not in json.dumps(home(as_user(person), team)["assets"])


def test_home_and_api_tell_the_same_lineage_as_far_as_both_sides_consented(told: int, as_user: Client) -> None:
    for person, team in (("emil", DE), ("viewer", DS), ("da_lead", DA)):
        client = as_user(person)
        whole, drawn = lineage(client, team), home(client, team)["lineage"]
        assert {json.dumps(edge) for edge in drawn["edges"]} == {json.dumps(edge) for edge in whole["edges"]}
        ends = {edge[side] for edge in whole["edges"] for side in ("source", "target")}
        assert ends <= {node["id"] for node in drawn["nodes"]} <= {node["id"] for node in whole["nodes"]}
    owner, consumer = lineage(as_user("emil"), DE), lineage(as_user("viewer"), DS)
    asset = f"asset:{DE}/user_profiles"
    assert {"source": asset, "target": f"team:{DS}/{DS}", "how": "shared"} in owner["edges"]
    assert {"source": f"dag:{DE}/de_etl", "target": asset, "how": "makes"} in owner["edges"]
    assert {"source": asset, "target": f"dag:{DS}/ds_train", "how": "starts"} in consumer["edges"]
    assert {"source": f"asset:{DE}/de_only", "target": asset, "how": "made"} in owner["edges"]
    assert "de_etl" not in json.dumps(consumer)
    assert "de_only" not in json.dumps(consumer)
    assert "ds_train" not in json.dumps(owner)


def test_what_takes_too_long_to_find_is_told(server: Server, as_user: Client) -> None:
    with database(server) as connection:
        connection.execute(text("LOCK TABLE asset_event IN ACCESS EXCLUSIVE MODE"))
        answer = as_user("viewer").get(f"{API}/lineage?team={DS}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
