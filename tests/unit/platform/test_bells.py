"""Bells, of which the system keeps a few for whoever is busy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airspace.platform import bells

MANY = [f"team_{number}" for number in range(100)]


@pytest.fixture
def run() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path is short
        yield Path(folder)


def test_the_system_drops_what_somebody_busy_is_told(run: Path) -> None:
    with bells.hang("bell", run) as bell:
        told = [bells.ring("bell", name, run) for name in MANY]
        assert not all(told)
        assert bells.rings(bell) == {name for name, taken in zip(MANY, told, strict=True) if taken}


def test_a_patient_one_has_told_everything_in_the_end(run: Path) -> None:
    caller = bells.Patient("bell", run)
    caller.ring("before anybody was there")
    heard: set[str] = set()
    with bells.hang("bell", run) as bell:
        for name in MANY:
            caller.ring(name)
        rounds = 0
        while caller.pause == bells.AGAIN:
            heard |= bells.rings(bell)
            caller.ring()
            rounds += 1
        heard |= bells.rings(bell)
    assert rounds > 1
    assert heard == {"before anybody was there", *MANY}
    assert caller.pause > 3600


def test_what_is_told_again_before_it_was_taken_is_told_once(run: Path) -> None:
    caller = bells.Patient("bell", run)
    caller.ring("one")
    caller.ring("two", "one")
    with bells.hang("bell", run) as bell:
        caller.ring()
        assert [bell.recv(100), bell.recv(100)] == [b"one", b"two"]
        assert not bells.rings(bell)
