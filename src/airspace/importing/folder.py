"""The Dag folder of the other deployment, on this machine: read without following a link, within bounds, never run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from airspace.importing.findings import Unplaced
from airspace.importing.usage import used_in
from airspace.model.errors import InvalidInputError

MOST_FILES, MOST_DEPTH, MOST_BYTES, MOST_TOTAL = 20_000, 16, 8 << 20, 256 << 20
CODE_BYTES = 512 * 1024
LEFT_OUT = frozenset({".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", ".mypy_cache", ".ruff_cache"})
IGNORE = ".airflowignore"


@dataclass
class DagFolder:
    """The plain files of a folder, by their path inside."""

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    unplaced: list[Unplaced] = field(default_factory=list)

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""
        return frozenset(self.files)

    def read(self, path: str) -> bytes:
        """One of the files; no link is followed on the way, whatever has happened since it was found.

        :raises OSError: it cannot be read any more
        """
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            *folders, name = PurePosixPath(path).parts
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = inner
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, dir_fd=here), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError("not a regular file any more")
                return file.read(MOST_BYTES)
        finally:
            os.close(here)

    def source(self, path: str) -> str | None:
        """The text of a Python file of bearable size."""
        if not path.endswith(".py") or self.files.get(path, CODE_BYTES + 1) > CODE_BYTES:
            return None
        try:
            return self.read(path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None


def read_folder(root: Path) -> DagFolder:
    """What lies in the folder.

    :raises InvalidInputError: it cannot be read, or is far more than a Dag folder
    """
    found = DagFolder(root.absolute())
    total = 0
    try:
        for path, size, problem in _walk(root, PurePosixPath(), 0):
            if problem:
                fix = "put a plain file there, and import again"
                found.unplaced.append(Unplaced("file", path, problem, fix))
                continue
            total += size
            found.files[path] = size
            if len(found.files) > MOST_FILES or total > MOST_TOTAL:
                raise InvalidInputError(
                    f"{root} holds more than {MOST_FILES} files or {MOST_TOTAL >> 20} MB",
                    fix="give the Dag folder itself, without data beside the Dags",
                )
    except OSError as error:
        raise InvalidInputError(f"cannot read {root}: {error.strerror}", fix="give a folder you can read") from None
    return found


def _walk(folder: Path, inside: PurePosixPath, depth: int) -> Iterator[tuple[str, int, str | None]]:
    if depth > MOST_DEPTH:
        yield str(inside), 0, f"it is more than {MOST_DEPTH} folders deep"
        return
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = str(inside / entry.name)
        if entry.name in LEFT_OUT:
            continue
        try:
            path.encode()
        except UnicodeEncodeError:
            yield ascii(path), 0, "its name is not UTF-8"
            continue
        if entry.is_symlink():
            yield path, 0, "it is a link"
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), inside / entry.name, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            yield path, size, "it is larger than 8 MB" if size > MOST_BYTES else None
        else:
            yield path, 0, "it is no plain file"


def files_of_team(folder: DagFolder, own: Iterable[str], others: Iterable[str]) -> tuple[set[str], list[str]]:
    """What a team's Dags need: their folders, and what they import from beside them, at the same paths as before.

    :param own: the team's Dag files
    :param others: the Dag files of all others: no file of their folders is given away
    :returns: the files, and the modules of other teams that its code imports
    """
    tops = {_top(path) for path in own}
    foreign = {_top(path) for path in others} - tops
    # A folder with Dags of several teams belongs to none of them as a whole.
    mixed = tops & {_top(path) for path in others}
    wanted = {path for path in folder.files if _top(path) in tops - mixed and "/" in path} | set(own)
    if IGNORE in folder.files:
        wanted.add(IGNORE)
    withheld: set[str] = set()
    others = set(others)
    waiting = sorted(wanted)
    while waiting:
        source = folder.source(waiting.pop())
        for module in used_in(source).modules if source is not None else ():
            for path in _module_files(folder, module):
                if path in wanted:
                    continue
                if _top(path) in foreign or path in others:
                    withheld.add(module)
                    continue
                wanted.add(path)
                waiting.append(path)
    return wanted & folder.paths, sorted(withheld)


def _top(path: str) -> str:
    """The folder below the Dag folder, or the file itself."""
    return path.split("/", 1)[0]


def _module_files(folder: DagFolder, module: str) -> Iterator[str]:
    """The file of a module, and those that make its packages packages."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        stem = "/".join(parts[:end])
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            if path in folder.files:
                yield path
