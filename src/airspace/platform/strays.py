"""Processes and sockets that nobody looks after any more, because their process manager was killed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from airspace.backends import processes
from airspace.backends.accounts import Account
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.control import MARKER
from airspace.platform.home import Places


def sweep(layout: HomeLayout, where: Places, home_id: str, account: Account | None) -> None:
    """End every process of this home, and only of this home, and remove its sockets.

    They are known by the mark in their environment, by the session of the process manager that was killed and, when
    root started them, by the system user that is this home's alone.
    """
    uid = account.uid if account else None
    left = processes.end(processes.marked(MARKER, home_id, uid=uid, session=_lost_session(where)))
    if left:
        raise AirspaceError(
            f"processes of this home cannot be ended: {', '.join(map(str, left))}",
            fix=f"kill -9 {' '.join(map(str, left))}",
        )
    for folder in (where.run, where.postgres):
        _empty(folder)
    for name in ("s.sock", "supervisord.pid"):
        (where.supervisor / name).unlink(missing_ok=True)
    # initdb and an interrupted write leave files behind that nothing will ever read.
    for left_over in layout.root.glob(".airspace.json.*"):
        left_over.unlink(missing_ok=True)


def remove_runtime(where: Places) -> None:
    """Remove the private runtime folder, if the home's path was too long for sockets of its own."""
    if where.runtime is not None:
        shutil.rmtree(where.runtime, ignore_errors=True)


def _lost_session(where: Places) -> int | None:
    """The session of a process manager that was killed: it left its pid file.

    Not for root, who sees every process's environment and would not be stopped from ending a stranger's.
    """
    if os.getuid() == 0:
        return None
    try:
        return processes.orphaned_session(int((where.supervisor / "supervisord.pid").read_text()))
    except (OSError, ValueError):
        return None


def _empty(folder: Path) -> None:
    with suppress(FileNotFoundError):
        for entry in folder.iterdir():
            if not entry.is_dir() or entry.is_symlink():
                entry.unlink(missing_ok=True)
