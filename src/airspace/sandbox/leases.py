"""The spawner's door: who may come in, the connections that are open, and the work that each of them is a lease of."""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
from pathlib import Path

from airspace.sandbox.held import Lease, Sandbox
from airspace.sandbox.messages import SOCKET, depth, host_pid
from airspace.sandbox.settings import Settings

log = logging.getLogger("airspace.spawner")

_CREDENTIALS = struct.Struct("3i")


class Leases:
    """The listening socket, and by descriptor what came of it."""

    def __init__(self, settings: Settings, poll: select.poll) -> None:
        self._settings, self._poll = settings, poll
        self._leases: dict[int, Lease] = {}
        self._listener = self._listen()

    def of(self, descriptor: int) -> Lease | None:
        """The lease whose connection this is; None: of another kind."""
        return self._leases.get(descriptor)

    def is_door(self, descriptor: int) -> bool:
        """Whether somebody is at the door."""
        return descriptor == self._listener.fileno()

    def _listen(self) -> socket.socket:
        path = self._settings.run / SOCKET
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        if self._settings.control is not None and os.getuid() == 0:
            os.chown(path, *self._settings.control)
        path.chmod(0o600)
        listener.listen(512)
        listener.setblocking(False)
        self._poll.register(listener, select.POLLIN)
        return listener

    def accept(self) -> None:
        """Let in who waits, as far as they may ask."""
        while True:
            try:
                link, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors: the next round may have some
                log.error("A supervisor could not be let in: %s", error)
                return
            _, uid, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
            if uid not in self._settings.clients:
                log.warning("User %d has nothing to ask here", uid)
                link.close()
                continue
            link.setblocking(False)
            self._leases[link.fileno()] = Lease(link)
            self._poll.register(link, select.POLLIN)

    def adopt(self, lease: Lease, pidfd: int) -> None:
        """The supervisor shows the process that its zygote gave it; only one of that sandbox's can be ended later.

        :param pidfd: is ours from here on
        """
        try:
            pid = host_pid(pidfd)
            if lease.sandbox is None or lease.child >= 0 or not self._is_inside(pidfd, pid, lease.sandbox):
                raise ValueError("that is no process of this sandbox")
        except (OSError, ValueError):
            os.close(pidfd)
            return  # it has ended already, or there is nothing that we would signal
        lease.child, lease.pid = pidfd, pid

    def _is_inside(self, pidfd: int, pid: int, sandbox: Sandbox) -> bool:
        """A zygote could hand out what the kernel tells of a socket's other side: its supervisor, or this process."""
        if sandbox.walls is None:
            return Path(f"/proc/{pid}").stat().st_uid == (self._settings.control or (os.getuid(),))[0]
        try:
            return Path(f"/proc/{pid}/ns/pid").stat().st_ino == sandbox.walls.namespace()
        except PermissionError:
            # An ordinary user may not look at a process that keeps others out. It can have no other team's anyhow.
            return depth(pidfd) == depth(sandbox.walls.pidfd)

    def end(self, lease: Lease) -> None:
        """It is over, and its work with it."""
        self._leases.pop(lease.link.fileno(), None)
        self._poll.unregister(lease.link)
        lease.end()

    def end_all(self) -> None:
        """Of everybody's."""
        for lease in list(self._leases.values()):
            self.end(lease)

    def close(self) -> None:
        """Nobody comes in any more."""
        self._listener.close()
        (self._settings.run / SOCKET).unlink(missing_ok=True)
