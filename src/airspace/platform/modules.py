"""Which files of a folder some of its Python files name: by import, or in quotes. They are read as text, never run.

What a file puts together while it runs is not seen. Everything is bounded: the text is a stranger's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

MOST_FILES = 200
MOST_BYTES = 2**20

_FROM = re.compile(r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+\(?([^#\n]{0,1000})", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^#\n]{1,1000})", re.MULTILINE)
_QUOTED = re.compile(r"[\"']([\w./-]{1,200}\.\w{1,10})[\"']")
_WORD = re.compile(r"[\w.]+")


def needed_by(root: Path, files: Sequence[str]) -> list[str]:
    """The other files below ``root`` that these name, and those that they name in turn. Archives are not opened."""
    waiting, seen = [file for file in files if not file.endswith(".zip")], set(files)
    while waiting and len(seen) < MOST_FILES:
        path = waiting.pop()
        for named in _named(path, _text(root / path)):
            if named not in seen and _is_file(root, named):
                seen.add(named)
                if named.endswith(".py"):
                    waiting.append(named)
    return sorted(seen - set(files))


def _named(path: str, text: str) -> Iterator[str]:
    folder = PurePosixPath(path).parent
    for match in _FROM.finditer(text):
        module, names = match[1], _WORD.findall(match[2])
        base = module.lstrip(".")
        if up := len(module) - len(base):
            here = PurePosixPath(*folder.parts[: max(0, len(folder.parts) - up + 1)])
            yield from _module(here, base.split(".") if base else [], names)
        else:
            yield from _module(PurePosixPath(), base.split("."), names)
    for match in _IMPORT.finditer(text):
        for part in match[1].split(","):
            if words := _WORD.findall(part):
                yield from _module(PurePosixPath(), words[0].split("."), [])
    for match in _QUOTED.finditer(text):
        if not match[1].startswith("/") and ".." not in match[1]:
            yield str(PurePosixPath(match[1]))
            yield str(folder / match[1])


def _module(base: PurePosixPath, parts: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """The files that a module may be, its packages', and those of the names that are taken from it."""
    here = base
    for part in (part for part in parts if part):
        here = here / part
        yield f"{here}.py"
        yield f"{here}/__init__.py"
    for name in names:
        if "." not in name:
            yield str(here / f"{name}.py")
            yield str(here / name / "__init__.py")


def _is_file(root: Path, path: str) -> bool:
    try:
        found = (root / path).lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode)


def _text(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as stream:
        return stream.read(MOST_BYTES).decode("utf-8", "replace")
