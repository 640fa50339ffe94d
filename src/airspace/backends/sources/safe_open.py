"""Opening what others can change under our hands: every step relative to a folder that is held open, no link followed.

Checking a path and then opening it would leave a moment in which a link to ``/etc/shadow`` takes the file's place.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a named pipe would wait for somebody to write into it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_LINKS = 16


class RefusedError(OSError):
    """It is not something that may be read."""


@contextlib.contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """The descriptor, closed in the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_root(path: Path, privileged: bool) -> int:
    """Open a source's own folder.

    With root's rights a link on the way counts only if root made it: otherwise whoever owns a parent folder could have
    any folder of the machine mirrored.

    :raises RefusedError: somebody else's link is on the way
    """
    if not privileged:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    here = os.open("/", FOLDER)
    parts = [part for part in path.parts if part != "/"][::-1]
    links = 0
    try:
        while parts:
            part = parts.pop()
            found = os.stat(part, dir_fd=here, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if found.st_uid != 0 or links > _MOST_LINKS:
                    raise RefusedError(f"{part} on the way to {path} is a symbolic link")
                target = Path(os.readlink(part, dir_fd=here))
                parts += [step for step in target.parts if step != "/"][::-1]
                if not target.is_absolute():
                    continue
                part = "/"
            here = _step(here, part)
        return here
    except BaseException:
        os.close(here)
        raise


def _step(here: int, part: str) -> int:
    there = os.open(part, FOLDER, dir_fd=here)
    os.close(here)
    return there


def open_file(name: str, folder: int, root: os.stat_result | None) -> tuple[int, os.stat_result]:
    """Open a regular file of a folder for reading.

    :param root: the source's own folder, when reading with root's rights: nothing is read that its owner could not
    :raises RefusedError: it is not a regular file, or not its owner's to give away
    """
    descriptor = os.open(name, FILE, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if (problem := kind_problem(found)) is not None:
            raise RefusedError(problem)
        if root is not None and not _theirs(found, root):
            raise RefusedError("it is not readable by the folder's owner")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found


def _theirs(file: os.stat_result, root: os.stat_result) -> bool:
    """Whether the folder's owner may read it too. A second name may be a hard link to another user's secret."""
    if file.st_mode & stat.S_IROTH:
        return True
    by_owner = file.st_uid == root.st_uid and bool(file.st_mode & stat.S_IRUSR)
    by_group = file.st_gid == root.st_gid and bool(file.st_mode & stat.S_IRGRP)
    return file.st_nlink == 1 and (by_owner or by_group)


def kind_problem(found: os.stat_result) -> str | None:
    """Why something that is neither a plain file nor a folder is left out."""
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "it is a device, a socket or a pipe"
    if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        return "it would run with another user's rights (setuid)"
    return None


def remove(name: str, folder: int) -> None:
    """Remove a file or a whole folder, whatever it is by now; links are removed, not followed."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        with closing(os.open(name, FOLDER, dir_fd=folder)) as inner:
            for entry in os.listdir(inner):  # noqa: PTH208  # a descriptor has no path
                remove(entry, inner)
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        return
