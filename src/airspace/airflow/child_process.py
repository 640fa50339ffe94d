"""Small things that the scheduler's own children need from the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def open_descriptors() -> frozenset[int]:
    """What this process has open beyond its standard streams."""
    return frozenset(int(entry.name) for entry in Path("/proc/self/fd").iterdir()) - {0, 1, 2}


def close_descriptors(descriptors: Iterable[int]) -> None:
    """Close these; those already closed are no matter."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends: no task goes on without a supervisor."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(137)


def reap(pid: int) -> int | None:
    """The exit code (negative: the signal) of a child that ended; None when it has not, or is nobody's to reap."""
    with contextlib.suppress(ChildProcessError):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
    return None


def was_killed(code: int | None) -> bool:
    """Whether nobody knows how it ended, or a signal ended it that anybody may have sent."""
    return code is None or code in (-signal.SIGKILL, -signal.SIGTERM)


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "ended"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was ended by {name}" + (" (perhaps it ran out of memory)" if -code == signal.SIGKILL else "")
