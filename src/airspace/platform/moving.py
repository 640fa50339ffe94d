"""Carrying a team's Dag files and published data to another team on this machine.

Done as the home's owner, in folders that teams or their people may write to: by descriptor, and never through a link.
A file is taken out of the one folder, kept in the home, and put into the other; so at no moment is it in both, and
whatever cuts this off, it is somewhere.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from airspace.backends import trees
from airspace.backends.sources.mirror import Limits
from airspace.backends.sources.safe_open import FILE, FOLDER, RefusedError, open_file, open_root
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import modules, places
from airspace.sdk.layout import PUBLISHED
from airspace.sdk.manifest import from_json
from airspace.teams import folders
from airspace.teams.ports import Look, Move, Tell

_LOOK = 0.05
_FILE_BYTES = Limits().file_bytes
_MANIFEST_BYTES = 16 * 2**20
_COPIED = ".copied"


@dataclass(frozen=True)
class HomeCarrier:
    """See :class:`airspace.teams.ports.Carrier`.

    :param run: where the lock files of supervisors are, in ``tasks``
    """

    layout: HomeLayout
    run: Path

    # --- Dag files ---------------------------------------------------------------------------------------------------

    def look(self, move: Move) -> Look:
        """What there is of the files, what else they need, and what stands in the way."""
        sources = folders.read_sources(self.layout)
        if move.fresh:
            sources[move.target] = folders.Source(move.target, str(self.layout.dags / move.target))
        where = tuple(_shown(sources.get(team)) for team in (move.team, move.target))
        own = [self._makes(sources.get(team)) for team in (move.team, move.target)]
        by_hand = not all(own)
        bundles = [self.layout.bundles / team for team in (move.team, move.target)]
        named = modules.needed_by(bundles[0], move.files)
        lacking = [path for path in named if path not in move.helpers and not _same(bundles, path)]
        problems = [*self._wrong(move, by_hand=by_hand)]
        if lacking and not by_hand:
            files = ",".join(lacking)
            problems.append((f"the files need {', '.join(lacking)} of team {move.team}", f"add --with-files {files}"))
        return Look(by_hand, (where[0], where[1]), tuple(lacking), tuple(problems))

    def _makes(self, source: folders.Source | None) -> bool:
        """Whether the platform made this source's folder."""
        if source is None or source.remote is not None:
            return False
        return Path(source.folder).parent.resolve() == self.layout.dags.resolve()

    def _wrong(self, move: Move, *, by_hand: bool) -> Iterator[tuple[str, str]]:
        if by_hand and move.helpers:
            yield "--with-files copies between folders that the platform made", "copy them by hand, as the Dag files"
        for path in move.helpers:
            if not _is_plain(path) or not _is_there(self.layout.bundles / move.team, path):
                yield f"team {move.team} has no file {path}", "name it as it lies in the team's folder"
        if by_hand:
            return
        kept = self.layout.moving / move.key
        for number, path in enumerate(move.files):
            if not _is_plain(path):
                yield f"{path!r} is no plain name of a file", "rename it"
            elif _is_there(self.layout.dags / move.target, path):
                yield f"the folder of team {move.target} has a file {path} already", "rename one of the two"
            elif not os.path.lexists(kept / str(number)) and not _is_there(self.layout.dags / move.team, path):
                yield f"{path} is not in the folder of team {move.team}", "wait a moment, then try again"

    def take(self, move: Move) -> None:
        """Take the files out of the old folder into the home."""
        kept = self._kept(move)
        with _root(kept) as aside:
            for number, path in enumerate(move.files):
                if os.path.lexists(kept / str(number)):
                    continue
                with _told(path), _parent(self.layout.dags / move.team, path) as (folder, name):
                    _set_aside(name, folder, str(number), aside)

    def put(self, move: Move) -> None:
        """Put them into the new folder; helpers are copied from what was fetched of them."""
        with _root(self._kept(move)) as aside:
            for path in move.helpers:  # first: the Dags are read as soon as they are there
                with _told(path), _parent(self.layout.bundles / move.team, path) as (folder, name):
                    data = _read(name, folder)
                self._write(self.layout.dags / move.target, path, data)
            for number, path in enumerate(move.files):
                self._write(self.layout.dags / move.target, path, _read(str(number), aside))

    def give_back(self, move: Move) -> None:
        """Put what was taken back into the old folder."""
        kept = self.layout.moving / move.key
        for number, path in enumerate(move.files):
            if (kept / str(number)).is_file():
                with _root(kept) as aside:
                    self._write(self.layout.dags / move.team, path, _read(str(number), aside))

    def _write(self, root: Path, path: str, data: bytes) -> None:
        with _told(str(root / path)), _parent(root, path, make=True) as (folder, name):
            try:
                found = _read(name, folder)
            except FileNotFoundError:
                _create(name, folder, data)
                return
        if found != data:
            raise AirspaceError(
                f"{root / path} is there already, and says something else", fix="rename it, then run the command again"
            )

    def fetched(self, move: Move, *, there: bool, seconds: float) -> str | None:
        """Wait until the copies that Airflow reads are so."""
        deadline = time.monotonic() + seconds
        while missing := self._missing(move, there=there):
            if time.monotonic() >= deadline:
                return missing
            time.sleep(_LOOK)
        return None

    def _missing(self, move: Move, *, there: bool) -> str | None:
        bundles = self.layout.bundles
        for path in move.files:
            if _is_there(bundles / move.team, path):
                return f"{path} is still among the Dags of team {move.team}"
        for path in (*move.files, *move.helpers) if there else ():
            if not _is_there(bundles / move.target, path):
                return f"{path} is not yet among the Dags of team {move.target}"
        return None

    def forget(self, move: Move) -> None:
        """Remove what was kept, files and copies."""
        trees.remove_tree(self.layout.moving, move.key)
        trees.remove_tree(self.layout.storage, _aside(move))

    def _kept(self, move: Move) -> Path:
        self.layout.moving.mkdir(mode=0o700, exist_ok=True)
        kept = self.layout.moving / move.key
        kept.mkdir(mode=0o700, exist_ok=True)
        return kept

    # --- published data ----------------------------------------------------------------------------------------------

    def copy_data(self, move: Move, assets: Sequence[str], tell: Tell) -> dict[str, Any]:
        """Copy what was published beside the teams' folders, where only the platform writes."""
        aside = self.layout.storage / _aside(move)
        if (aside / _COPIED).exists():
            return {}
        trees.remove_tree(self.layout.storage, _aside(move))
        aside.mkdir(mode=0o700)
        owner, found = self._owner(move), trees.Copied()
        for asset in assets:
            tell(f"copying {asset}")
            with _published(self.layout.storage, move.team) as published:
                if published is None:
                    break
                done = trees.copy_tree(
                    (published, asset),
                    aside / asset,
                    owner,
                    lambda count, asset=asset: tell(f"copying {asset}: {count} files"),  # type: ignore[misc]
                    lambda path, handle: _manifest(path, handle, move),
                )
            found = trees.Copied(found.files + done.files, found.bytes + done.bytes, found.left_out + done.left_out)
        (aside / _COPIED).touch()
        return vars(found)

    def place_data(self, move: Move, assets: Sequence[str]) -> None:
        """Put the copies in their places. What lies there under the same name is kept under another one."""
        with _root(self.layout.storage) as storage, _published(self.layout.storage, move.target) as published:
            if published is None:
                raise AirspaceError(f"team {move.target} has no storage", fix="apply its team file")
            for asset in assets:
                source = f"{_aside(move)}/{asset}"
                if not os.path.lexists(self.layout.storage / source):
                    continue
                with suppress(FileNotFoundError):
                    before = f"{asset}.before-{secrets.token_hex(4)}"
                    os.rename(asset, before, src_dir_fd=published, dst_dir_fd=published)
                os.rename(source, asset, src_dir_fd=storage, dst_dir_fd=published)

    def drop_data(self, move: Move, assets: Sequence[str], tell: Tell) -> None:
        """Remove the old team's: put aside in one step, then emptied."""
        with _root(self.layout.storage) as storage, _published(self.layout.storage, move.team) as published:
            for asset in assets if published is not None else ():
                with suppress(FileNotFoundError):
                    gone = f".gone-{move.key}-{secrets.token_hex(4)}"
                    os.rename(asset, gone, src_dir_fd=published, dst_dir_fd=storage)
        for path in sorted(self.layout.storage.glob(f".gone-{move.key}-*")):
            tell("removing what was published before")
            trees.remove_tree(self.layout.storage, path.name)

    def _owner(self, move: Move) -> trees.Owner:
        known = places.known(self.layout)
        old, new = known.get(move.team), known.get(move.target)
        found = (self.layout.storage / move.target).lstat()
        uid, gid = (new.uid, new.gid) if new else (None, None)
        return trees.Owner(
            found.st_uid if uid is None else uid, found.st_gid if gid is None else gid, old.uid if old else None
        )

    # --- tasks -------------------------------------------------------------------------------------------------------

    def await_ends(self, instances: Sequence[str], seconds: float) -> None:
        """A supervisor holds a lock on a file of its task's name for as long as it lives."""
        deadline = time.monotonic() + seconds
        while any(_is_held(self.run / "tasks" / each) for each in instances) and time.monotonic() < deadline:
            time.sleep(_LOOK)


def _set_aside(name: str, folder: int, number: str, aside: int) -> None:
    """Take a file away, if it is one that the fetcher would read too."""
    root = os.fstat(folder) if os.getuid() == 0 else None
    try:
        handle, found = open_file(name, folder, root)
        os.close(handle)
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError("it is no plain file")
        os.rename(name, number, src_dir_fd=folder, dst_dir_fd=aside)
    except RefusedError as error:
        raise AirspaceError(
            f"{name} cannot be taken out of its folder: {error}", fix="put a plain file there"
        ) from None
    taken = os.stat(number, dir_fd=aside, follow_symlinks=False)
    if (taken.st_dev, taken.st_ino) != (found.st_dev, found.st_ino):
        os.rename(number, name, src_dir_fd=aside, dst_dir_fd=folder)
        raise AirspaceError(f"{name} was changed a moment ago", fix="run the command again")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the system has against a file, as an error that a person is told."""
    try:
        yield
    except OSError as error:
        raise AirspaceError(
            f"{what} cannot be moved: {error.strerror}", fix="look at it, then run the command again"
        ) from None


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _aside(move: Move) -> str:
    return f".moving-{move.key}"


def _manifest(path: str, handle: int, move: Move) -> bytes | None:
    """The description of a version, as its new owner would have written it; one that is none stays as it is."""
    if path.count("/") != 1 or not path.endswith("/manifest.json") or os.fstat(handle).st_size > _MANIFEST_BYTES:
        return None
    try:
        found = from_json(os.pread(handle, _MANIFEST_BYTES, 0))
    except (ValueError, RecursionError):
        return None
    return replace(found, team=move.target).to_json().encode() if found.team == move.team else None


def _shown(source: folders.Source | None) -> str:
    if source is None:
        return "nowhere"
    return f"{source.remote.kind} {source.remote.shown}" if source.remote else source.folder


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path == "/".join(parts) and bool(parts) and not {"/", "..", "."} & set(parts) and path.isprintable()


def _is_there(root: Path, path: str) -> bool:
    if not _is_plain(path):
        return False
    try:
        with _parent(root, path) as (folder, name):
            return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _same(bundles: Sequence[Path], path: str) -> bool:
    found = []
    for bundle in bundles:
        try:
            with _parent(bundle, path) as (folder, name):
                found.append(_read(name, folder))
        except OSError:
            return False
    return found[0] == found[1]


@contextmanager
def _root(path: Path) -> Iterator[int]:
    handle = open_root(path, privileged=os.getuid() == 0)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _parent(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that a file is in, and its name there. Folders on the way are made by, and for, the root's owner."""
    *parts, name = PurePosixPath(path).parts
    here = open_root(root, privileged=os.getuid() == 0)
    owner = os.fstat(here)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
                if os.getuid() == 0:
                    os.chown(part, owner.st_uid, owner.st_gid, dir_fd=here, follow_symlinks=False)
            inner = os.open(part, FOLDER, dir_fd=here)
            os.close(here)
            here = inner
        yield here, name
    finally:
        os.close(here)


def _read(name: str, folder: int) -> bytes:
    """A plain file of a bearable size."""
    handle = os.open(name, FILE, dir_fd=folder)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise AirspaceError(f"{name} is no plain file", fix="look at it, then try again")
        data = stream.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise AirspaceError(f"{name} is larger than {_FILE_BYTES >> 20} MB", fix="make it smaller, then try again")
    return data


def _create(name: str, folder: int, data: bytes) -> None:
    """A whole new file, its folder's owner's, or none."""
    part = f".{name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(part, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            owner = os.fstat(folder)
            if os.getuid() == 0:
                os.fchown(handle, owner.st_uid, owner.st_gid)
            os.fchmod(handle, 0o644)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.unlink(part, dir_fd=folder)


@contextmanager
def _published(storage: Path, team: str) -> Iterator[int | None]:
    """What a team publishes from; None where that is no folder."""
    with _root(storage) as here:
        handles: list[int] = []
        try:
            for part in (team, PUBLISHED):
                handles.append(os.open(part, FOLDER, dir_fd=handles[-1] if handles else here))
        except OSError:
            yield None
        else:
            yield handles[-1]
        finally:
            for handle in handles:
                os.close(handle)
