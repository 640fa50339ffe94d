"""The worker processes of the executor: started on demand, watched by one epoll, ended when idle."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from airspace.airflow.child_process import close_descriptors, ending, open_descriptors, reap
from airspace.airflow.execution.listening import KILL
from airspace.airflow.execution.worker import Job
from airspace.platform import bells

KEEP_IDLE = 60.0
STOP_SECONDS = 15.0  # for a task to clean up after it was told to stop, and for its supervisor to store that
_CLEANING_UP = 0.4  # of the time to stop; the rest is for storing what became of the tasks
JOBS_A_WORKER = 500  # then a fresh one: what libraries leak stays bounded


@dataclass
class Worker:
    """A process, and what it is doing."""

    pid: int
    pidfd: int
    link: socket.socket
    job: Job | None = None
    revoked: bool = False
    told: bool = False
    stop_by: float = 0.0
    insisted: bool = False
    jobs: int = 0
    idle_since: float = 0.0
    heard: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Ended:
    """A workload that is over. ``reason`` is None when its supervisor saw it through.

    :param told: whether its end was known, and the pool woke up for it, before its process had ended
    :param used: milliseconds on processors, milliseconds that it took, KB at its peak; None: nobody knows
    """

    team: str
    key: Any
    workload: Any | None
    reason: str | None
    told: bool = False
    used: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class News:
    """What a wait gave.

    :param rung: somebody rang: there is something for the scheduler to decide on
    :param stored: teams of which a task's end was stored, so that what waits for it could go on
    """

    ended: list[Ended]
    rung: bool
    stored: frozenset[str] = frozenset()


class WorkerPool:
    """Runs jobs and reports their ends.

    :param become_worker: what a new process does with its end of the link; it never returns
    :param wake: the bell that ends a wait early
    """

    def __init__(self, become_worker: Callable[[socket.socket], NoReturn], wake: socket.socket) -> None:
        self._become_worker = become_worker
        self._wake = wake
        self._epoll = select.epoll()
        self._epoll.register(wake.fileno(), select.EPOLLIN)
        self._by_link: dict[int, Worker] = {}
        self._by_pidfd: dict[int, Worker] = {}
        self._followed: dict[int, tuple[str, Any]] = {}
        self._stored: set[str] = set()

    @property
    def workers(self) -> list[Worker]:
        """All processes, busy and idle."""
        return list(self._by_link.values())

    def run(self, job: Job) -> None:
        """Give a job to an idle worker, or to a new one."""
        while True:
            worker = self._idle() or self._start()
            worker.job, worker.revoked, worker.told = job, False, False
            worker.stop_by, worker.insisted = 0.0, False
            try:
                worker.link.sendall(job.encode())
            except OSError:  # it died since; its end will be noticed, the job was never begun
                worker.job = None
                self._forget(worker)
            else:
                worker.jobs += 1
                return

    def follow(self, pid: int, team: str, key: Any) -> bool:
        """Watch a worker that another executor started; False when it is gone already."""
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            self._followed[pidfd] = (team, key)
            self._epoll.register(pidfd, select.EPOLLIN)
            return True
        return False

    def stop(self, key: Any) -> bool:
        """End a running job without reporting it; its child gets the chance to clean up."""
        for worker in self.workers:
            if worker.job is not None and worker.job.workload.key == key:
                worker.revoked = True
                worker.stop_by = time.monotonic() + STOP_SECONDS
                os.kill(worker.pid, signal.SIGTERM)
                return True
        return False

    def _insist(self) -> None:
        """Whoever was told to stop and does not: first its task's process is killed, then itself."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.job is not None and worker.stop_by and now > worker.stop_by:
                os.kill(worker.pid, signal.SIGKILL if worker.insisted else KILL)
                worker.insisted, worker.stop_by = True, now + STOP_SECONDS

    def wait(self, timeout: float) -> News:
        """What ended; waits until something happens, at most ``timeout`` seconds."""
        ended: list[Ended] = []
        rung = False
        self._stored.clear()
        for descriptor, _ in self._poll(timeout):
            if descriptor == self._wake.fileno():
                rung = bool(bells.rings(self._wake)) or rung
            elif descriptor in self._followed:
                ended.append(self._followed_ended(descriptor))
            elif descriptor in self._by_pidfd:
                ended.extend(self._worker_ended(self._by_pidfd[descriptor]))
            elif descriptor in self._by_link:
                ended.extend(self._listen(self._by_link[descriptor]))
        self._insist()
        self._end_idle()
        return News(ended, rung, frozenset(self._stored))

    def close(self, grace: float) -> list[Ended]:
        """End every worker: idle ones at once, busy ones when their task has ended or ``grace`` is over.

        Airflow lets an operator clean up on SIGTERM, but does not end the task: that takes a kill, for which the
        supervisor is left alive, so that it stores what became of the task.
        """
        for worker in self.workers:
            if worker.job is None:
                self._dismiss(worker)
            else:
                os.kill(worker.pid, signal.SIGTERM)
        ended = self._await_jobs(time.monotonic() + grace * _CLEANING_UP)
        for worker in self.workers:
            if worker.job is not None:
                os.kill(worker.pid, KILL)
        ended += self._await_jobs(time.monotonic() + grace * (1 - _CLEANING_UP))
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            self._forget(worker)
        self._epoll.close()
        return ended

    def _await_jobs(self, deadline: float) -> list[Ended]:
        ended: list[Ended] = []
        while any(worker.job for worker in self.workers) and time.monotonic() < deadline:
            ended.extend(self.wait(0.1).ended)
        return ended

    def _poll(self, timeout: float) -> list[tuple[int, int]]:
        with contextlib.suppress(InterruptedError):
            return self._epoll.poll(max(0.0, timeout))
        return []

    def _listen(self, worker: Worker) -> Iterator[Ended]:
        """What a worker said: that its task's end is stored, and at last that the job is over."""
        try:
            data = worker.link.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # Its process is ending: the pidfd will say so.
            with contextlib.suppress(OSError):
                self._epoll.unregister(worker.link.fileno())
            return
        worker.heard += data
        while b"\n" in worker.heard:
            line, _, rest = worker.heard.partition(b"\n")
            worker.heard = bytearray(rest)
            message = json.loads(line)
            if "stored" in message:
                worker.told = True
                if worker.job is not None:
                    self._stored.add(worker.job.team)
            if "done" in message and worker.job is not None:
                reason = None if message["done"] else str(message.get("reason"))
                yield from self._over(worker, reason, message.get("used"))

    def _over(self, worker: Worker, reason: str | None, used: tuple[int, int, int] | None = None) -> Iterator[Ended]:
        job, worker.job, worker.idle_since = worker.job, None, time.monotonic()
        if job is not None and not worker.revoked:
            yield Ended(job.team, job.workload.key, job.workload, reason, worker.told, used)

    def _worker_ended(self, worker: Worker) -> Iterator[Ended]:
        yield from list(self._listen(worker))  # what it said before
        code = reap(worker.pid)
        if worker.job is not None:
            yield from self._over(worker, f"the process that supervised it {ending(code)}")
        self._forget(worker)

    def _followed_ended(self, pidfd: int) -> Ended:
        team, key = self._followed.pop(pidfd)
        self._epoll.unregister(pidfd)
        os.close(pidfd)
        return Ended(team, key, None, None)

    def _idle(self) -> Worker | None:
        return next((w for w in self.workers if w.job is None and w.jobs < JOBS_A_WORKER), None)

    def _end_idle(self) -> None:
        now = time.monotonic()
        for worker in self.workers:
            if worker.job is None and (now - worker.idle_since > KEEP_IDLE or worker.jobs >= JOBS_A_WORKER):
                self._dismiss(worker)

    def _dismiss(self, worker: Worker) -> None:
        """End an idle worker, which has nothing to lose."""
        self._forget(worker)
        os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)

    def _forget(self, worker: Worker) -> None:
        if self._by_link.pop(worker.link.fileno(), None) is None:
            return
        self._by_pidfd.pop(worker.pidfd, None)
        for descriptor in (worker.link.fileno(), worker.pidfd):
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)
        worker.link.close()
        os.close(worker.pidfd)

    def _start(self) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # What is there now is shared with the child page by page as long as the garbage collector does not touch it.
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            self._in_child(theirs)
        gc.unfreeze()
        theirs.close()
        worker = Worker(pid, os.pidfd_open(pid), ours, idle_since=time.monotonic())
        self._by_link[ours.fileno()] = worker
        self._by_pidfd[worker.pidfd] = worker
        self._epoll.register(ours.fileno(), select.EPOLLIN)
        self._epoll.register(worker.pidfd, select.EPOLLIN)
        return worker

    def _in_child(self, link: socket.socket) -> NoReturn:
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(KILL, signal.SIG_IGN)
            # The scheduler's connections and the other workers' links. Their objects stay referenced by the stack
            # below, so nothing closes a number that was given out again.
            close_descriptors(open_descriptors() - {link.fileno()})
            self._become_worker(link)
        finally:
            os._exit(1)
