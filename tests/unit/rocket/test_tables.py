"""Who gets the credit for an install, who came back, and that nothing is counted twice."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from rocket_de.simulator import FIRST_DAY, Size, simulate
from rocket_de.tables import read_daily, telemetry_daily, user_profiles

from tests.unit.rocket.conftest import Month

INSTALLED = dt.datetime.combine(FIRST_DAY, dt.time())


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    simulate(tmp_path / "batch", Size(players=300, days=4))
    return tmp_path / "batch"


@pytest.mark.parametrize(
    ("touches", "credit"),
    [
        pytest.param([("rewarded", 3, "click")], "rewarded", id="a click"),
        pytest.param([("rewarded", 3, "view")], "organic", id="a view does not count"),
        pytest.param([("rewarded", 24 * 8, "click")], "organic", id="too long ago"),
        pytest.param([("rewarded", 24 * 7, "click")], "rewarded", id="just within the week"),
        pytest.param([("rewarded", 30, "click"), ("search_brand", 2, "click")], "search_brand", id="the last one"),
        pytest.param([("search_brand", -2, "click")], "organic", id="after the install"),
        pytest.param([], "organic", id="nobody"),
    ],
)
def test_the_last_click_within_a_week_gets_the_credit(
    batch: Path, touches: list[tuple[str, int, str]], credit: str
) -> None:
    players = pl.read_parquet(batch / "players.parquet")
    players.with_columns(install_date=pl.lit(FIRST_DAY)).write_parquet(batch / "players.parquet")
    rows = [(1, name, INSTALLED - dt.timedelta(hours=hours), kind) for name, hours, kind in touches]
    schema = pl.read_parquet_schema(batch / "touches.parquet")
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(batch / "touches.parquet")
    telemetry_daily(batch, batch / "daily")
    profiles = user_profiles(batch, read_daily(batch / "daily"))
    assert profiles.filter(pl.col("player_id") == 1)["campaign_id"].item() == credit


def test_the_credit_is_what_the_simulation_meant(month: Month) -> None:
    spend = pl.read_parquet(month.batch / "spend.parquet")
    brought = month.profiles.filter(pl.col("install_date") >= FIRST_DAY)["campaign_id"].value_counts()
    assert set(brought["campaign_id"]) == {*spend["campaign_id"].unique(), "organic"}


def test_telemetry_counts_each_event_once(month: Month) -> None:
    events = pl.read_parquet(month.batch / "events" / "date=*" / "*.parquet")
    daily = month.daily.select(pl.col("sessions", "matches", "purchases").sum()).collect().row(0, named=True)
    counts = dict(events["kind"].value_counts().iter_rows())
    assert daily == {"sessions": counts["session"], "matches": counts["match"], "purchases": counts["purchase"]}


def test_coming_back_is_null_until_it_can_be_known(month: Month) -> None:
    last = FIRST_DAY + dt.timedelta(days=29)
    for days in (1, 3, 7, 14):
        known = (pl.col("install_date") >= FIRST_DAY) & (pl.col("install_date") + pl.duration(days=days) <= last)
        told = month.profiles.select(known.alias("known"), pl.col(f"returned_d{days}").is_not_null().alias("told"))
        assert told["known"].equals(told["told"], null_equal=False)
    shares = month.profiles.select(pl.col("^returned_d.*$").mean()).row(0)
    assert list(shares) == sorted(shares, reverse=True), "fewer come back the longer it is"


def test_marketing_holds_spend_against_its_own_installs(month: Month) -> None:
    spend = pl.read_parquet(month.batch / "spend.parquet")
    assert month.marketing["spend_usd"].sum() == pytest.approx(spend["spend_usd"].sum())
    new = month.profiles.filter(pl.col("install_date") >= FIRST_DAY)
    assert month.marketing["installs"].sum() == new.height
    assert month.marketing["new_revenue_usd"].sum() == pytest.approx(new["revenue_usd"].sum(), abs=0.5)


def test_a_table_made_twice_is_the_same(batch: Path) -> None:
    for name in ("one", "two"):
        telemetry_daily(batch, batch / name)
    one, two = (read_daily(batch / name).sort("date", "player_id").collect() for name in ("one", "two"))
    assert one.equals(two)
    shutil.rmtree(batch)
