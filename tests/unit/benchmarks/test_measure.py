"""Reading processes and memory."""

from __future__ import annotations

import os

import pytest
from benchmarks import drive, machine, measure


def test_below_follows_every_generation_and_nothing_else() -> None:
    parent_of = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert measure.below([10], parent_of) == {10, 11, 12}
    assert measure.below([10, 21, 99], parent_of) == {10, 11, 12, 21}


def test_parents_know_this_process() -> None:
    assert measure.parents()[os.getpid()] == os.getppid()


def test_pss_is_read_from_its_own_line() -> None:
    rollup = "55d0-7ffc ---p [rollup]\nRss:     1756 kB\nPss:      176 kB\nPss_Dirty:   112 kB\nSwapPss:  9 kB\n"
    assert measure.pss_kb(rollup) == 176
    assert measure.pss_kb("") == 0


def test_memory_of_this_process_and_of_one_that_is_gone() -> None:
    found = measure.memory([os.getpid(), 2**22 + 1])
    assert found.processes == 1
    assert found.total_mb > 1


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("postgres: airspace airflow [local] idle", "postgres"),
        ("airflow worker -- LocalExecutor: <idle>", "task supervisors"),
        ("airflow api_server -- host:127.0.0.1 port:8080", "api-server"),
        ("/x/python -m airspace.airflow.run scheduler", "scheduler"),
        ("/x/python -m supervisor.supervisord -c /h/supervisord.conf", "process manager"),
        ("airspace supervisor: idle", "task supervisors"),
        ("airflow worker -- 01a20016-84a4-7665-9024-c098695d89de", "tasks"),
        ("airspace task: scheduler triggerer.postgres", "tasks"),
        ("bash", "other"),
    ],
)
def test_a_process_is_grouped_by_its_title(title: str, name: str) -> None:
    assert measure.group(title) == name


def test_settled_waits_for_two_readings_alike() -> None:
    readings = iter([100.0, 150.0, 150.5, 999.0])
    found = measure.settled(lambda: measure.Memory(next(readings), 0.0, 3, {}), least=0, pause=0, most=5)
    assert found.total_mb == 150.5


def test_the_processor_is_found_or_replaced_by_the_architecture() -> None:
    assert machine.cpu_model("processor\t: 0\nmodel name\t: A CPU\n") == "A CPU"
    assert machine.cpu_model("") != ""


def _report(beat: str, status: str = "healthy") -> dict[str, dict[str, str]]:
    parts = {part: {"status": "healthy", f"latest_{part}_heartbeat": beat} for part in drive.PARTS}
    return {"metadatabase": {"status": "healthy"}, **parts, "scheduler": {**parts["scheduler"], "status": status}}


def test_healthy_means_heard_of_since_this_start() -> None:
    beat = "2026-01-01T00:00:10+00:00"
    since = 1767225600.0  # 2026-01-01T00:00:00Z
    assert drive.is_healthy(_report(beat), since)
    assert not drive.is_healthy(_report(beat), since + 11)
    assert not drive.is_healthy(_report(beat, "unhealthy"), since)
    assert not drive.is_healthy(_report(""), since)
