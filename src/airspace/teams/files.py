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
from airspace.model.remote import Remote
from airspace.model.team import Team
from airspace.teams import mishaps
from airspace.teams.document import MAX_BYTES, Document, parse
from airspace.teams.former import Former
from airspace.teams.sealed import Keyring
from airspace.teams.validation import STAND_IN, validate

SUFFIXES = (".yaml", ".yml")
PLATFORM_FILES = ("platform.yaml", "platform.yml")
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
class Machine:
    """What this machine has: bytes of memory, processor cores, process ids, bytes of the disk with the home."""

    memory: int
    cpu: int
    processes: int
    disk: int


@dataclass(frozen=True)
class BackendAnswer:
    """What the platform's secrets backend says of one name: a secret, or why there is none."""

    value: str | None = field(default=None, repr=False)
    message: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Pushed:
    """Where team files lie that came from a repository. Who may push there is not who applies, so they reach less.

    :param tree: the folder of these files on this machine; nothing outside of it is read for them
    :param git: the repository, as ``dags: {git: ...}`` would name it
    :param variables: what ``{env: NAME}`` may name
    """

    tree: Path
    git: Mapping[str, str] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Surroundings:
    """What is there besides the files: needed to judge them.

    :param root: Dag folders must be inside; by default the folder of the files
    :param known_teams: teams applied earlier, perhaps from another folder
    :param folders: Dag folders of teams applied earlier
    :param remotes: the remotes of those of them whose Dags come over the network
    :param environ: where ``{env: NAME}`` looks
    :param keyring: what opens ``{sops: PATH}`` and ``{age: PATH}``
    :param backend: (team, name) → what ``{backend: NAME}`` leads to, of all that the files name
    :param defaults: below it are the Dag folders of teams that bring none
    :param forbidden: the platform's own: no ``{file: PATH}`` and no Dag folder may be there
    :param machine: what a team cannot have more of; not checked when None
    :param pushed: set when the files came from a repository
    :param former: names that teams had before, and that files may still say
    :param unread: what files are called, without their endings, of which nobody knows what team they are
    """

    root: Path | None = None
    known_teams: frozenset[str] = frozenset()
    folders: Mapping[str, Path] = field(default_factory=dict)
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    keyring: Keyring = field(default_factory=Keyring, repr=False)
    backend: Mapping[tuple[str, str], BackendAnswer] = field(default_factory=dict, repr=False)
    defaults: Path | None = None
    forbidden: tuple[Path, ...] = ()
    machine: Machine | None = None
    pushed: Pushed | None = None
    former: Mapping[str, Former] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


class InvalidFilesError(InvalidInputError):
    """The team files are wrong; nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the team files; nothing was changed",
            fix="correct them and run the command again",
        )


def is_team_file(name: str) -> bool:
    """Whether a file of a folder of team files is read; ``Team.YAML`` is, and hidden ones are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def read_files(directory: Path) -> tuple[list[TeamFile], list[Problem]]:
    """Every team file in a folder (not below it), by name, and what is wrong with each by itself."""
    problems: list[Problem] = []
    found: list[TeamFile] = []
    inside = _inside(directory)
    for path in _candidates(directory, problems):
        with mishaps.about(str(path)):
            data = _read(path, inside, problems)
            document = None if data is None else read_document(str(path), data, problems)
            if data is None or document is None or _is_platform(path, document):
                continue
            if file := _judged(path, data, document, problems):
                found.append(file)
    return found, problems


def read_one(path: Path, data: bytes) -> tuple[TeamFile | None, list[Problem]]:
    """One team file with this content, whether or not it is on disk already."""
    problems: list[Problem] = []
    with mishaps.about(str(path)):
        document = read_document(str(path), data, problems)
        return (None if document is None else _judged(path, data, document, problems)), problems


def unread(files: Iterable[TeamFile], problems: Iterable[Problem]) -> frozenset[str]:
    """What files are called, without their endings, whose team is not known: they are too broken."""
    known = {file.shown for file in files if file.team.name != STAND_IN}
    return frozenset(Path(problem.file).stem for problem in problems if problem.file not in known)


def read_platform(directory: Path) -> tuple[Path, bytes, Document] | None:
    """``platform.yaml`` of a folder, if there is one that can be read. Why it cannot, :func:`read_files` tells."""
    for name in PLATFORM_FILES:
        path = directory / name
        data = _read(path, _inside(directory), []) if os.path.lexists(path) else None
        document = None if data is None else read_document(str(path), data, [])
        if data is not None and document is not None and _is_platform(path, document):
            return path, data, document
    return None


def read_document(shown: str, data: bytes, problems: list[Problem]) -> Document | None:
    """What stands in a file; what is wrong with it as YAML is added to ``problems``."""

    def report(line: int, column: int, key: str, rule: str, message: str, fix: str) -> None:
        problems.append(Problem(shown, line, column, key, rule, message, fix))

    return parse(data, report)


def _is_platform(path: Path, document: Document) -> bool:
    """Whether this is no team's file. A team may well be called platform: its file has a name."""
    return path.name in PLATFORM_FILES and not (isinstance(document.value, dict) and "name" in document.value)


def _judged(path: Path, data: bytes, document: Document, problems: list[Problem]) -> TeamFile | None:
    team, wrong = validate(document, str(path))
    problems.extend(wrong)
    return None if team is None else TeamFile(path, str(path), data, document, team)


def _candidates(directory: Path, problems: list[Problem]) -> list[Path]:
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        raise InvalidInputError(
            f"cannot read the folder {directory}: {error.strerror}", fix="give a folder of team files"
        ) from None
    paths = [directory / name for name in names if is_team_file(name)]
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


def _inside(directory: Path) -> str:
    """How the real path of everything in the folder begins."""
    return os.path.join(os.path.realpath(directory), "")  # noqa: PTH118 - pathlib takes a while over hundreds of files


def _read(path: Path, inside: str, problems: list[Problem]) -> bytes | None:
    """The content of a regular file inside the folder; a link may point inside it only."""
    try:
        return _open(path, inside)
    except _UnreadableError as error:
        problems.append(Problem(str(path), 1, 1, "", error.rule, error.message, error.fix))
    except OSError as error:
        reason = "a loop of links" if error.errno == errno.ELOOP else error.strerror
        fix = f"correct it or remove it: {path}"
        problems.append(Problem(str(path), 1, 1, "", "unreadable", f"cannot be read: {reason}", fix))
    return None


class _UnreadableError(Exception):
    """Not a file to read."""

    def __init__(self, rule: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.rule, self.message, self.fix = rule, message, fix


def _open(path: Path, inside: str) -> bytes:
    real = inside + path.name
    if os.path.islink(real):  # noqa: PTH114 - what becomes one after this is not followed
        real = os.path.realpath(path, strict=True)
    if not os.path.join(real, "").startswith(inside):  # noqa: PTH118
        raise _UnreadableError("outside", "this is a link to somewhere outside the folder", "copy the file here")
    try:
        return read_regular(real, MAX_BYTES + 1)
    except IsADirectoryError:
        raise _UnreadableError("unreadable", "this is not a regular file", "remove it") from None


def read_regular(real: str | Path, limit: int) -> bytes:
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
