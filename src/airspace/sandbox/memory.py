"""How much memory a sandbox holds, as the kernel counts it: nobody of the team's is asked, and nobody is waited for.

Only counters are read. The exact share of each page would have to be added up over a process's page tables, under a
lock that the process itself can hold.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from airspace.model.limits import CodeLimits
from airspace.sandbox.bubblewrap import Walls
from airspace.sandbox.cgroups import Group
from airspace.sandbox.spec import SandboxSpec

log = logging.getLogger("airspace.spawner")

K = TypeVar("K", bound=Hashable)
W = TypeVar("W", bound="Weighed")
_EVERY = 1.0  # seconds; and so long a sandbox has been idle before its memory counts
_COUNTED = ("RssAnon:", "RssShmem:", "VmSwap:")
_MOST_FILES = 128  # that are read for one sandbox: a team may have thousands of processes and threads
_BUSY_EVERY = 2  # weighings: half of the sandboxes with work each time


@dataclass(frozen=True)
class Budget:
    """What may be held only to be quick.

    :param each: bytes that one sandbox may hold beside the tasks that run in it
    :param total: bytes that all sandboxes without work may hold together
    """

    each: int
    total: int

    @classmethod
    def of(cls, limits: CodeLimits | None = None) -> Budget:
        """As configured, or by default."""
        limits = limits or CodeLimits()
        return cls(limits.warm_bytes, limits.warm_bytes_of_all)


class Weighed(Protocol):
    """What the spawner knows of a sandbox."""

    spec: SandboxSpec
    walls: Walls | None
    group: Group
    number: int
    zygote: int
    inherited: int
    heavy: bool
    idle_since: float


class Scales:
    """Weighs sandboxes now and then."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._weighed, self._times = 0.0, 0

    def surplus(self, idle: Iterable[W], now: float) -> list[W]:
        """Of those without work, which are to go. One that has just done something may do so again."""
        if not self._is_due(now):
            return []
        boxes = {box.number: box for box in sorted(idle, key=lambda box: box.idle_since)}
        held = {number: _held(box) for number, box in boxes.items() if now - box.idle_since >= _EVERY}
        going = surplus(held, self._budget)
        for number in going:
            log.info("%s: %d MB without work are too much", boxes[number].spec.team, held[number] >> 20)
        return [boxes[number] for number in going]

    def is_worn(self, box: Weighed, tasks: Container[int], now: float) -> bool:
        """Whether what forks a sandbox's tasks has grown too much, twice in a row: a new task is not known at once.

        :param tasks: its processes
        """
        if not self._is_due(now) or (self._times + box.number) % _BUSY_EVERY:
            return False
        held = of_processes([box.zygote], tasks, box.inherited)
        was_heavy, box.heavy = box.heavy, held > self._budget.each
        if was_heavy and box.heavy:
            log.info("%s: its zygote holds %d MB, another one takes over", box.spec.team, held >> 20)
            box.heavy = False
            return True
        return False

    def done(self, now: float) -> None:
        """All were weighed."""
        if self._is_due(now):
            self._weighed, self._times = now, self._times + 1

    def _is_due(self, now: float) -> bool:
        return now - self._weighed >= _EVERY


def _held(box: Weighed) -> int:
    """Bytes; where no group counts them, those of its processes that the template does not hold anyway."""
    counted = box.group.memory()
    if counted is not None:
        return counted
    first = [box.walls.process.pid] if box.walls else []
    return of_processes([box.zygote, *first], (), box.inherited)


def surplus(held: Mapping[K, int], budget: Budget) -> list[K]:
    """Which sandboxes without work are to go.

    :param held: each with its bytes, the longest idle first
    """
    going = [name for name, size in held.items() if size > budget.each]
    left = sum(size for name, size in held.items() if name not in going)
    for name, size in held.items():
        if left <= budget.total:
            break
        if name not in going:
            going.append(name)
            left -= size
    return going


def of_process(pid: int) -> int:
    """Bytes of its own memory and of shared memory; files are the page cache's. Nothing where there is none."""
    found = 0
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc", str(pid), "status").read_text().splitlines():
            if line.startswith(_COUNTED):
                found += int(line.split()[1]) * 1024
    return found


def of_processes(roots: Iterable[int], without: Container[int], inherited: int) -> int:
    """Bytes of these processes and their descendants.

    :param without: processes that do not count, with their descendants
    :param inherited: what each has from the template, which holds it anyway
    """
    waiting = [pid for pid in roots if pid > 0]
    seen: set[int] = set()
    found, left = 0, _MOST_FILES
    while waiting and left > 0:
        pid = waiting.pop(0)
        if pid not in seen and pid not in without:
            seen.add(pid)
            found += max(0, of_process(pid) - inherited)
            children = list(itertools.islice(_children(pid), left))
            waiting += [child for each in children for child in each]
            left -= 1 + len(children)
    return found


def _children(pid: int) -> Iterator[list[int]]:
    """Those of each of its threads."""
    with suppress(OSError, ValueError):
        for thread in Path("/proc", str(pid), "task").iterdir():
            yield [int(child) for child in (thread / "children").read_text().split()]
