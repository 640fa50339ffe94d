"""The sandboxes there are: built when a team needs one, entered by a fork of the template, weighed, and removed.

Of zygotes nothing is ever read but whether they are still there.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airspace.sandbox import bubblewrap, cgroups, memory
from airspace.sandbox.bubblewrap import Walls
from airspace.sandbox.cgroups import Cgroups, Group
from airspace.sandbox.entering import Entry
from airspace.sandbox.errors import SandboxError
from airspace.sandbox.held import Entering, Sandbox
from airspace.sandbox.memory import Scales
from airspace.sandbox.messages import send
from airspace.sandbox.places import Places
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.link import RelayLink
from airspace.sandbox.relay.plan import plan
from airspace.sandbox.settings import Settings
from airspace.sandbox.spec import HOME, Limits, SandboxSpec, sandbox_spec
from airspace.sandbox.template_process import TemplateProcess

log = logging.getLogger("airspace.spawner")

KEEP_WARM = 64  # idle sandboxes at most: the longest idle one goes first
REMOVED = "it was removed"
_ENTER_SECONDS, _ENTER_ATTEMPTS = 10.0, 3
# Somebody has too much of something open: that passes.
_SHORT = (errno.EAGAIN, errno.ETOOMANYREFS, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Stock:
    """Every sandbox, by its team and by the descriptors that tell of it. Nothing here waits for one."""

    def __init__(self, settings: Settings, environment: dict[str, str], poll: select.poll) -> None:
        self._settings, self._poll = settings, poll
        self._template = TemplateProcess(settings.template, environment)
        self._relay = RelayLink(settings.run)
        self._cgroups = cgroups.find(settings.name) if settings.walls else Cgroups({}, 1)
        self._places = Places(settings.layout.sandboxes)
        self._current: dict[str, Sandbox] = {}
        self._all: list[Sandbox] = []
        self._by_inbox: dict[int, Sandbox] = {}
        self._by_status: dict[int, Sandbox] = {}
        self._failures: dict[str, int] = {}
        self._graves: list[Group] = []
        self._count = 0
        self._scales = Scales(settings.budget)

    def __bool__(self) -> bool:
        return bool(self._all)

    def start(self) -> None:
        """Have the template warmed up."""
        self._template.start()

    def work(self) -> dict[str, int]:
        """Team → how much runs in its sandboxes."""
        teams = sorted({sandbox.spec.team for sandbox in self._all})
        return {team: sum(len(box.work) for box in self._all if box.spec.team == team) for team in teams}

    def hand(self, team: str, work: Any, descriptors: Sequence[int]) -> Sandbox | None:
        """Hand work to the team's zygote. None: that takes time, and is asked for again.

        :raises SandboxError: it cannot be done
        """
        sandbox = self._of(team)
        if sandbox.inbox is None:
            if sandbox.entering is None and self._template.is_warm():
                self._begin_entering(sandbox)
            return None
        try:
            send(sandbox.inbox, work, descriptors)
        except OSError as error:
            if error.errno not in _SHORT:  # else the zygote died, and nothing of this was begun
                self._zygote_ended(sandbox)
            return None
        return sandbox

    def hear(self, descriptor: int) -> None:
        """Somebody on the way in says how it goes, or a zygote ended."""
        if descriptor in self._by_status:
            self._on_the_way(self._by_status[descriptor])
        elif descriptor in self._by_inbox:  # nothing is ever read from a zygote: this is its end
            self._zygote_ended(self._by_inbox[descriptor])

    def stop(self, team: str) -> None:
        """Remove every sandbox of a team, with what runs there."""
        for sandbox in [box for box in self._all if box.spec.team == team]:
            self._remove(sandbox)

    def tidy(self) -> None:
        """Remove what is idle, retired or fallen; follow the teams' lists."""
        now = time.monotonic()
        if self._all:
            self._places.read()
            self._relay.lists({place.team: place.network for place in self._places.all()})
            self._relay.look()
        idle = sorted((box for box in self._all if not box.work), key=lambda box: box.idle_since, reverse=True)
        for position, sandbox in enumerate(idle):
            late = now - sandbox.idle_since > self._settings.keep_idle
            if sandbox.retired or sandbox.worn or position >= KEEP_WARM or late:
                self._remove(sandbox)
        for sandbox in [box for box in self._all if box.entering and now - box.entering.since > _ENTER_SECONDS]:
            self._entered(sandbox, f"it said nothing for {_ENTER_SECONDS:.0f} s")
        for sandbox in [box for box in self._all if not box.stands]:
            self._remove(sandbox)
        self._weigh(now)
        self._graves = [group for group in self._graves if not group.remove()]
        self._bury()

    def close(self) -> None:
        """Leave nothing."""
        for sandbox in list(self._all):
            self._remove(sandbox)
        self._template.stop()
        self._relay.close()
        deadline = time.monotonic() + 2.0
        while self._graves and time.monotonic() < deadline:
            time.sleep(0.01)
            self._graves = [group for group in self._graves if not group.remove()]
        self._cgroups.remove()

    # --- building ------------------------------------------------------------------------------------------------

    def _of(self, team: str) -> Sandbox:
        self._places.read()
        place = self._places.of(team)
        if place is None:
            raise SandboxError(f"no place was made for team {team!r} on this machine", fix="airspace apply")
        spec = sandbox_spec(self._settings.layout, place, self._places.all(), self._settings.code)
        current = self._current.get(team)
        if current is not None and (current.spec.fingerprint != spec.fingerprint or not current.stands):
            current.retired = True
            current = None
        if current is None:
            # The first time it may have fallen in that very moment. Again and again is no accident.
            if self._failures.get(team, 0) >= _ENTER_ATTEMPTS:
                del self._failures[team]
                raise SandboxError(
                    f"the sandbox of {team} cannot be entered", fix=f"less {self._settings.layout.logs / 'spawner.log'}"
                )
            current = self._current[team] = self._build(spec)
            self._all.append(current)
        return current

    def _build(self, spec: SandboxSpec) -> Sandbox:
        started = time.monotonic()
        self._count += 1
        group = self._cgroups.make(f"{spec.team}.{os.getpid()}.{self._count}", _bounded(spec.limits))
        try:
            walls = bubblewrap.build(spec) if self._settings.walls else None
        except BaseException:
            group.remove()
            raise
        if walls is not None:
            self._connect(spec, walls)
        log.info("%s: a sandbox after %.0f ms", spec.team, (time.monotonic() - started) * 1000)
        return Sandbox(spec, walls, group, number=self._count)

    def _connect(self, spec: SandboxSpec, walls: Walls) -> None:
        """What its team may reach. Without that it is a sandbox like any other, which reaches nothing."""
        try:
            made = wires.lay(walls.pid, plan(spec.network, warehouse=True), with_user=spec.uid is None)
        except (OSError, ValueError) as error:
            log.error("%s: its sandbox has no way to the network: %s", spec.team, error)
            return
        self._relay.offer(self._count, spec.team, spec.network, made)

    # --- entering ------------------------------------------------------------------------------------------------

    def _begin_entering(self, sandbox: Sandbox) -> None:
        """Have a fork of the template enter. Nobody waits for it: once it is inside, its team can stop it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        procs = sandbox.group.open_procs()
        status, status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        walls = sandbox.walls.pidfd if sandbox.walls else os.open("/dev/null", os.O_RDONLY)
        try:
            self._template.fork(self._entry(sandbox), [walls, theirs.fileno(), status_end, *procs])
        except BaseException:
            ours.close()
            os.close(status)
            raise
        finally:
            theirs.close()
            for descriptor in (status_end, *procs, *(() if sandbox.walls else (walls,))):
                os.close(descriptor)
        ours.setblocking(False)
        sandbox.entering = Entering(status, ours)
        self._by_status[status] = sandbox
        self._poll.register(status, select.POLLIN)

    def _entry(self, sandbox: Sandbox) -> Entry:
        spec = sandbox.spec
        if sandbox.walls is None:
            uid, gid = self._settings.control or (None, None)
            home = str(self._settings.layout.airflow)
            return Entry(spec.team, uid, gid, spec.user, home, walls=False, first=False, limits=Limits())
        first, sandbox.entered = not sandbox.entered, True
        limits = _bounded(spec.limits)
        return Entry(spec.team, spec.uid, spec.gid, spec.user, str(HOME), walls=True, first=first, limits=limits)

    def _on_the_way(self, sandbox: Sandbox) -> None:
        entering = sandbox.entering
        if entering is None:
            return
        with contextlib.suppress(BlockingIOError):
            said = os.read(entering.status, 4096).decode(errors="replace")
            number, newline, rest = said.partition("\n")
            if newline and number.isdecimal():
                sandbox.zygote, said = int(number), rest
                sandbox.inherited = memory.of_process(self._template.pid)
                if not said:  # how it went comes later
                    return
            self._entered(sandbox, said or "it ended")

    def _entered(self, sandbox: Sandbox, said: str) -> None:
        """The newcomer has said how it went, or took too long."""
        entering, sandbox.entering = sandbox.entering, None
        if entering is None:
            return
        self._poll.unregister(entering.status)
        del self._by_status[entering.status]
        os.close(entering.status)
        team, took = sandbox.spec.team, time.monotonic() - entering.since
        if said == "ready":
            self._failures.pop(team, None)
            sandbox.inbox, sandbox.idle_since = entering.inbox, time.monotonic()
            self._by_inbox[entering.inbox.fileno()] = sandbox
            self._poll.register(entering.inbox, 0)  # only its end
            log.info("%s: a zygote after %.0f ms", team, took * 1000)
            return
        entering.inbox.close()
        self._retire(sandbox)
        if said != REMOVED:
            log.warning("%s: its sandbox could not be entered: %s", team, said)
            self._failures[team] = self._failures.get(team, 0) + 1

    # --- ending --------------------------------------------------------------------------------------------------

    def _zygote_ended(self, sandbox: Sandbox) -> None:
        """What it was doing goes on in the sandbox, where another one can be put."""
        if sandbox.inbox is not None:
            self._by_inbox.pop(sandbox.inbox.fileno(), None)
            with contextlib.suppress(KeyError):
                self._poll.unregister(sandbox.inbox)
            sandbox.inbox.close()
            sandbox.inbox, sandbox.zygote = None, -1

    def _retire(self, sandbox: Sandbox) -> None:
        sandbox.retired = True
        if self._current.get(sandbox.spec.team) is sandbox:
            del self._current[sandbox.spec.team]

    def _weigh(self, now: float) -> None:
        """Those without work that hold too much go. A zygote that has grown gets no more work and ends."""
        for box in self._scales.surplus([box for box in self._all if not box.work], now):
            self._remove(box)
        for box in [box for box in self._all if box.work and box.inbox is not None]:
            if self._scales.is_worn(box, {lease.pid for lease in box.work}, now):
                self._zygote_ended(box)
                box.worn = True
        self._scales.done(now)

    def _bury(self) -> None:
        """Zygotes whose template has gone before them."""
        known = {sandbox.walls.process.pid for sandbox in self._all if sandbox.walls} | {self._template.pid}
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in known:  # whoever started it learns of its end
                    return
                os.waitpid(found.si_pid, os.WNOHANG)

    def _remove(self, sandbox: Sandbox) -> None:
        self._retire(sandbox)
        self._zygote_ended(sandbox)
        self._relay.withdraw(sandbox.number)
        if sandbox.walls is not None:
            sandbox.walls.remove()
        else:
            for lease in sandbox.work:
                lease.signal(signal.SIGKILL)
        if sandbox.entering is not None:
            self._entered(sandbox, REMOVED)
        if not sandbox.group.remove():
            self._graves.append(sandbox.group)
        self._all.remove(sandbox)
        log.info("%s: a sandbox is gone", sandbox.spec.team)


def _bounded(limits: Limits) -> Limits:
    """A team without a limit of its own leaves the platform some memory to answer with."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return replace(limits, memory=limits.memory or total * 3 // 4)
