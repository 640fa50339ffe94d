"""What a player did in the three weeks up to a day, and whether they came back in the week after it.

The same function makes the features for training (a week before the end, where the answer is known) and for today.
Nothing after the cut-off day reaches a feature: a test moves the future about and finds them unchanged.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

ACTIVE_WITHIN = 3  # who has not played for longer may be gone already: that would be too easy
LOOK_BACK = 21
HORIZON = 7  # churned: no session in the next seven days
CHANNELS = ("organic", "search", "social", "influencer", "ad network", "cross promotion")
NUMERIC = (
    "days_since_last",
    "active_days_3",
    "active_days_7",
    "active_days_14",
    "sessions_7",
    "sessions_trend",
    "minutes_7",
    "matches_7",
    "loss_rate_3",
    "loss_rate_14",
    "purchases_21",
    "revenue_21",
    "age_days",
    "ios",
)
FEATURES = (*NUMERIC, *(f"from_{channel.replace(' ', '_')}" for channel in CHANNELS))


def read_daily(folder: Path) -> pl.LazyFrame:
    """The published daily telemetry, with its partition ``date`` as a column."""
    return pl.scan_parquet(folder / "date=*" / "*.parquet", hive_partitioning=True, try_parse_hive_dates=True)


def last_day(daily: pl.LazyFrame) -> dt.date:
    """The newest day in the data."""
    day: dt.date = daily.select(pl.col("date").max()).collect().item()
    return day


def features(daily: pl.LazyFrame, profiles: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """One row for each player active in the three days up to ``day``: ``player_id`` and FEATURES."""
    ago = (pl.lit(day) - pl.col("date")).dt.total_days()
    habits = (
        daily.filter((pl.col("date") <= day) & (ago < LOOK_BACK))
        .with_columns(ago=ago, losses=pl.col("matches") - pl.col("wins"))
        .group_by("player_id")
        .agg(
            days_since_last=pl.col("ago").min(),
            active_days_3=(pl.col("ago") < 3).sum(),
            active_days_7=(pl.col("ago") < 7).sum(),
            active_days_14=(pl.col("ago") < 14).sum(),
            sessions_7=_within("sessions", 7),
            sessions_before=pl.col("sessions").filter(pl.col("ago").is_between(7, 13)).sum(),
            minutes_7=_within("minutes", 7),
            matches_7=_within("matches", 7),
            loss_rate_3=(_within("losses", 3) + 1) / (_within("matches", 3) + 2),
            loss_rate_14=(_within("losses", 14) + 1) / (_within("matches", 14) + 2),
            purchases_21=pl.col("purchases").sum(),
            revenue_21=pl.col("revenue_usd").sum(),
        )
        .filter(pl.col("days_since_last") < ACTIVE_WITHIN)
        .with_columns(sessions_trend=(pl.col("sessions_7") + 1) / (pl.col("sessions_before") + 1))
        .collect()
    )
    channel = pl.col("channel")
    return (
        habits.join(profiles.select("player_id", "install_date", "platform", "channel"), on="player_id")
        .with_columns(
            age_days=(pl.lit(day) - pl.col("install_date")).dt.total_days(),
            ios=pl.col("platform") == "ios",
            **{f"from_{name.replace(' ', '_')}": channel == name for name in CHANNELS},
        )
        .select("player_id", *(pl.col(name).cast(pl.Float32) for name in FEATURES))
        .sort("player_id")
    )


def labels(daily: pl.LazyFrame, players: pl.DataFrame, day: dt.date) -> pl.Series:
    """For each of ``players``, whether they churned: no session in the week after ``day``."""
    after = pl.col("date").is_between(day + dt.timedelta(days=1), day + dt.timedelta(days=HORIZON))
    back = daily.filter(after).select("player_id").unique().collect()["player_id"]
    return (~players["player_id"].is_in(back.implode())).alias("churned")


def _within(column: str, days: int) -> pl.Expr:
    return pl.col(column).filter(pl.col("ago") < days).sum()
