"""Reading a Dag file once for many tasks: what a nest does before it forks them.

Tasks read their file through Airflow's registry of importers; in a nest's tasks that holds one that has the result
already. Everything the file looks at while it is read is noted, and what a second reading could give otherwise is a
reason not to.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import structlog
from airflow.dag_processing.importers import get_importer_registry
from airflow.dag_processing.importers.base import DagImportResult
from airflow.dag_processing.importers.python_importer import PythonDagImporter
from airflow.sdk.execution_time import task_runner

from airspace.sandbox.nests import MOST_SEEN, State, UnfitError, state_of

# Nothing in them changes while a sandbox stands.
_STILL = tuple(f"{path}/" for path in {sys.prefix, sys.base_prefix, "/usr", "/etc", "/proc", "/dev", "/lib", "/bin"})
_ACTS = (
    "subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec", "socket.__new__", "socket.connect",
    "sqlite3.connect",
)  # fmt: skip


class _Notes:
    """What a file looks at and does while it is read, from Python's own audit events."""

    def __init__(self) -> None:
        self.on = False
        self.paths: set[str] = set()
        self.acts: set[str] = set()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("open", "os.listdir", "os.scandir") and arguments and isinstance(arguments[0], (str, os.PathLike)):
            path = os.path.abspath(os.fspath(arguments[0]))  # noqa: PTH100  # a link is noted as it is
            if isinstance(path, str) and not path.startswith(_STILL):
                self.paths.add(path)
        elif event in _ACTS:
            self.acts.add(event)


class _Asked:
    """Stands where a task's connection to its supervisor will be: whoever asks it something gets no nest."""

    def __init__(self) -> None:
        self.times = 0

    def __getattr__(self, name: str) -> NoReturn:
        self.times += 1
        raise UnfitError(f"it asks the platform ({name})")


class ReadImporter(PythonDagImporter):
    """Airflow's importer of Python files, which has read one already."""

    def __init__(self, path: str, result: DagImportResult) -> None:
        self._path, self._result = path, result

    def import_file(self, file_path: str | Path, **keywords: Any) -> DagImportResult:
        """What that file gave; any other is read."""
        return self._result if os.fspath(file_path) == self._path else super().import_file(file_path, **keywords)


def read(details: Mapping[str, Any]) -> dict[str, State]:
    """Read a file, and have every later reading in this process get the same. What it looked at, as it was.

    It is read twice: a fork notes everything and goes, because Python's audit hooks stay for good and slow down what
    comes after them.

    :param details: ``file``, ``bundle_path``, ``bundle``
    :raises UnfitError: a second reading could give something else, or a fork of this process would not be sound
    """
    path, bundle_path, bundle = str(details["file"]), Path(details["bundle_path"]), str(details["bundle"])
    if not path.endswith(".py"):
        raise UnfitError("it is no Python file")
    if str(bundle_path) not in sys.path:
        sys.path.append(str(bundle_path))
    sys.dont_write_bytecode = True  # as in tasks
    states = {seen: state_of(seen) for seen in _scout(path, bundle_path, bundle)}
    result = _read(path, bundle_path, bundle, _Notes())
    if any(state_of(seen) != state for seen, state in states.items()):
        raise UnfitError("it changed while it was read")
    get_importer_registry().register(ReadImporter(path, result))
    return states


def _scout(path: str, bundle_path: Path, bundle: str) -> list[str]:
    """What reading the file looks at, found out in a fork."""
    there, here = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            notes = _Notes()
            sys.addaudithook(notes.hook)
            _read(path, bundle_path, bundle, notes)
            own = str(bundle_path)
            folders = {str(Path(seen).parent) for seen in notes.paths}
            seen = {path, own} | notes.paths | {folder for folder in folders if folder.startswith(own)}
            with os.fdopen(here, "w") as file:
                json.dump(sorted(seen)[: MOST_SEEN + 1], file)
        finally:
            os._exit(0)
    os.close(here)
    with os.fdopen(there) as file:
        told = file.read()
    os.waitpid(pid, 0)
    if not told:
        raise UnfitError("it is not fit to be read once for many")
    found: list[str] = json.loads(told)
    return found


def _read(path: str, bundle_path: Path, bundle: str, notes: _Notes) -> DagImportResult:
    asked, heard = _Asked(), io.StringIO()
    before, environment = _open_descriptors(), dict(os.environ)
    task_runner.SUPERVISOR_COMMS = asked
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(heard))
    sys.stdout, sys.stderr = heard, heard
    logging.getLogger().addHandler(handler := _Heard(heard))
    notes.on = True
    try:
        result = PythonDagImporter().import_file(path, bundle_path=bundle_path, bundle_name=bundle, safe_mode=False)
    finally:
        notes.on = False
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        logging.getLogger().removeHandler(handler)
        structlog.reset_defaults()
        del task_runner.SUPERVISOR_COMMS
    for unfit, why in (
        (result.errors or result.warnings or result.skipped_files or not result.dags, "it cannot simply be read"),
        (asked.times, "it asks the platform"),
        (notes.acts, f"it does more than read: {sorted(notes.acts)}"),
        (heard.getvalue(), "it says something"),
        (len(os.listdir("/proc/self/task")) > 1, "it starts threads"),  # noqa: PTH208
        (_open_descriptors() != before, "it leaves something open"),
        (dict(os.environ) != environment, "it changes its environment"),
    ):
        if unfit:
            raise UnfitError(why)
    return result


def _open_descriptors() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):  # the one that lists them
            found.add(str(Path(f"/proc/self/fd/{name}").readlink()))
    return found


class _Heard(logging.Handler):
    """Notices what is logged: each task's log would hold it, and with a nest none would."""

    def __init__(self, told: io.StringIO) -> None:
        super().__init__(logging.INFO)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self._told.write(record.name)
