"""The platform's list of what is published reads what teams wrote, and believes none of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from airspace.sdk import publish
from airspace.storage.catalog import artifacts
from airspace.storage.layout import readable_folders


def put(asset: str, rows: int) -> None:
    with publish(asset) as out:
        (out.path / "part.txt").write_text("x")
        out.describe(rows=rows)


def test_every_current_version_is_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("users", 1)
    put("users", 2)
    monkeypatch.setenv("AIRSPACE_TEAM", "data_science")
    put("churn", 3)
    found = artifacts(root)
    assert [(row.team, row.name, row.rows) for row in found] == [
        ("data_engineering", "users", 2),
        ("data_science", "churn", 3),
    ]
    assert Path(found[0].uri.removeprefix("file://")).is_dir()


def test_what_is_no_publication_is_left_out(root: Path) -> None:
    put("users", 1)
    folder = root / "data_engineering" / "published"
    (folder / "broken").mkdir()
    (folder / "broken" / "CURRENT").write_text("../users")
    (folder / "linked").symlink_to(folder / "users")
    (folder / ".odd name").mkdir()
    (root / "Not A Team").mkdir()
    (root / "evil_team").mkdir()
    (root / "evil_team" / "published").symlink_to(folder)
    assert [row.name for row in artifacts(root)] == ["users"]
    assert artifacts(root / "nowhere") == ()


def test_a_consumer_may_read_what_names_it_and_nothing_else() -> None:
    grants = {
        ("data_engineering", "users"): {"data_science"},
        ("data_engineering", "events"): {"data_analytics"},
        ("data_science", "own"): {"data_science"},
    }
    found = readable_folders(Path("/s"), "data_science", grants)
    assert found == (Path("/s/data_engineering/published/users"),)
