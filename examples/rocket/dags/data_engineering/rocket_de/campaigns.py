"""Who brings players to the game: the marketing plan that the simulator follows and marketing pays for."""

from __future__ import annotations

from typing import NamedTuple

ORGANIC = "organic"


class Campaign(NamedTuple):
    """``first`` and ``last`` are days of the month that is simulated; ``share`` is installs a day, relatively.

    The rest is what marketing does not know and the data will tell: how eager its players are, how fast they tire,
    how many of them pay.
    """

    id: str
    name: str
    channel: str
    first: int
    last: int
    share: float
    cost_per_install: float
    eagerness: float
    tiring: float
    paying: float


CAMPAIGNS = (
    Campaign(ORGANIC, "Organic", ORGANIC, -90, 99, 10.0, 0.00, 1.15, 0.80, 1.2),
    Campaign("search_brand", "Search: our name", "search", -90, 99, 4.0, 1.10, 1.25, 0.75, 1.6),
    Campaign("search_genre", "Search: racing games", "search", -90, 99, 4.0, 2.10, 1.05, 0.95, 1.2),
    Campaign("social_rockets", "Rockets fly", "social", -90, 11, 6.0, 1.60, 0.95, 1.15, 0.9),
    Campaign("social_league", "Summer league", "social", 9, 99, 7.0, 1.35, 1.05, 0.95, 1.1),
    Campaign("streamers", "Streamer week", "influencer", 6, 13, 9.0, 1.75, 1.40, 1.30, 1.3),
    Campaign("rewarded", "Rewarded installs", "ad network", -90, 99, 6.0, 0.70, 0.60, 2.40, 0.35),
    Campaign("our_games", "In our other games", "cross promotion", -90, 99, 2.5, 0.25, 1.30, 0.80, 1.3),
)
