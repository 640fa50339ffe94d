"""What is published on this machine, read from the manifests. Teams write those, so nothing in them is trusted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airspace.sdk.errors import SdkError
from airspace.sdk.layout import PUBLISHED, AssetLayout, team_name
from airspace.sdk.reading import read_published


@dataclass(frozen=True)
class Artifact:
    """The current version of one asset."""

    team: str
    name: str
    version: str
    uri: str
    rows: int | None
    bytes: int
    created: str


def artifacts(root: Path) -> tuple[Artifact, ...]:
    """Every asset's current version below the storage root; what cannot be read as one is left out."""
    found = []
    for team in _folders(root):
        for asset in _folders(root / team / PUBLISHED):
            try:
                team_name(team)
                current = read_published(AssetLayout(root, team, asset))
            except SdkError:
                continue
            manifest = current.manifest
            found.append(
                Artifact(
                    team=team,
                    name=asset,
                    version=current.version,
                    uri=current.path.as_uri(),
                    rows=manifest.rows,
                    bytes=manifest.bytes,
                    created=manifest.created,
                )
            )
    return tuple(found)


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
