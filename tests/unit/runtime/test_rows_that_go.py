"""A team's removal takes rows away that the Dag processor is about to write: the process of all teams goes on."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.dag_processing.manager import DagFileProcessorManager
from sqlalchemy.orm.exc import StaleDataError

from airspace.airflow.parsing.manager import TeamDagProcessor


@pytest.fixture
def processor() -> Any:
    made: Any = object.__new__(TeamDagProcessor)
    made._rung = set()
    return made


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("deactivate_deleted_dags", {"bundle_name": "finance", "present": set()}),
        ("clear_orphaned_import_errors", {"bundle_name": "finance", "observed_filelocs": set()}),
        ("deactivate_stale_dags", {"last_parsed": {}}),
    ],
)
def test_it_goes_on_and_looks_again(
    processor: Any, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StaleDataError("UPDATE statement on table 'dag' expected to update 1 row(s); 0 were matched.")

    monkeypatch.setattr(DagFileProcessorManager, name, gone)
    getattr(processor, name)(**arguments)
    assert processor._rung == ({"finance"} if "bundle_name" in arguments else set())

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(DagFileProcessorManager, name, broken)
    with pytest.raises(RuntimeError):
        getattr(processor, name)(**arguments)
