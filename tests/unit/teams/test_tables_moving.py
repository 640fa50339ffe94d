"""Who waits how long for tables that go to another team."""

from __future__ import annotations

from typing import Any

import pytest

from airspace.model.errors import AirspaceError
from airspace.teams import tables_moving


class Worker:
    """Says for so many questions that somebody has them, or until it may end who does."""

    def __init__(self, busy: int, *, gives_way: bool = True) -> None:
        self.asked: list[tuple[str, bool]] = []
        self._busy, self._gives_way = busy, gives_way

    def __call__(self, command: str, **payload: Any) -> dict[str, Any]:
        self.asked.append((command, payload["end"]))
        self._busy -= 1
        return {"used_by": ["ada"] if self._busy >= 0 and not (payload["end"] and self._gives_way) else []}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE", "_INSISTS", "_LOOK"):
        monkeypatch.setattr(tables_moving, name, 0.0)


def test_who_said_now_ends_them_at_once_and_who_said_nothing_ends_nobody() -> None:
    at_once = Worker(9)
    tables_moving.take(at_once, ["t"], 0.0, lambda _: None)
    assert at_once.asked == [("take-tables", True)]
    patient = Worker(9)
    with pytest.raises(AirspaceError, match="t are in use: ada") as waiting:
        tables_moving.take(patient, ["t"], None, lambda _: None)
    assert "--cancel" in str(waiting.value.fix)
    assert {end for _, end in patient.asked} == {False}


def test_who_has_seconds_is_waited_for() -> None:
    worker, told = Worker(3), list[str]()
    tables_moving.take(worker, ["t"], 60.0, told.append)
    assert worker.asked == [("take-tables", False)] * 4
    assert told[0] == "waiting for t, in use: ada"


def test_nobody_waits_for_ever() -> None:
    with pytest.raises(AirspaceError, match="in use"):
        tables_moving.take(Worker(99, gives_way=False), ["t"], 0.0, lambda _: None)
    with pytest.raises(AirspaceError, match="cannot be put into the schema of team b: ada"):
        tables_moving.put(Worker(99, gives_way=False), ["t"], "b")


def test_a_table_of_two_assets_goes_once() -> None:
    assert tables_moving.names({"a": ["t", "s"], "b": ["t"]}) == ["s", "t"]
