"""Teams from Python, for those who want neither YAML nor a shell.

    from airspace.api import Role, Teams, TeamSpec, TransferOptions

    teams = Teams.open()                        # $AIRSPACE_HOME, or Teams.open("/srv/airspace")
    teams.add(TeamSpec(name="finance", members={"ada": "lead"}, slots=8))
    teams.set_member("finance", "ben", Role.VIEWER)
    for change in teams.plan("teams/").changes:
        print(change.team, change.resource, change.action, change.risks)
    teams.apply("teams/")
    if not teams.preview_transfer(["churn"], team="research", target="growth").problems:
        teams.transfer(["churn"], team="research", target="growth", how=TransferOptions(drain=300))

What it does is what the commands do: team files are written and applied, live. Run it as the home's owner. What is
refused is an :class:`AirspaceError`, which says what to do; wrong files are an :class:`InvalidFilesError` with every
problem.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.model.change import Cause, Change, ChangeAction
from airspace.model.errors import AirspaceError, InvalidInputError, NotRunningError
from airspace.model.problem import Problem
from airspace.model.roles import Role
from airspace.model.secret import SecretRef
from airspace.model.team import AssetGrant, Connection, DagSource, Limits
from airspace.model.team import Team as TeamSpec
from airspace.platform.wiring import open_platform
from airspace.teams import authoring, moving, previewing, renaming, renaming_checks, service, splitting
from airspace.teams.authoring import Adopted, Written
from airspace.teams.files import InvalidFilesError
from airspace.teams.moves import Options as TransferOptions
from airspace.teams.moves import Transfer
from airspace.teams.moving import Moved
from airspace.teams.ports import Carrier, ControlPlane, Machine, Renamer, Tell
from airspace.teams.previewing import Obstacle, Preview
from airspace.teams.renaming import Renamed
from airspace.teams.service import Drift, Outcome
from airspace.teams.splitting import Split

Folder = str | os.PathLike[str]


def _no_carrier() -> Carrier:
    raise NotRunningError("these teams were not opened on a machine", fix="Teams.open(HOME)")


def _no_machine() -> tuple[Machine, Renamer]:
    raise NotRunningError("these teams were not opened on a machine", fix="Teams.open(HOME)")


def _silent(_line: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Teams:
    """The teams of one platform.

    :param control: the platform
    :param carrier: what carries Dags from one team to another on its machine
    :param machine: the platform with its machine, and what gives a team another name there
    """

    control: ControlPlane
    carrier: Callable[[], Carrier] = _no_carrier
    machine: Callable[[], tuple[Machine, Renamer]] = _no_machine

    @classmethod
    def open(cls, home: Folder | None = None) -> Teams:
        """The teams of a home: ``$AIRSPACE_HOME`` or its default when None. Nothing is read yet."""
        platform = open_platform(Path(home) if home is not None else None)
        return cls(platform, platform.carrier, lambda: (platform, platform.renamer()))

    def plan(self, directory: Folder, root: Folder | None = None) -> Outcome:
        """What :meth:`apply` would change; touches nothing."""
        return service.plan(self._load(directory, root), self.control)

    def apply(self, directory: Folder, root: Folder | None = None) -> Outcome:
        """Make the team files of a folder so. Twice is once."""
        return service.apply(self._load(directory, root), self.control)

    def add(self, team: TeamSpec, directory: Folder | None = None, root: Folder | None = None) -> Written:
        """Write a new team's file, by default into the home, and apply it. The same again changes nothing.

        :param root: its Dag folder must be inside it, if it brings one; the folder of the file by default
        """
        where = Path(directory) if directory is not None else None
        return authoring.add_team(team, self.control, os.environ, where, Path(root) if root is not None else None)

    def set_member(self, team: str, user: str, role: Role | str) -> Written:
        """Make a user a member of a team, or change their role: in the team's file, applied at once."""
        return authoring.set_member(self.control, team, user, Role(role))

    def remove_member(self, team: str, user: str) -> Written:
        """Take a user out of a team."""
        return authoring.set_member(self.control, team, user, None)

    def list(self) -> list[dict[str, Any]]:
        """Every team as applied, by name."""
        return service.read(self.control)

    def show(self, name: str) -> dict[str, Any]:
        """One team as applied, as ``airspace team show --json`` tells it."""
        return service.describe(self.control, name)

    def drift(self, names: Collection[str] | None = None) -> Drift:
        """What was changed in the UI or by REST since the files were applied."""
        return service.drift(self.control, names)

    def adopt(self, names: Collection[str] | None = None) -> Adopted:
        """Write that into the team files; secrets never."""
        return authoring.adopt(self.control, None if names is None else frozenset(names))

    def preview_transfer(
        self, dags: Collection[str], *, team: str, target: str, how: TransferOptions | None = None
    ) -> Preview:
        """What :meth:`transfer` would do, and everything that stands in the way; touches nothing."""
        found = previewing.preview(self.control, self.carrier(), _wanted(dags, team, target), how or TransferOptions())
        return Preview.of(found)

    def transfer(
        self,
        dags: Collection[str],
        *,
        team: str,
        target: str,
        how: TransferOptions | None = None,
        tell: Tell = _silent,
    ) -> Moved:
        """Give Dags to another team with all of their past, or carry on with a transfer that was cut off.

        :param tell: hears what it is at
        """
        return moving.transfer(self.control, self.carrier(), _wanted(dags, team, target), how, tell)

    def cancel_transfer(self, dags: Collection[str]) -> Transfer:
        """Take a transfer back that has not changed hands yet."""
        return moving.cancel(self.control, self.carrier(), sorted(dags))

    def split(
        self,
        dags: Collection[str],
        *,
        team: str,
        into: str,
        how: TransferOptions | None = None,
        tell: Tell = _silent,
    ) -> Split:
        """Make a new team on the model of an old one, and give it these Dags."""
        wanted = _wanted(dags, team, into)
        return splitting.split(self.control, self.carrier(), wanted, how or TransferOptions(), os.environ, tell)

    def rename(self, team: str, name: str, *, drain: float | None = None, tell: Tell = _silent) -> Renamed:
        """Give a team another name with all that it has and had, or carry on with a renaming that was cut off.

        :param drain: seconds that running work may take to end by itself; None: nothing may run
        """
        return renaming.rename(*self.machine(), team, name, renaming_checks.Options(drain), tell)

    def cancel_rename(self, team: str, name: str) -> None:
        """Take a renaming back that still waits for what runs."""
        renaming.cancel(self.machine()[0], team, name)

    def _load(self, directory: Folder, root: Folder | None) -> service.LoadedTeams:
        where = Path(root) if root is not None else None
        return service.load(Path(directory), self.control.layout, os.environ, where, self.control)


def _wanted(dags: Collection[str], team: str, target: str) -> Transfer:
    if isinstance(dags, str):
        raise InvalidInputError("the Dags are one text", fix=f"a list of ids: [{dags!r}]")
    return Transfer(team, target, sorted(set(dags)), time.time())


__all__ = [
    "Adopted",
    "AirspaceError",
    "AssetGrant",
    "Cause",
    "Change",
    "ChangeAction",
    "Connection",
    "DagSource",
    "Drift",
    "InvalidFilesError",
    "InvalidInputError",
    "Limits",
    "Moved",
    "NotRunningError",
    "Obstacle",
    "Outcome",
    "Preview",
    "Problem",
    "Renamed",
    "Role",
    "SecretRef",
    "Split",
    "TeamSpec",
    "Teams",
    "Transfer",
    "TransferOptions",
    "Written",
]
