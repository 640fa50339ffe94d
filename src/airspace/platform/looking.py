"""One look at a remote source: a short, confined process of its own with a time limit, and what it answered."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from airspace.backends.remotes.job import Job, Seen
from airspace.platform.control import PYTHON

SECONDS = 120.0  # for one look; longer for the first, which gets everything
FIRST_SECONDS = 600.0
_ANSWER_BYTES = 8 << 20


@dataclass
class Looking:
    """One look under way.

    :param began: seconds since the epoch
    """

    process: subprocess.Popen[bytes]
    answer: IO[bytes]
    until: float
    began: float

    @property
    def over(self) -> bool:
        """Whether it has ended, or has taken too long."""
        return self.process.poll() is not None or time.monotonic() >= self.until

    def result(self) -> Seen:
        """What it has found; a look that is not over is ended."""
        late = time.monotonic() >= self.until
        seen = _answered(self.answer) if self.process.poll() is not None else None
        self.end()
        return seen or _nothing(late=late)

    def end(self) -> None:
        """End it with all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.answer.close()


def begin(job: Job, prefix: Sequence[str], environment: Mapping[str, str] | None = None) -> Looking:
    """Begin one.

    :param prefix: what confines it, and what becomes another user
    :param environment: of the process; by default the caller's
    """
    began = time.time()
    answer = tempfile.TemporaryFile(dir=job.home)  # noqa: SIM115 - closed when the look is over
    with os.fdopen(os.memfd_create("job"), "w+b") as told:  # not on a disk: it holds the credential
        told.write(job.dump().encode())
        told.seek(0)
        process = subprocess.Popen(
            [*prefix, PYTHON, "-m", "airspace.backends.remotes", "look"],
            stdin=told, stdout=answer, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
            env=None if environment is None else dict(environment),
        )  # fmt: skip
    seconds = SECONDS if job.version else FIRST_SECONDS
    return Looking(process, answer, time.monotonic() + seconds, began)


def _answered(answer: IO[bytes]) -> Seen | None:
    answer.seek(0)
    with contextlib.suppress(ValueError):
        return Seen.load(answer.read(_ANSWER_BYTES).decode(errors="replace"))
    return None


def _nothing(*, late: bool) -> Seen:
    if late:
        return Seen(error=("it did not answer in time, or is too large", "look at the server, or make it smaller"))
    return Seen(error=("it could not be looked at: it takes more than a source may", "make it smaller"))
