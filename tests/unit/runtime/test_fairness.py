"""Whose run is looked at next, where a task belongs, and how long a folder may take: the pure parts of being fair."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from airspace.airflow.parsing import changes, discovery
from airspace.airflow.parsing.discovery import Finder, might_contain_dag
from airspace.airflow.policies import MOST_PRIORITY, Place, put
from airspace.airflow.scheduling.dags_of_a_step import DagsOfAStep
from airspace.airflow.scheduling.run_order import (
    BESIDE_OTHERS,
    HEAVY,
    KNOWN_FOR,
    LOOK_ANYWAY,
    Looks,
    RunSizes,
    Waiting,
    round_robin,
)
from airspace.airflow.turns import niceness


def line(team: str | None, *run_ids: int) -> list[Waiting]:
    return [Waiting(run_id, team, place) for place, run_id in enumerate(run_ids, start=1)]


class TestRoundRobin:
    def test_every_teams_first_comes_before_anybodys_second(self) -> None:
        runs = [*line("noisy", *range(100)), *line("quiet", 200), *line("other", 300, 301)]
        assert round_robin(runs, 5) == [200, 300, 0, 301, 1]

    def test_a_loop_stays_short_while_others_wait(self) -> None:
        assert len(round_robin(line("noisy", *range(100)), 20)) == 20
        assert round_robin([*line("noisy", *range(100)), *line("quiet", 200)], 20) == [200, *range(BESIDE_OTHERS)]
        # What others have need not be looked at now: it may have to be in a moment.
        assert round_robin(line("noisy", *range(100)), 20, beside_others=True) == [*range(BESIDE_OTHERS)]

    def test_a_line_keeps_its_order_where_some_were_taken_out(self) -> None:
        assert round_robin([Waiting(3, "a", 9), Waiting(1, "a", 2), Waiting(2, "a", 5)], 9) == [1, 2, 3]

    def test_runs_of_no_team_are_a_line_too(self) -> None:
        assert round_robin([*line(None, 1), *line("a", 2, 3)], 2) == [1, 2]

    def test_nothing_is_nothing(self) -> None:
        assert round_robin([], 5) == []


def test_sizes_are_asked_seldom_and_forgotten_with_their_runs() -> None:
    now = [0.0]
    sizes = RunSizes(clock=lambda: now[0])
    assert sizes.to_measure([1, 2]) == [1, 2]
    sizes.learn({1: HEAVY, 2: HEAVY - 1})
    assert sizes.to_measure([1, 2]) == []
    assert [sizes.is_heavy(run) for run in (1, 2, 3)] == [True, False, False]
    now[0] = KNOWN_FOR + 1
    assert sizes.to_measure([2]) == [2]
    assert not sizes.is_heavy(1)


class TestLooks:
    RUNS: ClassVar = {1: "etl", 2: "etl", 3: "other"}

    @pytest.fixture
    def now(self) -> list[float]:
        return [100.0]

    @pytest.fixture
    def looks(self, now: list[float]) -> Looks:
        looks = Looks(clock=lambda: now[0])
        assert looks.due(self.RUNS, {1: "a", 2: "b"}) == {1, 2, 3}
        looks.begun([1, 2, 3], {1: "a", 2: "b"})
        return looks

    def test_a_run_in_which_nothing_happened_is_passed_over(self, looks: Looks) -> None:
        assert looks.due(self.RUNS, {1: "a", 2: "b"}) == set()

    def test_one_that_changed_brings_the_other_runs_of_its_dag_along(self, looks: Looks) -> None:
        assert looks.due(self.RUNS, {1: "a", 2: "c"}) == {1, 2}
        assert looks.due(self.RUNS, {1: "a", 2: "b", 3: "first"}) == {3}

    def test_what_was_due_and_not_looked_at_stays_due(self, looks: Looks) -> None:
        looks.due(self.RUNS, {1: "a", 2: "c"})
        looks.begun([1], {1: "a", 2: "c"})
        assert looks.due(self.RUNS, {1: "a", 2: "c"}) == {1, 2}

    def test_in_time_every_run_is_looked_at(self, looks: Looks, now: list[float]) -> None:
        now[0] += LOOK_ANYWAY
        assert looks.due(self.RUNS, {1: "a", 2: "b"}) == {1, 2, 3}

    def test_runs_that_ended_are_forgotten_and_new_ones_are_due(self, looks: Looks) -> None:
        assert looks.due({3: "other", 4: "new"}, {}) == {4}
        assert looks.due(self.RUNS, {1: "a", 2: "b"}) == {1, 2}


def test_a_step_asks_for_each_runs_dag_once() -> None:
    asked: list[int] = []

    class Bag:
        load_op_links = False

        def get_dag_for_run(self, dag_run: Any, session: Any) -> Any:
            assert session == "s"
            asked.append(dag_run.id)
            return None if dag_run.id == 2 else f"dag of {dag_run.id}"

    step = DagsOfAStep(Bag())
    runs = [SimpleNamespace(id=number) for number in (1, 2, 1, 2, 3)]
    assert [step.get_dag_for_run(run, session="s") for run in runs] == [
        "dag of 1", None, "dag of 1", None, "dag of 3"
    ]  # fmt: skip
    assert asked == [1, 2, 3]
    assert step.load_op_links is False


def test_a_teams_first_task_is_as_any_process_is_and_the_more_run_the_nicer_they_are() -> None:
    assert [niceness(running) for running in (0, 1, 7, 100)] == [0, 1, 7, 10]


PLACE = Place("ds", 4, {"ds": 4, "ds.gpu": 2, "ds.wide": 100, "ds.endless": -1, "ds.stopped": 0})


class TestPlace:
    @pytest.mark.parametrize(
        ("asked", "given"),
        [
            ("default_pool", "ds"),
            ("gpu", "ds.gpu"),
            ("ds.gpu", "ds.gpu"),
            ("ds", "ds"),
            ("wide", "ds"),  # more slots than the team has: it limits nothing
            ("endless", "ds"),
            ("stopped", "ds.stopped"),  # no slots at all: somebody stopped it
            ("de.gpu", "ds"),
            ("de", "ds"),
            ("nothing", "ds"),
        ],
    )
    def test_a_task_stays_with_its_team_whatever_it_asks_for(self, asked: str, given: str) -> None:
        assert PLACE.pool(asked) == given

    def test_without_a_pool_of_the_teams_nothing_is_guessed(self) -> None:
        assert Place("ds", 4).pool("default_pool") == "default_pool"

    @pytest.mark.parametrize(("priority", "given"), [(10**6, MOST_PRIORITY), (-5, 1), (7, 7), (None, 1)])
    def test_priorities_are_the_teams_own_affair(self, priority: Any, given: int) -> None:
        task = SimpleNamespace(pool="gpu", pool_slots=9, priority_weight=priority, executor="x", queue="y")
        put(task, PLACE)
        assert vars(task) == {
            "pool": "ds.gpu",
            "pool_slots": 2,
            "priority_weight": given,
            "executor": None,
            "queue": "default",
        }


class TestDiscovery:
    def test_a_dag_file_is_found_by_its_words_in_its_first_part(self, tmp_path: Path) -> None:
        file = tmp_path / "x.py"
        for text, found in (
            ("import Airflow # DAG", True),
            ("airflow", False),
            ("x" * 2_000_000 + "airflow dag", False),
        ):
            file.write_text(text)
            assert might_contain_dag(str(file)) is found

    def test_an_archive_is_unpacked_only_as_far_as_it_is_looked_at(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("bomb.py", b"airflow dag" + b" " * 200_000_000)
            packed.writestr("late.py", b" " * 200_000_000 + b"airflow dag")
        began = time.process_time()
        with zipfile.ZipFile(path) as packed:
            assert might_contain_dag("bomb.py", packed)
            assert not might_contain_dag("late.py", packed)
        assert time.process_time() - began < 0.5
        assert might_contain_dag(str(path))

    def test_trouble_leaves_a_folder_as_it_was(self) -> None:
        now = [0.0]
        finder = Finder(seconds=0.05, clock=lambda: now[0])
        assert finder.find("ds", lambda: [Path("a.py")]) == [Path("a.py")]

        def broken() -> list[Path]:
            raise OSError("no")

        def endless() -> list[Path]:
            while True:
                pass

        assert finder.find("ds", broken) == [Path("a.py")]
        assert finder.find("ds", endless) == [Path("a.py")]
        assert finder.find("ds", lambda: [Path("b.py")]) == [Path("a.py")], "left alone for a while"
        assert finder.find("de", lambda: [Path("c.py")]) == [Path("c.py")], "and nobody else is"
        now[0] = discovery.PAUSE + 1
        assert finder.find("ds", lambda: [Path("b.py")]) == [Path("b.py")]
        assert finder.guarded(endless, [Path("otherwise")]) == [Path("otherwise")]


def test_a_file_that_vanishes_while_its_bundle_is_looked_at_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("")
    listed = os.scandir

    def and_then_it_is_gone(folder: Path) -> list[os.DirEntry[str]]:
        entries = list(listed(folder))
        (tmp_path / "a.py").unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(changes.os, "scandir", and_then_it_is_gone)
    assert set(changes.signatures(tmp_path)) == {"b.py"}
