"""Reading what a team published. The producer is another team: its files are read without following links."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.sdk.context import storage_root
from airspace.sdk.errors import NameRefusedError, NotPublishedError
from airspace.sdk.layout import CURRENT, MANIFEST, PUBLISHED, AssetLayout, version_name
from airspace.sdk.manifest import Manifest, from_json

_CURRENT_BYTES = 1_000
_MANIFEST_BYTES = 16_000_000
# A version can be pruned between reading CURRENT and reading its manifest; CURRENT then already names a newer one.
_ATTEMPTS, _PAUSE = 20, 0.005  # to meet a version that its owner does not remove at that moment


@dataclass(frozen=True)
class Published:
    """One version of an asset, ready to be read: give ``path`` to the reader of your choice."""

    path: Path
    version: str
    manifest: Manifest

    @property
    def ref(self) -> str:
        """``team/asset/version``: how lineage names it."""
        return f"{self.manifest.team}/{self.manifest.asset}/{self.version}"

    def event(self) -> dict[str, Any]:
        """For the asset's event: ``outlet_events[ASSET].extra = out.event()``. Plain JSON values."""
        return {
            "rows": self.manifest.rows,
            "uri": self.path.as_uri(),
            "version": self.version,
            "bytes": self.manifest.bytes,
            "inputs": list(self.manifest.inputs),
        }


def published(team: str, asset: str, *, version: str | None = None) -> Published:
    """The current version of what ``team`` published as ``asset``, or the named one.

    Several tasks of one run should read the same version: look it up once and hand its name on.
    """
    return read_published(AssetLayout(storage_root(), team, asset), version)


def read_published(place: AssetLayout, version: str | None = None) -> Published:
    """As :func:`published`, for any storage root."""
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE if attempt > 3 else 0)
        name = version_name(version) if version is not None else current_version(place)
        if name is None:
            raise _nothing(place)
        if (manifest := _manifest(place, name)) is not None:
            return Published(path=place.version(name), version=name, manifest=manifest)
        if version is not None:
            raise NotPublishedError(
                f"{place.team}/{place.asset} has no version {name!r} (any more)",
                fix="read the current version, or ask the owner to keep more of them",
            )
    raise _nothing(place)


def current_version(place: AssetLayout) -> str | None:
    """The name in the pointer, or None when there is nothing published (for us)."""
    content = read_inside(place.root, (place.team, PUBLISHED, place.asset, CURRENT), _CURRENT_BYTES)
    if content is None:
        return None
    try:
        return version_name(content.decode("utf-8", "replace").strip())
    except NameRefusedError as error:
        raise _broken(place, "its CURRENT pointer names no version") from error


def _manifest(place: AssetLayout, version: str) -> Manifest | None:
    content = read_inside(place.root, (place.team, PUBLISHED, place.asset, version, MANIFEST), _MANIFEST_BYTES)
    if content is None:
        return None
    try:
        manifest = from_json(content)
    except ValueError as error:
        raise _broken(place, f"the manifest of {version!r} is not one ({error})") from error
    if (manifest.team, manifest.asset, manifest.version) != (place.team, place.asset, version):
        raise _broken(place, f"the manifest of {version!r} speaks of something else")
    return manifest


def _nothing(place: AssetLayout) -> NotPublishedError:
    return NotPublishedError(
        f"{place.team} has published nothing as {place.asset!r} that this team can read",
        fix=f"wait for {place.team}'s pipeline (schedule your Dag on the asset), check the name, "
        f"and ask its lead to name your team in its team file: assets: {{{place.asset}: {{consumers: [...]}}}}",
    )


def _broken(place: AssetLayout, what: str) -> NotPublishedError:
    return NotPublishedError(
        f"{place.team}/{place.asset} cannot be read: {what}", fix=f"ask {place.team} to publish it again"
    )


def read_inside(root: Path, parts: Sequence[str], limit: int) -> bytes | None:
    """The regular file at ``root/parts`` of at most ``limit`` bytes; None when there is none. Below ``root`` no link
    is followed, and nothing that could block (a pipe) is waited for."""
    folder = -1
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
        for part in parts[:-1]:
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO):
            return None
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        content = stream.read(limit + 1)
    return content if len(content) <= limit else None
