"""A team's zygote: a warm interpreter in the team's sandbox that forks once for each piece of work.

It never held a secret and has nobody's rights but its team's. It says when a child has begun and how it ended, and
nothing it says is trusted with more. Its children go on when it dies: the spawner sees to them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from airspace.sandbox import kernel, pages
from airspace.sandbox.entering import Entry
from airspace.sandbox.messages import Packet, readable, receive, send
from airspace.sandbox.nests import Nests, State, UnfitError, report
from airspace.sandbox.spec import SCRATCH_FOLDER

BEGUN = b"begun"
NUMBER = b"%d\n"  # a newcomer's, as the machine counts, before it says how it went
EXIT = struct.Struct("!iQQ")  # exit code, microseconds on processors, KB at the peak
KEEP_SPARE = 0.5  # seconds after a nest's last task
_MOST_TWICE = 24 << 10  # KB that a nest may hold and keep a spare: whoever weighs processes counts them twice
STREAMS = 4  # requests, stdout, stderr, logs


@dataclass(frozen=True)
class Work:
    """What a child is for.

    :param kind: which of the functions that the template was started with
    :param streams: descriptors: requests, stdout, stderr, logs
    :param over: to be called in the work's process when it has done what it is for
    """

    kind: str
    title: str
    nice: int
    environment: Mapping[str, str]
    details: Mapping[str, Any]
    streams: tuple[int, ...]
    over: Callable[[], None] = lambda: None


def _work(body: Mapping[str, Any], streams: Sequence[int]) -> Work:
    return Work(body["kind"], body["title"], body["nice"], body["environment"], body["details"], tuple(streams))


@dataclass(frozen=True)
class _Spare:
    """A process that waits to be told what it is for.

    :param asked: whether it is to tell, when that is done, which memory it has made its own
    """

    pid: int
    link: socket.socket
    asked: bool


Runner = Callable[[Work], NoReturn]
Reader = Callable[[Mapping[str, Any]], Mapping[str, State]]
"""Reads what a nest is made of, and gives what it looked at, as it was; raises :class:`UnfitError`."""


class Zygote:
    """The loop.

    :param inbox: work comes in here; when the other side closes it, the zygote ends
    :param run: what a child does; it never returns
    :param read: what nests are made with; a nest makes none
    :param spares: whether the next task's process is kept ready
    """

    def __init__(
        self, inbox: socket.socket, run: Runner, entry: Entry, read: Reader | None = None, *, spares: bool = False
    ) -> None:
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
        self._spares = spares
        self._used = float("-inf")
        self._spare: _Spare | None = None
        self._asked: _Spare | None = None
        self._hot: Sequence[pages.Range] | None = None
        self._nests = Nests(self._selector, self._hatch, self._begin_here)
        self._processors = len(os.sched_getaffinity(0))

    def serve(self) -> NoReturn:
        """Until the other side closes the inbox, and what was begun has ended."""
        while not (self._leaving and not self._children and not self._nests.waiting):
            for key, _ in self._selector.select(KEEP_SPARE if self._spare is not None else self._nests.patience):
                if key.fileobj is self._inbox:
                    self._receive()
                elif key.fileobj == self._ended:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._ended, 4096)
                elif self._asked is not None and key.fileobj is self._asked.link:
                    self._learn(self._asked)
                else:
                    self._nests.hear(key.fileobj)
            self._reap()
            self._nests.tidy()
            self._keep_spare()
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
        nest = packet.body.get("nest") if self._read is not None else None
        if nest and self._nests.take(nest["file"], packet, crowded=len(self._children) >= self._processors):
            return
        self._begin_here(packet)

    def _begin_here(self, packet: Packet) -> None:
        spare, self._spare, self._used = self._spare, None, time.monotonic()
        if spare is not None and self._hand_on(spare, packet):
            return
        *streams, control = packet.descriptors
        work = _work(packet.body, streams)
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
        self._tell(pid, link)

    def _tell(self, pid: int, link: socket.socket) -> None:
        pidfd = os.pidfd_open(pid)
        try:
            socket.send_fds(link, [BEGUN], [pidfd], socket.MSG_NOSIGNAL)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(pidfd)
        self._children[pid] = link

    # --- a nest's spare: the next task's process, forked and warmed up while nobody waits for it ---------------------

    def _keep_spare(self) -> None:
        """While tasks come: what it holds is held twice."""
        wanted = self._spares and not self._leaving and time.monotonic() - self._used < KEEP_SPARE
        if self._spare is not None and not wanted:
            self._spare.link.close()
            self._spare = None
        if self._spare is not None or not wanted:
            return
        asked = self._hot is None and self._asked is None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, contextlib.suppress(OSError):  # no more processes: it is tried again after the next task
            if (pid := os.fork()) == 0:
                self._wait_for_work(theirs, asked=asked)
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            self._spare = _Spare(pid, ours.dup(), asked)

    def _hand_on(self, spare: _Spare, packet: Packet) -> bool:
        """False: it does not take it."""
        *streams, control = packet.descriptors
        try:
            send(spare.link, packet.body, streams)
        except (OSError, ValueError):
            spare.link.close()
            return False
        packet.descriptors.remove(control)
        packet.close()
        if spare.asked and self._asked is None:
            self._asked = spare
            self._selector.register(spare.link, selectors.EVENT_READ)
        else:
            spare.link.close()
        link = socket.socket(fileno=control)
        try:
            self._tell(spare.pid, link)
        except OSError:
            link.close()
        return True

    def _wait_for_work(self, link: socket.socket, *, asked: bool) -> NoReturn:
        """In a fork. Whoever has taken work and cannot do it must not end as if it had been done."""
        code = 0
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            kernel.close_all_but((link.fileno(),))
            pages.make_own(self._hot or (), lambda: readable(link))
            code = 124
            if (packet := receive(link)) is None:
                code = 0
            else:
                work = _work(packet.body, packet.descriptors)
                self._in_child(replace(work, over=partial(_report, link)) if asked else work, link if asked else None)
        finally:
            os._exit(code)

    def _learn(self, asked: _Spare) -> None:
        """What a task told, which is a team's word: it may cost that team's next tasks time, and nobody else."""
        self._asked, self._hot = None, ()
        self._selector.unregister(asked.link)
        with asked.link, contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            asked.link.setblocking(False)
            if (packet := receive(asked.link)) is not None:
                packet.close()
                self._hot = pages.accepted(packet.body["own"])

    def _in_child(self, work: Work, link: socket.socket | None = None) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            kernel.close_all_but((*work.streams, *((link.fileno(),) if link else ())))
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
        before = _own_memory()
        try:
            if self._read is None:
                os._exit(0)
            report(link, self._read(body["nest"]))
        except UnfitError:
            os._exit(0)
        gc.collect()
        gc.freeze()
        spares = _own_memory() - before < _MOST_TWICE
        Zygote(link, self._run, replace(self._entry, first=False), spares=spares).serve()

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # what a task left behind in its group
            self._nests.ended(pid)
            if self._spare is not None and self._spare.pid == pid:
                self._spare.link.close()
                self._spare = None
            elif pid not in self._children and status:
                self._orphaned = True  # a nest that was killed: its tasks go on, and nobody here knows them
            if link := self._children.pop(pid, None):
                with contextlib.suppress(OSError):
                    link.send(_ending(status, usage), socket.MSG_NOSIGNAL)
                link.close()
            idle = not self._children and not self._nests.any and not self._orphaned
            if idle and self._entry.walls and self._entry.first and not self._is_replaced():
                # Nothing is running: whatever left its group is nobody's any more. All that this reaches is the team's.
                # (Work of a zygote that died before this one would go on.)
                with contextlib.suppress(OSError):
                    os.kill(-1, signal.SIGKILL)


def _ending(status: int, usage: resource.struct_rusage) -> bytes:
    cpu = int((usage.ru_utime + usage.ru_stime) * 1_000_000)
    return EXIT.pack(os.waitstatus_to_exitcode(status), cpu, usage.ru_maxrss)


def _own_memory() -> int:
    """KB that are no file's."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") // 1024
    return 0


def _report(link: socket.socket) -> None:
    with link, contextlib.suppress(OSError, ValueError):
        send(link, {"own": pages.own()})
