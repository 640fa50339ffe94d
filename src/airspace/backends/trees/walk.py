"""Every entry below a folder, by descriptor."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
DEEPEST = 64  # each level holds a descriptor


@dataclass(frozen=True)
class Found:
    """One entry.

    :param path: from the folder where the walk began; bytes that are no text are kept as Python does (surrogates)
    :param parent: descriptor of its folder, good until the walk goes on
    """

    path: str
    name: str
    parent: int
    stat: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file: no link, pipe, socket or device."""
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.stat.st_mode)

    def open(self) -> int:
        """A descriptor for reading the plain file that it is.

        :raises OSError: it is none any more
        """
        handle = os.open(self.name, _FILE, dir_fd=self.parent)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileNotFoundError(self.path)
        return handle


def walk(folder: Path | str, dir_fd: int | None = None) -> Iterator[Found]:
    """Everything below a folder but the folder itself; nothing where there is none. Too deep folders are not entered.

    What disappears meanwhile is left out.
    """
    try:
        top = os.open(folder, FOLDER, dir_fd=dir_fd)
    except OSError:
        return
    levels: list[tuple[int, str, Iterator[str]]] = [(top, "", iter(_names(top)))]
    try:
        while levels:
            handle, above, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(handle)
                levels.pop()
                continue
            with suppress(OSError):
                found = Found(above + name, name, handle, os.stat(name, dir_fd=handle, follow_symlinks=False))
                yield found
                if found.is_folder and len(levels) < DEEPEST:
                    below = os.open(name, FOLDER, dir_fd=handle)
                    levels.append((below, f"{found.path}/", iter(_names(below))))
    finally:
        for handle, _, _ in levels:
            os.close(handle)


def _names(handle: int) -> Iterator[str]:
    with suppress(OSError), os.scandir(handle) as entries:
        for entry in entries:
            yield entry.name
