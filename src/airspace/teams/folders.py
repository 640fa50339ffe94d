"""The files of apply: a team's folders, ``sources.json``, the copies of the team files. All of it can be repeated.

Everything is done by descriptor of the parent folder and never through a link, because root may be doing it in folders
that a less trusted user can write to. What is made belongs to whoever owns the folder it is made in.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airspace.model.errors import AirspaceError, HomeError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.model.names import is_team_name

LOCK_SECONDS = 120
_LOCK = ".apply.lock"


@dataclass(frozen=True)
class Source:
    """Where the Dags of a bundle come from."""

    team: str
    folder: str


def read_sources(layout: HomeLayout) -> dict[str, Source]:
    """Bundle → source, of every team applied so far.

    :raises HomeError: the file is damaged
    """
    try:
        document = json.loads(layout.sources.read_text(encoding="utf-8"))
        return {bundle: Source(str(item["team"]), str(item["folder"])) for bundle, item in document["bundles"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HomeError(
            f"{layout.sources} is damaged", fix=f"remove it and apply every team again: rm {layout.sources}"
        ) from None
    except OSError as error:
        raise HomeError(
            f"{layout.sources} cannot be read: {error.strerror}", fix="run this as the home's owner"
        ) from None


def write_sources(layout: HomeLayout, changed: Mapping[str, Source]) -> None:
    """Merge some bundles into what is there; nothing is written when that changes nothing."""
    before = read_sources(layout)
    after = before | dict(changed)
    if after == before and layout.sources.exists():
        return
    bundles = {bundle: {"team": item.team, "folder": item.folder} for bundle, item in sorted(after.items())}
    _write(layout.sources, json.dumps({"bundles": bundles}, indent=2).encode() + b"\n", mode=0o644)


def make_team_folders(layout: HomeLayout, team: str, *, default_source: bool) -> None:
    """The team's checkout and, unless it brings its own, the folder for its Dags."""
    # Its sandbox reads the checkout as a user of its own; nobody else gets through the folder above it.
    _make(layout.bundles, team, 0o755)
    if default_source:
        _make(layout.dags, team, 0o755)


def keep_copy(layout: HomeLayout, team: str, data: bytes) -> None:
    """Keep the team file as applied: later steps compare with it. It may hold plain secrets."""
    path = layout.teams / f"{team}.yaml"
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    _write(path, data, mode=0o640 if os.getuid() == 0 else 0o600)


def kept_teams(layout: HomeLayout) -> frozenset[str]:
    """The teams applied so far."""
    try:
        return frozenset(path.stem for path in layout.teams.glob("*.yaml") if is_team_name(path.stem))
    except OSError:
        return frozenset()


class ApplyLock:
    """Held while applying. Remembers that an apply was cut off, so that the next one rings for every team."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.was_cut_off = os.pread(handle, 1, 0) == b"!"

    def begin(self) -> None:
        """From now on the state may be half-way."""
        os.pwrite(self._handle, b"!", 0)

    def finish(self) -> None:
        """Everything is as the files say."""
        os.ftruncate(self._handle, 0)


@contextmanager
def apply_lock(layout: HomeLayout, seconds: float = LOCK_SECONDS) -> Iterator[ApplyLock]:
    """One apply at a time on a home; a killed one gives the lock back.

    :raises NotRunningError: there is no platform; nothing is left behind in what may become its home
    """
    if not layout.manifest.exists():
        raise NotRunningError(f"there is no platform in {layout.root} yet", fix="airspace up")
    try:
        handle = os.open(layout.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeError(
            f"cannot write in {layout.root}: {error.strerror}", fix="run this as the home's owner"
        ) from None
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AirspaceError("another apply is running", fix="wait for it, then apply again") from None
                time.sleep(0.05)
        yield ApplyLock(handle)
    finally:
        os.close(handle)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise HomeError(f"the folder {folder} cannot be used: {error.strerror}", fix="airspace doctor") from None
    try:
        yield handle
    finally:
        os.close(handle)


def _make(parent: Path, name: str, mode: int) -> None:
    with _opened(parent) as above:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        owner = os.fstat(above)
        try:
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        except OSError as error:
            fix = f"remove it: rm {parent / name}"
            raise HomeError(f"{parent / name} is in the way: {error.strerror}", fix=fix) from None
        try:
            found = os.fstat(handle)
            if (found.st_uid, found.st_gid) != (owner.st_uid, owner.st_gid):
                os.fchown(handle, owner.st_uid, owner.st_gid)
            if stat.S_IMODE(found.st_mode) != mode:
                os.fchmod(handle, mode)
        finally:
            os.close(handle)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file so that a reader or a crash never sees half of it."""
    with _opened(path.parent) as above:
        name = f".{path.name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600, dir_fd=above)
        try:
            with os.fdopen(handle, "wb") as stream:
                owner = os.fstat(above)
                found = os.fstat(handle)
                if (found.st_uid, found.st_gid) != (owner.st_uid, owner.st_gid):
                    os.fchown(handle, owner.st_uid, owner.st_gid)
                os.fchmod(handle, mode)
                stream.write(data)
                stream.flush()
                os.fsync(handle)
            os.rename(name, path.name, src_dir_fd=above, dst_dir_fd=above)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=above)
            raise
