"""Callbacks that Airflow runs where it reads files: a Dag's own, and those and the e-mails of a task that died.

Each runs in a process of its own in its team's sandbox, beside the files that are read and never instead of one. Teams
take turns; what one team's callbacks do costs the others nothing but one look at a table.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from airflow.utils.helpers import log_filename_template_renderer
from jinja2 import UndefinedError
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow.callbacks import CallbackLog
from airspace.airflow.child_process import ending
from airspace.airflow.parsing import callback_rows
from airspace.airflow.parsing.callback_rows import Asked
from airspace.airflow.parsing.process import TeamParseProcess
from airspace.airflow.stream import SpoiledError
from airspace.airflow.turns import next_in_line
from airspace.backends.tables import TeamRow
from airspace.sandbox.errors import BusyError, NotBegunError, SandboxError

log = structlog.get_logger(logger_name=__name__)

AT_ONCE = 4  # of all teams together; a team that has none running may always begin one
EACH = 2  # of one team
LOOK_SECONDS = 1.0
BUSY_SECONDS = 2.0


@dataclass
class Run:
    """A callback whose process exists, or is about to."""

    asked: Asked
    process: TeamParseProcess
    log: CallbackLog


Begin = Callable[[Asked, CallbackLog], TeamParseProcess]


class CallbackRuns:
    """The callbacks in hand.

    :param begin: orders the process; raises as :meth:`airspace.sandbox.ports.Sandboxes.order`
    :param file_log: (bundle, path in it) → where the lines of a callback without a task go
    :param warm: what has to be done once before the first one, and takes seconds
    :param seconds: that one may take
    """

    def __init__(
        self, begin: Begin, file_log: Callable[[str, str], str], warm: Callable[[], None], seconds: float
    ) -> None:
        self._begin, self._file_log, self._seconds = begin, file_log, seconds
        self._warming = threading.Thread(target=warm, name="callbacks", daemon=True)
        self._runs: list[Run] = []
        self._ended: list[tuple[Asked, str | None]] = []
        self._waiting: dict[str, list[UUID]] = {}
        self._looked = float("-inf")
        self._busy: dict[str, float] = {}
        self._last_served: dict[str, None] = {}

    def serve(self, teams: Mapping[str, TeamRow]) -> None:
        """Take what ended, end what takes too long, begin what may begin. Waits for nobody.

        :param teams: bundle → its team, of those in service
        """
        for run in list(self._runs):
            if run.process.is_ready:
                self._finish(run)
            elif time.monotonic() - run.process.start_time > self._seconds:
                run.process.spoil(f"it took longer than {self._seconds:g} seconds")
                self._finish(run)
        try:
            self._report()
            self._look(teams)
            self._begin_next(teams)
        except SQLAlchemyError as error:
            log.warning("The callbacks that wait could not be read; trying again", error=type(error).__name__)

    @property
    def in_hand(self) -> bool:
        """Whether there is one to look after."""
        return bool(self._runs or self._ended or self._waiting)

    def give_up(self) -> None:
        """End all. Their rows stay, and the next Dag processor runs them."""
        for run in self._runs:
            run.process.give_up()

    def _finish(self, run: Run) -> None:
        self._runs.remove(run)
        code, spoiled = run.process.ending, run.process.spoiled
        run.process.give_up()
        reason = run.log.trouble
        if spoiled is not None:
            reason = f"The callback was ended: {spoiled}"
        elif code != 0:
            reason = f"The process of the callback {ending(code)} before it was done"
        if reason is not None:
            run.log.error(reason)
        run.process.close()
        self._ended.append((run.asked, reason))
        self._looked = float("-inf")

    def _report(self) -> None:
        if self._ended:
            callback_rows.over(self._ended)
            self._ended = []

    def _look(self, teams: Mapping[str, TeamRow]) -> None:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            held = [run.asked.id for run in self._runs]
            self._waiting = callback_rows.waiting(list(teams), held, EACH) if teams else {}
            self._looked = now

    def _begin_next(self, teams: Mapping[str, TeamRow]) -> None:
        now = time.monotonic()
        able = {name: ids for name, ids in self._waiting.items() if name in teams and self._busy.get(name, 0.0) < now}
        if not able or not self._is_warm():
            return
        running: dict[str, int] = {}
        for run in self._runs:
            running[run.asked.bundle] = running.get(run.asked.bundle, 0) + 1
        free = AT_ONCE - len(self._runs)
        chosen = next_in_line(able, running, dict.fromkeys(able, EACH), free, list(self._last_served))
        for bundle, request_id in chosen[:AT_ONCE]:  # each may wait a moment for a sandbox to be built
            self._last_served.pop(bundle, None)
            self._last_served[bundle] = None
            self._waiting[bundle].remove(request_id)
            if self._busy.get(bundle, 0.0) < now:
                self._begin_one(request_id)

    def _is_warm(self) -> bool:
        """Done beside the loop that serves all teams. If it failed, it is done within it."""
        if self._warming.ident is None:
            self._warming.start()
        return not self._warming.is_alive()

    def _begin_one(self, request_id: UUID) -> None:
        asked = callback_rows.take(request_id)
        if asked is None:
            return
        lines: CallbackLog | None = None
        try:
            lines = self._open(asked)
            process = self._begin(asked, lines)
        except (BusyError, NotBegunError):  # its turn comes again
            self._busy[asked.bundle] = time.monotonic() + BUSY_SECONDS
        except Exception as error:  # the door of one request: whatever is wrong with it ends nothing but itself
            known = isinstance(error, (SandboxError, SpoiledError))
            if not known:
                log.exception("A callback could not be begun", **asked.place)
            reason = f"The callback could not be run: {error if known else type(error).__name__}"
            if lines is not None:
                lines.error(reason)
            self._ended.append((asked, reason))
        else:
            self._runs.append(Run(asked, process, lines))
            callback_rows.begun(asked)
            return
        if lines is not None:
            lines.handle.close()

    def _open(self, asked: Asked) -> CallbackLog:
        """Its task's log. Where there is none, or none can be (a run's name may be too long for a file), its file's."""
        if asked.task is not None:
            with contextlib.suppress(OSError, AttributeError, UndefinedError):
                return CallbackLog(log_filename_template_renderer()(ti=asked.task))
        return CallbackLog(self._file_log(asked.bundle, asked.rel_path))
