"""Which team the code runs for, and where its data is: told by the platform through the environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from airspace.sdk.errors import OutsidePlatformError
from airspace.sdk.layout import asset_name, team_folder, team_name

_BY_HAND = "the platform sets it for every task; to run by hand: export {name}={example}"


def _variable(name: str, example: str) -> str:
    if value := os.environ.get(name):
        return value
    raise OutsidePlatformError(f"${name} is not set", fix=_BY_HAND.format(name=name, example=example))


def team() -> str:
    """The team that this code runs for."""
    return team_name(_variable("AIRSPACE_TEAM", "my_team"))


def storage_root() -> Path:
    """The folder that holds every team's folder; of the others', only what they published for us can be read."""
    root = Path(_variable("AIRSPACE_STORAGE", "/some/folder"))
    if not root.is_absolute():
        raise OutsidePlatformError(f"$AIRSPACE_STORAGE is not an absolute path: {root}", fix="give the full path")
    return root


def storage() -> Path:
    """The team's own folder, made if it is missing: keep here what later tasks need. Nobody else reads it."""
    folder = team_folder(storage_root(), team())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def workspace(kind: str, name: str, *, keep: int = 2) -> Path:
    """``storage()/kind/name``, made if it is missing: what the tasks of one run hand each other.

    The newest ``keep`` of a kind stay, older ones are removed, so let as many runs of the Dag be active at once.
    """
    parent = storage() / asset_name(kind)
    folder = parent / asset_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    others = [entry for entry in parent.iterdir() if entry != folder and entry.is_dir() and not entry.is_symlink()]
    others.sort(key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
    for old in others[max(keep, 1) - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
