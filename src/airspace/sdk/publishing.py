"""Publishing a version of an asset: complete, or not at all.

The task writes into a draft that nobody reads. On leaving the ``with`` block the draft is described, flushed to disk,
renamed to its place (one step) and named by ``CURRENT`` (one step). An exception, or a crash at any instant, leaves the
version before it current. docs/adr/0010-publishing.md says why it is done this way.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airspace.sdk.context import storage_root, team
from airspace.sdk.errors import PublishError, SdkError
from airspace.sdk.layout import MANIFEST, AssetLayout, version_name
from airspace.sdk.manifest import Manifest, PublishedFile
from airspace.sdk.reading import Published, read_published

KEEP = 3


@dataclass
class Draft:
    """What is about to be published: write into ``path``, then say what it is with :meth:`describe`."""

    asset: str
    path: Path
    rows: int | None = None
    schema: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    result: Published | None = None

    def describe(self, *, rows: int, schema: Mapping[str, object] | None = None) -> None:
        """State the number of rows and, for a table, its columns (a polars or pyarrow schema as a mapping will do)."""
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise PublishError(f"{self.asset}: {rows!r} is not a number of rows", fix="give the count as an int")
        self.rows = rows
        self.schema = {str(name): str(kind) for name, kind in (schema or {}).items()}

    def event(self) -> dict[str, Any]:
        """For the asset's event, once published: rows, uri, version. See :meth:`Published.event`."""
        if self.result is None:
            raise PublishError(f"{self.asset} is not published yet", fix="ask after the `with publish(...)` block")
        return self.result.event()


@contextlib.contextmanager
def publish(
    asset: str, *, version: str | None = None, keep: int = KEEP, inputs: Iterable[Published] = ()
) -> Iterator[Draft]:
    """Write a new version of this team's ``asset``::

        with publish("user_profiles") as out:
            table.write_parquet(out.path / "users.parquet")
            out.describe(rows=table.height, schema=table.schema)

    ``version`` labels it (by default the time). Versions never change: publishing a label again, as a cleared task
    does, makes ``label.2``. The newest ``keep`` versions stay readable. ``inputs`` is recorded as lineage.
    """
    place = AssetLayout(storage_root(), team(), asset)
    label = version_name(version) if version is not None else f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}"
    if keep < 1:
        raise PublishError(f"{asset}: keep={keep} would keep nothing", fix="keep at least 1 version")
    with _draft_folder(place) as folder:
        draft = Draft(asset=asset, path=folder, inputs=[source.ref for source in inputs])
        yield draft
        files = _settle(draft)
        with _locked(place):
            draft.result = _commit(place, draft, files, label)
            _prune(place, keep)


@contextlib.contextmanager
def _draft_folder(place: AssetLayout) -> Iterator[Path]:
    """A fresh folder, locked while its publisher lives, so that the next one can tell a draft from a wreck."""
    place.staging.mkdir(parents=True, exist_ok=True)
    place.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # the platform's own, once others may read it: readable already
        place.folder.chmod(0o755)
    with _locked(place):
        _sweep(place)
        folder = place.staging / secrets.token_hex(8)
        folder.mkdir()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # published, it is no longer there
        os.close(handle)


@contextlib.contextmanager
def _locked(place: AssetLayout) -> Iterator[None]:
    handle = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(place: AssetLayout) -> None:
    """Remove drafts whose publisher died: nobody holds the lock on them any more."""
    for entry in os.scandir(place.staging):
        if not entry.is_dir(follow_symlinks=False):
            continue
        handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(entry.path, ignore_errors=True)
        finally:
            os.close(handle)


def _settle(draft: Draft) -> tuple[PublishedFile, ...]:
    """Check, make readable and flush everything in the draft. Modes are set here, whatever the task's umask says:
    the reader is another Unix user, and what is published no longer changes."""
    files: list[PublishedFile] = []
    for folder, subfolders, names in os.walk(draft.path):
        linked = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        for name in (*names, *linked):
            path = Path(folder) / name
            files.append(PublishedFile(path.relative_to(draft.path).as_posix(), _settle_file(draft, path)))
        Path(folder).chmod(0o755)
        _flush(Path(folder))
    if not files:
        raise PublishError(f"{draft.asset}: nothing was written to the draft", fix="write into out.path")
    if any(file.path == MANIFEST for file in files):
        raise PublishError(f"{draft.asset}: {MANIFEST} is written by publish()", fix="give your file another name")
    return tuple(sorted(files, key=lambda file: file.path))


def _settle_file(draft: Draft, path: Path) -> int:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise PublishError(
            f"{draft.asset}: {path.relative_to(draft.path)} is not a regular file",
            fix="publish plain files; of a link, only the name would be published",
        )
    path.chmod(0o444)
    _flush(path)
    return found.st_size


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _commit(place: AssetLayout, draft: Draft, files: tuple[PublishedFile, ...], label: str) -> Published:
    """Name it, describe it, rename it to its place, point to it: in this order, under the lock."""
    name = _free_name(place, label)
    manifest = Manifest(
        team=place.team,
        asset=place.asset,
        version=name,
        sequence=max((known.manifest.sequence for known in _versions(place)), default=0) + 1,
        created=datetime.now(timezone.utc).isoformat(),
        rows=draft.rows,
        bytes=sum(file.bytes for file in files),
        files=files,
        schema=draft.schema,
        inputs=tuple(draft.inputs),
    )
    _write(draft.path / MANIFEST, manifest.to_json())
    _flush(draft.path)
    target = place.version(name)
    draft.path.rename(target)
    _flush(place.folder)
    pointer = place.staging / ".pointer"
    pointer.unlink(missing_ok=True)  # of a publisher that died here
    _write(pointer, name + "\n")
    pointer.replace(place.current)
    _flush(place.folder)
    return Published(path=target, version=name, manifest=manifest)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o444)
    _flush(path)


def _free_name(place: AssetLayout, label: str) -> str:
    name, attempt = label, 1
    while place.version(name).exists():
        attempt += 1
        name = f"{label}.{attempt}"
    return name


def _versions(place: AssetLayout) -> list[Published]:
    """All complete versions, oldest first. Folders without a valid manifest are not ours to count or remove."""
    found = []
    for entry in os.scandir(place.folder):
        if entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(SdkError):
                found.append(read_published(place, entry.name))
    return sorted(found, key=lambda known: known.manifest.sequence)


def _prune(place: AssetLayout, keep: int) -> None:
    """Remove all but the newest ``keep``; each leaves in one step, so no reader meets half a version."""
    for old in _versions(place)[:-keep]:
        wreck = place.staging / secrets.token_hex(8)
        old.path.rename(wreck)
        shutil.rmtree(wreck, ignore_errors=True)
