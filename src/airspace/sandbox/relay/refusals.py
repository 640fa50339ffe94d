"""Who hears of a refusal: the supervisors of the team's running tasks, for the tasks' logs, and the relay's own log.

Nobody is waited for: a hearer whose socket is full misses a line.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import defaultdict
from contextlib import suppress

log = logging.getLogger("airspace.relay")

MOST_LINES = 40  # different ones for one hearer
LONGEST = 400
_LAST_WORD = "network: further refusals are not shown here"
_LOGGED, _LOGGED_SECONDS = 20, 60.0  # lines of one team in the relay's own log, in so long


class Hearer:
    """One supervisor. The same line is told once."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._told: set[str] = set()

    def tell(self, line: str) -> None:
        """Tell it, unless it knows, or knows enough."""
        if line in self._told or len(self._told) > MOST_LINES:
            return
        self._told.add(line)
        words = line if len(self._told) <= MOST_LINES else _LAST_WORD
        with suppress(OSError):
            self._link.send(words.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class Refusals:
    """All hearers."""

    def __init__(self) -> None:
        self._hearers: dict[str, list[Hearer]] = defaultdict(list)
        self._logged: dict[str, tuple[float, int, str]] = {}

    def add(self, team: str, hearer: Hearer) -> None:
        """It wants to hear of this team."""
        self._hearers[team].append(hearer)

    def remove(self, team: str, hearer: Hearer) -> None:
        """It does not any more."""
        self._hearers[team].remove(hearer)
        if not self._hearers[team]:
            del self._hearers[team]

    def tell(self, team: str, what: str) -> None:
        """Something was refused; ``what`` is one line, in words for the team's authors."""
        line = f"network: {what}"[:LONGEST]
        for hearer in self._hearers.get(team, ()):
            hearer.tell(line)
        since, count, last = self._logged.get(team, (0.0, 0, ""))
        if last == line:  # a name is asked for twice each time: its addresses of both kinds
            return
        if (now := time.monotonic()) - since > _LOGGED_SECONDS:
            since, count = now, 0
        self._logged[team] = (since, count + 1, line)
        if count < _LOGGED:
            log.info("%s: %s%s", team, what[:LONGEST], "; more of this minute is not shown" * (count == _LOGGED - 1))


def not_listed(team: str, host: str, port: int | None) -> str:
    """What is said of a destination that is not on the list."""
    if port is None:
        return f'{host} is not on the list of team {team}; add it with its port to "network" in the team file'
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f'{shown} is not on the list of team {team}; add "{shown}" to "network" in the team file'
