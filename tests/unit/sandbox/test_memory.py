"""What sandboxes hold, and which are to go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airspace.model.limits import CodeLimits
from airspace.sandbox import memory
from airspace.sandbox.cgroups import Group
from airspace.sandbox.memory import Budget, surplus


@pytest.mark.parametrize(
    ("held", "going"),
    [
        ({}, []),
        ({1: 10, 2: 10}, []),
        ({1: 11}, [1]),
        ({1: 9, 2: 9, 3: 9}, [1]),
        ({1: 9, 2: 11, 3: 9}, [2]),
        ({1: 3, 2: 9, 3: 10, 4: 10}, [1, 2]),
    ],
)
def test_the_longest_idle_go_until_the_rest_fits(held: dict[int, int], going: list[int]) -> None:
    assert surplus(held, Budget(each=10, total=20)) == going


def test_a_budget_is_what_was_configured() -> None:
    assert Budget.of(CodeLimits(warm_bytes=1, warm_bytes_of_all=2)) == Budget(1, 2)


def test_a_group_tells_what_its_processes_hold_in_each_version(tmp_path: Path) -> None:
    first, second, none = (tmp_path / name for name in ("1", "2", "none"))
    for folder in (first, second, none):
        folder.mkdir()
    (first / "memory.stat").write_text("cache 5\nrss 1\nshmem 1\ntotal_cache 50\ntotal_rss 10\ntotal_shmem 3\n")
    (second / "memory.stat").write_text("anon 7\nfile 500\nshmem 2\nkernel 9\n")
    assert Group((none, first)).memory() == 13
    assert Group((second,)).memory() == 9
    assert Group((none,)).memory() is None


def test_processes_are_found_below_others_but_for_those_that_do_not_count() -> None:
    script = "import os, sys; os.fork(); held = os.urandom(1 << 22); os.write(1, b'+'); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.read(2) == b"++"
            both, one = memory.of_processes([process.pid], (), 0), memory.of_process(process.pid)
            assert one > 4 << 20
            assert both > one + (4 << 20)
            assert memory.of_processes([process.pid], (), one) < both - one
            assert memory.of_processes([os.getpid()], {process.pid}, 0) < memory.of_processes([os.getpid()], (), 0)
            assert memory.of_processes([process.pid], {process.pid}, 0) == 0
        finally:
            process.stdin.close()  # both end then
    assert memory.of_process(process.pid) == 0
