"""Removing a tree however deep it is, without recursion and with three descriptors.

Each folder that is found is moved up to the top under a name of ours before its turn comes: so nothing lies deep, and
nothing depends on a path that somebody else could change.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from airspace.backends.trees.walk import FOLDER

_TOLD = 10_000


def remove_tree(parent: Path, name: str, tell: Callable[[int], None] = lambda _: None) -> int:
    """Remove ``parent/name`` and everything in it; fine if there is nothing. A link is removed, not followed.

    :param tell: hears now and then how much is gone
    :returns: how many entries were removed
    """
    try:
        above = os.open(parent, FOLDER)
    except FileNotFoundError:
        return 0
    try:
        return _Sweep(above, name, tell).run()
    finally:
        os.close(above)


def remove_file(parent: Path, name: str) -> None:
    """Remove ``parent/name``, whatever it is, if it is no folder; fine if there is nothing."""
    with suppress(FileNotFoundError):
        above = os.open(parent, FOLDER)
        try:
            os.unlink(name, dir_fd=above)
        finally:
            os.close(above)


class _Sweep:
    def __init__(self, above: int, name: str, tell: Callable[[int], None]) -> None:
        self._above, self._name, self._tell = above, name, tell
        self._count = 0

    def run(self) -> int:
        try:
            found = os.stat(self._name, dir_fd=self._above, follow_symlinks=False)
        except FileNotFoundError:
            return 0
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(self._name, dir_fd=self._above)
            return 1
        self._open_up(self._above, self._name)
        top = os.open(self._name, FOLDER, dir_fd=self._above)
        try:
            while folder := self._next_folder(top):
                below = os.open(folder, FOLDER, dir_fd=top)
                try:
                    while self._empty(below, top):  # a folder that changes while it is read may not show everything
                        pass
                finally:
                    os.close(below)
                os.rmdir(folder, dir_fd=top)
        finally:
            os.close(top)
        os.rmdir(self._name, dir_fd=self._above)
        return self._count + 1

    def _next_folder(self, top: int) -> str | None:
        """Remove what is no folder; the first folder that is left."""
        while True:
            before = self._count
            with os.scandir(top) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        self._open_up(top, entry.name)
                        return entry.name
                    self._unlink(top, entry.name)
            if self._count == before:
                return None

    def _empty(self, folder: int, top: int) -> bool:
        """Remove what is no folder, and move the folders to the top; False when there was nothing."""
        before = self._count
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._open_up(folder, entry.name)
                    os.rename(entry.name, f".{secrets.token_hex(16)}", src_dir_fd=folder, dst_dir_fd=top)
                    self._counted()
                else:
                    self._unlink(folder, entry.name)
        return self._count != before

    def _unlink(self, folder: int, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        self._counted()

    def _counted(self) -> None:
        self._count += 1
        if self._count % _TOLD == 0:
            self._tell(self._count)

    @staticmethod
    def _open_up(folder: int, name: str) -> None:
        """Its owner may have taken away the right to look into it and to move it; who is not root needs that."""
        if os.getuid() == 0:
            return
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if stat.S_IMODE(os.fstat(handle).st_mode) & 0o700 != 0o700:
                Path(f"/proc/self/fd/{handle}").chmod(0o700)
        finally:
            os.close(handle)
