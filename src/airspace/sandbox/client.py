"""The supervisor's side: have work run in a team's sandbox, end it, and learn how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.sandbox.errors import BusyError, NotBegunError, SandboxError
from airspace.sandbox.messages import SOCKET, host_pid, readable, receive, send
from airspace.sandbox.ports import Used
from airspace.sandbox.zygote import BEGUN, EXIT

_BEGIN_SECONDS = 120.0  # the first work of a machine that has just started waits for the template
_ANSWER_SECONDS = 30.0
_PATIENCE = 0.3  # of whoever must not wait: enough for a sandbox to be built
_BUSY, _MOST_BUSY = 0.005, 0.1  # between two questions
_WORD_SECONDS = 1.0  # for a zygote to say how a child ended
_GONE = -signal.SIGKILL
_MOST_USED = 2**31 - 1  # milliseconds, or KB, that are believed: 24 days of one processor, two terabytes


class SandboxedProcess:
    """A process in a sandbox: a :class:`airspace.sandbox.ports.Child`.

    Its zygote is the team's, so whoever must not wait for it does not: until it says that the process exists, there is
    only the order, and closing that takes it back.

    :param control: the zygote speaks here: that the process exists, and how it ended
    :param lease: to the spawner; as long as it is open, the work may run
    """

    def __init__(self, control: socket.socket, lease: socket.socket) -> None:
        control.setblocking(False)
        self.pid = -1
        self._control, self._lease = control, lease
        self._pidfd = -1
        self._code: int | None = None
        self._used: Used | None = None
        self._silent = False
        self._doomed = self._killed = False
        self._gone_since: float | None = None

    @property
    def lost(self) -> bool:
        """Whether it ended without anybody saying how: its zygote ended before."""
        return self._silent and self._code is not None

    @property
    def used(self) -> Used | None:
        """What it used, as its zygote says."""
        return self._used

    @property
    def silent(self) -> bool:
        """Whether its zygote will say nothing more: how it ends is not known then."""
        return self._silent

    @property
    def begun(self) -> bool:
        """Whether it exists."""
        return self._pidfd >= 0

    def watch(self) -> tuple[Any, ...]:
        """What to wait on for news: the zygote's word, and the process itself in case there is none."""
        return (self._control, self._pidfd) if self.begun else (self._control,)

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything in its process group. One that does not exist yet never will."""
        if self.poll() is not None:
            raise ProcessLookupError
        if not self.begun:
            self._doomed = True
            self._lease.close()
            return
        self._killed = self._killed or number == signal.SIGKILL
        with contextlib.suppress(OSError):
            send(self._lease, {"signal": int(number)})

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        while self._code is None and not self._silent and self._listen():
            pass
        if self._code is None and (self._doomed or self._is_gone()):
            self._code = _GONE
        return self._code

    def _is_gone(self) -> bool:
        """Whether it has ended and nobody is going to say how: its zygote is dead, or was stopped by its team."""
        if not self.begun:
            return self._silent
        if not readable(self._pidfd):
            return False
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        self._silent = self._silent or now - self._gone_since > _WORD_SECONDS
        return self._silent or self._killed

    def _listen(self) -> bool:
        """Take the zygote's next word, if there is one. It is the team's: anything else than expected is silence."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 64, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        if not self.begun and data == BEGUN and len(descriptors) == 1 and self._meet(descriptors[0]):
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        if self.begun and len(data) == EXIT.size:
            self._code, cpu, memory = EXIT.unpack(data)
            self._used = Used(min(cpu // 1000, _MOST_USED), min(memory, _MOST_USED))
        else:
            self._silent = True
        return False

    def _meet(self, pidfd: int) -> bool:
        try:
            self.pid = host_pid(pidfd)
        except ValueError:
            return False
        self._pidfd = pidfd
        with contextlib.suppress(OSError):
            send(self._lease, {"child": True}, [pidfd])
        return True

    def await_begin(self, seconds: float) -> None:
        """Wait until it exists.

        :raises NotBegunError: its zygote ended before, or says nothing
        """
        deadline = time.monotonic() + seconds
        while self.poll() is None and not self.begun and readable(self._control, deadline - time.monotonic()):
            pass
        if not self.begun:
            raise NotBegunError("the team's zygote did not begin the work", fix="try again")

    def wait(self, timeout: float | None) -> int:
        """The exit code.

        :raises TimeoutError: it still runs
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            step = _WORD_SECONDS if left is None else min(left, _WORD_SECONDS)
            if readable(self._pidfd if self._silent else self._control, step) and self.poll() is None:
                time.sleep(0.01)  # it has ended, and its zygote has not said how yet
        return code

    def close(self) -> None:
        """Give it up: what still runs of it is killed. Harmless when repeated."""
        self._lease.close()
        self._control.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


@dataclass(frozen=True)
class SpawnerClient:
    """The sandboxes of this machine, through its spawner: :class:`airspace.sandbox.ports.Sandboxes`.

    :param folder: where the spawner's socket is
    :param patience: seconds that :meth:`order` waits for a sandbox to be built; 0: it asks once
    """

    folder: Path
    patience: float = _PATIENCE

    def start(self, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> SandboxedProcess:
        """Have the team's zygote fork a child for this work, and wait until it has."""
        child = _order(self.folder, team, work, streams, _BEGIN_SECONDS)
        try:
            child.await_begin(_BEGIN_SECONDS)
        except BaseException:
            child.close()
            raise
        return child

    def order(self, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> SandboxedProcess:
        """The same without waiting for the zygote."""
        return _order(self.folder, team, work, streams, self.patience)

    def state(self) -> dict[str, int]:
        """Team → how many processes run in its sandbox."""
        return dict(_ask(self.folder, {"state": True})["teams"])

    def stop(self, team: str) -> None:
        """End everything that runs for a team, and remove its sandbox."""
        _ask(self.folder, {"stop": team})


def _ask(folder: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + _ANSWER_SECONDS
    with _connect(folder / SOCKET, deadline) as link:
        try:
            send(link, question)
            answer = _answer(link, deadline)
        except OSError as error:  # the spawner was killed in that moment
            raise NotBegunError(f"the spawner is gone: {error}", fix="try again") from None
    if "error" in answer:
        raise SandboxError(answer["error"], fix=answer.get("fix"))
    return answer


def _order(
    folder: Path, team: str, work: Mapping[str, Any], streams: Sequence[int], patience: float
) -> SandboxedProcess:
    deadline, pause = time.monotonic() + patience, _BUSY
    lease = _connect(folder / SOCKET, time.monotonic() + min(patience, _ANSWER_SECONDS))
    try:
        while True:
            control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                with theirs:
                    send(lease, {"team": team, "work": work}, [*streams, theirs.fileno()])
                answer = _answer(lease, time.monotonic() + _ANSWER_SECONDS)
            except ValueError as error:
                control.close()
                raise SandboxError(str(error), fix="shorten what is handed to the task") from None
            except OSError as error:  # the spawner was killed in that moment
                control.close()
                raise NotBegunError(f"the spawner is gone: {error}", fix="try again") from None
            except BaseException:
                control.close()
                raise
            if "taken" in answer:
                return SandboxedProcess(control, lease)
            control.close()
            if "error" in answer:
                raise SandboxError(answer["error"], fix=answer.get("fix"))
            if time.monotonic() > deadline:
                raise BusyError(f"the sandbox of {team} takes no work", fix="look for what keeps it busy")
            time.sleep(pause)
            pause = min(pause * 1.5, _MOST_BUSY)
    except BaseException:
        lease.close()
        raise


def _connect(path: Path, deadline: float) -> socket.socket:
    while True:
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            lease.connect(str(path))
        except OSError as error:  # it is being started again
            lease.close()
            if time.monotonic() > deadline:
                raise BusyError(f"the spawner does not answer: {error}", fix="airspace up") from None
            time.sleep(_MOST_BUSY)
        else:
            return lease


def _answer(lease: socket.socket, deadline: float) -> dict[str, Any]:
    if not readable(lease, deadline - time.monotonic()):
        raise SandboxError("the spawner does not answer", fix="airspace doctor")
    packet = receive(lease)
    if packet is None:
        raise NotBegunError("the spawner ended", fix="try again")
    return packet.body
