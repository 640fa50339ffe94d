"""The pure parts: who is next, what may be stored, which pool, who is alive."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from airspace.airflow.execution.presence import TaskPresence
from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.team_environment import team_environment
from airspace.airflow.turns import next_in_line
from airspace.backends.tables import TeamRow
from airspace.model.home import HomeLayout
from airspace.platform import bells


class TestNextInLine:
    def test_teams_take_turns_and_keep_their_order(self) -> None:
        waiting = {"noisy": list(range(100)), "quiet": ["a", "b"]}
        slots = {"noisy": 50, "quiet": 50}
        chosen = next_in_line(waiting, {}, slots, 5)
        assert chosen == [("noisy", 0), ("quiet", "a"), ("noisy", 1), ("quiet", "b"), ("noisy", 2)]

    def test_who_has_less_running_comes_first(self) -> None:
        chosen = next_in_line({"a": [1, 2], "b": [3]}, {"a": 3}, {"a": 9, "b": 9}, 2)
        assert [team for team, _ in chosen] == ["b", "a"]

    def test_whoever_was_served_last_waits_on_a_tie(self) -> None:
        assert next_in_line({"a": [1], "b": [2]}, {"a": 1, "b": 1}, {"a": 2, "b": 2}, 1, ["b", "a"]) == [("b", 2)]

    @pytest.mark.parametrize(("slots", "count"), [({"a": 2}, 1), ({"a": 1}, 0), ({}, 0)])
    def test_nobody_gets_more_than_their_slots(self, slots: dict[str, int], count: int) -> None:
        assert len(next_in_line({"a": [1, 2, 3]}, {"a": 1}, slots, 10)) == count

    def test_a_full_machine_has_room_for_everybodys_first(self) -> None:
        slots = {"noisy": 50, "quiet": 2, "stopped": 0}
        waiting = {"noisy": [1], "quiet": ["a", "b"], "stopped": [1]}
        assert next_in_line(waiting, {"noisy": 8}, slots, 0) == [("quiet", "a")]
        assert next_in_line(waiting, {"noisy": 8, "quiet": 1}, slots, -3) == []


class Registry:
    """A registry without a database, which can be down."""

    def __init__(self) -> None:
        self.rows = [TeamRow("de", "de", 4)]
        self.down = False

    def stamp(self) -> str:
        if self.down:
            raise OperationalError("", {}, Exception())
        return str(self.rows)

    def teams(self) -> list[TeamRow]:
        return self.rows

    def grants(self) -> dict[tuple[str, str], frozenset[str]]:
        return {}

    def assets(self) -> dict[str, frozenset[str]]:
        return {}


def test_an_outage_keeps_what_was_known_and_concludes_nothing() -> None:
    registry, now = Registry(), [0.0]
    teams = LiveTeams(registry, every=2, clock=lambda: now[0])  # type: ignore[arg-type]
    assert teams.refresh()
    assert not teams.refresh()
    registry.rows = []
    assert teams.of_bundle("de") is not None
    now[0] = 3
    registry.down = True
    assert not teams.refresh()
    assert not teams.reachable
    assert teams.of_bundle("de") is not None
    registry.down = False
    assert teams.refresh()
    assert teams.of_bundle("de") is None


def test_a_presence_ends_with_its_process(tmp_path: Path) -> None:
    presence = TaskPresence(tmp_path / "tasks")
    assert presence.holder("ti") is None
    there, go = multiprocessing.get_context("fork").Pipe()
    pid = os.fork()
    if pid == 0:
        with presence.hold("ti", "de"):
            there.send(1)
            signal.pause()
    go.recv()
    holder = presence.holder("ti")
    assert holder is not None
    assert (holder.pid, holder.team) == (pid, "de")
    with pytest.raises(BlockingIOError), presence.hold("ti", "da"):
        raise AssertionError("held twice")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert presence.holder("ti") is None
    assert not list((tmp_path / "tasks").iterdir())


def test_bells_ring_once_and_never_block(tmp_path: Path) -> None:
    assert not bells.ring(bells.WAKE, run=tmp_path)
    bells.hang(bells.WAKE, tmp_path).close()  # a dead one is replaced
    bell = bells.hang(bells.WAKE, tmp_path)
    while bells.ring(bells.WAKE, "de", tmp_path):
        pass
    assert bells.rings(bell) == {"de"}
    assert bells.rings(bell) == set()
    bell.close()


def test_team_code_sees_nothing_of_the_platforms_environment(tmp_path: Path) -> None:
    base = {"PATH": "/bin", "AIRFLOW_HOME": "/x", "AIRSPACE_HOME": "/y", "AIRSPACE_RUN": "/z", "SECRET": "s"}
    values = team_environment(HomeLayout(tmp_path), "de", "de", base)
    assert set(values) == {
        "PATH",
        "AIRFLOW_HOME",
        "AIRSPACE_TEAM",
        "AIRSPACE_STORAGE",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
    }
    assert values["AIRFLOW_HOME"] == str(tmp_path / "team-airflow"), "the settings that team code may read"
