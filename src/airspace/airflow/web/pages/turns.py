"""How many things are done for one team at once in this process: the next ones wait a moment, or are told to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

_PAUSE = 0.02


class NoTurnError(Exception):
    """The team has as many under way as it may, and as many waiting."""


class Turns:
    """Counts by team. Knows no event loop, so that it can be kept for a process.

    :param most: at once, for one team
    :param waiting: that wait for their turn
    :param patience: seconds that one waits
    """

    def __init__(self, most: int, waiting: int, patience: float) -> None:
        self._most, self._waiting, self._patience = most, waiting, patience
        self._running: Counter[str] = Counter()
        self._queued: Counter[str] = Counter()

    async def take(self, team: str) -> None:
        """Wait for a turn; whoever has one gives it back.

        :raises NoTurnError: there is none within the patience
        """
        if self._running[team] >= self._most:
            await self._wait(team)
        self._running[team] += 1

    def give(self, team: str) -> None:
        """It is over."""
        self._less(self._running, team)

    async def _wait(self, team: str) -> None:
        if self._queued[team] >= self._waiting:
            raise NoTurnError
        until = time.monotonic() + self._patience
        self._queued[team] += 1
        try:
            while self._running[team] >= self._most:
                if time.monotonic() > until:
                    raise NoTurnError
                await asyncio.sleep(_PAUSE)
        finally:
            self._less(self._queued, team)

    @staticmethod
    def _less(counter: Counter[str], team: str) -> None:
        counter[team] -= 1
        if counter[team] <= 0:
            del counter[team]
