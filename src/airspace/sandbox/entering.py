"""Entering a sandbox: a process of the control plane becomes a process of the team, without a way back."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airspace.sandbox import kernel
from airspace.sandbox.spec import Limits


@dataclass(frozen=True)
class Entry:
    """Who enters, and under which limits.

    :param uid: and gid: None where an ordinary user runs the platform; the sandbox then has a user namespace
    :param first: nobody has been in this sandbox before
    :param walls: False: there is no sandbox to enter, which somebody chose by name
    """

    team: str
    uid: int | None
    gid: int | None
    user: str
    home: str
    walls: bool
    first: bool
    limits: Limits

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Entry:
        """Read what was sent."""
        return cls(**{**found, "limits": Limits(**found["limits"])})


def enter(entry: Entry, walls: int) -> None:
    """Move this process's children into the sandbox. What it may do itself is not changed yet.

    :param walls: a pidfd of the process that the sandbox was built around
    """
    kernel.enter_namespaces(walls, with_user=entry.uid is None)
    os.chdir("/")


def become_team(
    entry: Entry, seccomp: kernel.SeccompFilter | None, kept: Sequence[int], cgroups: Sequence[int] = ()
) -> None:
    """Give up everything: descriptors, user, limits, capabilities, and the system calls that nobody needs.

    :param cgroups: open ``cgroup.procs`` files, of groups whose share of the processors may be used up
    """
    os.setsid()
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    kernel.close_all_but((*kept, *cgroups))
    _limit(entry.limits)
    if os.geteuid() == 0 or entry.walls:  # elsewhere there are no rights to give up
        kernel.drop_bounding_set()
    if entry.uid is not None and entry.gid is not None:
        os.setgroups([])
        os.setresgid(entry.gid, entry.gid, entry.gid)
        os.setresuid(entry.uid, entry.uid, entry.uid)
    kernel.drop_capabilities()
    # No process of the team may look into the zygote; a child that it forks says otherwise of itself.
    kernel.set_dumpable(False)
    kernel.no_new_privileges()
    if seccomp is not None:
        seccomp.load()
    os.umask(0o022)
    os.chdir(entry.home)
    for descriptor in cgroups:  # last, so that a team cannot slow down how it is entered
        os.write(descriptor, b"0")
        os.close(descriptor)


def _limit(limits: Limits) -> None:
    """Per process where no cgroup counts for all: always set, so that no machine is without any."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_MSGQUEUE: 1 << 20,
        resource.RLIMIT_MEMLOCK: 1 << 20,
        resource.RLIMIT_SIGPENDING: 1024,
        resource.RLIMIT_RTPRIO: 0,
    }
    if limits.memory is not None:
        wanted[resource.RLIMIT_DATA] = limits.memory
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))
