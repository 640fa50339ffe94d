"""Processes of this machine: which are ours, what they use, how they are ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass(frozen=True)
class Usage:
    """One process below the process manager."""

    pid: int
    component_pid: int
    rss_bytes: int
    team: str | None


def is_supervisord(pid: int, folder: Path) -> bool:
    """Whether this process is the supervisord of that folder (a pid file may be older than the last boot)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(folder / "supervisord.conf") in process.cmdline()
    except _GONE:
        return False


def usage(component_pids: Iterable[int], team_of: Callable[[dict[str, str], str, int], str | None]) -> list[Usage]:
    """Every process of these components' trees, with the team it works for, if any.

    :param team_of: tells the team from a process's environment, title and uid
    """
    found: list[Usage] = []
    for pid in component_pids:
        with suppress(*_GONE):
            parent = psutil.Process(pid)
            for process in (parent, *parent.children(recursive=True)):
                with suppress(*_GONE):
                    rss = process.memory_info().rss
                    told = (_environ(process), " ".join(process.cmdline()), process.uids().real)
                    found.append(Usage(process.pid, pid, rss, None if process.pid == pid else team_of(*told)))
    return found


def _environ(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (*_GONE, OSError):
        return {}


def marked(variable: str, value: str, *, uid: int | None = None, session: int | None = None) -> list[int]:
    """Processes that carry ``variable=value`` in their environment or, when given, belong to ``uid`` or ``session``.

    Some of Airflow's processes hide their environment from their own user; their session still tells. Never the
    calling process or one of its ancestors: a shell that works inside a component must survive.
    """
    mine = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in mine:
            continue
        with suppress(*_GONE, ProcessLookupError, PermissionError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if (
                (uid is not None and process.uids().real == uid)
                or (session is not None and os.getsid(process.pid) == session)
                or _environ(process).get(variable) == value
            ):
                found.append(process.pid)
    return found


def orphaned_session(leader: int) -> int | None:
    """The session that this process led, if it is gone: the kernel gives a number to nobody while its session lives."""
    return None if psutil.pid_exists(leader) else leader


def end(pids: Iterable[int], *, seconds: float = 5.0) -> list[int]:
    """Ask these processes to end, then kill what is left. Returns those that are still there."""
    processes = []
    for pid in pids:
        with suppress(*_GONE):
            process = psutil.Process(pid)
            process.terminate()
            processes.append(process)
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with suppress(*_GONE):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=5.0)
    return [process.pid for process in alive]


def memory_available_mb() -> int:
    """Memory that programs could still have on this machine."""
    return int(psutil.virtual_memory().available // 2**20)
