"""The register of attacks, and what their functions share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from airspace.verify.inside.facts import Facts

Act = Callable[[Facts], str]
ACTS: dict[str, Act] = {}


class Refused(Exception):  # noqa: N818  # no error: what an attack ends with where the wall holds
    """The attack did not get what it wanted, though no call failed."""


class Unshown(Exception):  # noqa: N818  # as above
    """This machine has nothing to try it on."""


def act(name: str) -> Callable[[Act], Act]:
    """Register a function as the attack of that id."""

    def register(function: Act) -> Act:
        ACTS[name] = function
        return function

    return register


def read(path: Path | str, wanted: str = "") -> str:
    """Read the beginning of a file.

    :raises Refused: what is wanted is not in it
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        data = os.read(handle, 65536)
    finally:
        os.close(handle)
    if wanted and wanted.encode() not in data:
        raise Refused("the file that is there is another one")
    return f"read {len(data)} bytes of {path}"


def create(folder: Path | str) -> str:
    """Make a file in a folder, and take it away again."""
    path = Path(folder, f".airspace-verify-{os.getpid()}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(handle)
    with suppress(OSError):
        path.unlink()
    return f"made a file in {folder}"


def writable(path: Path | str) -> str:
    """Open a file for writing; nothing is written."""
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return f"opened {path} for writing"


def first(tries: Sequence[Callable[[], str]]) -> str:
    """The first of several ways that works; else the last one's failure."""
    failure: Exception = Unshown("there is nothing to try it on")
    for each in tries:
        try:
            return each()
        except (OSError, Refused) as error:
            failure = error
    raise failure
