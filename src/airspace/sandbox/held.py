"""What the spawner holds: sandboxes, those on their way into them, and supervisors' connections."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass, field

from airspace.sandbox.bubblewrap import Walls
from airspace.sandbox.cgroups import Group
from airspace.sandbox.spec import SandboxSpec


@dataclass
class Entering:
    """A zygote that is on its way in.

    :param status: it says here how that went
    """

    status: int
    inbox: socket.socket
    since: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Sandbox:
    """One team's sandbox. ``retired`` ones finish what they have and are removed.

    :param work: the leases of what runs in it
    :param zygote: its process, and the bytes of memory that it has from the template
    :param heavy: it held too much beside its tasks when it was weighed last
    :param worn: its zygote was replaced: without work it is removed at once, with all that was left running in it
    """

    spec: SandboxSpec
    walls: Walls | None
    group: Group
    inbox: socket.socket | None = None
    work: list[Lease] = field(default_factory=list, repr=False)
    retired: bool = False
    entered: bool = False
    entering: Entering | None = None
    idle_since: float = field(default_factory=time.monotonic)
    number: int = 0
    zygote: int = -1
    inherited: int = 0
    heavy: bool = False
    worn: bool = False

    @property
    def stands(self) -> bool:
        """Whether its walls are still there."""
        return self.walls is None or self.walls.alive


@dataclass(eq=False)
class Lease:
    """A supervisor's connection, and what it is for."""

    link: socket.socket
    sandbox: Sandbox | None = None
    child: int = -1
    """A pidfd of the work."""
    pid: int = -1

    def begin(self, sandbox: Sandbox) -> None:
        """It is for work in this sandbox from now on."""
        self.sandbox = sandbox
        sandbox.work.append(self)

    def signal(self, number: int) -> None:
        """To the work's whole process group; the descriptor says that its leader is still the same process."""
        if self.child < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.child, 0)
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                signal.pidfd_send_signal(self.child, number)

    def end(self) -> None:
        """The supervisor is done, or dead: its work ends with it."""
        self.link.close()
        if self.child >= 0:
            self.signal(signal.SIGKILL)
            os.close(self.child)
        if self.sandbox is not None:
            self.sandbox.work.remove(self)
            self.sandbox.idle_since = time.monotonic()
