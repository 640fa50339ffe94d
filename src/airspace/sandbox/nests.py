"""Nests: forks of a zygote that have read a file already, and fork the tasks that are in it.

What a task of a large file spends most of its time with is reading that file. A nest reads it once and tells everything
that it has looked at; the zygote asks it for a task only while all of that is as it was, and not for long. A file that
leaves something behind (a thread, a socket, output) or asks for something while it is read gets no nest.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from airspace.sandbox.messages import Packet, receive, send

MOST = 4  # nests of a team at once
MOST_SEEN = 300  # files and folders: each is looked at before each task
MOST_AGE = 30.0  # seconds: a file may look at the clock
RENEW = 20.0  # seconds, after which one that is used is followed by another
KEEP_IDLE = 10.0
_WORTH = 3  # tasks of a file within so many seconds of each other make a nest
_WITHIN = 10.0
_REFUSED = 60.0  # seconds until a file that can have none is tried again
_WAITING = 64  # tasks of a file that wait for its first nest
PATIENCE = 1.0  # seconds that they wait

State = tuple[int, int, int, int]


class UnfitError(Exception):
    """A file for which no nest can be made; the message says why."""


def state_of(path: str) -> State:
    """What changes whenever a file or a folder does; zeros for what is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0, 0
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


@dataclass
class Nest:
    """A process that has read a file, or is about to."""

    pid: int
    link: socket.socket
    seen: Mapping[str, State] | None = None
    born: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)

    def fits(self, now: float) -> bool:
        """Whether a task that it forks would be as if it had read the file itself, now."""
        if self.seen is None or now - self.born > MOST_AGE:
            return False
        return all(state_of(path) == state for path, state in self.seen.items())


@dataclass
class _Known:
    times: list[float] = field(default_factory=list)
    refused_until: float = 0.0
    nest: Nest | None = None
    heir: Nest | None = None
    waiting: list[Packet] = field(default_factory=list)

    @property
    def nests(self) -> list[Nest]:
        return [nest for nest in (self.nest, self.heir) if nest is not None]


class Nests:
    """All nests of a zygote.

    :param hatch: in a fork: reads the file and serves the link; it never returns
    :param begin: begins a task for which there is no nest, after all
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        hatch: Callable[[Mapping[str, Any], socket.socket], NoReturn],
        begin: Callable[[Packet], None],
    ) -> None:
        self._selector = selector
        self._hatch = hatch
        self._begin = begin
        self._files: dict[str, _Known] = {}
        self._alive: set[int] = set()

    @property
    def any(self) -> bool:
        """Whether there are some, those included that only wait for their last task."""
        return bool(self._alive)

    @property
    def waiting(self) -> bool:
        """Whether tasks wait for one."""
        return any(known.waiting for known in self._files.values())

    @property
    def patience(self) -> float | None:
        """Seconds until this wants to be tidied."""
        if self.waiting:
            return PATIENCE / 4
        return KEEP_IDLE if self._alive else None

    def take(self, file: str, packet: Packet, *, crowded: bool = False) -> bool:
        """Have a nest do this work, if there is one that fits; maybe the next task will find one.

        :param crowded: the processors are busy with tasks that read their files: waiting for a nest costs no time
        """
        now = time.monotonic()
        if len(self._files) > 1000:
            self._files = {name: known for name, known in self._files.items() if known.nest}
        known = self._files.setdefault(file, _Known())
        known.times = [*[moment for moment in known.times if now - moment < _WITHIN], now][-_WORTH:]
        if known.nest is None and len(known.times) == _WORTH and now > known.refused_until and self._count() < MOST:
            known.refused_until = now + 1.0
            known.nest = self._start(packet.body)
        if known.nest is None:
            return False
        if known.nest.seen is None:
            if not crowded or len(known.waiting) >= _WAITING or now - known.nest.born > PATIENCE:
                return False
            known.waiting.append(packet)
            return True
        if not known.nest.fits(now):
            self._give_up(known)
            return False
        if now - known.nest.born > RENEW and known.heir is None and now > known.refused_until:
            known.refused_until = now + 1.0
            known.heir = self._start(packet.body)
        return self._hand_over(known, packet)

    def hear(self, link: object) -> None:
        """A nest is ready, or will never be."""
        for known in self._files.values():
            for nest in known.nests:
                if nest.link is link:
                    self._heard(known, nest)
                    return

    def _heard(self, known: _Known, nest: Nest) -> None:
        seen = None
        with contextlib.suppress(ValueError, AttributeError, TypeError, OSError):
            packet = receive(nest.link)
            if packet is not None:
                packet.close()
                seen = {str(path): tuple(state) for path, state in packet.body["seen"].items()}
        if not seen or nest.seen is not None:
            known.refused_until = time.monotonic() + _REFUSED
            self._give_up(known, nest)
            return
        nest.seen = seen
        if nest is known.heir:
            known.heir = None
            self._give_up(known)
            known.nest = nest
        self._let_go(known)

    def tidy(self) -> None:
        """Let those go that nobody has needed for a while."""
        now = time.monotonic()
        for known in self._files.values():
            for nest in known.nests:
                if now - max(nest.used, nest.born) > KEEP_IDLE:
                    if nest.seen is None:  # it takes too long, or hangs
                        known.refused_until = now + _REFUSED
                        with contextlib.suppress(OSError):
                            os.killpg(nest.pid, signal.SIGKILL)
                    self._give_up(known, nest)
            if known.waiting and (known.nest is None or now - known.nest.born > PATIENCE):
                self._let_go(known)

    def ended(self, pid: int) -> None:
        """A child of the zygote ended; perhaps it was one."""
        self._alive.discard(pid)
        for known in self._files.values():
            for nest in known.nests:
                if nest.pid == pid:
                    self._give_up(known, nest)

    def _count(self) -> int:
        return sum(len(known.nests) for known in self._files.values())

    def _hand_over(self, known: _Known, packet: Packet) -> bool:
        if known.nest is None:
            return False
        try:
            send(known.nest.link, {**packet.body, "nest": None}, packet.descriptors)
        except (OSError, ValueError):
            self._give_up(known)
            return False
        known.nest.used = time.monotonic()
        packet.close()
        return True

    def _let_go(self, known: _Known) -> None:
        """Of those that wait: to the nest, or without one."""
        waiting, known.waiting = known.waiting, []
        for packet in waiting:
            fits = known.nest is not None and known.nest.fits(time.monotonic())
            if not (fits and self._hand_over(known, packet)):
                self._begin(packet)

    def _start(self, body: Mapping[str, Any]) -> Nest:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            try:
                self._hatch(body, theirs)
            finally:
                os._exit(1)
        theirs.close()
        ours.setblocking(False)
        self._alive.add(pid)
        self._selector.register(ours, selectors.EVENT_READ)
        return Nest(pid, ours)

    def _give_up(self, known: _Known, nest: Nest | None = None) -> None:
        """It ends once the tasks that it forked have. Without a name: the one that is in use."""
        nest = nest or known.nest
        if nest is known.heir:
            known.heir = None
        else:
            known.nest = None
        if nest is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(nest.link)
            nest.link.close()


def report(link: socket.socket, seen: Mapping[str, State]) -> None:
    """Tell the zygote what has been looked at.

    :raises UnfitError: it is too much to be looked at again before each task
    """
    if len(seen) > MOST_SEEN:
        raise UnfitError(f"it looks at {len(seen)} files and folders")
    send(link, {"seen": seen})


__all__ = ["MOST_AGE", "Nest", "Nests", "UnfitError", "report", "state_of"]
