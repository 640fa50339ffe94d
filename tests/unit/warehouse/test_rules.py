"""What the team files say of the warehouse, and when a session has to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from airspace.backends.warehouse.watching import PER_FILE, total
from airspace.model.home import HomeLayout
from airspace.model.team import Team
from airspace.model.warehouse import Bounds, Offer, password, published, schema
from airspace.platform.home import NONE, Manifest, places
from airspace.platform.warehouse import offer_of
from airspace.teams.warehouse import SLACK, Quota, Session, TeamWarehouse, grows, of_specs, overdue


def test_what_a_file_says_comes_through_its_stored_form() -> None:
    said = {"size": "2G", "seconds": 60, "connections": 3}
    assets = {"churn": {"consumers": ["da", "ds", "gone"], "tables": ["scores"]}, "more": {"consumers": ["de"]}}
    ds = Team.model_validate({"name": "ds_", "warehouse": said} | {"name": "dsc", "assets": {}}).without_secrets()
    assert of_specs({"ds": {**ds, "assets": assets}, "da": {}, "de": {}}) == [
        TeamWarehouse("da"),
        TeamWarehouse("de"),
        TeamWarehouse("ds", Bounds(2 << 30, 60, 3), {"scores": frozenset({"da"})}),
    ]


@pytest.mark.parametrize("name", ["public", "information_schema", "pg_stuff", "data_science"])
def test_no_two_teams_share_a_schema(name: str) -> None:
    names = {schema(name), published(name)}
    assert len(names) == 2
    assert not names & {"public", "information_schema"}
    assert not any(each.startswith("pg_") for each in names)
    assert max(map(len, (schema("a" * 30), published("pg_" + "a" * 27), Offer("/x").role("a" * 30)))) <= 63


_ABLE = {"superuser": True, "version": 160004}


@pytest.mark.parametrize(
    ("url", "powers", "refused"),
    [
        ("postgresql://u:p@db.example:5433/airflow?sslmode=verify-full&sslrootcert=/etc/ca.pem", _ABLE, None),
        ("postgresql://u:p@db.example/airflow", _ABLE, None),
        ("postgresql://u:p@db.example/airflow", {"superuser": False, "version": 180000}, "no superuser"),
        ("postgresql://u:p@db.example/airflow", {"superuser": True, "version": 150009}, "older than PostgreSQL 16"),
        ("postgresql://u:p@/airflow?host=/run/postgresql", _ABLE, "socket only"),
        ("postgresql://u:p@db.example/airflow?sslcert=/c&sslkey=/k", _ABLE, "wants a certificate"),
    ],
)
def test_what_an_own_server_can_offer(url: str, powers: dict[str, object], refused: str | None) -> None:
    layout, manifest = HomeLayout(Path("/tmp/x")), Manifest(id="0a0a0a")
    offer = offer_of(manifest, places(layout, manifest.id), url, powers)
    assert (refused or "") in (offer.refused or "")
    assert (offer.refused is None) == (refused is None)
    assert Offer.read(offer.text()) == offer
    if "verify-full" in url:
        assert (offer.host, offer.port, offer.sslmode, offer.ca) == ("db.example", 5433, "verify-full", "/etc/ca.pem")
        direct = offer_of(Manifest(id="0a0a0a", isolation=NONE), places(layout, manifest.id), url, powers)
        assert (direct.inside, direct.inside_port) == ("db.example", 5433)


def test_passwords_differ_and_last() -> None:
    made = {password(key, role) for key in ("k", "l") for role in ("team_a", "team_b")}
    assert len(made) == 4
    assert password("k", "team_a") in made
    assert all(len(each) == 43 for each in made)


@pytest.mark.parametrize(
    ("session", "why"),
    [
        (Session(1, "r", "active", statement=59, transaction=59, still=59), None),
        (Session(1, "r", "active", statement=61), "a statement took longer"),
        (Session(1, "r", "idle", statement=9e9, still=9e9), None),
        (Session(1, "r", "idle in transaction", still=601, transaction=90), "did nothing"),
        (Session(1, "r", "idle in transaction (aborted)", still=601), "did nothing"),
        (Session(1, "r", "idle in transaction", still=1, transaction=121), "a transaction took longer"),
        (Session(1, "r", "idle", locks=5001), "locks"),
    ],
)
def test_a_session_ends_for_a_reason(session: Session, why: str | None) -> None:
    found = overdue(session, Bounds(seconds=60))
    assert (found is None) if why is None else (found is not None and why in found)


def test_who_empties_a_table_does_not_grow_by_it() -> None:
    """Until it is committed, the new files of a table, its long values and their index stand beside the old."""
    emptying = Session(1, "team_ds", "active", writes=True)
    assert not grows(emptying, 80 << 20, (80 << 20) + 3 * PER_FILE)
    assert grows(emptying, 80 << 20, 81 << 20)
    assert not grows(Session(1, "team_ds", "active"), 80 << 20, 81 << 20)


def test_a_quota_can_be_emptied_and_not_outrun() -> None:
    quota, bounds = Quota(), Bounds(size=SLACK)
    assert list(quota.judge(SLACK, bounds, 0)) == []
    assert list(quota.judge(SLACK + 1, bounds, 1)) == ["over"]
    assert list(quota.judge(3 * SLACK, bounds, 2)) == ["over", "close"]
    assert list(quota.judge(3 * SLACK, bounds, 3)) == ["over"]
    assert list(quota.judge(3 * SLACK, bounds, 62)) == ["open", "over"]
    assert list(quota.judge(3 * SLACK, bounds, 63)) == ["over"]
    assert list(quota.judge(4 * SLACK, bounds, 64)) == ["over", "close"]
    assert list(quota.judge(4 * SLACK, bounds, 125)) == ["over"], "the second time is longer"
    assert list(quota.judge(0, bounds, 185)) == ["open"]
    assert list(quota.judge(SLACK + 1, bounds, 186)) == ["over"]


def test_what_is_not_committed_yet_counts_too() -> None:
    files, owners = {1: 10, 2: 20, 3: 40, 4: 80}, {1: "a", 2: "b", 4: None}
    sessions = [Session(7, "a", "active", writes=True)]
    assert total(files, owners, {3: "a"}, {7: 100, 8: 1000}, sessions) == {
        "a": 150 + 2 * PER_FILE,
        "b": 20 + PER_FILE,
    }
