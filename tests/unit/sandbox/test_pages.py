"""The memory that a fork makes its own: found in one, and had ready in the next."""

from __future__ import annotations

import mmap
import os
import resource
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

import pytest

from airspace.sandbox import pages

PAGE = mmap.PAGESIZE
SIZE = 400


def in_fork(what: Callable[[], Any]) -> Any:
    ours, theirs = Pipe()
    if (pid := os.fork()) == 0:
        theirs.send(what())
        os._exit(0)
    os.waitpid(pid, 0)
    return ours.recv()


def written(memory: mmap.mmap) -> None:
    for page in range(0, SIZE, 4):
        memory[page * PAGE] = 1


@pytest.fixture
def memory() -> mmap.mmap:
    made = mmap.mmap(-1, SIZE * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(SIZE):
        made[page * PAGE] = 7
    return made


def test_what_one_fork_wrote_is_had_ready_in_the_next(memory: mmap.mmap) -> None:
    def first() -> list[pages.Range]:
        written(memory)
        return pages.own()

    def faults(ready: list[pages.Range]) -> int:
        pages.make_own(ready, lambda: False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        written(memory)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    found = pages.accepted(in_fork(first))
    if not found:
        pytest.skip("this kernel does not tell which pages are shared")
    assert in_fork(lambda: faults([])) >= SIZE // 4
    assert in_fork(lambda: faults(found)) < SIZE // 8


def test_it_stops_when_there_is_something_better_to_do() -> None:
    asked = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) == 2

    pages.make_own([(PAGE, PAGE)] * 1000, enough)  # nothing is there: no matter
    assert len(asked) == 2


@pytest.mark.parametrize(
    "told",
    [
        [(PAGE, PAGE)] * (pages.MOST_RANGES + 1),
        [(1 << 40, (pages.MOST_PAGES + 1) * PAGE)],
        [(PAGE + 1, PAGE)],
        [(1 << 40, -PAGE)],
        [(1 << 48, PAGE)],
        [("x", PAGE)],
    ],
)
def test_what_cannot_be_meant_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        pages.accepted(told)
