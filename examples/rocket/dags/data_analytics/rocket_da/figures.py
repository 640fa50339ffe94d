"""From three published tables to the few numbers that the dashboard shows. Drawing starts where this ends."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

CHANNELS = ("organic", "search", "social", "cross promotion", "influencer", "ad network")
SPENDERS = ("none", "low", "mid", "high")
RISKS = ("high", "medium", "low")
RETURN_DAYS = (1, 3, 7, 14)
FEWEST_PLAYERS = 30  # a share of fewer players than this is noise and is not shown


@dataclass(frozen=True)
class CampaignRow:
    """One campaign's month."""

    name: str
    channel: str
    spend: float
    installs: int
    new_revenue: float

    @property
    def roas(self) -> float:
        """Dollars that its new players paid for each dollar spent."""
        return self.new_revenue / self.spend if self.spend else 0.0


@dataclass(frozen=True)
class Figures:
    """Everything on the page, as plain numbers."""

    days: list[dt.date]
    active: dict[str, list[int]]  # channel → a day each
    revenue: list[float]
    spend: list[float]
    retention: dict[str, list[float]]  # channel → share back after RETURN_DAYS
    campaigns: list[CampaignRow]
    risk: dict[str, int]  # risk → players
    risk_by: dict[tuple[str, str], tuple[int, float]]  # (channel, spender) → players, share at high risk
    revenue_at_risk: float
    metrics: dict[str, Any]

    @property
    def dau(self) -> list[int]:
        """Active players a day, all channels."""
        return [sum(day) for day in zip(*self.active.values(), strict=True)]

    @property
    def points(self) -> int:
        """How many numbers the page shows in its charts."""
        series = len(self.days) * (len(self.active) + 2) + sum(map(len, self.retention.values()))
        return series + 3 * len(self.campaigns) + len(self.risk) + len(self.risk_by)


def figures(profiles_at: Path, marketing_at: Path, churn_at: Path) -> Figures:
    """Read the three published tables and reduce them."""
    profiles = pl.read_parquet(profiles_at / "*.parquet")
    marketing = pl.read_parquet(marketing_at / "*.parquet").sort("date")
    churn = pl.read_parquet(churn_at / "*.parquet").join(profiles, on="player_id")
    days = marketing["date"].unique().sort().to_list()
    daily = marketing.group_by("date").agg(pl.col("revenue_usd", "spend_usd").sum()).sort("date")
    return Figures(
        days=days,
        active=_active(marketing, days),
        revenue=daily["revenue_usd"].to_list(),
        spend=daily["spend_usd"].to_list(),
        retention=_retention(profiles),
        campaigns=_campaigns(marketing),
        risk={name: churn.filter(pl.col("risk") == name).height for name in RISKS},
        risk_by=_risk_by(churn),
        revenue_at_risk=float(churn.filter(pl.col("risk") == "high")["revenue_usd"].sum()),
        metrics=json.loads((churn_at / "metrics.json").read_text()),
    )


def _active(marketing: pl.DataFrame, days: list[dt.date]) -> dict[str, list[int]]:
    counts = marketing.group_by("channel", "date").agg(pl.col("active_players").sum())
    found = {(channel, date): count for channel, date, count in counts.iter_rows()}
    return {channel: [found.get((channel, day), 0) for day in days] for channel in CHANNELS}


def _retention(profiles: pl.DataFrame) -> dict[str, list[float]]:
    """Share of a channel's new players who came back on the n-th day; only players old enough to tell count."""
    columns = [f"returned_d{n}" for n in RETURN_DAYS]
    rows = profiles.group_by("channel").agg(pl.col(columns).mean(), pl.col(columns[-1]).count().alias("players"))
    rows = rows.filter(pl.col("players") >= FEWEST_PLAYERS).drop_nulls()
    found = {row["channel"]: [float(row[name]) for name in columns] for row in rows.iter_rows(named=True)}
    return {channel: found[channel] for channel in CHANNELS if channel in found}


def _campaigns(marketing: pl.DataFrame) -> list[CampaignRow]:
    rows = (
        marketing.group_by("campaign", "channel")
        .agg(pl.col("spend_usd", "installs", "new_revenue_usd").sum())
        .filter(pl.col("spend_usd") > 0)
    )
    found = [
        CampaignRow(row["campaign"], row["channel"], row["spend_usd"], row["installs"], row["new_revenue_usd"])
        for row in rows.iter_rows(named=True)
    ]
    return sorted(found, key=lambda campaign: -campaign.roas)


def _risk_by(churn: pl.DataFrame) -> dict[tuple[str, str], tuple[int, float]]:
    rows = churn.group_by("channel", "spender").agg(pl.len(), high=(pl.col("risk") == "high").mean())
    return {(row["channel"], row["spender"]): (row["len"], row["high"]) for row in rows.iter_rows(named=True)}
