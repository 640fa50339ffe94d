"""What Airflow or the database has against one Dag of a file: the others are stored, and the file's author is told."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from airspace.airflow.child_process import was_killed
from airspace.airflow.parsing.results import Vetted
from airspace.airflow.parsing.retries import FIRST_PAUSE, LONGEST_PAUSE, Retries
from airspace.airflow.parsing.storing import ResultStore, store_vetted

LOG = logging.getLogger(__name__)


class Table:
    """Where results are stored. Not what is called as ``refuses`` says."""

    def __init__(self, *refuses: str) -> None:
        self._refuses, self.dags, self.errors = refuses, set[str](), dict[str, str]()
        self._before = (set[str](), dict[str, str]())

    def store(self, dags: list[Any], errors: dict[str, str], warnings: list[Any]) -> None:
        names = {dag.data["dag"]["dag_id"] for dag in dags}
        self.dags |= names
        self.errors.update(errors)
        if names & set(self._refuses):
            raise ValueError("nothing of what is in it")

    def commit(self) -> None:
        self._before = (set(self.dags), dict(self.errors))

    def rollback(self) -> None:
        self.dags, self.errors = set(self._before[0]), dict(self._before[1])


def result(*names: str, **errors: str) -> Vetted:
    return Vetted([SimpleNamespace(data={"dag": {"dag_id": name}}) for name in names], errors)


def test_all_of_it_at_once_when_nothing_speaks_against_it() -> None:
    table = Table()
    store_vetted(result("a", "b"), "x.py", table.store, table, LOG)
    assert (table.dags, table.errors) == ({"a", "b"}, {})


@pytest.mark.parametrize(
    "before", [{}, {"x.zip": "it was bad before"}, {"x.zip/a.py": "this one", "x.zip/b.py": "and this"}]
)
def test_the_one_that_cannot_be_stored_is_an_import_error_of_its_file(before: dict[str, str]) -> None:
    table = Table("b")
    store_vetted(result("a", "b", "c", **before), "x.zip", table.store, table, LOG)
    assert table.dags == {"a", "c"}
    assert "Dag 'b' could not be stored: ValueError" in table.errors["x.zip"]
    assert "nothing of what is in it" not in table.errors["x.zip"]
    assert set(table.errors) == {"x.zip", *before}
    assert all(text in table.errors[path] for path, text in before.items())


def test_a_database_that_is_away_is_nobodys_import_error() -> None:
    def away(*_: object) -> None:
        raise OperationalError("select 1", {}, Exception("it is away"))

    table = Table()
    with pytest.raises(OperationalError):
        store_vetted(result("a"), "x.py", away, table, LOG)
    assert table.errors == {}


def test_a_file_whose_result_the_database_did_not_take_is_read_again_soon_and_then_later() -> None:
    now = [0.0]
    retries = Retries(lambda: now[0])
    file, pauses = ("finance", "x.py"), []
    for _ in range(10):
        retries.failed(file)
        since = now[0]
        while not (found := retries.due()):
            now[0] += 0.5
        assert found == [file]
        assert retries.due() == []
        pauses.append(now[0] - since)
    assert pauses[:4] == [FIRST_PAUSE, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE
    retries.failed(file)
    retries.stored(file)
    now[0] += LONGEST_PAUSE
    assert retries.due() == []
    retries.failed(file)
    now[0] += FIRST_PAUSE
    assert retries.due() == [file]


def test_a_file_whose_process_was_killed_is_forgiven_once() -> None:
    retries, file = Retries(lambda: 0.0), ("finance", "x.py")
    assert retries.forgives(file)
    assert not retries.forgives(file)
    retries.stored(file)
    assert retries.forgives(file)
    assert [was_killed(code) for code in (None, -9, -15, -11, 0, 3)] == [True, True, True, False, False, False]


def test_the_store_tells_what_the_database_did_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = object.__new__(ResultStore)
    store.retries = Retries(lambda: 0.0)
    team: Any = SimpleNamespace(bundle="finance")
    answers: list[Exception | None] = [OperationalError("UPDATE dag", {}, Exception("deadlock detected")), None]

    def database(*_: Any) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    monkeypatch.setattr(store, "_store", database, raising=False)
    with pytest.raises(OperationalError):
        store.store(team, "x.py", None, None, None)
    assert store.retries._due == {("finance", "x.py"): FIRST_PAUSE}
    store.store(team, "x.py", None, None, None)
    assert store.retries._due == {}
