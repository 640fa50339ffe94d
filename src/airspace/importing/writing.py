"""The drafted files on disk. All or nothing is decided before the first is written, and nobody's edit is lost."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airspace.model.errors import InvalidInputError

_SHOWN = 10
Content = Callable[[], bytes]


@dataclass(frozen=True)
class Written:
    """What was done with the files."""

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    same: tuple[str, ...]


def write(out: Path, files: Mapping[str, Content], *, force: bool, private: frozenset[str]) -> Written:
    """Write these files below ``out``.

    :param files: path inside → what gives its content
    :param force: replace what differs
    :param private: those that only their owner may read, and that are replaced in any case
    :raises InvalidInputError: files that differ are there already; nothing was written
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        states = {path: _state(out, path, content) for path, content in files.items()}
        different = [path for path, state in states.items() if state == "other" and path not in private]
        if different and not force:
            more = f", and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
            raise InvalidInputError(
                f"there are other files in {out} already: {', '.join(sorted(different)[:_SHOWN])}{more}",
                fix="import into another folder and compare (diff -r), or replace them with --force",
            )
        for path, content in files.items():
            if states[path] != "same":
                _put(out, path, content(), 0o600 if path in private else 0o644)
    except OSError as error:
        name = error.filename or out
        raise InvalidInputError(f"cannot write {name}: {error.strerror}", fix="name another folder: --out") from None
    by_state = {
        wanted: tuple(sorted(path for path, state in states.items() if state == wanted))
        for wanted in ("new", "other", "same")
    }
    return Written(by_state["new"], by_state["other"], by_state["same"])


def read_private(path: Path, most: int = 4 << 20) -> str:
    """The text of a file that an earlier import wrote; empty when there is none.

    :raises InvalidInputError: it cannot be read
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(None, "not a regular file")
            return file.read(most).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidInputError(f"cannot read {path}: {reason}", fix=f"move it away: mv {path} {path}.old") from None


def _state(out: Path, path: str, content: Content) -> str:
    place = out / path
    for above in [out / parent for parent in PurePosixPath(path).parents if str(parent) != "."]:
        if above.is_symlink() or (above.exists() and not above.is_dir()):
            raise InvalidInputError(f"{above} is in the way", fix="name another folder: --out")
    try:
        found = place.lstat()
    except FileNotFoundError:
        return "new"
    if not stat.S_ISREG(found.st_mode):
        return "other"
    data = content()
    return "same" if found.st_size == len(data) and place.read_bytes() == data else "other"


def _put(out: Path, path: str, data: bytes, mode: int) -> None:
    place = out / path
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
