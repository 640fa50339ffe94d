"""One ``tar.gz`` that is written in a stream: its owner's alone, and there under its name only when it is whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from airspace.backends.trees.walk import FOLDER, walk
from airspace.model.errors import AirspaceError

_LEVEL = 6


class Archive:
    """Used with ``with``: leaving it whole gives the file its name, anything else leaves nothing.

    :param path: where; nothing may be there yet
    :param prefix: the folder that everything in it lies in
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self._path, self._prefix = path, prefix
        self._part = path.with_name(f".{path.name}.part")
        self.members = 0

    def __enter__(self) -> Archive:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if os.path.lexists(self._path):
                raise FileExistsError(17, "File exists")
            self._part.unlink(missing_ok=True)  # of one that was cut off
            self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        except OSError as error:
            raise AirspaceError(
                f"{self._path} cannot be written: {error.strerror}", fix="give another place: --export FILE"
            ) from None
        self._zip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._file)
        self._tar = tarfile.open(mode="w|", fileobj=self._zip, format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._tar.close()
                self._zip.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._give_name()
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def _give_name(self) -> None:
        try:
            os.link(self._part, self._path, follow_symlinks=False)  # not over something that has come there meanwhile
        except FileExistsError:
            raise AirspaceError(f"{self._path} is there already", fix="give another place: --export FILE") from None
        except OSError:  # a file system without second names
            self._part.rename(self._path)

    def add_text(self, name: str, text: str) -> None:
        """A small file."""
        data = text.encode()
        self._add(name, len(data), int(time.time()), io.BytesIO(data))

    def add_tree(self, folder: Path, name: str) -> tuple[int, int]:
        """All plain files below a folder, in its place in the archive.

        :returns: how many, and their bytes
        """
        count = size = 0
        for found in walk(folder):
            if not found.is_file:
                continue
            try:
                handle = found.open()
            except OSError:
                continue
            with os.fdopen(handle, "rb", buffering=0) as file:
                size += self._add_file(f"{name}/{found.path}", file)
            count += 1
        return count, size

    def add(self, parent: Path, file_name: str, name: str) -> tuple[int, int]:
        """A file, or all plain files below a folder."""
        count, size = self.add_tree(parent / file_name, name)
        return (count, size) if count or not self.add_file(parent, file_name, name) else (1, 0)

    def add_file(self, parent: Path, file_name: str, name: str) -> bool:
        """One file, if it is there; a link is not followed."""
        try:
            above = os.open(parent, FOLDER)
        except OSError:
            return False
        try:
            handle = os.open(file_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        except OSError:
            return False
        finally:
            os.close(above)
        with os.fdopen(handle, "rb", buffering=0) as file:
            self._add_file(name, file)
        return True

    def _add_file(self, name: str, file: Any) -> int:
        found = os.fstat(file.fileno())
        self._add(name, found.st_size, int(found.st_mtime), _Exactly(file, found.st_size))
        return found.st_size

    def _add(self, name: str, size: int, modified: int, file: Any) -> None:
        info = tarfile.TarInfo(f"{self._prefix}/{name}")
        info.size, info.mtime, info.mode = size, modified, 0o600
        self._tar.addfile(info, file)
        self.members += 1


class _Exactly:
    """A file that is as long as it was when it was announced, whatever happens to it meanwhile."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int) -> bytes:
        wanted = min(size, self._left)
        found = bytearray()
        while len(found) < wanted and (chunk := self._file.read(wanted - len(found))):
            found += chunk
        found += bytes(wanted - len(found))
        self._left -= wanted
        return bytes(found)


def digest(path: Path) -> str:
    """The SHA-256 of a finished archive."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            found.update(chunk)
    return found.hexdigest()
