"""The same seed makes the same month; the size is one number; churn follows from what players went through."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from rocket_de.simulator import FIRST_DAY, Size, simulate

from tests.unit.rocket.conftest import Month


def contents(batch: Path) -> dict[str, bytes]:
    return {str(file.relative_to(batch)): file.read_bytes() for file in sorted(batch.rglob("*.parquet"))}


def test_the_same_seed_makes_the_same_month(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, Size(players=500, days=5, seed=seed))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_the_default_size_makes_more_than_five_million_events(month: Month) -> None:
    default = Size()
    assert (default.players, default.days) == (200_000, 30)
    events = pl.scan_parquet(month.batch / "events" / "date=*" / "*.parquet").select(pl.len()).collect().item()
    assert events * default.players / 5_000 > 6_000_000


def test_one_partition_a_day_in_order_of_time(month: Month) -> None:
    folders = sorted(path.name for path in (month.batch / "events").iterdir())
    assert folders == [f"date={FIRST_DAY + dt.timedelta(days=day)}" for day in range(30)]
    day = pl.read_parquet(month.batch / "events" / folders[3] / "*.parquet")
    assert day["ts"].is_sorted()
    assert set(day["kind"].unique()) == {"session", "match", "purchase"}


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    simulate(tmp_path / "x", Size(players=300, days=6))
    counts = simulate(tmp_path / "x", Size(players=200, days=4))
    assert len(list((tmp_path / "x" / "events").iterdir())) == 4
    assert counts["players"] == 200


@pytest.fixture(scope="module")
def lives(month: Month) -> pl.DataFrame:
    """What players went through in the days up to one day, and whether they left after it."""
    cut = FIRST_DAY + dt.timedelta(days=20)
    before, after = pl.col("date") <= cut, pl.col("date") > cut
    return (
        month.daily.filter(pl.col("date") > cut - dt.timedelta(days=3))
        .group_by("player_id")
        .agg(
            losses=(pl.col("matches") - pl.col("wins")).filter(before).sum(),
            matches=pl.col("matches").filter(before).sum(),
            sessions=pl.col("sessions").filter(before).sum(),
            left=~after.any(),
        )
        .filter(pl.col("sessions") > 0)
        .collect()
        .join(month.profiles.select("player_id", "campaign_id", "spender"), on="player_id")
    )


def leaving(lives: pl.DataFrame, who: pl.Expr) -> float:
    group = lives.filter(who)
    assert group.height > 50
    return float(group["left"].mean())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("leavers", "stayers"),
    [
        pytest.param(
            pl.col("losses") > 0.7 * pl.col("matches"), pl.col("losses") < 0.3 * pl.col("matches"), id="losing"
        ),
        pytest.param(pl.col("sessions") <= 1, pl.col("sessions") >= 5, id="playing less"),
        pytest.param(pl.col("spender") == "none", pl.col("spender") != "none", id="paying nothing"),
        pytest.param(pl.col("campaign_id") == "rewarded", pl.col("campaign_id") == "organic", id="brought by a reward"),
    ],
)
def test_who_goes_through_worse_leaves_more(lives: pl.DataFrame, leavers: pl.Expr, stayers: pl.Expr) -> None:
    assert leaving(lives, leavers) > 1.2 * leaving(lives, stayers)
