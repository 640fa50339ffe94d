"""How far the removal of a team is: a file in the home, so that whatever cuts it off, the next one goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.model.names import is_team_name
from airspace.teams.folders import replace_file


@dataclass
class Marker:
    """A removal that has begun.

    :param done: the names of the steps that are over
    :param notes: what later steps need to know and nobody could find out any more
    """

    team: str
    started: float
    done: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


def read(layout: HomeLayout, team: str) -> Marker | None:
    """The removal of this team, if one has begun.

    :raises HomeError: what is written there cannot be read
    """
    path = _path(layout, team)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Marker(team, float(found["started"]), [str(name) for name in found["done"]], dict(found["notes"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeError(f"{path} cannot be read", fix=f"remove it and begin again: rm {path}") from None


def write(layout: HomeLayout, marker: Marker) -> None:
    """Keep it."""
    layout.leaving.mkdir(mode=0o700, exist_ok=True)
    replace_file(_path(layout, marker.team), json.dumps(asdict(marker)).encode(), mode=0o600)


def remove(layout: HomeLayout, team: str) -> None:
    """It is over."""
    _path(layout, team).unlink(missing_ok=True)


def begun(layout: HomeLayout) -> frozenset[str]:
    """The teams whose removal has begun and is not over."""
    try:
        return frozenset(path.stem for path in layout.leaving.glob("*.json") if is_team_name(path.stem))
    except OSError:
        return frozenset()


def _path(layout: HomeLayout, team: str) -> Path:
    return layout.leaving / f"{team}.json"
