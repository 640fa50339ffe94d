"""May a Dag have these deadlines? Pure, over plain JSON.

The scheduler and the API server build each deadline when they make a run, and import the classes that it names; what
it fails on would end the scheduler of all teams. So it is exactly what Airflow writes, and names only what is listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airspace.airflow.parsing.refusals import Refusal, quoted

MOST = 10  # of one Dag: each is a row of each run, and a callback of each run that is late
LONGEST_ARGUMENTS = 64 * 1024  # characters
MOST_RUNS = 1000  # that an average is made of; the scheduler reads them all
_SECONDS = 10 * 366 * 86_400
_LATEST = 7_258_118_400  # the year 2200; with an interval added it is still a time
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)
_CALLBACK = "airflow.sdk.definitions.callback."
_INTERVAL = "datetime.timedelta"
_VARIABLE = re.compile(r"airflow\.(?:sdk|serialization)\.definitions\.deadline\.\w*VariableInterval")
_ENVELOPE = {"__classname__", "__version__", "__data__"}
_CODED = _ENVELOPE | {"__type", "__var", "__source"}
_REFERENCES: Mapping[str, frozenset[str]] = {
    "DagRunLogicalDateDeadline": frozenset(),
    "DagRunQueuedAtDeadline": frozenset(),
    "FixedDatetimeDeadline": frozenset({"datetime"}),
    "AverageRuntimeDeadline": frozenset({"max_runs", "min_runs"}),
}


def refusals(deadlines: Any, place: str) -> Iterator[Refusal]:
    """Everything that is wrong with a Dag's deadlines.

    :param deadlines: the Dag's field; nothing for none
    """
    if not deadlines:
        return
    if not isinstance(deadlines, list) or len(deadlines) > MOST:
        yield Refusal("deadline", place, f"has no list of up to {MOST} deadlines", "give it fewer")
        return
    for deadline in deadlines:
        against = _objection(deadline)
        if against is not None:
            yield Refusal("deadline", place, f"has a deadline {against[0]}", against[1])


_AIRFLOWS = "let Airflow serialize it"


def _objection(deadline: Any) -> tuple[str, str] | None:
    """What is wrong with one, and what to do."""
    if not isinstance(deadline, dict) or set(deadline) != {"name", "reference", "interval", "callback"}:
        return "that is none", _AIRFLOWS
    name = deadline["name"]
    if name is not None and not (isinstance(name, str) and len(name) <= 250):
        return "whose name is none", "use up to 250 characters"
    return (
        _of_reference(deadline["reference"]) or _of_interval(deadline["interval"]) or _of_callback(deadline["callback"])
    )


def _of_reference(reference: Any) -> tuple[str, str] | None:
    kind = reference.get("reference_type") if isinstance(reference, dict) else None
    own = _REFERENCES.get(kind) if isinstance(kind, str) else None
    if own is None or set(reference) - {"reference_type"} != own:
        return "with a reference that is not Airflow's", "use one of DeadlineReference's"
    if "datetime" in own and not _within(reference["datetime"], 0, _LATEST):
        return "at a time that is none", "correct it"
    if "max_runs" in own:
        most, least = reference["max_runs"], reference["min_runs"]
        if not _whole(most, MOST_RUNS) or not (least is None or _whole(least, most)):
            return "over no proper number of runs", f"use 1 to {MOST_RUNS}"
    return None


def _of_interval(interval: Any) -> tuple[str, str] | None:
    if isinstance(interval, dict) and _VARIABLE.fullmatch(str(interval.get("__classname__"))):
        # Airflow would look for it among the variables of the whole deployment.
        return "whose interval is in a variable", "write the interval into the Dag"
    if isinstance(interval, dict) and set(interval) == _ENVELOPE and interval["__classname__"] == _INTERVAL:
        version, interval = interval["__version__"], interval["__data__"]
        # Of a whole number Airflow makes no interval: it raises.
        interval = interval if version == 2 and isinstance(interval, float) else None
    return None if _within(interval, -_SECONDS, _SECONDS) else ("whose interval is none", "use less than ten years")


def _of_callback(callback: Any) -> tuple[str, str] | None:
    kinds = {
        f"{_CALLBACK}SyncCallback": {"path", "kwargs", "executor"},
        f"{_CALLBACK}AsyncCallback": {"path", "kwargs"},
    }
    if not isinstance(callback, dict) or set(callback) != _ENVELOPE or callback["__version__"] != 0:
        return "without a callback of Airflow's", _AIRFLOWS
    fields = kinds.get(callback["__classname__"]) if isinstance(callback["__classname__"], str) else None
    data = callback["__data__"]
    if fields is None or not isinstance(data, dict) or set(data) != fields:
        return "without a callback of Airflow's", "use SyncCallback or AsyncCallback"
    path, arguments = data["path"], data["kwargs"]
    if not isinstance(path, str) or len(path) > 500 or not _PATH.fullmatch(path):
        return f"whose callback is at {quoted(path)}", "name a function or a class at the top of a module"
    if data.get("executor") is not None:
        return "whose callback asks for an executor", "remove `executor`: it runs in the team's own place"
    if not isinstance(arguments, dict) or not _is_plain(arguments):
        return "whose callback is given objects", "pass plain texts, numbers, lists and mappings"
    if len(json.dumps(arguments)) > LONGEST_ARGUMENTS:
        return "whose callback is given too much", f"pass up to {LONGEST_ARGUMENTS // 1024} KB"
    return None


def _is_plain(arguments: Any) -> bool:
    """Whether nothing in it stands for an object."""
    waiting = [arguments]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if _CODED & set(found):
                return False
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return True


def _within(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
