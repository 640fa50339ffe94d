"""From which file each team was last applied: where its file is edited, and whose absence means that it is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams import folders, journal

REPOSITORY = "git+"
"""What the place of a file begins with that is in a repository."""


@dataclass(frozen=True)
class Origin:
    """Where a team's file was when it was last applied.

    :param file: absolute; or, of a repository, what :func:`airspace.teams.repository.label` says and the file's name
    :param root: what ``--root`` said then
    :param platform: digest of the ``platform.yaml`` beside it, or None
    """

    file: str
    root: str | None = None
    platform: str | None = None

    @property
    def folder(self) -> Path:
        """The folder that was applied."""
        return Path(self.file).parent

    @property
    def place(self) -> str:
        """The same as text; what it is called, where it is a repository."""
        return self.file.rpartition("/")[0] or "/"

    @property
    def pushed(self) -> bool:
        """Whether the file is in a repository."""
        return self.file.startswith(REPOSITORY)


def read(layout: HomeLayout) -> dict[str, Origin]:
    """Team → origin, of the teams that are there.

    :raises HomeError: the file is damaged
    """
    kept = folders.kept_teams(layout)
    return {team: origin for team, origin in _all(layout).items() if team in kept}


def _all(layout: HomeLayout) -> dict[str, Origin]:
    try:
        document = json.loads(layout.origins.read_text(encoding="utf-8"))
        return {
            team: Origin(str(item["file"]), item.get("root"), item.get("platform"))
            for team, item in document["teams"].items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        fix = f"remove it and apply every team again: rm {layout.origins}"
        raise HomeError(f"{layout.origins} is damaged", fix=fix) from None
    except OSError as error:
        raise HomeError(
            f"{layout.origins} cannot be read: {error.strerror}", fix="run this as the home's owner"
        ) from None


def remember(layout: HomeLayout, applied: Mapping[str, Origin]) -> None:
    """Note where these teams came from; those of others stay."""
    _write(layout, read(layout) | dict(applied))


def forget(layout: HomeLayout, team: str) -> None:
    """A team has left: so has its file, if it lies where only the platform writes."""
    known = _all(layout)
    origin = known.pop(team, None)
    if origin is not None and origin.folder == layout.team_files.resolve():
        Path(origin.file).unlink(missing_ok=True)
    if origin is not None:
        _write(layout, known)
    journal.end(layout, [team])


def rename(layout: HomeLayout, team: str, name: str, file: str | None) -> None:
    """A team is called otherwise.

    :param file: where its file is now; None: nobody could change it, and it is where it was
    """
    known = _all(layout)
    origin = known.pop(team, None)
    if origin is not None:
        known[name] = replace(origin, file=file or origin.file)
        _write(layout, known)


def gone(layout: HomeLayout, place: str, present: set[str]) -> list[str]:
    """The teams that were applied from this place and have no file there any more, by name."""
    return sorted(team for team, origin in read(layout).items() if team not in present and origin.place == place)


def _write(layout: HomeLayout, origins: Mapping[str, Origin]) -> None:
    teams = {team: asdict(origin) for team, origin in sorted(origins.items())}
    folders.write_private(layout.origins, json.dumps({"teams": teams}, indent=2).encode() + b"\n")
