"""How often the Dag processor goes its round: when there is something to do, not for every message of a process.

A round of Airflow's asks the database several questions, and each process that reads a file says much. Here a
round waits until one of them has ended, a bell has rung or a second has passed; what looks at the rows of all teams is
done in some rounds only, and the scheduler is told of many stored files at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from airspace.platform import bells

WARNINGS_SECONDS = 10.0  # between two times that warnings of Dags which are gone are removed
CLAIM_SECONDS = 0.5  # between two looks for files that somebody asked to have read again
TELL_SECONDS = 0.2  # between two words to the scheduler
TELL_SECONDS_OF_MANY = 1.0  # while many files wait: a look of the scheduler's takes from what reads them
MANY = 50

_NEVER = float("-inf")


@attrs.define(kw_only=True, slots=False)
class PacedDagProcessor(DagFileProcessorManager):
    """Airflow's manager, at a pace that does not depend on how much the processes say."""

    _rung: set[str] = attrs.field(factory=set, init=False)
    """The bundles that somebody rang for."""
    _warnings_purged: float = attrs.field(default=_NEVER, init=False)
    _claimed: float = attrs.field(default=_NEVER, init=False)
    _told: float = attrs.field(default=_NEVER, init=False)
    _untold: bool = attrs.field(default=False, init=False)
    """Whether the scheduler was not told of something yet."""

    def _is_due(self) -> bool:
        """Whether the round has something to go on for."""
        return bool(self._rung) or any(process.is_ready for process in self._processors.values())

    def _service_processor_sockets(self, timeout: float | None = 1.0) -> None:
        deadline = time.monotonic() + (timeout or 0.0)
        while True:
            until = deadline if not self._untold else min(deadline, self._told + self._tell_seconds)
            super()._service_processor_sockets(timeout=max(0.0, until - time.monotonic()))
            self._tell_scheduler()
            if self._is_due() or time.monotonic() >= deadline:
                return

    @property
    def _tell_seconds(self) -> float:
        return TELL_SECONDS_OF_MANY if len(self._file_queue) > MANY else TELL_SECONDS

    def _tell_scheduler(self) -> None:
        if self._untold and time.monotonic() - self._told >= self._tell_seconds:
            bells.ring(bells.WAKE)
            self._told, self._untold = time.monotonic(), False

    def handle_parsing_result(self, file: DagFileInfo, proc: Any, **keywords: Any) -> None:
        """As Airflow does, and let the scheduler know."""
        super().handle_parsing_result(file, proc, **keywords)
        self._untold = True
        self._tell_scheduler()

    def purge_inactive_dag_warnings(self) -> None:
        """As Airflow does, now and then."""
        if time.monotonic() - self._warnings_purged >= WARNINGS_SECONDS:
            self._warnings_purged = time.monotonic()
            super().purge_inactive_dag_warnings()

    def claim_priority_files(self) -> list[DagFileInfo]:
        """As Airflow does, now and then."""
        if time.monotonic() - self._claimed < CLAIM_SECONDS:
            return []
        self._claimed = time.monotonic()
        return [*super().claim_priority_files(), *self._unstored()]

    def _unstored(self) -> list[DagFileInfo]:
        """Files to read again, because what they said could not be stored."""
        return []

    # A team's removal may take away the rows that these are about to write, in another process. The rows of others are
    # written at the next look.

    def deactivate_deleted_dags(self, bundle_name: str, present: set[DagFileInfo]) -> None:
        """As Airflow does."""
        with self._rows_may_go(bundle_name):
            super().deactivate_deleted_dags(bundle_name, present)

    def clear_orphaned_import_errors(self, bundle_name: str, observed_filelocs: set[str]) -> None:
        """As Airflow does."""
        with self._rows_may_go(bundle_name):
            super().clear_orphaned_import_errors(bundle_name, observed_filelocs)

    def deactivate_stale_dags(self, last_parsed: dict[DagFileInfo, Any], **keywords: Any) -> None:
        """As Airflow does."""
        with self._rows_may_go(None):
            super().deactivate_stale_dags(last_parsed, **keywords)

    @contextmanager
    def _rows_may_go(self, bundle: str | None) -> Iterator[None]:
        try:
            yield
        except (StaleDataError, ObjectDeletedError, IntegrityError):
            self.log.info("Rows of %s went while they were looked at; looking again", bundle or "a team")
            self._rung.update({bundle} if bundle else ())
