"""A child in a sandbox, as Airflow's supervisors know their children: streams, an end to wait for, signals."""

from __future__ import annotations

import enum
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from airflow.sdk.execution_time.supervisor import ProcessTracker

from airspace.sandbox.bubblewrap import NotBegunError
from airspace.sandbox.ports import Child

_ATTEMPTS, _SO_PASSRIGHTS = 3, 83
_Ended = enum.IntEnum("_Ended", {number.name: -number for number in signal.Signals})  # type: ignore[misc]


class Tracker(ProcessTracker):
    """Follows a child.

    :param is_settled: whether the child said itself what became of it, for when nobody saw how it ended
    """

    ProcessNotFound = ProcessLookupError
    TimeoutExpired = TimeoutError

    def __init__(self, child: Child, is_settled: Callable[[], bool]) -> None:
        self._child = child
        self._is_settled = is_settled

    @property
    def pid(self) -> int:
        return self._child.pid

    def send_signal(self, s: int) -> None:
        self._child.signal(s)

    def wait(self, timeout: float | None) -> int:
        code = self._child.wait(timeout)
        if self._child.lost and self._is_settled():
            return 0
        return _Ended(code) if code < 0 and code in set(_Ended) else code


class _Watched:
    """A descriptor to select on that stays its owner's."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor if isinstance(descriptor, int) else descriptor.fileno()

    def fileno(self) -> int:
        return int(self._descriptor)

    def close(self) -> None:
        """Not ours to close."""


def watch(selector: selectors.BaseSelector, child: Child) -> Callable[[], None]:
    """Have Airflow's loop wake up for news of a child; what is returned stops that.

    Airflow notices an end when the streams close, which is a moment before the exit code is known; without this it then
    sleeps until its next heartbeat is due, five seconds later.
    """
    watched: list[_Watched] = []

    def look() -> None:
        for descriptor in child.watch()[len(watched) :]:
            watched.append(_Watched(descriptor))
            selector.register(watched[-1], selectors.EVENT_READ, (news, forget))

    def news(descriptor: Any) -> bool:
        ended = child.poll() is not None
        look()  # the process itself, once it is known
        # The zygote's word goes on until it is silent; the process says one thing only.
        return not ended and descriptor is watched[0] and not child.lost and not child.silent

    def forget(descriptor: Any) -> None:
        with suppress(KeyError, ValueError):
            # The number may be somebody else's by now: only what is ours is taken out.
            if selector.get_key(descriptor).fileobj is descriptor:
                selector.unregister(descriptor)

    def stop() -> None:
        for each in watched:
            forget(each)

    look()
    return stop


def _stream() -> tuple[socket.socket, socket.socket]:
    """Our end and the child's. No descriptor may come up: closing a stranger's takes as long as the stranger likes."""
    ours, theirs = socket.socketpair()
    with suppress(OSError):  # known to Linux 6.16; the seccomp filter refuses the worst of it everywhere
        ours.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)
    return ours, theirs


def begin(launch: Callable[[Sequence[int]], Child]) -> tuple[Child, Sequence[socket.socket]]:
    """A child and our ends of its streams. What a zygote that died on the way may have begun gets no word, and ends.

    :param launch: gets descriptors for requests, stdout, stderr and logs
    """
    for _ in range(_ATTEMPTS):
        ours, theirs = zip(*(_stream() for _ in range(4)), strict=True)
        try:
            return launch([end.fileno() for end in theirs]), ours
        except BaseException as error:
            for end in ours:
                end.close()
            if not isinstance(error, NotBegunError):
                raise
            last = error
        finally:
            for end in theirs:
                end.close()
    raise last
