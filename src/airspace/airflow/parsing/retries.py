"""Files to read again soon, where Airflow would wait until it reads all again: what they said could not be stored, or
the process that read them was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 120.0

File = tuple[str, str]
"""Bundle, and path in it."""


class Retries:
    """Soon after the first failure, and after a longer pause each time that it fails again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[File, float] = {}
        self._pauses: dict[File, float] = {}

    def failed(self, file: File) -> None:
        """The database was away, or another transaction was in the way."""
        pause = self._pauses[file] = min(2 * self._pauses.get(file, FIRST_PAUSE / 2), LONGEST_PAUSE)
        self._due[file] = self._clock() + pause

    def forgives(self, file: File) -> bool:
        """Whether its process was killed for the first time: by whoever, so it is read again. Twice is its doing."""
        if file in self._pauses:
            return False
        self.failed(file)
        return True

    def stored(self, file: File) -> None:
        """Nothing to make up for."""
        if self._pauses.pop(file, None) is not None:
            self._due.pop(file, None)

    def due(self) -> list[File]:
        """Those to read now; each is told once."""
        now = self._clock()
        found = [file for file, at in self._due.items() if at <= now]
        for file in found:
            del self._due[file]
        return found
