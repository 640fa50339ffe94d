"""Finding a team's Dag files. It happens in the process of all teams, so it is bounded: in bytes, in time, in trouble.

Only the files' bytes are looked at; nothing is imported.
"""

from __future__ import annotations

import logging
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOKED_AT = 1024**2  # bytes of a file; a Dag file that imports Airflow after a megabyte is nobody's
SECONDS = 5.0
PAUSE = 300.0  # seconds that a folder is left alone after it took too long


def might_contain_dag(file_path: str, zip_file: zipfile.ZipFile | None = None) -> bool:
    """Airflow's own guess (the words "airflow" and "dag" or "asset"), over a bounded part of a file.

    A file inside an archive is unpacked only as far as it is looked at.
    """
    if zip_file is not None:
        with zip_file.open(file_path) as packed:
            content = packed.read(LOOKED_AT)
    elif zipfile.is_zipfile(file_path):
        return True
    else:
        with Path(file_path).open("rb") as file:
            content = file.read(LOOKED_AT)
    content = content.lower()
    return b"airflow" in content and (b"dag" in content or b"asset" in content)


class TookTooLongError(Exception):
    """It takes too long."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Give up after that time; only in a process's main thread.

    :raises TookTooLongError: the time is over
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(f"that takes longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Finder:
    """Looks into folders, and remembers what was there for when that cannot be done."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    _found: dict[str, list[Path]] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)

    def find(self, bundle: str, look: Callable[[], list[Path]]) -> list[Path]:
        """What ``look`` finds; what it found before, where it fails or takes too long."""
        if self.clock() < self._not_before.get(bundle, 0.0):
            return self._found.get(bundle, [])
        try:
            with at_most(self.seconds):
                self._found[bundle] = look()
        except TookTooLongError:
            log.warning("Looking for the Dag files of %s took too long; it is left as it was for a while", bundle)
            self._not_before[bundle] = self.clock() + PAUSE
        except Exception:
            # Whatever a team's folder holds (an ignore file that is none, a broken archive): the others go on.
            log.exception("The Dag files of %s could not be looked for; they are left as they were", bundle)
        return self._found.get(bundle, [])

    def guarded(self, look: Callable[[], T], otherwise: T) -> T:
        """The same for anything else that a folder's content may spoil."""
        try:
            with at_most(self.seconds):
                return look()
        except Exception:
            log.exception("A folder could not be looked into")
            return otherwise
