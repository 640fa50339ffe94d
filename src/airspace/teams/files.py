"""A folder of team files → teams, or everything that is wrong with them, with file, line and fix."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.errors import InvalidInputError
from airspace.model.problem import Problem
from airspace.model.team import Team
from airspace.teams.document import MAX_BYTES, Document, parse
from airspace.teams.validation import validate

SUFFIXES = (".yaml", ".yml")
MAX_FILES = 5_000


@dataclass(frozen=True)
class TeamFile:
    """One file that was read."""

    path: Path
    shown: str
    """The path as the user would write it: in messages."""
    data: bytes = field(repr=False)
    document: Document = field(repr=False)
    team: Team

    def problem(self, path: tuple[object, ...], rule: str, message: str, fix: str, *, on_key: bool = False) -> Problem:
        """A problem at a key or value of this file."""
        line, column = self.document.place(path, key=on_key)
        return Problem(self.shown, line, column, ".".join(str(part) for part in path), rule, message, fix)


@dataclass(frozen=True)
class Surroundings:
    """What is there besides the files: needed to judge them.

    :param root: Dag folders must be inside; by default the folder of the files
    :param known_teams: teams applied earlier, perhaps from another folder
    :param folders: Dag folders of teams applied earlier
    :param environ: where ``{env: NAME}`` looks
    :param defaults: below it are the Dag folders of teams that bring none
    :param forbidden: the platform's own: no ``{file: PATH}`` and no Dag folder may be there
    """

    root: Path | None = None
    known_teams: frozenset[str] = frozenset()
    folders: Mapping[str, Path] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    defaults: Path | None = None
    forbidden: tuple[Path, ...] = ()


class InvalidFilesError(InvalidInputError):
    """The team files are wrong; nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the team files; nothing was changed",
            fix="correct them and run the command again",
        )


def read_files(directory: Path) -> tuple[list[TeamFile], list[Problem]]:
    """Every team file in a folder (not below it), by name, and what is wrong with each by itself."""
    problems: list[Problem] = []
    found: list[TeamFile] = []
    for path in _candidates(directory, problems):
        shown = str(path)
        data = _read(path, directory, problems)
        if data is None:
            continue

        def report(line: int, column: int, key: str, rule: str, message: str, fix: str, file: str = shown) -> None:
            problems.append(Problem(file, line, column, key, rule, message, fix))

        document = parse(data, report)
        if document is None:
            continue
        team, wrong = validate(document, shown)
        problems.extend(wrong)
        if team is not None:
            found.append(TeamFile(path, shown, data, document, team))
    return found, problems


def _candidates(directory: Path, problems: list[Problem]) -> list[Path]:
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        raise InvalidInputError(
            f"cannot read the folder {directory}: {error.strerror}", fix="give a folder of team files"
        ) from None
    paths = [directory / name for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    if not paths:
        raise InvalidInputError(
            f"there is no team file in {directory}",
            fix=f"write {directory / 'my_team.yaml'} with the line: name: my_team",
        )
    if len(paths) > MAX_FILES:
        problems.append(
            Problem(str(directory), 0, 0, "", "too-many-files", f"more than {MAX_FILES} team files", "split the folder")
        )
    return paths[:MAX_FILES]


def _read(path: Path, directory: Path, problems: list[Problem]) -> bytes | None:
    """The content of a regular file inside the folder; a link may point inside it only."""
    try:
        return _open(path, directory)
    except _UnreadableError as error:
        problems.append(Problem(str(path), 0, 0, "", error.rule, error.message, error.fix))
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, up to Python 3.12
        reason = error.strerror if isinstance(error, OSError) else "a loop of links"
        fix = f"correct it or remove it: {path}"
        problems.append(Problem(str(path), 0, 0, "", "unreadable", f"cannot be read: {reason}", fix))
    return None


class _UnreadableError(Exception):
    """Not a file to read."""

    def __init__(self, rule: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.rule, self.message, self.fix = rule, message, fix


def _open(path: Path, directory: Path) -> bytes:
    real = path.resolve(strict=True)
    if not real.is_relative_to(directory.resolve(strict=True)):
        raise _UnreadableError("outside", "this is a link to somewhere outside the folder", "copy the file here")
    try:
        return read_regular(real, MAX_BYTES + 1)
    except IsADirectoryError:
        raise _UnreadableError("unreadable", "this is not a regular file", "remove it") from None


def read_regular(real: Path, limit: int) -> bytes:
    """The first bytes of a regular file: nothing that blocks, no device, no link.

    :raises IsADirectoryError: it is something else
    """
    handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        data = b""
        while len(data) < limit and (more := os.read(handle, limit - len(data))):
            data += more
        return data
    finally:
        os.close(handle)
