"""Assets that go from one team's file to another's: both files are edited, and applied as one."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airspace.model.errors import InvalidInputError
from airspace.teams import authoring, editing, folders, journal, service
from airspace.teams.authoring import AsApplied
from airspace.teams.editing import Edit
from airspace.teams.loading import LoadedTeams
from airspace.teams.ports import ControlPlane, Tell


@dataclass(frozen=True)
class Handed:
    """What changes hands.

    :param grants: asset → the teams that may consume it afterwards
    :param tables: asset → its tables in the warehouse, where it has some
    """

    grants: Mapping[str, Sequence[str]]
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check(control: ControlPlane, team: str, target: str, handed: Handed) -> list[tuple[str, str]]:
    """Why the files of the two teams cannot be changed so: (message, fix). Nothing is written."""
    if not handed.grants:
        return []
    try:
        _loaded(control, _edited(control, team, target, handed))
    except InvalidInputError as error:
        return [(error.message, error.fix or "airspace plan DIR tells more")]
    return []


def hand_over(control: ControlPlane, team: str, target: str, handed: Handed, tell: Tell) -> list[str]:
    """Take the assets out of the one file and put them into the other, then apply both at once. Twice is once.

    :returns: the files that were changed
    :raises InvalidInputError: a file is not what was applied, or cannot be changed by a program
    """
    if not handed.grants:
        return []
    with folders.apply_lock(control.layout):
        edited = _edited(control, team, target, handed)
        loaded = _loaded(control, edited)
        # Before the files: whoever comes after a crash knows these changes as its own.
        journal.begin(control.layout, {name: after for name, (_, after) in edited.items()})
        for file, after in edited.values():
            if after != file.data and not folders.exchange_file(file.path, file.data, after):
                raise InvalidInputError(f"{file.path} was changed a moment ago", fix="run the command again")
        service.apply_held(loaded, control, tell)
    return [str(file.path) for file, _ in edited.values()]


def _edited(control: ControlPlane, team: str, target: str, handed: Handed) -> dict[str, tuple[AsApplied, bytes]]:
    old, new = (authoring.as_applied(control.layout, name) for name in (team, target))
    after = old.data
    for asset in handed.grants:
        after = editing.edited(after, editing.dropped("assets", asset))
    return {team: (old, after), target: (new, editing.edited(new.data, _named(handed)))}


def _named(handed: Handed) -> Edit:
    def said(asset: str, consumers: Sequence[str]) -> dict[str, list[str]]:
        parts = {"consumers": list(consumers), "tables": list(handed.tables.get(asset, ()))}
        return {key: value for key, value in parts.items() if value}

    def change(content: MutableMapping[str, Any]) -> None:
        if content.get("assets") is None:
            content["assets"] = {}
        for asset, consumers in handed.grants.items():
            content["assets"].setdefault(asset, said(asset, consumers))

    return Edit(change)


def _loaded(control: ControlPlane, edited: Mapping[str, tuple[AsApplied, bytes]]) -> LoadedTeams:
    parts = [service.load_one(file.path, after, control.layout, None, file.root) for file, after in edited.values()]
    teams = tuple(team for part in parts for team in part.teams)
    came_from = {name: origin for part in parts for name, origin in part.origins().items()}
    return replace(parts[-1], teams=teams, came_from=came_from)
