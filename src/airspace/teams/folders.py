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
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.model.errors import AirspaceError, HomeError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.model.names import is_team_name
from airspace.model.remote import Remote

LOCK_SECONDS = 120
_LOCK = ".apply.lock"


@dataclass(frozen=True)
class Source:
    """Where the Dags of a bundle come from: a folder, or a remote and no folder."""

    team: str
    folder: str
    remote: Remote | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = {"team": self.team, "folder": self.folder}
        return found | {"remote": self.remote.as_dict()} if self.remote else found

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Source:
        """The reverse."""
        remote = document.get("remote")
        return cls(str(document["team"]), str(document["folder"]), Remote.from_dict(remote) if remote else None)


def read_sources(layout: HomeLayout) -> dict[str, Source]:
    """Bundle → source, of every team applied so far.

    :raises HomeError: the file is damaged
    """
    try:
        document = json.loads(layout.sources.read_text(encoding="utf-8"))
        return {bundle: Source.from_dict(item) for bundle, item in document["bundles"].items()}
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


def write_sources(layout: HomeLayout, changed: Mapping[str, Source], gone: Collection[str] = ()) -> None:
    """Merge some bundles into what is there, and take others out; nothing is written when that changes nothing."""
    before = read_sources(layout)
    after = {bundle: source for bundle, source in (before | dict(changed)).items() if bundle not in gone}
    if after == before and layout.sources.exists():
        return
    bundles = {bundle: item.as_dict() for bundle, item in sorted(after.items())}
    replace_file(layout.sources, json.dumps({"bundles": bundles}, indent=2).encode() + b"\n", mode=0o644)


def write_credentials(layout: HomeLayout, data: bytes) -> None:
    """What remotes are fetched with; only the control user's own processes read it."""
    with contextlib.suppress(OSError):
        if layout.source_credentials.read_bytes() == data:
            return
    replace_file(layout.source_credentials, data, mode=0o600)


def make_team_folders(layout: HomeLayout, team: str, *, default_source: bool) -> None:
    """The team's checkout and, unless it brings its own, the folder for its Dags."""
    # Its sandbox reads the checkout as a user of its own; nobody else gets through the folder above it.
    _make(layout.bundles, team, 0o755)
    if default_source:
        _make(layout.dags, team, 0o755)


def keep_copy(layout: HomeLayout, team: str, data: bytes) -> None:
    """Keep the team file as applied: later steps compare with it. It may hold plain secrets."""
    write_private(kept_copy(layout, team), data)


def kept_copy(layout: HomeLayout, team: str) -> Path:
    """Where the team file is, as it was last applied."""
    return layout.teams / f"{team}.yaml"


def kept_teams(layout: HomeLayout) -> frozenset[str]:
    """The teams applied so far."""
    try:
        return frozenset(path.stem for path in layout.teams.glob("*.yaml") if is_team_name(path.stem))
    except OSError:
        return frozenset()


def make_team_files(layout: HomeLayout) -> Path:
    """The folder of the team files that nobody keeps elsewhere: the owner's alone, as secrets may stand in them."""
    _make(layout.root, layout.team_files.name, 0o700)
    return layout.team_files


@contextmanager
def apply_lock(layout: HomeLayout, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """One apply at a time on a home; a killed one gives the lock back.

    :raises NotRunningError: there is no platform; nothing is left behind in what may become its home
    """
    if not layout.manifest.exists():
        raise NotRunningError(f"there is no platform in {layout.root} yet", fix="airspace up")
    with locked_file(layout.root / _LOCK, "another apply is running", seconds):
        yield


@contextmanager
def locked_file(path: Path, busy: str, seconds: float) -> Iterator[int]:
    """Hold the lock of a file; a killed holder gives it back.

    :raises AirspaceError: ``busy``, when somebody holds it for longer than that
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeError(
            f"cannot write in {path.parent}: {error.strerror}", fix="run this as the home's owner"
        ) from None
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AirspaceError(busy, fix="wait for it, then try again") from None
                time.sleep(0.05)
        yield handle
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


def write_private(path: Path, data: bytes) -> None:
    """One of the platform's own files: read by its processes, and by nobody else."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    replace_file(path, data, mode=0o640 if os.getuid() == 0 else 0o600)


def write_public(path: Path, data: bytes) -> None:
    """One of the platform's own files that holds nothing secret."""
    replace_file(path, data, mode=0o644)


def create_file(path: Path, data: bytes, *, mode: int) -> None:
    """A new file, whole or not at all.

    :raises FileExistsError: there is something of that name; it is left as it is
    """
    with _opened(path.parent) as above, _temporary(above, path.name, data, mode, None) as name:
        os.link(name, path.name, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)


def exchange_file(path: Path, before: bytes, after: bytes) -> bool:
    """Change a file in its place, keeping owner and mode; False when it is not ``before`` or no plain file any more."""
    with _opened(path.parent) as above:
        try:
            handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        except OSError:
            return False
        with os.fdopen(handle, "rb") as stream:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or stream.read(len(before) + 1) != before:
                return False
        owner, mode = (found.st_uid, found.st_gid), stat.S_IMODE(found.st_mode) & 0o777
        with _temporary(above, path.name, after, mode, owner) as name:
            os.rename(name, path.name, src_dir_fd=above, dst_dir_fd=above)
    return True


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file so that a reader or a crash never sees half of it."""
    with _opened(path.parent) as above, _temporary(above, path.name, data, mode, None) as name:
        os.rename(name, path.name, src_dir_fd=above, dst_dir_fd=above)


@contextmanager
def _temporary(above: int, near: str, data: bytes, mode: int, owner: tuple[int, int] | None) -> Iterator[str]:
    """A finished file beside another one, under a name of its own; gone in the end unless it was renamed.

    :param owner: the folder's when None
    """
    name = f".{near}.{secrets.token_hex(8)}"
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=above)
    try:
        with os.fdopen(handle, "wb") as stream:
            folder, found = os.fstat(above), os.fstat(handle)
            wanted = owner or (folder.st_uid, folder.st_gid)
            if (found.st_uid, found.st_gid) != wanted:
                # An ordinary user in a folder that is shared keeps what they write.
                with contextlib.suppress(*([] if os.getuid() == 0 else [PermissionError])):
                    os.fchown(handle, *wanted)
            os.fchmod(handle, mode)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=above)
