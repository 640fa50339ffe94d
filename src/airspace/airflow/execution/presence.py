"""Which task instances have a living supervisor, also after the scheduler that started it was killed.

A supervisor holds a POSIX lock on a file named after the task instance, or the callback of a deadline. The kernel gives
it up the moment the process is gone, and children do not inherit it: no process can look alive that is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """The supervisor of a running task."""

    pid: int
    team: str


@dataclass(frozen=True)
class TaskPresence:
    """The lock files of one home."""

    folder: Path

    @contextlib.contextmanager
    def hold(self, ti_id: str, team: str) -> Iterator[None]:
        """Be known as this task's supervisor.

        :raises BlockingIOError: another supervisor is: the task must not start a second time
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / ti_id
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "team": team}).encode())
            yield
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def holder(self, ti_id: str) -> Holder | None:
        """Its living supervisor, if any; what a dead one left behind is removed."""
        path = self.folder / ti_id
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _read(descriptor)
        else:
            path.unlink(missing_ok=True)
            return None
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> Holder | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        found = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(found["pid"]), str(found["team"]))
    return None
