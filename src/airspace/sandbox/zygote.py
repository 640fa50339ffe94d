"""A team's zygote: a warm interpreter in the team's sandbox that forks once for each piece of work.

It never held a secret and has nobody's rights but its team's. It says when a child has begun and how it ended, and
nothing it says is trusted with more. Its children go on when it dies: the spawner sees to them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from airspace.sandbox import kernel
from airspace.sandbox.entering import Entry
from airspace.sandbox.messages import readable, receive
from airspace.sandbox.nests import KEEP_IDLE as NESTS_IDLE
from airspace.sandbox.nests import Nests, State, UnfitError, report
from airspace.sandbox.spec import SCRATCH_FOLDER

BEGUN = b"begun"
NUMBER = b"%d\n"  # a newcomer's, as the machine counts, before it says how it went
EXIT = struct.Struct("!i")
STREAMS = 4  # requests, stdout, stderr, logs


@dataclass(frozen=True)
class Work:
    """What a child is for.

    :param kind: which of the functions that the template was started with
    :param streams: descriptors: requests, stdout, stderr, logs
    """

    kind: str
    title: str
    nice: int
    environment: Mapping[str, str]
    details: Mapping[str, Any]
    streams: tuple[int, ...]


Runner = Callable[[Work], NoReturn]
Reader = Callable[[Mapping[str, Any]], Mapping[str, State]]
"""Reads what a nest is made of, and gives what it looked at, as it was; raises :class:`UnfitError`."""


class Zygote:
    """The loop.

    :param inbox: work comes in here; when the other side closes it, the zygote ends
    :param run: what a child does; it never returns
    """

    def __init__(self, inbox: socket.socket, run: Runner, entry: Entry, read: Reader | None = None) -> None:
        self._inbox = inbox
        self._run = run
        self._entry = entry
        self._leaving = self._orphaned = False
        self._children: dict[int, socket.socket] = {}
        self._ended, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self._selector.register(inbox, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._read = read
        self._nests = Nests(self._selector, self._hatch)

    def serve(self) -> NoReturn:
        """Until the other side closes the inbox, and what was begun has ended."""
        while not (self._leaving and not self._children):
            for key, _ in self._selector.select(NESTS_IDLE if self._nests.any else None):
                if key.fileobj is self._inbox:
                    self._receive()
                elif key.fileobj == self._ended:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._ended, 4096)
                else:
                    self._nests.hear(key.fileobj)
            self._reap()
            self._nests.tidy()
        os._exit(0)

    def _is_replaced(self) -> bool:
        """Whether the spawner has let go of this zygote: another one may have work here already."""
        return self._leaving or readable(self._inbox)

    def _receive(self) -> None:
        packet = receive(self._inbox)
        if packet is None:
            self._leaving = True
            self._selector.unregister(self._inbox)
            return
        body = packet.body
        if self._read is not None and body.get("nest") and self._nests.take(body["nest"]["file"], packet):
            return
        *streams, control = packet.descriptors
        work = Work(body["kind"], body["title"], body["nice"], body["environment"], body["details"], tuple(streams))
        link = socket.socket(fileno=control)
        try:
            self._begin(work, link)
        except OSError:  # no more processes, descriptors: whoever asked sees the link close, and may ask again
            link.close()
        finally:
            for descriptor in streams:
                os.close(descriptor)

    def _begin(self, work: Work, link: socket.socket) -> None:
        pid = os.fork()
        if pid == 0:
            self._in_child(work)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        pidfd = os.pidfd_open(pid)
        try:
            socket.send_fds(link, [BEGUN], [pidfd], socket.MSG_NOSIGNAL)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(pidfd)
        self._children[pid] = link

    def _in_child(self, work: Work) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            kernel.close_all_but(work.streams)
            kernel.set_dumpable(True)
            os.nice(work.nice)
            self._take_on(work.environment)
            self._run(work)
        finally:
            os._exit(124)

    def _take_on(self, environment: Mapping[str, str]) -> None:
        os.environ.clear()
        os.environ.update(environment)
        user = self._entry.user
        os.environ.update(HOME=self._entry.home, USER=user, LOGNAME=user, TMPDIR=str(SCRATCH_FOLDER))

    def _hatch(self, body: Mapping[str, Any], link: socket.socket) -> NoReturn:
        """In a fork: read the file, and be a zygote for its tasks."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        kernel.close_all_but((link.fileno(),))
        self._take_on(body["environment"])
        try:
            if self._read is None:
                os._exit(0)
            report(link, self._read(body["nest"]))
        except UnfitError:
            os._exit(0)
        gc.collect()
        gc.freeze()
        Zygote(link, self._run, replace(self._entry, first=False)).serve()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # what a task left behind in its group
            self._nests.ended(pid)
            if pid not in self._children and status:
                self._orphaned = True  # a nest that was killed: its tasks go on, and nobody here knows them
            if link := self._children.pop(pid, None):
                with contextlib.suppress(OSError):
                    link.send(EXIT.pack(os.waitstatus_to_exitcode(status)), socket.MSG_NOSIGNAL)
                link.close()
            idle = not self._children and not self._nests.any and not self._orphaned
            if idle and self._entry.walls and self._entry.first and not self._is_replaced():
                # Nothing is running: whatever left its group is nobody's any more. All that this reaches is the team's.
                # (Work of a zygote that died before this one would go on.)
                with contextlib.suppress(OSError):
                    os.kill(-1, signal.SIGKILL)
