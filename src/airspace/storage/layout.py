"""The platform's side of the layout: which folder belongs to a team, and which folder a grant makes readable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from airspace.sdk.layout import AssetLayout, team_folder

__all__ = ["AssetLayout", "readable_folders", "team_folder"]


def readable_folders(root: Path, team: str, grants: Mapping[tuple[str, str], Iterable[str]]) -> tuple[Path, ...]:
    """What ``team`` may read of other teams: one folder per asset whose owner named it as a consumer.

    ``grants`` maps (owner, asset) to the consumers, as the owners' team files say.
    """
    return tuple(
        AssetLayout(root, owner, asset).folder
        for (owner, asset), consumers in sorted(grants.items())
        if team in consumers and owner != team
    )
