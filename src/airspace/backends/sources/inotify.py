"""The kernel's word that something in a folder changed: inotify, folder by folder, no link followed.

The watching libraries at hand walk into links: a team's link to ``/`` would have the whole machine watched, by root.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from pathlib import Path

_EVENT = struct.Struct("iIII")
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _ATTRIB = 0x8, 0x40, 0x80, 0x100, 0x200, 0x4
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLYDIR, _DONT_FOLLOW = 0x1000000, 0x2000000
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ATTRIB | _ONLYDIR | _DONT_FOLLOW


class Exhausted(Exception):  # noqa: N818  # a state of the machine, not a mistake
    """This user may not watch any more folders (``fs.inotify.max_user_watches`` or ``max_user_instances``)."""


class Inotify:
    """One inotify instance: folders in, the folders in which something changed out."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise Exhausted(os.strerror(ctypes.get_errno()))
        self._folders: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}

    def fileno(self) -> int:
        """To select on."""
        return int(self._fd)

    @property
    def folders(self) -> frozenset[Path]:
        """Everything watched."""
        return frozenset(self._watches)

    def add(self, folder: Path) -> bool:
        """Watch a folder (not those in it); False when it is none any more.

        :raises Exhausted: the user's watches are used up
        """
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK)
        if watch < 0:
            code = ctypes.get_errno()
            if code in (errno.ENOSPC, errno.ENOMEM):
                raise Exhausted(os.strerror(code))
            return False
        # A folder that was moved keeps its watch: the newer path is the right one.
        self._watches.pop(self._folders.get(watch, folder), None)
        self._folders[watch], self._watches[folder] = folder, watch
        return True

    def remove(self, folder: Path) -> None:
        """Watch it no longer."""
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._folders.pop(watch, None)
            self._libc.inotify_rm_watch(self._fd, watch)

    def changed(self) -> frozenset[Path]:
        """The folders in which something changed since the last call; all, if the kernel lost count."""
        found: set[Path] = set()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._fd, 1 << 16):
                found |= self._parse(data)
        return frozenset(found)

    def _parse(self, data: bytes) -> set[Path]:
        found: set[Path] = set()
        place = 0
        while place < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, place)
            place += _EVENT.size + length
            if mask & _OVERFLOW:
                found |= set(self._watches)
            elif mask & _IGNORED:  # the folder is gone
                folder = self._folders.pop(watch, None)
                if folder is not None:
                    self._watches.pop(folder, None)
                    found.add(folder.parent)
            elif watch in self._folders:
                found.add(self._folders[watch])
        return found

    def close(self) -> None:
        """Give everything up."""
        os.close(self._fd)
