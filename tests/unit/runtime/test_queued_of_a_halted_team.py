"""What becomes of the queued tasks of a team that is halted, or was a moment ago."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from airspace.airflow.execution.executor import TeamExecutor
from airspace.airflow.live_teams import LiveTeams
from airspace.backends.tables import TeamRow
from airspace.model.hold import Stage


class Registry:
    """One team, held or not, in a database that answers or not."""

    def __init__(self) -> None:
        self.stage: str | None = Stage.HALT
        self.away = False

    def stamp(self) -> str:
        if self.away:
            raise OperationalError("select", {}, Exception("away"))
        return str(self.stage)

    def teams(self) -> list[TeamRow]:
        return [TeamRow("one", "one", 4, self.stage)]

    def grants(self) -> dict[Any, Any]:
        return {}

    assets = grants


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def executor(registry: Registry) -> Any:
    made: Any = object.__new__(TeamExecutor)
    made._teams = LiveTeams(registry, clock=lambda: 0.0)  # type: ignore[arg-type]
    made._teams.refresh()
    task = SimpleNamespace(key="task", bundle_info=SimpleNamespace(name="one"))
    made.queued_tasks, made.queued_callbacks, made.queued_connection_tests = {"task": task}, {}, {}
    made.running = set()
    made.order_queued_tasks_by_priority = lambda: list(made.queued_tasks.items())
    return made


def test_it_is_dropped_while_the_team_is_halted(executor: Any) -> None:
    assert not executor._waiting()
    assert not executor.queued_tasks


def test_it_waits_for_its_turn_when_the_team_was_resumed_since_it_was_last_read(
    executor: Any, registry: Registry
) -> None:
    registry.stage = None
    assert [task.key for task in executor._waiting()["one"]] == ["task"]
    assert executor.queued_tasks


def test_it_is_kept_while_nobody_can_tell_whether_the_team_is_still_halted(executor: Any, registry: Registry) -> None:
    registry.away = True
    assert not executor._waiting()
    assert executor.queued_tasks
    registry.away, registry.stage = False, None
    assert executor._waiting()
