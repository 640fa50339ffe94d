"""Damage for a fire drill: each entry breaks one rule, always in the same rows; `spoil: true` uses the default ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from rocket_de.tables import days

SPOILT_BY_DEFAULT = ("ids_present", "events_unique", "durations")
_HIT = pl.int_range(pl.len()) % 50 == 7  # every fiftieth row


def spoil(batch: Path, checks: Iterable[str] = SPOILT_BY_DEFAULT) -> None:
    """Make a good batch fail the named checks."""
    for name in checks:
        SPOILERS[name](batch)


def _events(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    """Damages the events of the third day."""

    def apply(batch: Path) -> None:
        _rewrite(days(batch / "events")[2][1] / "part-0.parquet", change)

    return apply


def _table(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    return lambda batch: _rewrite(batch / f"{name}.parquet", change)


def _rewrite(file: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    change(pl.read_parquet(file)).write_parquet(file)


def _put(column: str, value: pl.Expr, where: pl.Expr = _HIT) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda table: table.with_columns(pl.when(where).then(value).otherwise(pl.col(column)).alias(column))


def _session(expr: pl.Expr) -> pl.Expr:
    return expr & (pl.col("kind") == "session")


SPOILERS: dict[str, Callable[[Path], None]] = {
    "schema": _events(lambda events: events.rename({"duration_s": "seconds"})),
    "days_complete": lambda batch: shutil.rmtree(days(batch / "events")[5][1]),
    "row_counts": _table("touches", lambda touches: touches.head(-3)),
    "volume": _events(lambda events: events.head(events.height // 10)),
    "ids_present": _events(_put("player_id", pl.lit(None))),
    "events_unique": _events(lambda events: pl.concat([events, events.filter(_HIT)])),
    "players_unique": _table("players", lambda players: pl.concat([players, players.head(5)])),
    "kinds_known": _events(_put("kind", pl.lit("cheat"), (pl.col("kind") == "match") & _HIT)),
    "time_in_partition": _events(_put("ts", pl.col("ts") + pl.duration(days=400))),
    "durations": _events(_put("duration_s", -pl.col("duration_s"), _session(_HIT))),
    "prices": _events(_put("amount_usd", -pl.col("amount_usd"), pl.lit(True))),
    "players_known": _events(_put("player_id", pl.col("player_id") + 1_000_000_000)),
    "not_before_install": _table("players", _put("install_date", pl.date(2030, 1, 1))),
    "campaigns_known": _table("touches", _put("campaign_id", pl.lit("nobody_paid_for_this"))),
    "spend": _table("spend", _put("spend_usd", -pl.col("spend_usd"))),
}
