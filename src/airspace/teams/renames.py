"""How far the renamings of teams are: a file in the home for each, so that one that was cut off can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams.folders import replace_file


@dataclass
class Rename:
    """One that has begun.

    :param team: the old name; ``name``: the new one
    :param done: the names of the steps that are over
    :param notes: what later steps need to know and nobody could find out any more
    """

    team: str
    name: str
    started: float
    done: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What finishes it."""
        return f"airspace team rename {self.team} {self.name}"


def begun(layout: HomeLayout) -> list[Rename]:
    """Those that have begun and are not over, by name.

    :raises HomeError: what is written there cannot be read
    """
    found = []
    try:
        paths = sorted(layout.renaming.glob("*.json"))
    except OSError:
        return []
    for path in paths:
        try:
            found.append(Rename(**json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError):
            raise HomeError(f"{path} cannot be read", fix="restore it from a backup") from None
    return found


def involving(layout: HomeLayout, *teams: str) -> Rename | None:
    """One that gives or takes one of these names, or changes what the file of one of these teams says."""
    named = set(teams)
    return next((each for each in begun(layout) if named & {each.team, each.name, *each.notes.get("others", ())}), None)


def write(layout: HomeLayout, rename: Rename) -> None:
    """Keep it."""
    layout.renaming.mkdir(mode=0o700, exist_ok=True)
    replace_file(layout.renaming / f"{rename.team}.json", json.dumps(asdict(rename)).encode(), mode=0o600)


def remove(layout: HomeLayout, rename: Rename) -> None:
    """It is over."""
    (layout.renaming / f"{rename.team}.json").unlink(missing_ok=True)
