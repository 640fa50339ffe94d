"""What is wrong with a team's files: those that cannot be read as Dags, and a source that cannot be fetched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.errors import ParseImportError
from sqlalchemy import func, select

from airspace.airflow.web.homes.reading import Window
from airspace.airflow.web.homes.teams import bundle_team
from airspace.insight.excerpt import plain
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells, source_status
from airspace.platform.source_status import SourceStatus

log = logging.getLogger(__name__)

_MOST, _TAIL = 10, 2_000
_error = ParseImportError.__table__.c


@dataclass(frozen=True)
class FileError:
    """A file that makes no Dags, and the last words of why."""

    file: str
    at: datetime | None
    words: str


@dataclass(frozen=True)
class FileErrors:
    """The newest of them, and how many there are."""

    total: int
    newest: list[FileError]


def import_errors(team: str, session: Any, _window: Window) -> FileErrors:
    """The errors of the team's bundle."""
    bundles = select(bundle_team.c.dag_bundle_name).where(bundle_team.c.team_name == team)
    ask = (
        select(
            *(_error.filename, _error.timestamp, func.right(_error.stacktrace, _TAIL).label("end")),
            func.count().over().label("total"),
        )
        .where(_error.bundle_name.in_(bundles))
        .order_by(_error.timestamp.desc(), _error.filename)
        .limit(_MOST)
    )
    rows = session.execute(ask).all()
    newest = [FileError(plain(row.filename or "", 200), row.timestamp, _last_line(row.end or "")) for row in rows]
    return FileErrors(rows[0].total if rows else 0, newest)


def source_of(team: str) -> SourceStatus | None:
    """How the team's source is; None where this platform knows of none."""
    try:
        return source_status.one(HomeLayout(home_root()), bells.run_dir(), team)
    except AirspaceError as error:
        log.warning("How the source of %s is could not be read: %s", team, error.message)
        return None


def source_problems() -> dict[str, str]:
    """Team → why its source cannot be fetched."""
    try:
        found = source_status.statuses(HomeLayout(home_root()), bells.run_dir())
    except AirspaceError as error:
        log.warning("How the sources are could not be read: %s", error.message)
        return {}
    return {status.team: plain(status.problem) for status in found if status.problem}


def _last_line(trace: str) -> str:
    lines = [line for line in trace.splitlines() if line.strip()]
    return plain(lines[-1]) if lines else ""
