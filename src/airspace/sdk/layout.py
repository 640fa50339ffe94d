"""Where a team's data lies below the storage root: names and paths, no I/O. ``airspace.storage`` builds on this.

::

    <root>/<team>/                                   the team's own folder
    <root>/<team>/.staging/<asset>/                  drafts and the publishers' lock; never shared
    <root>/<team>/published/<asset>/CURRENT          the name of the current version
    <root>/<team>/published/<asset>/<version>/       immutable: the data and its manifest.json

A consumer needs to see ``published/<asset>`` and nothing else of the owner. No lock lies there on purpose: whoever can
read a file can hold a lock on it, and a consumer must not be able to stop its producer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from airspace.sdk.errors import NameRefusedError

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
STAGING = ".staging"
PUBLISHED = "published"

_TEAM = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# The same rule as for the short names of a team file, because an asset is named there.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LONGEST_NAME = 150


def team_name(name: str) -> str:
    """``name`` if it is the name of a team; what a path could be tricked with is refused."""
    if not (isinstance(name, str) and 3 <= len(name) <= 30 and _TEAM.fullmatch(name)):
        raise NameRefusedError(
            f"{name!r} is not a team's name", fix="use 3 to 30 of a-z, 0-9 and single underscores, as in data_science"
        )
    return name


def asset_name(name: str) -> str:
    """``name`` if it can name an asset's folder."""
    return _plain(name, "an asset")


def version_name(name: str) -> str:
    """``name`` if it can name a version's folder."""
    if name == CURRENT:
        raise NameRefusedError(f"{CURRENT!r} is not a version's name: it is the pointer", fix="choose another name")
    return _plain(name, "a version")


def _plain(name: str, what: str) -> str:
    if not (isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) and ".." not in name):
        raise NameRefusedError(
            f"{name!r} cannot name {what}",
            fix=f"use up to {_LONGEST_NAME} of letters, digits, '_', '-', '.'; begin with a letter, digit or '_'",
        )
    return name


def team_folder(root: Path, team: str) -> Path:
    """The folder that belongs to ``team``."""
    return root / team_name(team)


@dataclass(frozen=True)
class AssetLayout:
    """The paths of one asset. Construction refuses names that are not plain."""

    root: Path
    team: str
    asset: str

    def __post_init__(self) -> None:
        team_name(self.team)
        asset_name(self.asset)

    @property
    def folder(self) -> Path:
        """What a consumer is shown, read-only."""
        return self.root / self.team / PUBLISHED / self.asset

    @property
    def current(self) -> Path:
        """A file whose content is the current version's name; replaced in one step."""
        return self.folder / CURRENT

    def version(self, name: str) -> Path:
        """The folder of one version."""
        return self.folder / version_name(name)

    @property
    def staging(self) -> Path:
        """Drafts, on the same file system as the versions so that a rename publishes them."""
        return self.root / self.team / STAGING / self.asset

    @property
    def lock(self) -> Path:
        """Held by a publisher for the moment in which it commits."""
        return self.staging / ".lock"
