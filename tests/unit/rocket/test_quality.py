"""A good batch passes; each kind of damage is found by its own check; a failed report stops everything with names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from rocket_de.quality import EXPECTED, RECONCILED, BadBatch, check_batch, reconcile, require
from rocket_de.simulator import Size, simulate
from rocket_de.spoil import SPOILERS, SPOILT_BY_DEFAULT, spoil

from tests.unit.rocket.conftest import Month


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    batch = tmp_path_factory.mktemp("quality") / "good"
    simulate(batch, Size(players=600, days=8))
    return batch


@pytest.fixture
def batch(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "batch")
    return tmp_path / "batch"


def test_a_good_batch_passes_and_the_report_is_stored(batch: Path) -> None:
    report = check_batch(batch)
    require(report)
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == list(EXPECTED)
    assert json.loads((batch / "quality.json").read_text()) == report


def test_there_is_a_damage_for_every_check() -> None:
    assert set(SPOILERS) == set(EXPECTED)


@pytest.mark.parametrize("check", EXPECTED)
def test_each_damage_is_found_by_its_own_check(batch: Path, check: str) -> None:
    spoil(batch, [check])
    report = check_batch(batch)
    failed = {entry["name"]: entry["offenders"] for entry in report["checks"] if entry["ok"] is False}
    assert report["ok"] is False
    assert failed[check] > 0
    with pytest.raises(BadBatch, match=check):
        require(report)


def test_the_fire_drill_names_all_that_is_wrong(batch: Path) -> None:
    spoil(batch)
    with pytest.raises(BadBatch) as caught:
        require(check_batch(batch))
    assert all(name in str(caught.value) for name in SPOILT_BY_DEFAULT)
    assert "nothing is published" in str(caught.value)


def test_with_the_wrong_columns_nothing_else_is_claimed(batch: Path) -> None:
    spoil(batch, ["schema"])
    report = check_batch(batch)
    assert {entry["name"] for entry in report["checks"] if entry["ok"] is None} == set(EXPECTED) - {"schema"}
    assert "duration_s" in report["notes"][0]


def test_a_missing_table_is_a_schema_failure(batch: Path) -> None:
    (batch / "spend.parquet").unlink()
    with pytest.raises(BadBatch, match="schema"):
        require(check_batch(batch))


def test_no_events_at_all_fail(batch: Path) -> None:
    shutil.rmtree(batch / "events")
    with pytest.raises(BadBatch, match="days_complete"):
        require(check_batch(batch))


def test_the_tables_agree_with_the_batch(month: Month) -> None:
    report = reconcile(month.batch, month.telemetry, month.profiles, month.marketing)
    require(report)
    assert [check["name"] for check in report["checks"]] == list(RECONCILED)


def test_tables_that_disagree_are_refused(month: Month) -> None:
    changed = {
        "one_profile_a_player": (month.profiles.head(-1), month.marketing),
        "revenue_adds_up": (month.profiles, month.marketing.with_columns(pl.col("revenue_usd") * 2)),
        "activity_adds_up": (month.profiles, month.marketing.with_columns(pl.col("active_players") + 1)),
    }
    for name, (profiles, marketing) in changed.items():
        with pytest.raises(BadBatch, match=name):
            require(reconcile(month.batch, month.telemetry, profiles, marketing))
