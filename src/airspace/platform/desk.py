"""What the fetcher left out or found in nobody's folder: the answer to "why does my Dag not appear?"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = "."
"""In the fetcher's status, the entry of what belongs to no team. No team can be called so."""
MOST_BYTES, MOST_TOLD = 64 << 20, 100


@dataclass(frozen=True)
class LeftOut:
    """One file or folder. ``team`` is None where it is in no team's folder; ``runs`` where it is only worth a look."""

    team: str | None
    path: str
    reason: str
    runs: bool = False


@dataclass(frozen=True)
class Folder:
    """One team's folder as it was last looked at.

    :param count: how many things were left out; ``told`` has the first of them
    """

    files: int
    count: int
    told: tuple[LeftOut, ...]


def read_report(status: Path) -> dict[str, Folder]:
    """Team (or :data:`NOBODY`) → its folder. Empty where the fetcher has not looked yet."""
    try:
        with status.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {team: _folder(team, found) for team, found in sorted(document.items()) if isinstance(found, dict)}


def _folder(team: str, found: Mapping[str, Any]) -> Folder:
    problems, hints = found.get("problems") or {}, found.get("hints") or {}
    owner = None if team == NOBODY else team
    told = [LeftOut(owner, _shown(path), _shown(reason)) for path, reason in list(problems.items())[:MOST_TOLD]]
    told += [LeftOut(owner, _shown(path), _shown(reason), runs=True) for path, reason in hints.items()]
    return Folder(int(found.get("files", 0)), int(found.get("left_out", len(problems))), tuple(told))


def _shown(text: Any) -> str:
    """A team's words: never printed as they are."""
    return ascii(str(text))[1:-1].replace("\\'", "'")[:500]
