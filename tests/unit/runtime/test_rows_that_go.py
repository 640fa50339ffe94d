"""A team's removal takes rows away that the Dag processor is about to write: the process of all teams goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError

from airspace.airflow.parsing import bundles
from airspace.airflow.parsing.manager import TeamDagProcessor
from airspace.airflow.parsing.retries import FIRST_PAUSE, Retries
from airspace.model.home import HomeLayout


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


def test_what_could_not_be_taken_on_is_tried_again(processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teams say only once that they changed."""
    said = iter([True, False, False])
    processor._teams = SimpleNamespace(refresh=lambda: next(said), all=list)
    processor._behind, processor._stored, processor._resting = False, {}, set()
    processor._source_errors = SimpleNamespace(follow=lambda _: None)
    monkeypatch.setattr(DagFileProcessorManager, "_queue_requested_files_for_parsing", lambda _: None)
    taken: list[str] = []

    def reload() -> None:
        taken.append("tried")
        if len(taken) == 1:
            raise OperationalError("UPDATE dag_bundle", {}, Exception("deadlock detected"))

    monkeypatch.setattr(processor, "_reload", reload, raising=False)
    for _ in range(3):
        processor._queue_requested_files_for_parsing()
    assert len(taken) == 2


def test_bundles_are_loaded_though_a_first_try_stored_them_and_no_more(
    processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = SimpleNamespace(name="finance")
    processor._dag_bundles, processor._stored, processor._grants = [], {"finance": None}, {}
    processor._teams = SimpleNamespace(grants={}, all=list)
    monkeypatch.setattr(processor, "_follow_teams", lambda: None, raising=False)
    monkeypatch.setattr(bundles, "deactivate_others", lambda _: None)
    monkeypatch.setattr(
        processor, "load_dag_bundles", lambda: setattr(processor, "_dag_bundles", [bundle]), raising=False
    )
    processor._reload()
    assert processor._dag_bundles == [bundle]


def test_a_file_that_could_not_be_stored_is_asked_for_again(
    processor: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(DagFileProcessorManager, "claim_priority_files", lambda _: [])
    retries = Retries(lambda: now)
    now = 0.0
    processor._claimed, processor._layout = float("-inf"), HomeLayout(tmp_path)
    processor._results = SimpleNamespace(retries=retries)
    processor._stored = {"finance": None}
    for bundle in ("finance", "gone"):
        retries.failed((bundle, "x.py"))
    now = FIRST_PAUSE
    (found,) = processor.claim_priority_files()
    assert found == DagFileInfo(
        rel_path=Path("x.py"), bundle_name="finance", bundle_path=tmp_path / "bundles" / "finance"
    )
