"""A team's things on this machine under its new name: folders, what its sandbox is made of, what it published.

Done as the home's owner, in folders that the team may write to: by descriptor, and never through a link. Its Unix user
is called by a number, which stays, so nobody's files change hands.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from airspace.backends import accounts, trees
from airspace.backends.sources.safe_open import FILE, FOLDER, open_root
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import home, places
from airspace.sandbox.spec import write_places
from airspace.sdk.layout import MANIFEST, PUBLISHED
from airspace.sdk.manifest import Manifest, from_json
from airspace.teams import folders, renaming_files
from airspace.teams.ports import Tell

DAGS, STORAGE = "dags", "storage"
MOST_VERSIONS = 50_000
_MANIFEST_BYTES = 16 * 2**20
_LOOK, _FETCHER_SECONDS = 0.05, 10.0


@dataclass(frozen=True)
class HomeRenamer:
    """See :class:`airspace.teams.ports.Renamer`."""

    layout: HomeLayout

    def look(self, team: str, name: str) -> list[tuple[str, str]]:
        """What is in the way of the new name."""
        layout, found = self.layout, []
        for path in (layout.storage / name, layout.bundles / name, layout.teams / f"{name}.yaml"):
            if os.path.lexists(path):
                found.append((f"{path} is there already", "look at it, then move it away"))
        if self.makes_folder(team) and os.path.lexists(layout.dags / name):
            found.append((f"{layout.dags / name} is there already", "look at it, then move it away"))
        if name in folders.read_sources(layout) or name in places.known(layout):
            found.append((f"{name} has a source or a sandbox on this machine already", "airspace doctor"))
        return found

    def makes_folder(self, team: str) -> bool:
        """Whether the platform made the team's Dag folder, so that it is called like the team."""
        source = folders.read_sources(self.layout).get(team)
        if source is None or source.remote is not None or source.folder != str(self.layout.dags / team):
            return False
        return not renaming_files.names_folder(self.layout, team)

    # --- sandboxes ---------------------------------------------------------------------------------------------------

    def places(self, team: str, name: str) -> None:
        """What sandboxes are made of, of this team and of those that read what it publishes."""
        known = places.known(self.layout)
        if team in known:
            known = {name if key == team else key: place for key, place in known.items() if key != name}
            known[name] = replace(known[name], team=name, bundle=name)
        after = [
            replace(
                place,
                assets={
                    asset: tuple(name if each == team else each for each in consumers)
                    for asset, consumers in place.assets.items()
                },
            )
            for place in known.values()
        ]
        if after != list(places.known(self.layout).values()):
            home.write_atomically(self.layout.sandboxes, write_places(after), mode=0o644)
        mine = next((place for place in after if place.team == name), None)
        if mine is not None and mine.user is not None and os.getuid() == 0:
            accounts.describe(mine.user, name)

    # --- folders -----------------------------------------------------------------------------------------------------

    def folder_of(self, kind: str, team: str) -> tuple[int, int] | None:
        """By which a folder of the team's is known again."""
        if kind == DAGS and not self.makes_folder(team):
            return None
        return _identity(self._parent(kind), team)

    def move_folder(self, kind: str, team: str, name: str, known: tuple[int, int]) -> None:
        """Let that very folder have the new name."""
        parent = self._parent(kind)
        if _identity(parent, name) == known:
            # An `up` in between makes what it knows of anew: that is empty.
            if kind == STORAGE and os.path.lexists(parent / team):
                trees.remove_tree(parent, team)
            return
        if _identity(parent, team) != known:
            raise AirspaceError(
                f"{parent / team} is not the folder that it was",
                fix=f"put it back, as {parent / team} or {parent / name}",
            )
        if kind == STORAGE and os.path.lexists(parent / name):
            trees.remove_tree(parent, name)
        if os.path.lexists(parent / name):
            raise AirspaceError(f"{parent / name} is there already", fix="move it away, then run the command again")
        with _opened(parent) as handle:
            os.rename(team, name, src_dir_fd=handle, dst_dir_fd=handle)

    def _parent(self, kind: str) -> Path:
        return self.layout.dags if kind == DAGS else self.layout.storage

    # --- what was published ------------------------------------------------------------------------------------------

    def rewrite_manifests(self, team: str, name: str, tell: Tell) -> int:
        """What was published says the new name: its readers ask whether it does."""
        count = 0
        with suppress(OSError), _opened(self.layout.storage / name) as own, _inside(own, PUBLISHED) as published:
            for number, (asset, version) in enumerate(_versions(published)):
                if number >= MOST_VERSIONS:
                    tell(f"more than {MOST_VERSIONS} versions are published: the rest is left as it is")
                    break
                with suppress(OSError), _inside(published, asset) as of, _inside(of, version) as folder:
                    count += _rewrite(folder, team, name)
        return count

    # --- Dag files and logs ------------------------------------------------------------------------------------------

    def move_source(self, team: str, name: str) -> None:
        """Where the Dags are fetched from, under the new name."""
        source = folders.read_sources(self.layout).get(team)
        if source is None:
            return
        made = self.makes_folder(team)
        after = replace(source, team=name, folder=str(self.layout.dags / name) if made else source.folder)
        folders.make_team_folders(self.layout, name, default_source=made)
        folders.write_sources(self.layout, {name: after}, gone=[team])

    def fetched(self, name: str, files: Sequence[str], seconds: float) -> str | None:
        """Wait until these files are in the copy that Airflow reads."""
        deadline = time.monotonic() + seconds
        while missing := next((path for path in files if not (self.layout.bundles / name / path).is_file()), None):
            if time.monotonic() >= deadline:
                return missing
            time.sleep(_LOOK)
        return None

    def clear(self, team: str) -> None:
        """The copy of its files under the old name. The fetcher removes it; it may not be running."""
        deadline = time.monotonic() + _FETCHER_SECONDS
        while (self.layout.bundles / team).exists() and time.monotonic() < deadline:
            time.sleep(_LOOK)
        trees.remove_tree(self.layout.bundles, team)

    def move_logs(self, team: str, name: str) -> None:
        """Logs of triggers and of reading files."""
        root = self.layout.logs / "airflow"
        _move(root / "triggerer", f"{team}.log", f"{name}.log")
        try:
            days = sorted((root / "dag_processor").iterdir())
        except OSError:
            days = []
        for day in days:
            if not day.is_symlink() and day.is_dir():
                _move(day, team, name)


def _move(parent: Path, before: str, after: str) -> None:
    """What is there under the new name already is older, and another team's: it goes aside."""
    with suppress(FileNotFoundError), _opened(parent) as handle:
        os.stat(before, dir_fd=handle, follow_symlinks=False)
        with suppress(FileNotFoundError):
            os.rename(after, f"{after}.before-{secrets.token_hex(4)}", src_dir_fd=handle, dst_dir_fd=handle)
        os.rename(before, after, src_dir_fd=handle, dst_dir_fd=handle)


def _identity(parent: Path, name: str) -> tuple[int, int] | None:
    try:
        found = (parent / name).lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _versions(published: int) -> Iterator[tuple[str, str]]:
    with os.scandir(published) as assets:
        for asset in assets:
            with suppress(OSError), _inside(published, asset.name) as folder, os.scandir(folder) as versions:
                for version in versions:
                    yield asset.name, version.name


def _rewrite(folder: int, team: str, name: str) -> int:
    """One version's description, as its owner would write it now; what is none stays as it is."""
    handle = os.open(MANIFEST, FILE, dir_fd=folder)
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MANIFEST_BYTES:
            return 0
        data = stream.read(_MANIFEST_BYTES)
    try:
        manifest = from_json(data)
    except (ValueError, RecursionError):
        return 0
    if manifest.team != team:
        return 0
    _replace(folder, renamed(manifest, name).to_json().encode(), found)
    return 1


def renamed(manifest: Manifest, name: str) -> Manifest:
    """A version's description with its owner called otherwise, also where it was made from the owner's own."""
    before = f"{manifest.team}/"
    inputs = tuple(f"{name}/{each[len(before) :]}" if each.startswith(before) else each for each in manifest.inputs)
    return replace(manifest, team=name, inputs=inputs)


def _replace(folder: int, data: bytes, before: os.stat_result) -> None:
    """In one step; with the owner and the mode that it had."""
    part = f".{MANIFEST}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(part, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            if os.getuid() == 0:
                os.fchown(handle, before.st_uid, before.st_gid)
            os.fchmod(handle, stat.S_IMODE(before.st_mode) & 0o777)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        os.rename(part, MANIFEST, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        raise


@contextmanager
def _inside(above: int, name: str) -> Iterator[int]:
    handle = os.open(name, FOLDER, dir_fd=above)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = open_root(path, privileged=os.getuid() == 0)
    try:
        yield handle
    finally:
        os.close(handle)
