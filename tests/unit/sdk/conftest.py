"""A storage of its own for each test, seen from team ``data_engineering``."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRSPACE_TEAM", "data_engineering")
    monkeypatch.setenv("AIRSPACE_STORAGE", str(tmp_path))
    return tmp_path
