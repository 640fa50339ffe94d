"""Team files that are applied whenever they change: those of a folder, or of a branch of a repository."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from airspace.model.errors import AirspaceError
from airspace.teams import service
from airspace.teams.files import MAX_FILES, InvalidFilesError, is_team_file
from airspace.teams.loading import LoadedTeams
from airspace.teams.mishaps import as_error
from airspace.teams.ports import ControlPlane
from airspace.teams.service import Outcome

Signature = tuple[object, ...]
_NEVER = float("inf")
_LOOKING, _APPLYING = "looking at the team files", "applying the team files"


@dataclass(frozen=True)
class Pace:
    """Seconds.

    :param look: between two looks
    :param settle: how long the files have been still when they are applied
    :param first_retry: after a refusal; each time twice as long, up to ``last_retry``
    :param last_pause: the longest between two looks when they fail
    :param again: how often it is looked whether what references lead to has changed
    """

    look: float = 0.5
    settle: float = 1.0
    first_retry: float = 2.0
    last_retry: float = 60.0
    last_pause: float = 900.0
    again: float = 60.0


class Place(Protocol):
    """Where team files are."""

    def look(self) -> Signature:
        """Differs when a file may have changed.

        :raises AirspaceError: it cannot be seen; what is applied stays
        """

    def load(self) -> LoadedTeams:
        """Read and judge all of them.

        :raises AirspaceError: something is wrong with them
        """

    def apply(self, loaded: LoadedTeams) -> Outcome:
        """Make it so.

        :raises AirspaceError: the platform refuses, or does not run
        """


class Reader(Protocol):
    """Who is told what happens."""

    def applied(self, outcome: Outcome) -> None:
        """The files were applied."""

    def refused(self, error: AirspaceError) -> None:
        """They were not, for this reason. The same reason is told once in a row."""

    def unseen(self, error: AirspaceError) -> None:
        """They cannot be looked at, for this reason; told in the same way."""

    def seen_again(self) -> None:
        """After that: they can."""


@dataclass(frozen=True)
class Folder:
    """A folder on this machine.

    :param root: Dag folders must be inside it; by default the folder itself
    """

    directory: Path
    control: ControlPlane
    root: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def look(self) -> Signature:
        """See :class:`Place`."""
        return look(self.directory)

    def load(self) -> LoadedTeams:
        """See :class:`Place`."""
        return service.load(self.directory, self.control.layout, self.environ, self.root, self.control)

    def apply(self, loaded: LoadedTeams) -> Outcome:
        """See :class:`Place`."""
        return service.apply(loaded, self.control)


def watch(place: Place, reader: Reader, stop: threading.Event, pace: Pace = Pace()) -> None:
    """Apply now and after each change, until ``stop`` is set. What is being applied then is finished."""
    watching = _Watching(place, reader, pace)
    while not stop.is_set():
        watching.turn()
        stop.wait(watching.pause())


def once(place: Place, reader: Reader) -> bool:
    """Look and apply a single time; False when that did not work, which was told."""
    try:
        place.look()
    except Exception as error:  # noqa: BLE001 - see airspace.teams.mishaps
        reader.unseen(as_error(error, _LOOKING))
        return False
    try:
        reader.applied(place.apply(place.load()))
    except Exception as error:  # noqa: BLE001 - see airspace.teams.mishaps
        reader.refused(as_error(error, _APPLYING))
        return False
    return True


@dataclass
class _Watching:
    """How far it is.

    :param seen: what the last look found, and ``tried``: what was last applied, or refused
    :param applied: a digest of what was applied last, with what its references led to then
    :param told: the last reason why it was not applied, and ``lost``: why it could not be looked at
    """

    place: Place
    reader: Reader
    pace: Pace
    seen: Signature | None = None
    tried: Signature | None = None
    applied: bytes | None = None
    told: str = ""
    lost: str = ""
    failures: int = 0
    wait: float = 0.0
    look_at: float = 0.0
    settled_at: float = _NEVER
    retry_at: float = _NEVER
    again_at: float = _NEVER
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def turn(self) -> None:
        """Look if it is time to, and apply if there is something to apply."""
        if time.monotonic() >= self.look_at:
            self._look()
        now = time.monotonic()
        if now >= min(self.settled_at, self.retry_at):
            self._apply()
        elif now >= self.again_at and self.settled_at == _NEVER:  # what is being written is left alone
            self._apply(only_changed=True)

    def pause(self) -> float:
        """Seconds until the next turn."""
        due = min(self.look_at, self.settled_at, self.retry_at, self.again_at)
        return max(0.0, due - time.monotonic())

    def _look(self) -> None:
        try:
            found = self.place.look()
        except Exception as unforeseen:  # noqa: BLE001 - one commit must not end what applies the next ones
            error = as_error(unforeseen, _LOOKING)
            self.failures += 1
            longer = self.pace.look * 2.0 ** min(self.failures, 10)
            self.look_at = time.monotonic() + min(longer, max(self.pace.last_pause, self.pace.look))
            if str(error) != self.lost:
                self.reader.unseen(error)
            self.lost = str(error)
            return
        if self.lost:
            self.reader.seen_again()
        now = time.monotonic()
        self.failures, self.lost, self.look_at = 0, "", now + self.pace.look
        if found != self.seen:
            self.seen = found
            self.settled_at = _NEVER if found == self.tried else now + self.pace.settle

    def _apply(self, *, only_changed: bool = False) -> None:
        if self.seen != self.tried:
            self.wait = self.pace.first_retry
        self.tried, self.settled_at, self.retry_at, self.again_at = self.seen, _NEVER, _NEVER, _NEVER
        try:
            loaded = self.place.load()
            digest = loaded.digest(self.key)
            if not (only_changed and digest == self.applied):
                self.reader.applied(self.place.apply(loaded))
            self.applied, self.told = digest, ""
            if loaded.follows:
                self.again_at = time.monotonic() + self.pace.again
        except Exception as unforeseen:  # noqa: BLE001 - one commit must not end what applies the next ones
            error = as_error(unforeseen, _APPLYING)
            if (said := _what(error)) != self.told:
                self.reader.refused(error)
            self.told, self.retry_at = said, time.monotonic() + self.wait
            self.wait = min(self.wait * 2, self.pace.last_retry)


def look(directory: Path) -> Signature:
    """Differs when a file of the folder may have changed."""
    try:
        with os.scandir(directory) as entries:
            named = (entry for entry in entries if is_team_file(entry.name))
            return tuple(sorted(_mark(entry) for entry in islice(named, MAX_FILES + 1)))
    except OSError as error:
        return ("unreadable", error.errno)


def _mark(entry: os.DirEntry[str]) -> tuple[str, int, int, int, int]:
    try:
        found = entry.stat()
    except OSError as error:
        return (entry.name, 0, 0, 0, error.errno or 0)
    return (entry.name, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _what(error: AirspaceError) -> str:
    return repr(error.problems) if isinstance(error, InvalidFilesError) else str(error)
