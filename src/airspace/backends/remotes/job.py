"""What one look at a source is told and what it answers: JSON over pipes, so that no secret is in an argument."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airspace.model.source_settings import SourceSettings

TREE = re.compile(r"[0-9a-f]{8,64}-[0-9a-f]{8}")
MOST_PROBLEMS = 100
_LONGEST = 300


class RemoteError(Exception):
    """A source cannot be fetched: what is wrong, and what mends it. Never holds a secret."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


@dataclass(frozen=True)
class Job:
    """One look.

    :param kind: ``git`` or ``object_store``
    :param place: where it is, as :class:`airspace.teams.remotes.Remote` has it
    :param folders: what is wanted of it; ``""`` is all
    :param home: the folder that is this source's own; empty when it is only asked whether it can be reached
    :param known: folder → tree, of the last look
    :param version: of the last look
    :param sole: nobody reads older trees any more when this look begins: they go with it
    """

    kind: str
    place: Mapping[str, Any]
    folders: tuple[str, ...]
    home: str
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: SourceSettings = field(default_factory=SourceSettings)
    known: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    sole: bool = False

    def dump(self) -> str:
        """For the process's stdin."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Job:
        """The reverse."""
        document = json.loads(text)
        settings = document.pop("settings")
        made = SourceSettings(tuple(settings["hosts"]), tuple(settings["folders"]), settings["ca"])
        return cls(**{**document, "folders": tuple(document["folders"])}, settings=made)


@dataclass(frozen=True)
class Seen:
    """What a look found.

    :param version: of all that is there; None when it could not be looked at
    :param trees: folder → the tree that holds it
    :param left_out: folder → path → why it was left out
    :param missing: folders that are not there → what to do
    :param error: ``(message, fix)`` when it could not be looked at
    """

    version: str | None = None
    trees: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None

    def dump(self) -> str:
        """For the process's stdout."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Seen:
        """What a process answered.

        :raises ValueError: it is no answer
        """
        try:
            document = json.loads(text)
            trees = {str(folder): str(tree) for folder, tree in document["trees"].items()}
            left_out = {
                str(folder): {str(path): str(why) for path, why in found.items()}
                for folder, found in document["left_out"].items()
            }
            missing = {str(folder): str(fix) for folder, fix in document["missing"].items()}
            error = document["error"]
            version = document["version"]
            made = None if error is None else (plain(str(error[0])), plain(str(error[1])))
        except (KeyError, TypeError, AttributeError, IndexError) as wrong:
            raise ValueError("no answer") from wrong
        if not all(TREE.fullmatch(tree) for tree in trees.values()):
            raise ValueError("no tree")
        return cls(None if version is None else str(version)[:80], trees, left_out, missing, made)


def plain(text: str) -> str:
    """One line that can be shown: what a server says may hold anything."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:_LONGEST]
