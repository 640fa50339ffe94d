"""How much of the shared process one team may use, and how soon one that fell starts again. Pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHARE = 0.5  # of one processor, for one team, when it goes on and on
BURST = 2.0  # seconds
ENOUGH = 0.05
FIRST_PAUSE, MOST_PAUSE = 0.5, 60.0
HEALTHY = 60.0  # seconds: whoever ran so long begins anew
MOST_FALLS = 5


@dataclass
class Pace:
    """A budget of this process's time that grows back."""

    clock: Callable[[], float] = time.monotonic
    _left: float = field(default=BURST, init=False)
    _since: float | None = field(default=None, init=False)

    def spend(self, seconds: float) -> bool:
        """Note what was used; whether there is something left."""
        self._grow()
        self._left -= seconds
        return self._left > 0

    def rested(self) -> bool:
        """Whether it may go on."""
        self._grow()
        return self._left > ENOUGH

    def _grow(self) -> None:
        now = self.clock()
        if self._since is not None:
            self._left = min(BURST, self._left + (now - self._since) * SHARE)
        self._since = now


@dataclass
class Falls:
    """How often a team's runner has fallen, one time after the other."""

    count: int = 0
    not_before: float = 0.0

    def fell(self, now: float, age: float) -> float:
        """Note it; how many seconds to wait."""
        self.count = 1 if age > HEALTHY else self.count + 1
        pause = min(MOST_PAUSE, FIRST_PAUSE * 2.0 ** (self.count - 1))
        self.not_before = now + pause
        return pause

    @property
    def hopeless(self) -> bool:
        """Whether to stop trying with the triggers that were there each time."""
        return self.count >= MOST_FALLS
