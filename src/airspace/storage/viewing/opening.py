"""Opening what a team put there: below a folder, no link followed, nothing waited for."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MISSING, LINK, NO_FILE, NO_FOLDER, REFUSED = "missing", "link", "no file", "no folder", "refused"
_WHY = {errno.ENOENT: MISSING, errno.ELOOP: LINK, errno.ENOTDIR: NO_FOLDER, errno.ENXIO: NO_FILE}


class CannotOpenError(Exception):
    """It cannot be opened; ``why`` is one of the words above."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@contextmanager
def opened_file(root: str, parts: Sequence[str]) -> Iterator[tuple[int, os.stat_result]]:
    """A plain file for reading, and what it is.

    :raises CannotOpenError: there is none
    """
    # Without waiting: a pipe that nobody writes to would otherwise be waited for.
    with _opened(root, parts, os.O_RDONLY | os.O_NONBLOCK) as handle:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise CannotOpenError(NO_FILE)
        yield handle, found


@contextmanager
def opened_folder(root: str, parts: Sequence[str]) -> Iterator[int]:
    """A folder for listing.

    :raises CannotOpenError: there is none
    """
    with _opened(root, parts, os.O_RDONLY | os.O_DIRECTORY) as handle:
        yield handle


@contextmanager
def _opened(root: str, parts: Sequence[str], flags: int) -> Iterator[int]:
    handles: list[int] = []
    try:
        try:
            handles.append(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in parts[:-1]:
                handles.append(_step(handles[-1], part, os.O_PATH | os.O_DIRECTORY))
            handles.append(_step(handles[-1], parts[-1], flags))
        except OSError as error:
            raise CannotOpenError(_WHY.get(error.errno or 0, REFUSED)) from None
        yield handles[-1]
    finally:
        for handle in handles:
            os.close(handle)


def _step(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        # Asked for as a folder, the kernel says of a link only that it is none.
        if error.errno == errno.ENOTDIR and stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a link") from None
        raise
