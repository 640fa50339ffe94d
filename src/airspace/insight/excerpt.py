"""The last lines of an error, from the end of a task's log. All of it is the team's: it is only ever text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 128 * 1024
"""Of a log's end that are looked at."""
MOST_LINES = 6
_MOST_CHARACTERS = 400
_MOST_RECORDS = 400
_LOUD = ("error", "critical")
# Everything that is not to be drawn: controls, and what turns the direction of a text around.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True)
class Excerpt:
    """What a log says about a failure.

    :param error: the exception in one line; None where none was found
    :param place: where it was raised in the team's own file
    :param lines: the last lines, the newest at the end
    """

    error: str | None
    place: str | None
    lines: tuple[str, ...]


def plain(text: str, most: int = _MOST_CHARACTERS) -> str:
    """The text in one line, without anything that could draw or hide something else."""
    line = _UNSEEN.sub("\ufffd", " ".join(text[: 4 * most].split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def excerpt(tail: bytes, *, whole: bool) -> Excerpt:
    """The error in the last bytes of a log.

    :param whole: whether that is all of it; else the first line is a piece of one and left out
    """
    records = [_record(line) for line in _lines(tail, whole=whole)]
    details = next((found for found in map(_detail, reversed(records)) if found), None)
    loud = [record["event"] for record in records if record.get("level") in _LOUD]
    said = loud or [record["event"] for record in records]
    shown = tuple(line for line in (plain(event) for event in said[-MOST_LINES:]) if line)
    if details is None:
        return Excerpt(shown[-1] if loud and shown else None, None, shown)
    return Excerpt(details[0], details[1], shown)


def _lines(tail: bytes, *, whole: bool) -> list[str]:
    lines = tail[-MOST_BYTES:].decode("utf-8", "replace").split("\n")
    kept = lines if whole else lines[1:]
    return [line for line in kept if line.strip()][-_MOST_RECORDS:]


def _record(line: str) -> Mapping[str, Any]:
    """One line as Airflow writes it; any other line is an event of its own."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {"event": line}
    if not isinstance(found, dict) or not isinstance(found.get("event"), str):
        return {"event": line}
    event = found["event"]
    return {**found, "event": "" if event.startswith(("::group::", "::endgroup::")) else event}


def _detail(record: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """The exception that ended the task: the last of a chain is the one that was raised at last."""
    chain = record.get("error_detail")
    last = chain[0] if isinstance(chain, list) and chain else None
    if not isinstance(last, dict):
        return None
    kind, value = last.get("exc_type"), last.get("exc_value")
    if not isinstance(kind, str):
        return None
    said = plain(f"{kind}: {value}" if isinstance(value, str) and value else kind)
    frames = last.get("frames")
    frame = frames[-1] if isinstance(frames, list) and frames else None
    return said, _place(frame) if isinstance(frame, dict) else None


def _place(frame: Mapping[str, Any]) -> str | None:
    name, number = frame.get("filename"), frame.get("lineno")
    if not isinstance(name, str) or not isinstance(number, int):
        return None
    return plain(f"{name.rpartition('/')[2]}, line {number}", 120)
