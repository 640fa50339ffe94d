"""What lies beside the teams' folders: nobody's, so it never runs, and whoever put it there should hear of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from airspace.backends.sources.mirror import LEFT_OUT
from airspace.model.names import did_you_mean

LOOKED_AT, TOLD, GUESSED = 1_000, 100, 20


def unowned(dags: Path, folders: Mapping[str, Path]) -> dict[str, str]:
    """Entry of the folder of all teams' folders → why it never runs and where it belongs.

    :param folders: team → the folder that its Dags come from
    """
    if any(dags == folder or dags.is_relative_to(folder) for folder in folders.values()):
        return {}
    owned = {folder.relative_to(dags).parts[0] for folder in folders.values() if folder.is_relative_to(dags)}
    try:
        with os.scandir(dags) as entries:
            found = [(each.name, each.is_dir(follow_symlinks=False)) for each in islice(entries, LOOKED_AT)]
    except OSError:
        return {}
    strangers = sorted(each for each in found if each[0] not in owned and not _is_kept_for_others(each[0]))
    told: dict[str, str] = {}
    for count, (name, is_folder) in enumerate(strangers[:TOLD]):
        told[_printable(name)] = _reason(name, is_folder, folders, guess=count < GUESSED)
    return told


def foreign_folders(inside: Path, folders: frozenset[Path], others: Mapping[str, Path]) -> dict[str, str]:
    """Folders directly in a team's own that are called like another team.

    They run as the team's own whatever they are called: were they left out, a name would tell which teams there are.
    """
    names = {folder.name for folder in folders if folder.parent == inside} & others.keys()
    return {
        name: f"it is called like the team {name}, whose Dags are in {others[name]}; here it runs as this team's own"
        for name in sorted(names)[:TOLD]
    }


def _is_kept_for_others(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT


def _reason(name: str, is_folder: bool, folders: Mapping[str, Path], *, guess: bool) -> str:
    never = "it is in no team's folder, so it never runs"
    if name in folders:
        return f"{never}: the team {name} has its Dags in {folders[name]}; move it there"
    if near := did_you_mean(name.partition(".")[0], folders) if guess else None:
        return f"{never}: is it for {folders[near]}? Move it there"
    if is_folder:
        return f"{never}: move what is in it to its team's folder, or add a team of that name"
    return f"{never}: move it into its team's folder (airspace team show TEAM names it)"


def _printable(name: str) -> str:
    shown = ascii(name)[1:-1]
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
