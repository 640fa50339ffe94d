"""What all callbacks share, wherever they run: what the event log says of them, and their own log."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import structlog
from airflow.sdk.log import init_log_file, logging_processors

EVENT = "airspace refused"
"""Under which a team finds in the event log of its Dag or task what did not run, and why."""
FAILED = "airspace callback failed"
"""Under which it finds a callback or an e-mail that ran and did not succeed."""
LONGEST = 2000
"""Characters of what is told."""


def storable(text: object, most: int = LONGEST) -> str:
    """A team's words as a database takes them, of bearable length.

    A NUL or half a character in them would end the scheduler or the Dag processor of all teams.
    """
    kept = str(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return kept if len(kept) <= most else f"{kept[: most - 6]} (cut)"


_TROUBLE = ("Callback failed", "Callback execution failed", "Error in callback at", "Failed to execute callback",
            "Failed to send ")  # fmt: skip
_MOST_NOTED = 500


@dataclass
class CallbackLog:
    """Where one callback's lines go, and the first trouble among them.

    :param path: of the file, absolute or below Airflow's logs
    """

    path: str
    trouble: str | None = None
    handle: BinaryIO = field(init=False)
    logger: Any = field(init=False)

    def __post_init__(self) -> None:
        self.handle = init_log_file(self.path).open("ab")
        processors = [self._note, *logging_processors(json_output=True)]
        self.logger = structlog.wrap_logger(
            structlog.BytesLogger(self.handle), processors=processors, logger_name="callback"
        ).bind()

    def error(self, line: str) -> None:
        """Put a line of ours into it; no matter if it is closed."""
        with contextlib.suppress(ValueError):
            self.logger.error(line)

    def _note(self, _logger: Any, _method: str, line: Any) -> Any:
        """Airflow catches what a callback raises, and only logs it."""
        event = str(line.get("event", ""))
        if self.trouble is None and event.startswith(_TROUBLE):
            self.trouble = storable(f"{event[:_MOST_NOTED]}{_raised(line.get('error_detail'))}")
        return line


def _raised(detail: Any) -> str:
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        return f" ({detail[0]['exc_type']}: {detail[0]['exc_value']})"[:_MOST_NOTED]
    return ""
