"""A copy of a tree that somebody else filled: plain files and folders, new ones, with an owner of our choice.

Copied and not renamed: who held a file open for writing, or gave it a second name, must not be able to change what is
another team's by then. Where there are holes in a file, there are holes in its copy, so nothing grows by being copied.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airspace.backends.trees.walk import DEEPEST, Found, walk
from airspace.model.errors import AirspaceError

MOST_ENTRIES = 2_000_000
SPARE_BYTES = 256 * 2**20  # left free on the disk
_CHUNK = 2**22
_TOLD = 2_000
_LONGEST = 4_000  # bytes of a path; the kernel takes 4095


@dataclass(frozen=True)
class Owner:
    """Whose a tree is; nothing is given to anybody by who is not root.

    :param reads: files with a second name are copied only where this user owns them
    """

    uid: int
    gid: int
    reads: int | None = None


@dataclass
class Copied:
    """What was copied; ``left_out``: links, pipes and the like, and what could not be read."""

    files: int = 0
    bytes: int = 0
    left_out: int = 0


def copy_tree(
    source: tuple[int, str],
    target: Path,
    owner: Owner,
    tell: Callable[[int], None] = lambda _: None,
    rewritten: Callable[[str, int], bytes | None] = lambda _path, _handle: None,
) -> Copied:
    """Copy everything below a folder to ``target``, which is made; above it nobody else may write.

    :param source: the descriptor of a folder, and the name of the one in it that is copied
    :param rewritten: gives the new contents of a file by its path and a descriptor, or None
    :raises AirspaceError: there is not enough room
    """
    done = Copied()
    _make(target, 0o755, owner)
    budget = shutil.disk_usage(target).free - SPARE_BYTES
    modes: list[tuple[Path, int]] = []
    for entry in walk(source[1], source[0]):
        if done.files + done.left_out >= MOST_ENTRIES:
            raise AirspaceError(f"there are more than {MOST_ENTRIES} files", fix=f"remove some of {source[1]}")
        place = target / entry.path
        if len(os.fsencode(place)) > _LONGEST:
            done.left_out += 1
        elif entry.is_folder and entry.path.count("/") < DEEPEST - 1:
            _make(place, 0o700, owner)
            modes.append((place, stat.S_IMODE(entry.stat.st_mode) & 0o777))
        elif not entry.is_file or not _may(entry, owner):
            done.left_out += 1
        else:
            budget -= entry.stat.st_blocks * 512
            if budget < 0:
                raise AirspaceError(
                    f"the disk has no room for a copy of {source[1]}", fix="make room, then run the command again"
                )
            _file(entry, place, owner, rewritten, done)
            if done.files % _TOLD == 0:
                tell(done.files)
    for place, mode in reversed(modes):  # a folder may be closed to its own owner: only when it is full
        place.chmod(mode)
    return done


def _may(entry: Found, owner: Owner) -> bool:
    return entry.stat.st_nlink == 1 or owner.reads is None or entry.stat.st_uid == owner.reads


def _file(entry: Found, place: Path, owner: Owner, rewritten: Callable[[str, int], bytes | None], done: Copied) -> None:
    try:
        handle = entry.open()
    except OSError:
        done.left_out += 1
        return
    try:
        found = os.fstat(handle)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        copy = os.open(place, flags, 0o600)
        try:
            text = rewritten(entry.path, handle)
            if text is None:
                _pour(handle, copy, min(found.st_size, entry.stat.st_size))
            else:
                os.write(copy, text)
            if os.getuid() == 0:
                os.fchown(copy, owner.uid, owner.gid)
            os.fchmod(copy, stat.S_IMODE(found.st_mode) & 0o777)
            os.utime(copy, ns=(found.st_mtime_ns, found.st_mtime_ns))
        finally:
            os.close(copy)
    finally:
        os.close(handle)
    done.files, done.bytes = done.files + 1, done.bytes + found.st_size


def _pour(source: int, copy: int, size: int) -> None:
    """The parts of a file that are there, up to a size."""
    os.ftruncate(copy, size)
    at = 0
    while at < size:
        try:
            begin = os.lseek(source, at, os.SEEK_DATA)
            end = min(size, os.lseek(source, begin, os.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole to the end
                return
            raise
        while begin < end and (data := os.pread(source, min(_CHUNK, end - begin), begin)):
            begin += os.pwrite(copy, data, begin)
        if begin < end:  # it was cut off meanwhile
            return
        at = end


def _make(place: Path, mode: int, owner: Owner) -> None:
    place.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(place, owner.uid, owner.gid)
    place.chmod(mode)
