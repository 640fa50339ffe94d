"""Where a trigger's lines go: into its task's log, where Airflow's pages look for them, and never into another's."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import structlog
from airflow.sdk.log import init_log_file, load_remote_log_handler, logging_processors

_uploads = ThreadPoolExecutor(1, "trigger logs")
TEAM_LOG_BYTES = 4 * 1024**2
FULL = "the log of this trigger is full: what follows is left out"


class TriggerLog:
    """One trigger's part of its task's log. What was there before a new start stays.

    It is opened for each line: thousands of triggers wait, and say next to nothing.

    :param relative_path: below Airflow's log folder; :param ti: whose log it is
    :param most: bytes
    """

    def __init__(self, relative_path: str, ti: Any, most: int) -> None:
        self._relative_path = relative_path
        self.ti = ti
        self._left = most
        self._path: Path | None = None

    def write(self, line: dict[str, Any]) -> None:
        """Append a line, as long as there is room."""
        data = msgspec.json.encode(line) + b"\n"
        if self._left <= 0:
            return
        if self._path is None:
            self._path = init_log_file(self._relative_path)
        self._left -= len(data)
        with self._path.open("ab", buffering=0) as file:
            file.write(data if self._left > 0 else _line("error", FULL))

    def say(self, level: str, event: str) -> None:
        """A line of the platform's own."""
        self.write({"timestamp": _now(), "level": level, "event": event, "logger": "airspace"})

    def close(self) -> None:
        """Done; where logs are kept elsewhere, it goes there, and nobody waits for that."""
        if self._path is not None and (remote := load_remote_log_handler()) is not None:
            _uploads.submit(remote.upload, self._relative_path, self.ti)


class TeamLog:
    """What a team's runner prints, and says of no trigger that it has: the two newest files are kept."""

    def __init__(self, team: str, most: int = TEAM_LOG_BYTES) -> None:
        self._path: Path = init_log_file(f"triggerer/{team}.log")
        self._most = most
        self._file = self._path.open("ab", buffering=0)

    def write(self, data: bytes) -> int:
        """As a file's."""
        if self._file.tell() + len(data) > self._most:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab", buffering=0)
        return self._file.write(data[: self._most])

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Done."""
        self._file.close()

    def logger(self) -> Any:
        """As Airflow's supervisors have theirs."""
        made = structlog.BytesLogger(self)  # type: ignore[arg-type]  # it writes and flushes, and no more is asked of it
        return structlog.wrap_logger(
            made, processors=logging_processors(json_output=True), logger_name="trigger"
        ).bind()


def _line(level: str, event: str) -> bytes:
    return json.dumps({"timestamp": _now(), "level": level, "event": event, "logger": "airspace"}).encode() + b"\n"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
