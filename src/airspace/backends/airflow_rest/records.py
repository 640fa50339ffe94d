"""What Airflow's answers are read into: only the fields that are used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if value else None


@dataclass(frozen=True)
class Dag:
    """One row of ``GET /dags``. ``bundle`` is the team's name: one bundle per team."""

    dag_id: str
    bundle: str
    paused: bool
    stale: bool

    @classmethod
    def of(cls, raw: Json) -> Dag:
        """Read Airflow's answer."""
        return cls(raw["dag_id"], raw.get("bundle_name") or "", bool(raw["is_paused"]), bool(raw["is_stale"]))


@dataclass(frozen=True)
class Run:
    """One Dag run."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    user: str | None
    queued_at: datetime | None
    start: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, raw: Json) -> Run:
        """Read Airflow's answer."""
        return cls(
            dag_id=raw["dag_id"],
            run_id=raw["dag_run_id"],
            state=raw["state"],
            run_type=raw["run_type"],
            user=raw.get("triggering_user_name"),
            queued_at=_time(raw.get("queued_at")),
            start=_time(raw.get("start_date")),
            end=_time(raw.get("end_date")),
        )

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in {"success", "failed"}

    @property
    def seconds(self) -> float | None:
        """From start to end; None until it ended."""
        return round((self.end - self.start).total_seconds(), 3) if self.start and self.end else None


@dataclass(frozen=True)
class TaskInstance:
    """One task of one run (``map_index`` −1: not mapped)."""

    task_id: str
    map_index: int
    state: str | None
    start: datetime | None
    end: datetime | None
    queued: datetime | None = None

    @classmethod
    def of(cls, raw: Json) -> TaskInstance:
        """Read Airflow's answer."""
        times = (_time(raw.get(key)) for key in ("start_date", "end_date", "queued_when"))
        return cls(raw["task_id"], raw["map_index"], raw["state"], *times)


@dataclass(frozen=True)
class Asset:
    """One asset."""

    asset_id: int
    name: str
    uri: str
    scheduled_dags: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Json) -> Asset:
        """Read Airflow's answer."""
        return cls(raw["id"], raw["name"], raw["uri"], tuple(ref["dag_id"] for ref in raw["scheduled_dags"]))


@dataclass(frozen=True)
class AssetEvent:
    """One publication of an asset. ``extra`` is what the producing task wrote into it."""

    event_id: int
    asset_id: int
    name: str
    uri: str
    source_dag: str | None
    source_run: str | None
    time: datetime | None
    extra: Json = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Json) -> AssetEvent:
        """Read Airflow's answer."""
        return cls(
            event_id=raw["id"],
            asset_id=raw["asset_id"],
            name=raw.get("name") or "",
            uri=raw.get("uri") or "",
            source_dag=raw.get("source_dag_id"),
            source_run=raw.get("source_run_id"),
            time=_time(raw["timestamp"]),
            extra=raw.get("extra") or {},
        )
