"""How each remote is: ``remotes/<id>.json``, written by the puller, read by the fetcher and ``team show``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airspace.backends.remotes.job import TREE

_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class State:
    """What the last looks at a remote found.

    :param version: of what is there, as far as we have it
    :param trees: folder → tree
    :param looked_at: when the last look began, and ``fetched_at``: the last good one; seconds since the epoch
    :param failures: looks in a row that failed
    :param error: ``(message, fix)`` of the last look, if it failed
    """

    version: str | None = None
    trees: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    looked_at: float = 0.0
    fetched_at: float = 0.0
    failures: int = 0
    error: tuple[str, str] | None = None

    def problem(self, folder: str) -> tuple[str, str] | None:
        """What is wrong for the team whose folder this is: message and fix."""
        if self.error is not None:
            return self.error
        if folder in self.missing:
            return f"there is no folder {folder} in it", self.missing[folder]
        return None


def read(folder: Path, name: str) -> State:
    """The state of a remote; an empty one where there is none that can be read."""
    try:
        with (folder / f"{name}.json").open("rb") as file:
            document: dict[str, Any] = json.loads(file.read(_MOST_BYTES))
        state = State(**document)
        trees = {key: tree for key, tree in state.trees.items() if TREE.fullmatch(tree)}
        error = None if state.error is None else (str(state.error[0]), str(state.error[1]))
        return State(**{**asdict(state), "trees": trees, "error": error})
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return State()


def stamp(folder: Path, name: str) -> tuple[int, ...] | None:
    """Changes when the state does."""
    try:
        found = (folder / f"{name}.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def write(folder: Path, name: str, state: State) -> None:
    """Keep it, whole or not at all."""
    part = folder / f".{name}.part"
    part.write_text(json.dumps(asdict(state)), encoding="utf-8")
    part.replace(folder / f"{name}.json")
