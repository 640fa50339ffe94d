"""``sandboxes.json``, followed while the spawner runs: which teams have a place here, and what they may reach."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from airspace.sandbox.spec import TeamPlace, read_places

log = logging.getLogger("airspace.spawner")


class Places:
    """The file as it was read last. Only the home's owner writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._places: dict[str, TeamPlace] = {}

    def read(self) -> None:
        """Follow the file. One that cannot be read changes nothing."""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                text = self._path.read_text(encoding="utf-8")
                self._stamp = stamp  # looked at every second: what is wrong with it is said once
                self._places = read_places(text)
        except FileNotFoundError:
            self._places = {}
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, the teams stay as they are: %s", self._path, error)

    def of(self, team: str) -> TeamPlace | None:
        """The place that was made for a team, if any."""
        return self._places.get(team)

    def all(self) -> Iterable[TeamPlace]:
        """Every team's."""
        return self._places.values()
