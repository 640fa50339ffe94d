"""Entering a sandbox: a process of the control plane becomes a process of the team, without a way back."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.sandbox import kernel
from airspace.sandbox.spec import Limits

_OOM = b"500"


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
    _limit(entry.limits, count_processes=entry.walls)
    with suppress(OSError):  # when memory runs out, the kernel ends teams' work before anything of the platform's
        Path("/proc/self/oom_score_adj").write_bytes(_OOM)
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


def _limit(limits: Limits, *, count_processes: bool) -> None:
    """Per process where no cgroup counts for all: always set, so that no machine is without any.

    :param count_processes: False where the user is not the team's: everything else of that user would be counted
    """
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_MSGQUEUE: 1 << 20,
        resource.RLIMIT_MEMLOCK: 1 << 20,
        resource.RLIMIT_SIGPENDING: 1024,
        resource.RLIMIT_RTPRIO: 0,
    }
    if count_processes:
        wanted[resource.RLIMIT_NPROC] = limits.processes
    if limits.memory is not None:
        wanted[resource.RLIMIT_DATA] = limits.memory
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))
