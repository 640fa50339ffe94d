"""Which Dag files are to be read when a bundle changed: those that did, or all, if others may have read what did."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from airspace.backends.sources.mirror import PART

Signature = tuple[int, int, int]
MOST_FILES = 50_000


class Changes:
    """What every file of each bundle was when it was looked at last."""

    def __init__(self) -> None:
        self._seen: dict[str, Mapping[str, Signature]] = {}

    def forget(self, bundle: str) -> None:
        """The next time, everything in it is new."""
        self._seen.pop(bundle, None)

    def since_last(self, bundle: str, folder: Path, dag_files: set[str]) -> set[str]:
        """The Dag files to read, and remember how it is now.

        :param dag_files: paths below ``folder``
        """
        before = self._seen.get(bundle)
        now = self._seen[bundle] = signatures(folder)
        return dag_files if before is None else to_read(before, now, dag_files)


def to_read(before: Mapping[str, Signature], now: Mapping[str, Signature], dag_files: set[str]) -> set[str]:
    """The Dag files that changed; all, if something changed that any of them may read."""
    changed = {path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}
    gone_dag_files = {path for path in changed - set(now) if path.endswith(".py")}
    return dag_files if changed - dag_files - gone_dag_files else changed & dag_files


def signatures(folder: Path) -> dict[str, Signature]:
    """What every file of a bundle is now. The fetcher replaces files, so a change shows even where times are kept."""
    return dict(_walk(folder))


def _walk(root: Path) -> Iterator[tuple[str, Signature]]:
    count = 0
    waiting = [root]
    while waiting and count < MOST_FILES:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:  # not fetched yet, or gone since
            continue
        for entry in entries:
            if entry.name == "__pycache__" or entry.name.startswith(PART):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:  # gone while it was looked at
                    continue
                count += 1
                yield os.path.relpath(entry.path, root), (found.st_ino, found.st_mtime_ns, found.st_size)
