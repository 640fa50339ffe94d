"""What the rules of teams need from the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from airspace.model.home import HomeLayout
from airspace.sandbox.spec import TeamPlace

WORKER = "airspace.airflow.admin"
"""The module that :meth:`ControlPlane.run_control` is asked to run: one command, JSON in, JSON out."""


class ControlPlane(Protocol):
    """A running platform, as :func:`airspace.platform.wiring.open_platform` gives it."""

    @property
    def layout(self) -> HomeLayout:
        """Where it lives."""

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module as the control user: JSON in, JSON out.

        :raises NotRunningError: the platform is not running
        :raises AirspaceError: the module refused or failed
        """

    def settle(self, places: Sequence[TeamPlace]) -> None:
        """Make the teams' places on this machine: Unix users, storage, what their sandboxes are made of.

        :param places: without their users, which are the platform's to choose
        """

    def ring(self, bundle: str) -> None:
        """Tell the Dag processor that a bundle changed; a lost ring only delays."""


Tell = Callable[[str], None]
"""Hears what a long step is at, in plain words."""


@dataclass(frozen=True)
class Packing:
    """What goes into the archive of a team that leaves.

    :param dags: the ids of its Dags, whose logs are packed
    :param rows: the folder of the control user with what the database holds
    :param manifest: what the archive says of itself; counts are added
    """

    team: str
    path: Path
    dags: tuple[str, ...]
    rows: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)


class Machine(ControlPlane, Protocol):
    """A running platform that can let go of a team."""

    def end_work(self, team: str, seconds: float) -> None:
        """Wait so long until nothing runs in the team's sandbox, then end what does, and the sandbox."""

    def pack(self, packing: Packing, tell: Tell) -> dict[str, Any]:
        """Write the archive: what is in it, its size and its checksum. One of that name is not overwritten.

        :raises AirspaceError: it cannot be written
        """

    def forget(self, team: str, dags: Sequence[str], tell: Tell) -> None:
        """Remove every file of the team's on this machine, and its Unix user. May be repeated."""


@dataclass(frozen=True)
class Move:
    """Dags that go from one team to another, as the machine sees it.

    :param key: what its place in the home is called
    :param files: the Dags' files, from the bundle's folder
    :param helpers: files that are copied along
    :param fresh: the new team is still to be made: the platform makes its folder
    """

    key: str
    team: str
    target: str
    files: tuple[str, ...]
    helpers: tuple[str, ...] = ()
    fresh: bool = False


@dataclass(frozen=True)
class Look:
    """What there is of the files of a move.

    :param by_hand: the platform does not make both folders, so people move the files
    :param places: where the Dags of the two teams come from, in words
    :param helpers: files of the old team that these name and the new team lacks
    :param problems: (message, fix)
    """

    by_hand: bool
    places: tuple[str, str]
    helpers: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


class FileCarrier(Protocol):
    """What carries Dag files from one team to another on this machine. Everything may be repeated."""

    def look(self, move: Move) -> Look:
        """What there is, and what stands in the way. Touches nothing."""

    def take(self, move: Move) -> None:
        """Take the Dags' files out of the old team's folder, and keep them."""

    def put(self, move: Move) -> None:
        """Put them into the new team's folder, and copy the helpers there.

        :raises AirspaceError: something else is there already
        """

    def give_back(self, move: Move) -> None:
        """Put them back into the old team's folder."""

    def fetched(self, move: Move, *, there: bool, seconds: float) -> str | None:
        """Wait until the old bundle lacks the files and, if ``there``, the new one has them; else what is missing."""

    def forget(self, move: Move) -> None:
        """Remove what was kept meanwhile."""


class DataCarrier(Protocol):
    """What carries published data, and knows which tasks still have a process. Everything may be repeated."""

    def copy_data(self, move: Move, assets: Sequence[str], tell: Tell) -> dict[str, Any]:
        """Copy what the old team published as these assets, to be the new team's; how much that is."""

    def place_data(self, move: Move, assets: Sequence[str]) -> None:
        """Put the copies where the new team publishes from."""

    def drop_data(self, move: Move, assets: Sequence[str], tell: Tell) -> None:
        """Remove the old team's."""

    def await_ends(self, instances: Sequence[str], seconds: float) -> None:
        """Wait until no supervisor of these task instances is there, or for so long."""


class Carrier(FileCarrier, DataCarrier, Protocol):
    """Both."""


class Renamer(Protocol):
    """What gives a team's things on this machine their new name. Everything may be repeated."""

    def look(self, team: str, name: str) -> list[tuple[str, str]]:
        """What is in the way of the new name: (message, fix). Touches nothing."""

    def places(self, team: str, name: str) -> None:
        """What sandboxes are made of, of this team and of those that read what it publishes."""

    def folder_of(self, kind: str, team: str) -> tuple[int, int] | None:
        """By which a folder of the team's is known again: of its ``storage``, or of its ``dags``. None: it has none."""

    def move_folder(self, kind: str, team: str, name: str, known: tuple[int, int]) -> None:
        """Let that very folder have the new name; an empty one that was made meanwhile makes room.

        :raises AirspaceError: something else is there
        """

    def rewrite_manifests(self, team: str, name: str, tell: Tell) -> int:
        """What was published says the new name; how many versions."""

    def move_source(self, team: str, name: str) -> None:
        """Where the Dags are fetched from, under the new name."""

    def fetched(self, name: str, files: Sequence[str], seconds: float) -> str | None:
        """Wait until these files are in the copy that Airflow reads; else one that is missing."""

    def clear(self, team: str) -> None:
        """What is left of the copy under the old name."""

    def move_logs(self, team: str, name: str) -> None:
        """Logs that are kept by the team's name."""
