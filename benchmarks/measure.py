"""Processes and their memory, read from ``/proc``.

Memory is PSS: a page that several processes share is counted once, in parts. Only so can Airflow's forked workers be
compared with anything: the sum of their RSS counts the same pages dozens of times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.backends.processes import marked

MB = 1024  # kB


@dataclass(frozen=True)
class Memory:
    """PSS of one deployment, database included."""

    total_mb: float
    database_mb: float
    processes: int
    by_title: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "pss_mb": self.total_mb,
            "database_mb": self.database_mb,
            "processes": self.processes,
            "by_title": dict(self.by_title),
        }


def parents() -> dict[int, int]:
    """Every process of this machine → its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                stat = (entry / "stat").read_text()
                found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def below(roots: Iterable[int], parent_of: Mapping[int, int]) -> set[int]:
    """These processes and everything that descends from them."""
    found = {pid for pid in roots if pid in parent_of}
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def tree(variable: str, value: str, known: Iterable[int] = ()) -> set[int]:
    """The known processes, those started with ``variable=value`` in their environment, and all their descendants.

    Descendants are followed because PostgreSQL and ``setproctitle`` overwrite the environment that others can see.
    """
    return below({*marked(variable, value), *known}, parents())


def pss_kb(rollup: str) -> int:
    """The ``Pss`` line of a ``smaps_rollup``."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def memory(pids: Iterable[int]) -> Memory:
    """What these processes use now."""
    by_title: dict[str, float] = {}
    count = 0
    for pid in pids:
        with suppress(OSError):  # it ended meanwhile
            used = pss_kb(Path(f"/proc/{pid}/smaps_rollup").read_text()) / MB
            title = group(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            by_title[title] = by_title.get(title, 0.0) + used
            count += 1
    rounded = {title: round(mb, 1) for title, mb in sorted(by_title.items(), key=lambda item: -item[1])}
    return Memory(round(sum(by_title.values()), 1), rounded.get("postgres", 0.0), count, rounded)


TASKS, SUPERVISORS = "tasks", "task supervisors"
_GROUPS = (
    ("airspace task:", TASKS),
    ("airspace parse:", "Dag files being read"),
    ("airspace supervisor", SUPERVISORS),
    ("airspace zygote", "zygotes"),
    ("airspace sandboxes: template", "template"),
    ("airspace.sandbox.spawner", "spawner"),
    ("worker -- LocalExecutor", SUPERVISORS),
    ("airflow supervisor:", SUPERVISORS),
    ("airflow worker -- ", TASKS),
    ("postgres", "postgres"),
    ("supervisord", "process manager"),
    ("platform.fetcher", "fetcher"),
    ("platform.puller", "puller"),
    ("platform.keeper", "keeper"),
    ("sandbox.relay", "relay"),
    ("api-server", "api-server"),
    ("api_server", "api-server"),
    ("scheduler", "scheduler"),
    ("dag-processor", "dag-processor"),
    ("triggerer", "triggerer"),
    ("airspace triggers", "triggers"),
    ("resource_tracker", "resource tracker"),
)


def group(command_line: str) -> str:
    """Which part of a deployment a process is, by its title."""
    for mark, name in _GROUPS:
        if mark in command_line:
            return name
    return "other"


def settled(read: Callable[[], Memory], *, least: float, pause: float = 5.0, most: float = 60.0) -> Memory:
    """The memory once it has stopped changing (by 1 % from one reading to the next), after ``least`` seconds."""
    time.sleep(least)
    deadline = time.monotonic() + most
    last = read()
    while time.monotonic() < deadline:
        time.sleep(pause)
        now = read()
        if abs(now.total_mb - last.total_mb) <= last.total_mb / 100 and now.processes == last.processes:
            return now
        last = now
    return last
