"""Cases that need sandboxes run in a process of their own, once for all of them: as root, or as an ordinary user."""

from __future__ import annotations

import atexit
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import pytest

from airspace.backends import accounts
from tests.integration.sandbox.house import repository

MOST_SECONDS = 560.0


@dataclass(frozen=True)
class Run:
    """All cases of one kind, in a process of their own.

    :param kind: ``root``, or ``ordinary``; anything else is whoever runs the tests
    :param module: tells the outcome of each case in a line of JSON
    """

    kind: str
    module: str
    arguments: tuple[str, ...] = ()


def outcomes(run: Run, *beside: Run) -> dict[str, str | None]:
    """Case → error, of one run of all; skips where nobody of that kind could run them.

    :param beside: further runs that are begun by the first of them: most of each is waiting
    """
    if reason := _impossible(run):
        pytest.skip(reason)
    for each in (run, *beside):
        if not _impossible(each):
            _begin(each)
    found, trouble = _end(run)
    assert found, trouble
    return found


def _impossible(run: Run) -> str | None:
    if run.kind == "root" and os.getuid() != 0:
        return "only as root"
    if run.kind == "ordinary" and os.getuid() == 0 and not readable_by_nobody():
        return "no ordinary user could read this checkout"
    return None


_running: dict[Run, tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]] = {}


@cache
def _begin(run: Run) -> None:
    prefix: list[str] = []
    if os.getuid() == 0 and run.kind == "ordinary":
        nobody = pwd.getpwnam("nobody")
        prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    said, trouble = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 # closed at its end
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", run.module, *run.arguments],
        cwd=repository(),
        stdout=said,
        stderr=trouble,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    _running[run] = (process, said, trouble)


@cache
def _end(run: Run) -> tuple[dict[str, str | None], str]:
    process, said, trouble = _running.pop(run)
    with said, trouble:
        try:
            process.wait(MOST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for file in (said, trouble):
            file.seek(0)
        found = [json.loads(line) for line in said.read().splitlines()]
        return {row["case"]: row["error"] for row in found}, trouble.read().decode(errors="replace")


@atexit.register
def _stop() -> None:
    """Those that nobody asked for, because only some tests were run: each tidies up when it is told to end."""
    for process, said, trouble in _running.values():
        with said, trouble:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def readable_by_nobody() -> bool:
    """Whether an ordinary user could run this checkout with its interpreter."""
    nobody = accounts.find("nobody")
    needed = {Path(sys.prefix), Path(sys.base_prefix), repository()}
    folders = {folder for path in needed for folder in (path.resolve(), *path.resolve().parents)}
    return nobody is not None and not accounts.unreachable(nobody, folders)
