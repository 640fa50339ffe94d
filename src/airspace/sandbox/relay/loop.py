"""The relay's loop: one thread, many teams, and none of them before another.

What is ready is served in rounds. In one round a team gets so many turns and no more: what is left of it is still ready
in the next one, after everybody else has had theirs.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import select
import time
from collections import Counter
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
TURNS = 24  # of one team in a round
_MOST_EVENTS = 8192
log = logging.getLogger("airspace.relay")
Handler = Callable[[int], None]


class Timer:
    """Something to do later, unless it is cancelled."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Do not do it. Harmless afterwards."""
        self._action = None

    def fire(self) -> None:
        """Do it, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Loop:
    """Descriptors, whose they are, and what to do when they are ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, tuple[str, int, Handler]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()

    def watch(self, descriptor: int, events: int, team: str, handler: Handler) -> None:
        """Wait for these events from now on; for none: not at all.

        :param team: whose turns it takes; empty for the platform's own, which are not counted
        """
        known = self._handlers.get(descriptor)
        if not events:
            self.forget(descriptor)
            return
        if known is None:
            self._epoll.register(descriptor, events)
        elif known[1] != events:
            self._epoll.modify(descriptor, events)
        self._handlers[descriptor] = (team, events, handler)

    def forget(self, descriptor: int) -> None:
        """Wait for it no longer; before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Do it after so many seconds."""
        timer = Timer(action)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def round(self) -> None:
        """Wait, and serve what is ready."""
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        taken: Counter[str] = Counter()
        for descriptor, events in self._epoll.poll(wait, _MOST_EVENTS):
            found = self._handlers.get(descriptor)
            if found is None:  # forgotten by one before it in this round
                continue
            team, _, handler = found
            taken[team] += 1
            if not team or taken[team] <= TURNS:
                self._serve(descriptor, handler, events)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2].fire()

    def _serve(self, descriptor: int, handler: Handler, events: int) -> None:
        try:
            handler(events)
        except Exception:  # the door to all teams: what one's socket brings about ends nobody else's
            log.exception("What came over a socket could not be served")
            self.forget(descriptor)

    def close(self) -> None:
        """Give it back."""
        self._epoll.close()
