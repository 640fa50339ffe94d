"""How the components are: asked from outside, judged by pure functions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airspace.backends.processes import ProgramState
from airspace.platform.components import POSTGRES, Component
from airspace.platform.desk import LeftOut
from airspace.platform.source_status import SourceStatus

_ANSWER_SECONDS = 8.0  # just after its start, the API server is busy loading what its first task needs
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the caller's

RUNNING, STARTING, STOPPED = "running", "starting", "stopped"
CRASH_LOOPING, FAILED, UNRESPONSIVE = "crash-looping", "failed", "unresponsive"
_BY_MANAGER = {
    "STOPPED": STOPPED,
    "EXITED": STOPPED,
    "STOPPING": STOPPED,
    "BACKOFF": CRASH_LOOPING,
    "FATAL": FAILED,
}

Report = Mapping[str, Any]


@dataclass(frozen=True)
class ComponentStatus:
    """One component as ``airspace status`` shows it."""

    name: str
    state: str
    pid: int | None
    rss_mb: float


@dataclass(frozen=True)
class TeamStatus:
    """One team as ``airspace status`` shows it."""

    name: str
    state: str
    processes: int
    rss_mb: float


@dataclass(frozen=True)
class Status:
    """The answer of ``airspace status``."""

    url: str | None
    ready: bool
    isolation: str
    components: tuple[ComponentStatus, ...]
    teams: tuple[TeamStatus, ...]
    misplaced: tuple[LeftOut, ...] = ()
    """What lies in no team's folder."""
    sources: tuple[SourceStatus, ...] = ()


def health_report(url: str) -> Report | None:
    """What the API server says of itself and of the heartbeats in the database; None when it does not answer."""
    try:
        with _DIRECT.open(f"{url}/api/v2/monitor/health", timeout=_ANSWER_SECONDS) as answer:
            found = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return found if isinstance(found, dict) else None


def judge(component: Component, program: ProgramState | None, report: Report | None, database_ready: bool) -> str:
    """The state of one component.

    A process that lives is not enough: the component must have been heard of since that process started.
    """
    if program is None:
        return STOPPED
    if program.state in _BY_MANAGER:
        return _BY_MANAGER[program.state]
    if _is_well(component, program, report, database_ready):
        return RUNNING
    return STARTING if program.state == "STARTING" else UNRESPONSIVE


def _is_well(component: Component, program: ProgramState, report: Report | None, database_ready: bool) -> bool:
    if component.name == POSTGRES:
        return database_ready
    if component.health is None:
        return program.state == "RUNNING"
    if report is None:
        return False
    if component.health == "api":
        return _status(report, "metadatabase") == "healthy"
    return _status(report, component.health) == "healthy" and _heartbeat(report, component.health) >= program.started


def _status(report: Report, part: str) -> str | None:
    found = report.get(part)
    return found.get("status") if isinstance(found, dict) else None


def _heartbeat(report: Report, part: str) -> float:
    text = report.get(part, {}).get(f"latest_{part}_heartbeat")
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
