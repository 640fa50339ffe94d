"""What tasks used: gathered, stored now and then, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from airflow import settings
from sqlalchemy import Engine, create_engine, select, text

from airspace.airflow.execution import measures
from airspace.airflow.execution.measures import Measures
from airspace.backends import tables
from airspace.backends.tables import TaskUse, TaskUseStore, key_of

pytestmark = pytest.mark.integration

NOW = datetime.now(timezone.utc)


@pytest.fixture
def engine(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    made = create_engine(new_database())
    tables.metadata.create_all(made)
    monkeypatch.setattr(settings, "engine", made)
    yield made
    made.dispose()


def stored(engine: Engine) -> dict[UUID, tuple[int, int, int]]:
    with engine.connect() as connection:
        return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(select(tables.task_use))}


def made_at(moment: datetime) -> UUID:
    return UUID(int=key_of(moment).int + uuid4().int % 2**60)


def test_the_processes_of_a_try_are_added_up(engine: Engine) -> None:
    store, one, other = TaskUseStore(engine), uuid4(), uuid4()
    store.add({one: TaskUse(10, 100, 5), other: TaskUse(1, 1, 1)})
    store.add({one: TaskUse(5, 50, 3)})
    store.add({one: TaskUse(2**31 - 1, 2**31 - 1, 2**31 - 1)})
    store.add({one: TaskUse(2**31 - 1, 2**31 - 1, 9)})
    assert stored(engine) == {one: (2**32 + 13, 2**32 + 148, 2**31 - 1), other: (1, 1, 1)}


def test_many_are_one_transaction_now_and_then(engine: Engine) -> None:
    gathered, keys = Measures(), [made_at(NOW) for _ in range(300)]
    for key in (*keys, *keys):
        gathered.add(str(key), 1, 2, 3)
    gathered.store()
    assert stored(engine) == {key: (2, 4, 3) for key in keys}
    gathered.add(keys[0], 1, 2, 9)
    gathered.store()
    assert stored(engine)[keys[0]] == (2, 4, 3), "it is not time yet"
    gathered.store(now=True)
    assert stored(engine)[keys[0]] == (3, 6, 9)


def test_what_is_old_goes(engine: Engine) -> None:
    old, new = made_at(NOW - measures.KEPT - timedelta(minutes=1)), made_at(NOW - timedelta(days=2))
    TaskUseStore(engine).add({old: TaskUse(1, 1, 1), new: TaskUse(1, 1, 1)})
    gathered, last = Measures(), made_at(NOW)
    gathered.add(last, 1, 1, 1)
    gathered.store()
    assert set(stored(engine)) == {new, last}


def test_a_database_that_does_not_answer_is_asked_again_and_nothing_grows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(measures, "_MOST", 5)
    monkeypatch.setattr(measures, "_PAUSE", 0.0)
    gathered = Measures()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE airspace_task_use RENAME TO elsewhere"))
    for key in (keys := [made_at(NOW) for _ in range(9)]):
        gathered.add(key, 1, 1, 1)
    gathered.store()
    assert "could not be stored" in caplog.text
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO airspace_task_use"))
    gathered.store()
    assert set(stored(engine)) == set(keys[:5])
