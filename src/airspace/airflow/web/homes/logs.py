"""The ends of tasks' logs, where they lie on this machine. Their content is the teams'; their names are checked.

The supervisors write them, as the control user; who may read them is asked before. A log that is kept elsewhere
(``[logging] remote_logging``) is not fetched here: a page must not wait for a store.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

from airflow.configuration import conf
from airflow.utils.helpers import parse_template_string, render_template
from jinja2 import TemplateError

from airspace.airflow.web.homes.tasks import Failed
from airspace.backends.sources.safe_open import FOLDER, closing, open_file
from airspace.insight.excerpt import MOST_BYTES, Excerpt, excerpt

log = logging.getLogger(__name__)


def error_of(failed: Failed, base: Path | None = None) -> Excerpt | None:
    """What the log of this try says last; None where it cannot be read here."""
    name = _name(failed)
    if name is None:
        return None
    tail = _tail(base or Path(conf.get("logging", "base_log_folder")), name)
    return None if tail is None else excerpt(tail[0], whole=tail[1])


def _name(failed: Failed) -> tuple[str, ...] | None:
    """The path below the folder of logs, from the template that the run was made with."""
    if not failed.template:
        return None
    task = failed.task
    text, template = parse_template_string(failed.template)
    try:
        if template is not None:
            instance = SimpleNamespace(
                dag_id=task.dag_id, task_id=task.task_id, run_id=task.run_id, map_index=task.map_index,
                try_number=task.try_number,
            )  # fmt: skip
            context = {"ti": instance, "ts": failed.when.isoformat(), "try_number": task.try_number}
            path = render_template(template, context, native=False)
        else:
            path = _formatted(text or "", failed)
    except (TemplateError, LookupError, ValueError) as error:
        log.warning("The name of a log could not be made: %s", error)
        return None
    parts = tuple(path.split("/"))
    return parts if all(part not in ("", ".", "..") for part in parts) and "\0" not in path else None


def _formatted(text: str, failed: Failed) -> str:
    task, (begin, end) = failed.task, failed.interval
    return text.format(
        dag_id=task.dag_id,
        task_id=task.task_id,
        run_id=task.run_id,
        data_interval_start=begin.isoformat() if begin else "",
        data_interval_end=end.isoformat() if end else "",
        logical_date=failed.when.isoformat(),
        try_number=task.try_number,
    )


def _tail(base: Path, parts: tuple[str, ...]) -> tuple[bytes, bool] | None:
    """The last bytes of a plain file below ``base``, and whether they are all; no link is followed."""
    try:
        with ExitStack() as opened:
            folder = opened.enter_context(closing(os.open(base, FOLDER)))
            for part in parts[:-1]:
                folder = opened.enter_context(closing(os.open(part, FOLDER, dir_fd=folder)))
            file, found = open_file(parts[-1], folder, None)
            with os.fdopen(file, "rb") as stream:
                stream.seek(max(0, found.st_size - MOST_BYTES))
                return stream.read(MOST_BYTES), found.st_size <= MOST_BYTES
    except OSError:
        return None
