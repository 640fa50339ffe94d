"""A tree: the plain files of one version, written anew beside the others and named only when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends.remotes.job import MOST_PROBLEMS
from airspace.backends.sources.mirror import LEFT_OUT, Limits

_PART = ".part-"
_LIMITS = Limits()


@dataclass(frozen=True)
class Entry:
    """One file as the source lists it: its path, what tells its contents from others, its size."""

    path: str
    mark: str
    size: int
    executable: bool = False


@dataclass
class Chosen:
    """What of a source's files is taken, and why the rest is not."""

    entries: list[Entry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0
    _taken: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)

    def offer(self, entry: Entry) -> bool:
        """Take a file, or say why not. False when no more can be taken at all."""
        reason = path_problem(entry.path) or self._crossed(entry.path)
        if reason is None and entry.size > _LIMITS.file_bytes:
            reason = f"it is larger than {_LIMITS.file_bytes >> 20} MB"
        if reason is None and self._bytes + entry.size > _LIMITS.total_bytes:
            reason = f"the files are larger than {_LIMITS.total_bytes >> 20} MB together"
        if reason is not None:
            self.leave(entry.path, reason)
            return True
        if len(self.entries) >= _LIMITS.files:
            self.leave(entry.path, f"there are more than {_LIMITS.files} files: this and what follows")
            return False
        if not _skipped(entry.path):
            self.entries.append(entry)
            self._bytes += entry.size
            self._taken.add(entry.path)
            self._folders.update(_above(entry.path))
        return True

    def leave(self, path: str, reason: str) -> None:
        """Leave a path out."""
        if len(self.left_out) < MOST_PROBLEMS:
            self.left_out[ascii(path)[1:-1][:300]] = reason

    def _crossed(self, path: str) -> str | None:
        """An object store can hold ``a`` and ``a/b``; a folder cannot."""
        if path in self._taken or path in self._folders or any(part in self._taken for part in _above(path)):
            return "another file or folder has its name"
        return None


def path_problem(path: str) -> str | None:
    """Why a path cannot be written."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or path.startswith("/"):
        return "this is no path of a file"
    # Some file systems take these for the repository's own folder.
    if any(part.lower().replace("\u200c", "").rstrip(". ") in (".git", "git~1") for part in parts):
        return "its name is that of a repository's own folder"
    if len(parts) > _LIMITS.depth or len(os.fsencode(path)) > 2000 or any(len(os.fsencode(p)) > 255 for p in parts):
        return "its path is too long"
    if not all(part.isprintable() for part in parts):
        return "its name cannot be used"
    return None


@dataclass(frozen=True)
class Trees:
    """The trees of one source."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.home / "trees"

    def name(self, version: str, folder: str) -> str:
        """What the tree of a folder at a version is called."""
        return f"{version[:40]}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"

    def write(
        self, name: str, chosen: Chosen, before: str | None, read: Callable[[list[Entry]], Iterable[bytes]]
    ) -> None:
        """Write a whole tree. A file with the same contents as before keeps its time, so that nobody reads it anew.

        :param before: the tree of the version before
        :param read: the contents of these entries, in this order
        """
        part = self.folder / f"{_PART}{secrets.token_hex(8)}"
        part.mkdir(parents=True, mode=0o700)
        try:
            self._fill(part, chosen.entries, before, read)
            part.chmod(0o755)
            marks = {entry.path: entry.mark for entry in chosen.entries}
            (self.folder / f"{name}.json").write_text(json.dumps(marks), encoding="utf-8")
            target = self.folder / name
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def has(self, name: str | None) -> bool:
        """Whether a tree is there."""
        return name is not None and (self.folder / name).is_dir()

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove every other tree, and what a look that was cut off left."""
        kept = set(names)
        with contextlib.suppress(FileNotFoundError):
            for entry in self.folder.iterdir():
                if entry.name.removesuffix(".json") not in kept:
                    if entry.is_dir():
                        shutil.rmtree(entry, ignore_errors=True)
                    else:
                        entry.unlink(missing_ok=True)

    def _fill(
        self, part: Path, entries: list[Entry], before: str | None, read: Callable[[list[Entry]], Iterable[bytes]]
    ) -> None:
        old = self._marks(before)
        fresh = []
        for entry in entries:
            path = part / entry.path
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            if before and old.get(entry.path) == entry.mark and _copied(self.folder / before / entry.path, path):
                path.chmod(_mode(entry))
            else:
                fresh.append(entry)
        for entry, data in zip(fresh, read(fresh), strict=True):
            path = part / entry.path
            path.write_bytes(data)
            path.chmod(_mode(entry))

    def _marks(self, name: str | None) -> dict[str, str]:
        if name is None:
            return {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}


def _mode(entry: Entry) -> int:
    return 0o755 if entry.executable else 0o644


def _copied(old: Path, new: Path) -> bool:
    with contextlib.suppress(OSError):
        shutil.copy2(old, new, follow_symlinks=False)
        return True
    return False


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _skipped(path: str) -> bool:
    """Nobody's Dags: the copy leaves these folders out anyway."""
    return not LEFT_OUT.isdisjoint(path.split("/"))
