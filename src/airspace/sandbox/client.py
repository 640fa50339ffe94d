"""The supervisor's side: have work run in a team's sandbox, end it, and learn how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.sandbox.bubblewrap import NotBegunError, SandboxError
from airspace.sandbox.messages import SOCKET, host_pid, receive, send
from airspace.sandbox.zygote import EXIT

_BEGIN_SECONDS = 120.0  # the first work of a machine that has just started waits for the template
_ANSWER_SECONDS = 30.0
_BUSY = 0.05
_GONE = -signal.SIGKILL


class SandboxedProcess:
    """A process in a sandbox: a :class:`airspace.sandbox.ports.Child`.

    :param control: readable once it has ended
    """

    def __init__(self, pid: int, pidfd: int, control: socket.socket, lease: socket.socket) -> None:
        self.pid = pid
        self.control = control
        self._pidfd = pidfd
        self._lease = lease
        self._code: int | None = None
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether it ended without anybody saying how: its zygote ended before."""
        return self._lost

    def watch(self) -> tuple[Any, ...]:
        """What to wait on for its end: the zygote's word, and the process itself in case there is none."""
        return self.control, self._pidfd

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything in its process group.

        :raises ProcessLookupError: it has ended
        """
        if self.poll() is not None:
            raise ProcessLookupError
        with contextlib.suppress(OSError):
            send(self._lease, {"signal": int(number)})

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        if self._code is None:
            if _readable(self.control):
                try:
                    data = self.control.recv(EXIT.size)
                except OSError:
                    data = b""
                if len(data) == EXIT.size:
                    self._code = EXIT.unpack(data)[0]
                else:
                    self._lost = True
            if self._lost and _readable(self._pidfd):
                self._code = _GONE
        return self._code

    def wait(self, timeout: float | None) -> int:
        """The exit code.

        :raises TimeoutError: it still runs
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            select.select([self._pidfd if self._lost else self.control], [], [], left)
        return code

    def close(self) -> None:
        """Give it up: what still runs of it is killed."""
        self._lease.close()
        self.control.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


@dataclass(frozen=True)
class SpawnerClient:
    """The sandboxes of this machine, through its spawner: :class:`airspace.sandbox.ports.Sandboxes`.

    :param folder: where the spawner's socket is
    """

    folder: Path

    def start(self, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> SandboxedProcess:
        """Have the team's zygote fork a child for this work."""
        return _start(self.folder, team, work, streams)

    def state(self) -> dict[str, int]:
        """Team → how many processes run in its sandbox."""
        return dict(_ask(self.folder, {"state": True})["teams"])

    def stop(self, team: str) -> None:
        """End everything that runs for a team, and remove its sandbox."""
        _ask(self.folder, {"stop": team})


def _ask(folder: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + _ANSWER_SECONDS
    with _connect(folder / SOCKET, deadline) as link:
        send(link, question)
        answer = _answer(link, deadline)
    if "error" in answer:
        raise SandboxError(answer["error"], fix=answer.get("fix"))
    return answer


def _start(folder: Path, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> SandboxedProcess:
    deadline = time.monotonic() + _BEGIN_SECONDS
    lease = _connect(folder / SOCKET, deadline)
    try:
        while True:
            control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                with theirs:
                    send(lease, {"team": team, "work": work}, [*streams, theirs.fileno()])
                answer = _answer(lease, deadline)
                if "taken" in answer:
                    return _begun(lease, control, deadline)
            except BaseException:
                control.close()
                raise
            control.close()
            if "error" in answer:
                raise SandboxError(answer["error"], fix=answer.get("fix"))
            if time.monotonic() > deadline:
                raise SandboxError(f"the sandbox of {team} takes no work", fix="look for what keeps it busy")
            time.sleep(_BUSY)
    except BaseException:
        lease.close()
        raise


def _connect(path: Path, deadline: float) -> socket.socket:
    deadline = min(deadline, time.monotonic() + _ANSWER_SECONDS)
    while True:
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            lease.connect(str(path))
        except OSError as error:  # it is being started again
            lease.close()
            if time.monotonic() > deadline:
                raise SandboxError(f"the spawner does not answer: {error}", fix="airspace up") from None
            time.sleep(_BUSY)
        else:
            return lease


def _answer(lease: socket.socket, deadline: float) -> dict[str, Any]:
    if not _readable(lease, deadline - time.monotonic()):
        raise SandboxError("the spawner does not answer", fix="airspace doctor")
    packet = receive(lease)
    if packet is None:
        raise NotBegunError("the spawner ended", fix="try again")
    return packet.body


def _begun(lease: socket.socket, control: socket.socket, deadline: float) -> SandboxedProcess:
    if not _readable(control, deadline - time.monotonic()):
        raise SandboxError("the team's zygote does not answer", fix="try again")
    try:
        data, descriptors, _, _ = socket.recv_fds(control, 16, 1)
    except OSError:
        data, descriptors = b"", []
    if data != b"begun" or len(descriptors) != 1:
        for descriptor in descriptors:
            os.close(descriptor)
        raise NotBegunError("the team's zygote ended before the work began", fix="try again")
    pidfd = descriptors[0]
    try:
        pid = host_pid(pidfd)
    except ValueError:
        os.close(pidfd)
        raise SandboxError("the team's zygote answered with something that is no process", fix="try again") from None
    send(lease, {"child": True}, [pidfd])
    return SandboxedProcess(pid, pidfd, control, lease)


def _readable(target: Any, timeout: float = 0.0) -> bool:
    return bool(select.select([target], [], [], max(0.0, timeout))[0])
