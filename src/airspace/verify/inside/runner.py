"""Each attack in a process of its own with a time limit, so that one cannot spoil the others."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from airspace.verify.inside.acts import ACTS, Refused, Unshown
from airspace.verify.inside.facts import Facts

SURFACES = (
    "files", "links", "processes", "signals", "kernel", "sockets", "network", "tokens", "database", "names", "logs",
    "exhaustion", "ipc", "parsing", "callbacks", "tests", "triggering", "relay", "warehouse", "viewings",
)  # fmt: skip
# As long as a busy machine needs: a control that gets no answer makes a row say nothing.
SECONDS = 90.0
# Where the platform itself has set a limit for all of them together: on reading a Dag file, and on a callback.
HURRIED = 12.0
LONGER = {
    "database.cli": 180.0,
    "exhaustion.log": 120.0,
    "exhaustion.xcom": 120.0,
}
_REFUSALS = (OSError, Refused, MemoryError, ValueError)
_LENGTH = 300


@dataclass(frozen=True)
class Result:
    """How one act ended.

    :param outcome: ``done``: it succeeded. ``refused``: it was stopped. ``unshown``: there was nothing to try it on.
        ``broken``: the function itself is at fault
    """

    outcome: str
    said: str
    seconds: float = 0.0


def load() -> None:
    """Fill the register."""
    for name in SURFACES:
        importlib.import_module(f"airspace.verify.inside.{name}")


def perform(names: Iterable[str], facts: Facts, seconds: float | None = None) -> dict[str, Result]:
    """Do these, one after the other.

    :param seconds: for each; None: as long as it needs
    """
    load()
    return {name: attempt(name, facts, seconds) for name in names}


def as_json(results: Mapping[str, Result]) -> dict[str, Any]:
    """For JSON."""
    return {name: asdict(result) for name, result in results.items()}


def attempt(name: str, facts: Facts, seconds: float | None = None) -> Result:
    """Do one, in a fork; see :func:`perform`."""
    started = time.monotonic()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _in_child(name, facts, writer)
    os.close(writer)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    said = _listen(reader, started + (seconds or LONGER.get(name, SECONDS)))
    os.close(reader)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    took = round(time.monotonic() - started, 3)
    if said is None:
        return Result("unshown", "no answer within its time", took)
    try:
        outcome, words = json.loads(said)
    except ValueError:
        code = os.waitstatus_to_exitcode(status)
        return Result("refused", f"the process was ended ({_ending(code)})", took)
    return Result(outcome, shorter(words, facts.home), took)


def attempt_here(name: str, facts: Facts) -> Result:
    """Do one in this process: what asks the platform has no way to it from a fork."""
    started = time.monotonic()
    outcome, words = _try(name, facts)
    return Result(outcome, shorter(words, facts.home), round(time.monotonic() - started, 3))


def shorter(words: str, home: str) -> str:
    """One line, where the home's path is ``$AIRSPACE_HOME``."""
    line = " ".join(words.split())
    return (line.replace(home, "$AIRSPACE_HOME") if home else line)[:_LENGTH]


def _in_child(name: str, facts: Facts, writer: int) -> NoReturn:
    answer = ("broken", "it said nothing")
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        answer = _try(name, facts)
    except BaseException as error:  # noqa: BLE001  # the end of a process: whoever waits for it is told
        answer = ("broken", f"{type(error).__name__}: {error}")
    finally:
        with contextlib.suppress(BaseException):
            data = json.dumps([answer[0], answer[1][:2000]]).encode()
            os.write(writer, data)
        os._exit(0)


def _try(name: str, facts: Facts) -> tuple[str, str]:
    try:
        return "done", ACTS[name](facts)
    except Unshown as error:
        return "unshown", str(error)
    except _REFUSALS as error:
        return "refused", _words(error)
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("airflow", "psycopg2", "sqlalchemy", "httpx"):
            return "refused", _words(error)
        raise


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    answer: Any = getattr(error, "error", None)  # the Execution API's, as Airflow's SDK raises it
    if answer is not None and hasattr(answer, "detail") and hasattr(answer, "error"):
        return refusal(answer)
    return str(error).strip() or type(error).__name__


def refusal(answer: Any) -> str:
    """The words of an ``ErrorResponse`` of the Execution API, without their wrapping."""
    detail, kind = answer.detail, str(answer.error.value).replace("_", " ").lower()
    while isinstance(detail, dict):
        inner = next((detail[key] for key in ("detail", "message") if key in detail), None)
        if inner is None:
            return f"{kind}: {', '.join(map(str, detail.values()))}" if detail else kind
        detail = inner
    return str(detail or kind)


def _listen(reader: int, until: float) -> bytes | None:
    said = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        data = os.read(reader, 65536)
        if not data:
            return said
        said += data


def _ending(code: int) -> str:
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


def main() -> None:
    """``python -m airspace.verify.inside.runner ROLE``: acts and facts as JSON on stdin, results on stdout."""
    answer = os.dup(1)
    os.dup2(2, 1)  # Airflow prints
    asked = json.load(sys.stdin)
    results = perform(asked["acts"], Facts.from_dict(asked["facts"], role=sys.argv[1]))
    with os.fdopen(answer, "w") as stream:
        json.dump({"results": as_json(results)}, stream)


if __name__ == "__main__":
    main()
