"""One page of a folder, however many names are in it."""

from __future__ import annotations

import heapq
import os
import stat
import time
from collections.abc import Sequence
from typing import Any

from airspace.storage.viewing.opening import opened_folder

PAGE = 200
SECONDS = 3.0  # then what was found is shown, with the word that it is not all
_LOOK_AT_CLOCK = 4096
_KINDS = ((stat.S_ISDIR, "folder"), (stat.S_ISREG, "file"), (stat.S_ISLNK, "link"))


def folder(root: str, parts: Sequence[str], after: str | None) -> dict[str, Any]:
    """Folders first, then by name: those behind ``after``.

    The names are gone through once and only a page of them is kept, so a folder with a million takes a second and no
    memory.

    :param after: the ``next`` of the page before
    """
    until, complete = time.monotonic() + SECONDS, True
    last = None if after is None else os.fsdecode(bytes.fromhex(after))
    with opened_folder(root, parts) as handle:

        def keys() -> Any:
            nonlocal complete
            with os.scandir(handle) as entries:
                for number, entry in enumerate(entries):
                    if number % _LOOK_AT_CLOCK == 0 and time.monotonic() > until:
                        complete = False
                        return
                    key = ("d" if entry.is_dir(follow_symlinks=False) else "f") + entry.name
                    if last is None or key > last:
                        yield key

        found = heapq.nsmallest(PAGE + 1, keys())
        shown = found[:PAGE]
        return {
            "entries": [_entry(handle, key[1:]) for key in shown],
            "next": os.fsencode(shown[-1]).hex() if len(found) > PAGE else None,
            "complete": complete,
        }


def _entry(handle: int, name: str) -> dict[str, Any]:
    kind, size, modified = "gone", 0, 0.0
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except OSError:
        pass
    else:
        kind = next((word for test, word in _KINDS if test(found.st_mode)), "other")
        size, modified = (found.st_size if kind == "file" else 0), max(0.0, found.st_mtime)
    # A name that is no text can be shown and not asked for.
    addressable = _text(name) == name
    return {"name": _text(name), "kind": kind if addressable else "other", "bytes": size, "modified": modified}


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
