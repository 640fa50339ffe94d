"""A month of a mobile game, simulated: who installs it, plays, wins, loses, pays and leaves.

Nobody's churn is drawn from a hat. Each day every player has a chance to leave for good that follows from what happened
to them: interest fades with the days since the install, defeats frustrate, money spent and a campaign that brought the
right people hold them. A model that sees only events can therefore learn it, as in a real game.

One day at a time, all players at once (numpy): memory holds the players and one day's events, never the month. The same
seed gives the same month.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rocket_de.campaigns import CAMPAIGNS, ORGANIC

FIRST_DAY = dt.date(2025, 6, 2)
DAY_MS = 86_400_000
CAMPAIGN_IDS = [campaign.id for campaign in CAMPAIGNS]
KINDS = ("session", "match", "purchase")
COUNTRIES = ("US", "JP", "DE", "BR", "GB", "FR", "KR", "PL", "MX", "IN")
COUNTRY_SHARE = np.array([22, 13, 12, 11, 9, 8, 8, 6, 6, 5]) / 100
PRICES = np.array([0.99, 2.99, 4.99, 9.99, 19.99, 49.99])
# Chance that a player is of the kind that pays nothing, a little, some, a lot; purchases a playing day; their prices.
SPENDER_SHARE = np.array([0.925, 0.055, 0.016, 0.004])
SPENDER_RATE = np.array([0.0, 0.10, 0.22, 0.55])
SPENDER_PRICES = np.array(
    [[1, 0, 0, 0, 0, 0], [0.5, 0.3, 0.2, 0, 0, 0], [0.1, 0.25, 0.3, 0.25, 0.1, 0], [0, 0.05, 0.2, 0.3, 0.3, 0.15]]
)
# Share of a day's sessions that begin in each hour: little at night, most after school and work.
HOURS = np.array([3, 2, 1, 1, 1, 1, 2, 4, 4, 3, 3, 4, 5, 4, 4, 5, 6, 7, 8, 9, 9, 7, 5, 4], dtype=float)


@dataclass(frozen=True)
class Size:
    """How much to simulate; 200,000 players make about eight million events."""

    players: int = 200_000
    days: int = 30
    seed: int = 7


@dataclass
class World:
    """Every player's nature (fixed) and condition (changes daily). Arrays over players."""

    install_day: np.ndarray
    campaign: np.ndarray
    spender: np.ndarray
    eagerness: np.ndarray  # sessions a day, when new
    tiring: np.ndarray  # how fast that fades
    skill: np.ndarray  # chance to win a match
    frustration: np.ndarray
    gone: np.ndarray


@dataclass(frozen=True)
class Played:
    """What one day brought: arrays over the players who played."""

    players: np.ndarray
    sessions: np.ndarray
    matches: np.ndarray
    won: np.ndarray


def simulate(folder: Path, size: Size) -> dict[str, int]:
    """Write players, ad touches, ad spend and ``events/date=…/part-0.parquet`` to ``folder``; returns row counts."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "events").mkdir(parents=True)
    rng = np.random.default_rng(size.seed)
    world = _populate(rng, size)
    players = _players(rng, world)
    touches = _touches(rng, world)
    spend = _spend(rng, world, size)
    players.write_parquet(folder / "players.parquet")
    touches.write_parquet(folder / "touches.parquet")
    spend.write_parquet(folder / "spend.parquet")
    events = 0
    for date, day in _month(rng, world, size):
        target = folder / "events" / f"date={date}"
        target.mkdir()
        day.write_parquet(target / "part-0.parquet", compression="lz4")
        events += day.height
    counts = {"players": players.height, "touches": touches.height, "spend": spend.height, "events": events}
    (folder / "batch.json").write_text(json.dumps({**counts, "days": size.days, "seed": size.seed}))
    return counts


def _populate(rng: np.random.Generator, size: Size) -> World:
    """A third of the players were there before; the others install during the month, as the campaigns bring them."""
    n = size.players
    before = rng.random(n) < 0.33
    reach = np.array([sum(c.share for c in CAMPAIGNS if c.first <= day <= c.last) for day in range(size.days)])
    during = rng.choice(size.days, n, p=reach / reach.sum())
    day = np.where(before, -1 - rng.exponential(14, n).astype(int).clip(0, 59), during)
    campaign = np.zeros(n, dtype=np.int8)
    for today in np.unique(day):
        new = np.flatnonzero(day == today)
        share = np.array([c.share if c.first <= today <= c.last else 0.0 for c in CAMPAIGNS])
        campaign[new] = rng.choice(len(CAMPAIGNS), len(new), p=share / share.sum())
    eagerness, tiring, paying = (
        np.array([getattr(c, name) for c in CAMPAIGNS])[campaign] for name in ("eagerness", "tiring", "paying")
    )
    roll, edges = rng.random(n) / paying, np.cumsum(SPENDER_SHARE[::-1])
    spender = np.select([roll < edges[0], roll < edges[1], roll < edges[2]], [3, 2, 1], 0).astype(np.int8)
    return World(
        install_day=day,
        campaign=campaign,
        spender=spender,
        eagerness=rng.gamma(2.2, 0.75, n) * eagerness * (1 + 0.25 * spender),
        tiring=rng.lognormal(np.log(0.022), 0.5, n) * tiring,
        skill=rng.beta(9, 9, n),
        frustration=np.zeros(n),
        gone=np.zeros(n, dtype=bool),
    )


def _players(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """What the game's account service knows: nothing of a player's nature."""
    n = len(world.install_day)
    first = np.datetime64(FIRST_DAY, "D")
    return pl.DataFrame(
        {
            "player_id": np.arange(1, n + 1, dtype=np.int64),
            "install_date": first + world.install_day.astype("timedelta64[D]"),
            "platform": pl.Series(("android", "ios")).gather((rng.random(n) < 0.44).astype(np.uint32)),
            "country": pl.Series(COUNTRIES).gather(rng.choice(len(COUNTRIES), n, p=COUNTRY_SHARE).astype(np.uint32)),
        }
    )


def _touches(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """Ad clicks and views before the install. The campaign that brought the player is the last click within a week;
    others saw them too, earlier, and want the credit."""
    installed = np.datetime64(FIRST_DAY, "ms") + world.install_day * np.timedelta64(DAY_MS, "ms")
    brought = np.flatnonzero(world.campaign != CAMPAIGN_IDS.index(ORGANIC))
    others = np.flatnonzero(rng.random(len(installed)) < 0.25)
    who = np.concatenate([brought, others])
    always = [n for n, c in enumerate(CAMPAIGNS) if c.id != ORGANIC and c.first < 0 and c.last >= 99]
    campaign = np.concatenate([world.campaign[brought], rng.choice(always, len(others))])
    # The one that counts came within two days; what others claim was a view, or a click more than a week ago.
    late = rng.random(len(others)) < 0.5
    hours = np.concatenate(
        [rng.integers(1, 48, len(brought)), np.where(late, 72, 8 * 24) + rng.integers(0, 72, len(others))]
    )
    clicked = np.concatenate([np.ones(len(brought), dtype=bool), ~late])
    return pl.DataFrame(
        {
            "player_id": (who + 1).astype(np.int64),
            "campaign_id": np.array(CAMPAIGN_IDS)[campaign],
            "ts": installed[who] - hours * np.timedelta64(3_600_000, "ms"),
            "kind": np.where(clicked, "click", "view"),
        }
    )


def _spend(rng: np.random.Generator, world: World, size: Size) -> pl.DataFrame:
    """What each campaign's network bills a day: impressions, clicks, money."""
    rows = []
    for number, campaign in enumerate(CAMPAIGNS):
        if campaign.id == ORGANIC:
            continue
        days = world.install_day[world.campaign == number]
        for day in range(max(campaign.first, 0), min(campaign.last, size.days - 1) + 1):
            installs = int((days == day).sum())
            clicks = int(installs * rng.uniform(5, 8)) + int(rng.integers(1, 20))
            rows.append(
                {
                    "date": FIRST_DAY + dt.timedelta(days=day),
                    "campaign_id": campaign.id,
                    "campaign": campaign.name,
                    "channel": campaign.channel,
                    "impressions": int(clicks * rng.uniform(40, 70)),
                    "clicks": clicks,
                    "spend_usd": round(installs * campaign.cost_per_install * rng.uniform(0.9, 1.1) + 1, 2),
                }
            )
    return pl.DataFrame(rows)


def _month(rng: np.random.Generator, world: World, size: Size) -> Iterator[tuple[dt.date, pl.DataFrame]]:
    for day in range(size.days):
        date = FIRST_DAY + dt.timedelta(days=day)
        yield date, _events(rng, world, day, _play(rng, world, day, weekend=date.weekday() >= 5))


def _play(rng: np.random.Generator, world: World, day: int, *, weekend: bool) -> Played:
    """One day: who plays how many sessions and matches. Changes everybody's condition, and some leave."""
    there = np.flatnonzero((world.install_day <= day) & ~world.gone)
    age = day - world.install_day[there]
    eager = world.eagerness[there] * np.exp(-world.tiring[there] * age) * (1.25 if weekend else 1.0)
    eager *= 1 - 0.5 * world.frustration[there]
    sessions = np.maximum(rng.poisson(eager), age == 0)
    active = sessions > 0
    players, sessions = there[active], sessions[active]
    matches = rng.poisson(2.0 * sessions)
    won = rng.binomial(matches, world.skill[players])
    lost = np.divide(matches - won, matches, out=np.full(len(players), 0.5), where=matches > 0)
    world.frustration[there] *= 0.85
    world.frustration[players] = np.clip(world.frustration[players] + 1.1 * (lost - 0.5) * (matches > 0), 0, 1)
    _leave(rng, world, there, eager, age)
    return Played(players, sessions, matches, won)


def _leave(rng: np.random.Generator, world: World, there: np.ndarray, eager: np.ndarray, age: np.ndarray) -> None:
    pull = 4.5 * world.frustration[there] - 3.2 * np.log1p(eager) - 1.0 * (world.spender[there] > 0) + 0.9 * (age <= 1)
    leaves = rng.random(len(there)) < 1 / (1 + np.exp(1.6 - pull))
    world.gone[there[leaves]] = True


def _events(rng: np.random.Generator, world: World, day: int, played: Played) -> pl.DataFrame:
    """The day as the game's servers log it: one row an event, in order of time."""
    players, sessions, matches, won = played.players, played.sessions, played.matches, played.won
    who_s, who_m = np.repeat(players, sessions), np.repeat(players, matches)
    session_ids = day * 10_000_000_000 + np.arange(1, len(who_s) + 1, dtype=np.int64)
    hour = np.searchsorted(np.cumsum(HOURS / HOURS.sum()), rng.random(len(who_s)), side="right").clip(0, 23)
    begin = hour * 3_600_000 + rng.integers(0, 3_000_000, len(who_s))
    first_session = np.cumsum(sessions) - sessions
    of_m = np.repeat(first_session, matches) + (rng.random(len(who_m)) * np.repeat(sessions, matches)).astype(np.int64)
    nth = np.arange(len(who_m)) - np.repeat(np.cumsum(matches) - matches, matches)
    is_win = nth < np.repeat(won, matches)  # which match of the day was won does not matter: times are random
    buys = rng.poisson(SPENDER_RATE[world.spender[players]])
    who_p, of_p = np.repeat(players, buys), np.repeat(first_session, buys)
    kinds = np.repeat([0, 1, 2], [len(who_s), len(who_m), len(who_p)]).astype(np.uint32)
    of = np.concatenate([np.arange(len(who_s)), of_m, of_p])
    shift = np.where(kinds == 0, 0, rng.integers(0, 600_000, len(kinds)))
    offset = np.minimum(begin[of] + shift, DAY_MS - 1)
    order = np.argsort(offset, kind="stable")
    return pl.DataFrame(
        {
            "event_id": day * 10_000_000_000 + np.arange(1, len(kinds) + 1, dtype=np.int64),
            "player_id": np.concatenate([who_s, who_m, who_p])[order].astype(np.int64) + 1,
            "session_id": session_ids[of][order],
            "ts": (np.datetime64(FIRST_DAY, "ms") + (day * DAY_MS + offset[order]) * np.timedelta64(1, "ms")),
            "kind": pl.Series(KINDS).gather(kinds[order]),
        }
    ).with_columns(_details(rng, kinds, is_win, world.spender[who_p], order))


def _details(
    rng: np.random.Generator, kinds: np.ndarray, is_win: np.ndarray, spender: np.ndarray, order: np.ndarray
) -> list[pl.Series]:
    """The columns that only some kinds of event have: how long, won or lost, how much."""
    seconds = np.where(kinds == 0, rng.lognormal(6.1, 0.7, len(kinds)), rng.integers(45, 300, len(kinds)))
    level = np.cumsum(SPENDER_PRICES, axis=1)[spender]
    price = PRICES[(rng.random((len(spender), 1)) > level).sum(axis=1).clip(0, len(PRICES) - 1)]
    won = np.full(len(kinds), -1, dtype=np.int8)
    won[kinds == 1] = is_win
    amount = np.full(len(kinds), np.nan)
    amount[kinds == 2] = price
    return [
        pl.Series("duration_s", seconds[order].clip(5, 14_400).astype(np.int32)).set(
            pl.Series(kinds[order] == 2), None
        ),
        pl.Series("won", won[order]).replace_strict({-1: None, 0: False, 1: True}, return_dtype=pl.Boolean),
        pl.Series("amount_usd", amount[order]).fill_nan(None),
    ]
