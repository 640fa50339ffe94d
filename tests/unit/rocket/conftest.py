"""The three teams' own packages, and one small month that many tests read (and none changes)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROCKET = Path(__file__).parents[3] / "examples" / "rocket"
# In production each team's code runs in a process of its own; here the three packages have different names.
sys.path += [str(ROCKET / "dags" / team) for team in ("data_engineering", "data_science", "data_analytics")]

import polars as pl  # noqa: E402
from rocket_de import simulator, tables  # noqa: E402


@dataclass(frozen=True)
class Month:
    """A batch and the tables made of it."""

    batch: Path
    telemetry: Path
    profiles: pl.DataFrame
    marketing: pl.DataFrame

    @property
    def daily(self) -> pl.LazyFrame:
        return tables.read_daily(self.telemetry)


@pytest.fixture(scope="session")
def rocket() -> Path:
    return ROCKET


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    batch = tmp_path_factory.mktemp("month") / "batch"
    simulator.simulate(batch, simulator.Size(players=5_000))
    telemetry = batch / "telemetry_daily"
    tables.telemetry_daily(batch, telemetry)
    daily = tables.read_daily(telemetry)
    profiles = tables.user_profiles(batch, daily)
    return Month(batch, telemetry, profiles, tables.marketing_attribution(batch, profiles, daily))
