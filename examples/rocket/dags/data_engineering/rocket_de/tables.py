"""From events to the tables that the other teams read. One day at a time where it can be."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rocket_de.campaigns import ORGANIC

CREDIT = pl.duration(days=7)  # a click counts for an install within a week
RETURN_DAYS = (1, 3, 7, 14)


def days(folder: Path) -> list[tuple[str, Path]]:
    """The partitions of a table, oldest first: (date, folder)."""
    return sorted((path.name.partition("=")[2], path) for path in folder.glob("date=*") if path.is_dir())


def telemetry_daily(batch: Path, out: Path) -> int:
    """One row a player and day: how much they played, won and paid. Returns the number of rows."""
    kind, rows = pl.col("kind"), 0
    for date, source in days(batch / "events"):
        day = (
            pl.read_parquet(source / "*.parquet")
            .group_by("player_id")
            .agg(
                sessions=(kind == "session").sum().cast(pl.Int32),
                minutes=(pl.col("duration_s").filter(kind == "session").sum() / 60).round(1),
                matches=(kind == "match").sum().cast(pl.Int32),
                wins=pl.col("won").sum().cast(pl.Int32),
                purchases=(kind == "purchase").sum().cast(pl.Int32),
                revenue_usd=pl.col("amount_usd").sum().round(2),
            )
            .sort("player_id")
        )
        target = out / f"date={date}"
        target.mkdir(parents=True, exist_ok=True)
        day.write_parquet(target / "part-0.parquet")
        rows += day.height
    return rows


def read_daily(folder: Path) -> pl.LazyFrame:
    """A published or fresh ``telemetry_daily``, with ``date`` as a column."""
    return pl.scan_parquet(folder / "date=*" / "*.parquet", hive_partitioning=True, try_parse_hive_dates=True)


def user_profiles(batch: Path, daily: pl.LazyFrame) -> pl.DataFrame:
    """One row a player: where they came from, how they play, what they paid, on which days they came back."""
    players = pl.read_parquet(batch / "players.parquet").join(_credit(batch), on="player_id", how="left")
    spans = daily.select(first=pl.col("date").min(), last=pl.col("date").max()).collect()
    return (
        players.join(_habits(daily), on="player_id", how="left")
        .join(_returns(players, daily), on="player_id", how="left")
        .with_columns(
            pl.col("campaign_id").fill_null(ORGANIC),
            pl.col("channel").fill_null(ORGANIC),
            pl.col("active_days", "sessions", "matches", "wins", "purchases").fill_null(0),
            pl.col("minutes", "revenue_usd").fill_null(0.0),
        )
        .with_columns(
            spender=pl.when(pl.col("revenue_usd") <= 0)
            .then(pl.lit("none"))
            .when(pl.col("revenue_usd") < 10)
            .then(pl.lit("low"))
            .when(pl.col("revenue_usd") < 50)
            .then(pl.lit("mid"))
            .otherwise(pl.lit("high")),
            **{f"returned_d{n}": _observable(n, spans["first"][0], spans["last"][0]) for n in RETURN_DAYS},
        )
        .sort("player_id")
    )


def marketing_attribution(batch: Path, profiles: pl.DataFrame, daily: pl.LazyFrame) -> pl.DataFrame:
    """One row a day and campaign: what it cost, whom it brought, what those players played and paid.

    ``new_revenue_usd`` is paid by players who installed in the period, so that it can be held against the spend.
    """
    spend = pl.read_parquet(batch / "spend.parquet")
    first = pl.col("date").min()
    who = profiles.lazy().select("player_id", "campaign_id", "install_date")
    played = (
        daily.join(daily.select(first=first), how="cross")
        .join(who, on="player_id")
        .group_by("date", "campaign_id")
        .agg(
            active_players=pl.len().cast(pl.Int64),
            paying_players=(pl.col("revenue_usd") > 0).sum().cast(pl.Int64),
            revenue_usd=pl.col("revenue_usd").sum().round(2),
            new_revenue_usd=pl.col("revenue_usd").filter(pl.col("install_date") >= pl.col("first")).sum().round(2),
        )
        .collect()
    )
    installs = profiles.group_by(pl.col("install_date").alias("date"), "campaign_id").agg(
        installs=pl.len().cast(pl.Int64)
    )
    names = spend.select("campaign_id", "campaign", "channel").unique()
    return (
        played.join(installs, on=["date", "campaign_id"], how="left")
        .join(spend.drop("campaign", "channel"), on=["date", "campaign_id"], how="left")
        .join(names, on="campaign_id", how="left")
        .with_columns(
            pl.col("campaign").fill_null("Organic"),
            pl.col("channel").fill_null(ORGANIC),
            pl.col("installs", "impressions", "clicks").fill_null(0),
            pl.col("spend_usd").fill_null(0.0),
        )
        .sort("date", "campaign_id")
    )


def _credit(batch: Path) -> pl.DataFrame:
    """Who brought each player: the last click within a week before the install; nobody, and it was organic."""
    players = pl.scan_parquet(batch / "players.parquet").select("player_id", "install_date")
    channels = pl.scan_parquet(batch / "spend.parquet").select("campaign_id", "channel").unique()
    installed = pl.col("install_date").cast(pl.Datetime("ms"))
    return (
        pl.scan_parquet(batch / "touches.parquet")
        .filter(pl.col("kind") == "click")
        .join(players, on="player_id")
        .filter((pl.col("ts") <= installed) & (pl.col("ts") >= installed - CREDIT))
        .sort("ts", "campaign_id")
        .group_by("player_id")
        .agg(pl.col("campaign_id").last())
        .join(channels, on="campaign_id", how="left")
        .collect()
    )


def _habits(daily: pl.LazyFrame) -> pl.DataFrame:
    return (
        daily.group_by("player_id")
        .agg(
            pl.col("date").min().alias("first_seen"),
            pl.col("date").max().alias("last_seen"),
            pl.len().cast(pl.Int64).alias("active_days"),
            pl.col("sessions", "matches", "wins", "purchases").cast(pl.Int64).sum(),
            pl.col("minutes").sum().round(1),
            pl.col("revenue_usd").sum().round(2),
        )
        .collect()
    )


def _returns(players: pl.DataFrame, daily: pl.LazyFrame) -> pl.DataFrame:
    age = (pl.col("date") - pl.col("install_date")).dt.total_days()
    return (
        daily.select("player_id", "date")
        .join(players.lazy().select("player_id", "install_date"), on="player_id")
        .group_by("player_id")
        .agg((age == n).any().alias(f"returned_d{n}") for n in RETURN_DAYS)
        .collect()
    )


def _observable(n: int, first: object, last: object) -> pl.Expr:
    """Null where the n-th day after the install is not in the data."""
    seen = (pl.col("install_date") >= first) & (pl.col("install_date") + pl.duration(days=n) <= last)
    return pl.when(seen).then(pl.col(f"returned_d{n}").fill_null(False))
