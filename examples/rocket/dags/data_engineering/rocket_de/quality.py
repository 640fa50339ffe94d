"""Is the batch fit for use? Every check counts rows that break one rule; a good batch breaks none.

Measuring reads the files; judging is a plain comparison, so the report says for each check what was expected and found.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl

from rocket_de.campaigns import ORGANIC
from rocket_de.tables import days, read_daily

KINDS = ("session", "match", "purchase")
SCHEMAS: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    "players": {"player_id": pl.Int64, "install_date": pl.Date, "platform": pl.String, "country": pl.String},
    "touches": {"player_id": pl.Int64, "campaign_id": pl.String, "ts": pl.Datetime("ms"), "kind": pl.String},
    "spend": {
        "date": pl.Date,
        "campaign_id": pl.String,
        "campaign": pl.String,
        "channel": pl.String,
        "impressions": pl.Int64,
        "clicks": pl.Int64,
        "spend_usd": pl.Float64,
    },
    "events": {
        "event_id": pl.Int64,
        "player_id": pl.Int64,
        "session_id": pl.Int64,
        "ts": pl.Datetime("ms"),
        "kind": pl.String,
        "duration_s": pl.Int32,
        "won": pl.Boolean,
        "amount_usd": pl.Float64,
    },
}
EXPECTED = {
    "schema": "every table has exactly the agreed columns and types",
    "days_complete": "there is one partition for each day announced, without a gap",
    "row_counts": "as many rows arrived as the batch announces",
    "volume": "no day has less than a third of the median day's events",
    "ids_present": "event_id, player_id, session_id, ts and kind are never null",
    "events_unique": "an event_id appears once",
    "players_unique": "a player_id appears once among the players",
    "kinds_known": f"an event is one of {', '.join(KINDS)}",
    "time_in_partition": "an event's time lies in its partition's day",
    "durations": "sessions and matches last between 0 seconds and a day",
    "prices": "purchases, and only they, have an amount between 0.01 and 500 USD",
    "players_known": "events and touches belong to a known player",
    "not_before_install": "nobody plays before they installed",
    "campaigns_known": "touches name a campaign that marketing paid for",
    "spend": "spend, clicks and impressions are not negative, and clicks do not exceed impressions",
}
RECONCILED = {
    "one_profile_a_player": "there is one profile for each player",
    "revenue_adds_up": "events, daily telemetry, profiles and marketing tell the same revenue",
    "activity_adds_up": "daily telemetry and marketing count the same player days",
}


class BadBatch(Exception):  # noqa: N818 - named for what it is
    """The batch is not fit for use; the message names the checks that failed."""


def check_batch(batch: Path) -> dict[str, Any]:
    """Run every check on what was delivered, store the report as ``quality.json`` beside it and return it."""
    if wrong := _schema_differences(batch):
        # With the wrong columns nothing else can be measured: the others are neither passed nor failed.
        found: dict[str, int] = {"schema": len(wrong)}
    else:
        found = {"schema": 0, **_measure(batch)}
    return _report(batch / "quality.json", EXPECTED, found, wrong)


def reconcile(batch: Path, daily: Path, profiles: pl.DataFrame, marketing: pl.DataFrame) -> dict[str, Any]:
    """Do the tables that were made of the batch agree with it and with each other?"""
    events = pl.scan_parquet(batch / "events" / "date=*" / "*.parquet")
    days_total = read_daily(daily).select(pl.len(), pl.col("revenue_usd").sum()).collect()
    paid = float(events.select(pl.col("amount_usd").sum()).collect().item())
    told = (days_total["revenue_usd"][0], profiles["revenue_usd"].sum(), marketing["revenue_usd"].sum())
    players = pl.read_parquet(batch / "players.parquet", columns=["player_id"])
    found = {
        "one_profile_a_player": abs(profiles.height - players.height) + profiles["player_id"].is_duplicated().sum(),
        "revenue_adds_up": sum(abs(amount - paid) > 0.005 * max(paid, 1) for amount in told),
        "activity_adds_up": abs(int(days_total["len"][0]) - int(marketing["active_players"].sum())),
    }
    return _report(batch / "reconciled.json", RECONCILED, found, [])


def require(report: dict[str, Any]) -> None:
    """Raise BadBatch, naming every failed check with what was found, unless the report is clean."""
    failed = [check for check in report["checks"] if check["ok"] is False]
    if failed:
        told = "; ".join(f"{c['name']} ({c['offenders']:,} offending: expected that {c['expects']})" for c in failed)
        raise BadBatch(f"{len(failed)} data-quality checks failed, nothing is published: {told}")


def _report(target: Path, expected: dict[str, str], found: dict[str, int], notes: list[str]) -> dict[str, Any]:
    checks = [
        {
            "name": name,
            "expects": expects,
            "offenders": found.get(name),
            "ok": None if name not in found else found[name] == 0,
        }
        for name, expects in expected.items()
    ]
    report = {"ok": all(check["ok"] for check in checks), "checks": checks, "notes": notes}
    target.write_text(json.dumps(report, indent=1))
    return report


def _schema_differences(batch: Path) -> list[str]:
    files = [(name, batch / f"{name}.parquet") for name in ("players", "touches", "spend")]
    files += [("events", file) for _, day in days(batch / "events") for file in sorted(day.glob("*.parquet"))]
    wrong = []
    for table, file in files:
        found = dict(pl.read_parquet_schema(file)) if file.exists() else {}
        if found != SCHEMAS[table]:
            odd = sorted(name for name in {*found, *SCHEMAS[table]} if found.get(name) != SCHEMAS[table].get(name))
            wrong.append(f"{file.relative_to(batch)}: {', '.join(odd)}")
    return wrong


def _measure(batch: Path) -> dict[str, int]:
    announced = json.loads((batch / "batch.json").read_text())
    players = pl.read_parquet(batch / "players.parquet")
    sizes, totals = {}, dict.fromkeys(EXPECTED, 0)
    for date, folder in days(batch / "events"):
        day = pl.read_parquet(folder / "*.parquet")
        sizes[dt.date.fromisoformat(date)] = day.height
        for name, count in {**_rows(day, date), **_against_players(day, players, date)}.items():
            totals[name] += count
    for name, count in _side_tables(batch, players).items():
        totals[name] += count
    median = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    span = (max(sizes) - min(sizes)).days + 1 if sizes else 0
    arrived = {"players": players.height, "events": sum(sizes.values()), **_heights(batch)}
    return {
        **{name: count for name, count in totals.items() if name != "schema"},
        "days_complete": abs(announced["days"] - len(sizes)) + (span - len(sizes)),
        "row_counts": sum(abs(announced[table] - rows) for table, rows in arrived.items()),
        "volume": sum(size * 3 < median for size in sizes.values()) if median else 1,
    }


def _heights(batch: Path) -> dict[str, int]:
    return {
        name: pl.scan_parquet(batch / f"{name}.parquet").select(pl.len()).collect().item()
        for name in ("touches", "spend")
    }


def _rows(day: pl.DataFrame, date: str) -> dict[str, int]:
    kind, amount, lasts = pl.col("kind"), pl.col("amount_usd"), pl.col("duration_s")
    must = ("event_id", "player_id", "session_id", "ts", "kind")
    bought = kind == "purchase"
    priced = amount.is_between(0.01, 500).fill_null(False)
    timed = lasts.is_between(0, 86_400).fill_null(False)
    return day.select(
        ids_present=pl.sum_horizontal(pl.col(name).is_null().sum() for name in must),
        # Ids of other days cannot collide unnoticed: the time, which is checked too, puts an event into its day.
        events_unique=pl.len() - pl.col("event_id").n_unique(),
        kinds_known=(~kind.is_in(KINDS)).sum(),
        time_in_partition=(pl.col("ts").dt.date() != dt.date.fromisoformat(date)).sum(),
        durations=((~bought & ~timed) | (bought & lasts.is_not_null())).sum(),
        prices=((bought & ~priced) | (~bought & amount.is_not_null())).sum(),
    ).row(0, named=True)


def _against_players(day: pl.DataFrame, players: pl.DataFrame, date: str) -> dict[str, int]:
    who = day.filter(pl.col("player_id").is_not_null()).select("player_id").unique()
    known = who.join(players.select("player_id", "install_date").unique("player_id"), on="player_id")
    early = known.filter(pl.col("install_date") > dt.date.fromisoformat(date))
    return {"players_known": who.height - known.height, "not_before_install": early.height}


def _side_tables(batch: Path, players: pl.DataFrame) -> dict[str, int]:
    touches, spend = pl.read_parquet(batch / "touches.parquet"), pl.read_parquet(batch / "spend.parquet")
    numbers = [pl.col(name) for name in ("impressions", "clicks", "spend_usd")]
    odd = pl.any_horizontal(*((n.is_null() | (n < 0)) for n in numbers), pl.col("clicks") > pl.col("impressions"))
    paid_for = [*spend["campaign_id"].unique(), ORGANIC]
    return {
        "players_unique": players.height - players["player_id"].n_unique(),
        "players_known": touches.join(players, on="player_id", how="anti").height,
        "campaigns_known": touches.filter(~pl.col("campaign_id").is_in(paid_for).fill_null(False)).height,
        "spend": spend.filter(odd).height,
    }
