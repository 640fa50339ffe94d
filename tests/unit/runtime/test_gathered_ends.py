"""When the executor's wait, which is the scheduler's, is over: at once where somebody waits for it, else gathered."""

from __future__ import annotations

from typing import Any

import pytest

from airspace.airflow.execution import executor
from airspace.airflow.execution.executor import TeamExecutor
from airspace.airflow.execution.pool import News


class Clock:
    """Time that passes when somebody waits."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Pool:
    """Tells what was scripted, a moment apart, and then nothing until the wait is over."""

    def __init__(self, clock: Clock, *news: News) -> None:
        self.news, self._clock = list(news), clock

    def wait(self, timeout: float) -> News:
        if self.news:
            self._clock.now += 0.005
            return self.news.pop(0)
        self._clock.now += max(0.0, timeout)
        return News([], rung=False)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(executor, "WAIT", 2.0)
    monkeypatch.setattr(executor, "GATHER", 0.5)
    clock = Clock()
    monkeypatch.setattr(executor, "time", clock)

    def left(backlogged: set[str], *news: News, look: float = 0.0, running: dict[str, int] | None = None) -> int:
        """How much of the news a wait leaves for the next one; the scheduler's look before took ``look`` seconds."""
        made: Any = object.__new__(TeamExecutor)
        made._pool, made._lost, made._soon, made._backlogged = Pool(clock, *news), [], False, frozenset(backlogged)
        made._settle = made._hand_out = lambda: None
        made._back, made._running_by_team = clock.now - look, lambda: running or {}
        TeamExecutor.sync(made)
        return len(made._pool.news)

    return left


def stored(*teams: str) -> News:
    return News([], rung=False, stored=frozenset(teams))


def test_an_end_of_a_team_with_nothing_else_ready_is_news_at_once(waiting: Any) -> None:
    assert waiting({"busy"}, stored("quiet"), stored("quiet")) == 1


def test_a_bell_is_news_at_once(waiting: Any) -> None:
    assert waiting({"busy"}, News([], rung=True), stored("busy")) == 1


def test_ends_of_a_team_that_has_others_ready_are_gathered_for_a_moment(waiting: Any) -> None:
    assert waiting({"busy"}, *[stored("busy")] * 4) == 0
    assert waiting({"busy"}, *[stored("busy")] * 500) > 0


def test_a_quiet_teams_end_is_not_kept_waiting_by_those_of_a_busy_one(waiting: Any) -> None:
    assert waiting({"busy"}, stored("busy"), stored("busy", "quiet"), stored("busy")) == 1


def test_ends_of_a_team_that_runs_many_leave_the_processor_alone_for_twice_a_look(waiting: Any) -> None:
    assert waiting(set(), *[stored("many")] * 500, look=0.1, running={"many": 30}) > 400
    assert waiting(set(), *[stored("many")] * 4, look=0.1, running={"many": 30}) == 0


def test_a_team_that_runs_few_is_not_kept_waiting_by_one_that_runs_many(waiting: Any) -> None:
    assert waiting(set(), stored("many"), stored("few"), stored("many"), look=1.0, running={"many": 30, "few": 1}) == 1
