"""What a valid folder of team files comes to: everything that is needed to plan and to apply it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.problem import Problem
from airspace.model.remote import Remote
from airspace.teams.completing import Beside
from airspace.teams.desired import DesiredTeam
from airspace.teams.files import TeamFile
from airspace.teams.folders import Source
from airspace.teams.origins import Origin
from airspace.teams.remotes import Credentials


@dataclass(frozen=True)
class LoadedTeam:
    """A valid team file with everything that is needed to apply it."""

    file: TeamFile
    desired: DesiredTeam = field(repr=False)
    remote: Remote | None = None

    @property
    def brings_folder(self) -> bool:
        """Whether its Dags are in a place of its own choice."""
        return self.file.team.dags.folder is not None or self.remote is not None

    @property
    def source(self) -> Source:
        """Where its Dags come from."""
        return Source(self.desired.name, self.desired.folder, self.remote)


@dataclass(frozen=True)
class LoadedTeams:
    """Valid team files.

    :param platform: the ``platform.yaml`` beside them
    :param root: what ``--root`` said
    :param whole: whether these are all files of the folder; else just one of them
    :param credentials: what remote sources are fetched with, of teams applied earlier
    :param came_from: where each file is, when they are of several folders
    """

    teams: tuple[LoadedTeam, ...]
    warnings: tuple[Problem, ...]
    platform: Beside
    root: Path | None = None
    whole: bool = True
    credentials: Credentials = field(default_factory=lambda: Credentials(""), repr=False)
    came_from: Mapping[str, Origin] | None = None

    def digest(self, key: bytes) -> bytes:
        """Another one when anything in the files changed, or what a reference in them leads to."""
        teams = [team.desired.as_dict() for team in self.teams]
        text = json.dumps(teams, sort_keys=True, default=str)
        return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()

    @property
    def follows(self) -> bool:
        """Whether there is a reference in the files, so that they can change without being edited."""
        return any(team.file.team.references() for team in self.teams)

    @property
    def names(self) -> set[str]:
        """The teams."""
        return {team.desired.name for team in self.teams}

    def origins(self) -> dict[str, Origin]:
        """Where each of them came from."""
        if self.came_from is not None:
            return dict(self.came_from)
        root = str(self.root.resolve()) if self.root else None
        place = self.platform.place.rstrip("/")
        return {
            team.desired.name: Origin(f"{place}/{team.file.path.name}", root, self.platform.digest)
            for team in self.teams
        }
