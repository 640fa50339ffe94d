"""One source folder and its copy."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends.sources.safe_open import (
    FOLDER,
    RefusedError,
    closing,
    kind_problem,
    open_file,
    open_root,
    remove,
)

PART = ".airspace-part-"
LEFT_OUT = frozenset({".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", ".mypy_cache", ".ruff_cache"})
_CHUNK = 1 << 20
_COMPARED = 1 << 20

Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Limits:
    """What one bundle may be; more is left out and reported."""

    files: int = 20_000
    file_bytes: int = 64 << 20
    total_bytes: int = 512 << 20
    depth: int = 32


@dataclass(frozen=True)
class Owner:
    """Whose the copies are."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Outcome:
    """What an update did.

    :param changed: something in the copy is different now
    :param unsettled: a file changed while it was read: look again soon
    :param folders: every folder of the source, to be watched
    :param problems: what was left out and why, by path
    """

    changed: bool
    unsettled: bool
    files: int
    size: int
    folders: frozenset[Path]
    problems: dict[str, str]


@dataclass
class _Pass:
    """One update under way."""

    root: os.stat_result | None
    changed: bool = False
    unsettled: bool = False
    files: int = 0
    size: int = 0
    folders: set[Path] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Signature] = field(default_factory=dict)


class Mirror:
    """Keeps ``target`` a copy of ``source``: plain files and folders, whole files only, what is gone there goes here.

    :param owner: whose the copies shall be, when running as root
    """

    def __init__(self, source: Path, target: Path, owner: Owner | None, limits: Limits | None = None) -> None:
        self.source = source
        self.target = target
        self._owner = owner
        self._limits = limits or Limits()
        self._known: dict[str, Signature] = {}

    def update(self) -> Outcome:
        """Bring the copy up to date. A source that cannot be read keeps its last copy."""
        try:
            source = open_root(self.source, privileged=self._owner is not None)
        except OSError as error:
            reason = str(error) if isinstance(error, RefusedError) else error.strerror or "it cannot be opened"
            return Outcome(False, False, len(self._known), 0, frozenset(), {".": reason})
        with closing(source), closing(self._target()) as target:
            run = _Pass(os.fstat(source) if self._owner is not None else None)
            self._folder(source, target, Path(), run)
        self._known = run.seen
        folders = frozenset(self.source / folder for folder in run.folders)
        return Outcome(run.changed, run.unsettled, run.files, run.size, folders, run.problems)

    def _target(self) -> int:
        parent = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with closing(parent):
            return self._own_folder(self.target.name, parent)

    def _own_folder(self, name: str, parent: int) -> int:
        """A folder of the copy, made if need be. Whatever else has that name is in the way, a link above all."""
        try:
            return os.open(name, FOLDER, dir_fd=parent)
        except FileNotFoundError:
            pass
        except OSError:
            remove(name, parent)
        os.mkdir(name, 0o700, dir_fd=parent)
        folder = os.open(name, FOLDER, dir_fd=parent)
        os.fchmod(folder, 0o755)
        if self._owner is not None:
            os.fchown(folder, self._owner.uid, self._owner.gid)
        return folder

    def _folder(self, source: int, target: int, path: Path, run: _Pass) -> None:
        run.folders.add(path)
        kept = set()
        for name, found in self._entries(source, path, run):
            inner = path / name
            if stat.S_ISDIR(found.st_mode):
                if self._subfolder(name, source, target, inner, run):
                    kept.add(name)
            elif self._file(name, source, target, inner, run):
                kept.add(name)
        for name in set(os.listdir(target)) - kept:  # a descriptor has no path
            remove(name, target)
            run.changed = True

    def _entries(self, folder: int, path: Path, run: _Pass) -> Iterator[tuple[str, os.stat_result]]:
        """The folder's entries that may be copied, in a fixed order, so that a limit always leaves out the same."""
        for name in sorted(os.listdir(folder)):  # a descriptor has no path
            if name in LEFT_OUT or name.startswith(PART):
                continue
            try:
                name.encode()
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                problem = kind_problem(found)
            except UnicodeEncodeError:
                run.problems[ascii(str(path / name))] = "its name is not UTF-8"
                continue
            except FileNotFoundError:
                continue
            except OSError as error:
                problem = error.strerror or "it cannot be looked at"
            if problem is None:
                yield name, found
            else:
                run.problems[str(path / name)] = problem

    def _subfolder(self, name: str, source: int, target: int, path: Path, run: _Pass) -> bool:
        """Mirror a folder inside; False when its copy shall go."""
        if len(path.parts) > self._limits.depth:
            run.problems[str(path)] = f"it is more than {self._limits.depth} folders deep"
            return False
        try:
            inner = os.open(name, FOLDER, dir_fd=source)
        except FileNotFoundError:
            return False
        except OSError as error:
            run.problems[str(path)] = error.strerror or "it cannot be opened"
            return self._keep_known(path, run)
        with closing(inner):
            fresh = not _exists(name, target)
            with closing(self._own_folder(name, target)) as copy:
                self._folder(inner, copy, path, run)
            run.changed = run.changed or fresh
        return True

    def _keep_known(self, path: Path, run: _Pass) -> bool:
        """What cannot be read at the moment keeps its last copy, if it has one."""
        known = {old: found for old, found in self._known.items() if Path(old) == path or path in Path(old).parents}
        run.seen.update(known)
        return bool(known)

    def _file(self, name: str, source: int, target: int, path: Path, run: _Pass) -> bool:
        """Mirror a file; False when its copy shall go."""
        try:
            descriptor, found = open_file(name, source, run.root)
        except FileNotFoundError:
            return False
        except RefusedError as error:
            run.problems[str(path)] = str(error)
            return False
        except OSError as error:
            run.problems[str(path)] = error.strerror or "it cannot be read"
            return self._keep_known(path, run)
        with closing(descriptor):
            problem = self._too_much(found, run)
            if problem is not None:
                run.problems[str(path)] = problem
                return False
            run.files, run.size = run.files + 1, run.size + found.st_size
            if not self._is_copied(str(path), descriptor, found, name, target):
                if not self._copy(descriptor, found, name, target):
                    run.unsettled = True
                    return _exists(name, target)
                run.changed = True
            run.seen[str(path)] = _signature(found)
        return True

    def _too_much(self, found: os.stat_result, run: _Pass) -> str | None:
        limits = self._limits
        if found.st_size > limits.file_bytes:
            return f"it is larger than {limits.file_bytes >> 20} MB"
        if run.files >= limits.files:
            return f"there are more than {limits.files} files"
        if run.size + found.st_size > limits.total_bytes:
            return f"the files are larger than {limits.total_bytes >> 20} MB together"
        return None

    def _is_copied(self, path: str, source: int, found: os.stat_result, name: str, target: int) -> bool:
        try:
            copy = os.stat(name, dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            return False
        alike = stat.S_ISREG(copy.st_mode) and copy.st_size == found.st_size and copy.st_mtime_ns == found.st_mtime_ns
        if path in self._known:
            return alike and self._known[path] == _signature(found)
        # The first look after a start: times can be set, contents cannot.
        return alike and (found.st_size > _COMPARED or _same_contents(source, name, target))

    def _copy(self, source: int, found: os.stat_result, name: str, target: int) -> bool:
        """Put a whole new file in the old one's place; False when the source did not keep still."""
        part = PART + secrets.token_hex(8)
        copy = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            with closing(copy):
                # At most what was counted: a file that grows is taken the next time.
                _pour(source, copy, found.st_size)
                if _signature(os.fstat(source)) != _signature(found):
                    return False
                if self._owner is not None:
                    os.fchown(copy, self._owner.uid, self._owner.gid)
                os.fchmod(copy, 0o555 if found.st_mode & stat.S_IXUSR else 0o444)
                os.utime(copy, ns=(found.st_mtime_ns, found.st_mtime_ns))
            if _is_folder(name, target):
                remove(name, target)
            os.rename(part, name, src_dir_fd=target, dst_dir_fd=target)
            return True
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=target)


def _pour(source: int, target: int, size: int) -> None:
    left = size
    while left > 0 and (data := os.read(source, min(left, _CHUNK))):
        left -= len(data)
        while data:
            data = data[os.write(target, data) :]


def _same_contents(source: int, name: str, target: int) -> bool:
    with closing(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)) as copy:
        return os.pread(source, _COMPARED + 1, 0) == os.pread(copy, _COMPARED + 1, 0)


def _signature(found: os.stat_result) -> Signature:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_folder(name: str, folder: int) -> bool:
    return _exists(name, folder) and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
