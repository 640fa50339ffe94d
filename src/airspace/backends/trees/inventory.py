"""A list of what lies in a folder, with sizes and checksums, as lines of JSON. Bounded in entries, bytes and time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airspace.backends.trees.walk import DEEPEST, Found, walk

MOST_ENTRIES = 2_000_000
MOST_BYTES = 100 * 2**30  # read for checksums, in all
MOST_SECONDS = 900.0
_CHUNK = 2**20
_TOLD = 5_000


@dataclass
class Inventory:
    """What was found.

    :param complete: False: there is more than is listed, or may be: too many entries, or folders too deep to enter
    :param unread: files that are listed without a checksum
    """

    files: int = 0
    bytes: int = 0
    others: int = 0
    unread: int = 0
    complete: bool = True

    def as_dict(self) -> dict[str, int | bool]:
        """For JSON."""
        return dict(vars(self))


def take_inventory(
    folder: Path, into: BinaryIO, owner: int | None = None, tell: Callable[[int], None] = lambda _: None
) -> Inventory:
    """Write a line for each plain file below ``folder``. Links and all that is no file are counted, not followed.

    :param owner: only files of this user, or with a single name, are read: a team can give a second name to somebody
        else's file, and its checksum would be that one's
    """
    found, budget, deadline = Inventory(), MOST_BYTES, time.monotonic() + MOST_SECONDS
    for entry in walk(folder):
        if entry.is_folder:
            found.complete = found.complete and entry.path.count("/") < DEEPEST - 1
            continue
        if found.files + found.others >= MOST_ENTRIES:
            found.complete = False
            break
        if not entry.is_file:
            found.others += 1
            continue
        readable = entry.stat.st_nlink == 1 or (owner is not None and entry.stat.st_uid == owner)
        fits = entry.stat.st_size <= budget and time.monotonic() < deadline
        digest = _digest(entry, deadline) if readable and fits else None
        budget -= entry.stat.st_size if digest else 0
        found.files, found.bytes = found.files + 1, found.bytes + entry.stat.st_size
        found.unread += digest is None
        line = {"path": entry.path, "bytes": entry.stat.st_size, "modified": int(entry.stat.st_mtime), "sha256": digest}
        into.write(json.dumps(line).encode() + b"\n")
        if found.files % _TOLD == 0:
            tell(found.files)
    return found


def _digest(entry: Found, deadline: float) -> str | None:
    """None where it cannot be read, or takes too long: a file can be as long as it likes without filling a disk."""
    try:
        handle = entry.open()
    except OSError:
        return None
    digest = hashlib.sha256()
    with os.fdopen(handle, "rb", buffering=0) as file:
        left = entry.stat.st_size
        try:
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
                if time.monotonic() > deadline:
                    return None
        except OSError:
            return None
    return digest.hexdigest()
