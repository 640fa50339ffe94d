"""The spawner: ``python -m airspace.sandbox.spawner``. It alone may start sandboxes and end what runs in them.

Supervisors ask it over one socket: run this in that team's sandbox. It looks the team up in ``sandboxes.json``, which
only the home's owner writes, has the sandbox built if there is none, and hands the work to the team's zygote. The
connection stays open as a lease: when the supervisor is gone, so is the work. Of zygotes it reads nothing.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airspace.model.home import HomeLayout, home_root
from airspace.sandbox import bubblewrap, cgroups, kernel, memory
from airspace.sandbox.bubblewrap import Walls
from airspace.sandbox.cgroups import Cgroups, Group
from airspace.sandbox.entering import Entry
from airspace.sandbox.errors import SandboxError
from airspace.sandbox.memory import Budget, Scales
from airspace.sandbox.messages import SOCKET, Packet, depth, host_pid, receive, send
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.link import RelayLink
from airspace.sandbox.relay.plan import plan
from airspace.sandbox.spec import HOME, Limits, SandboxSpec, TeamPlace, read_places, sandbox_spec
from airspace.sandbox.template_process import TemplateProcess

log = logging.getLogger("airspace.spawner")

KEEP_IDLE = 15.0  # a sandbox without work; a new one takes a twentieth of a second
KEEP_WARM = 64  # idle sandboxes at most: the longest idle one goes first
_ENTER_SECONDS, _ENTER_ATTEMPTS = 10.0, 3
# Somebody has too much of something open: that passes.
_SHORT = (errno.EAGAIN, errno.ETOOMANYREFS, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_CREDENTIALS = struct.Struct("3i")
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "MALLOC_ARENA_MAX",
    "AIRSPACE_PLATFORM",
)
REMOVED = "it was removed"
TEMPLATE = (sys.executable, "-m", "airspace.airflow.sandboxed")


@dataclass
class Entering:
    """A zygote that is on its way in.

    :param status: it says here how that went
    """

    status: int
    inbox: socket.socket
    since: float = field(default_factory=time.monotonic)


@dataclass
class Sandbox:
    """One team's sandbox. ``retired`` ones finish what they have and are removed.

    :param zygote: its process, and the bytes of memory that it has from the template
    :param heavy: it held too much beside its tasks when it was weighed last
    :param worn: its zygote was replaced: without work it is removed at once, with all that was left running in it
    """

    spec: SandboxSpec
    walls: Walls | None
    group: Group
    inbox: socket.socket | None = None
    leases: int = 0
    retired: bool = False
    entered: bool = False
    entering: Entering | None = None
    idle_since: float = field(default_factory=time.monotonic)
    number: int = 0
    zygote: int = -1
    inherited: int = 0
    heavy: bool = False
    worn: bool = False


@dataclass
class Lease:
    """A supervisor's connection, and what it is for."""

    link: socket.socket
    sandbox: Sandbox | None = None
    child: int = -1
    """A pidfd of the work."""
    pid: int = -1


@dataclass(frozen=True)
class Settings:
    """What the spawner is started with.

    :param walls: False: without sandboxes, which somebody chose by name
    :param clients: Unix users that may ask
    :param code: folders and files that team code reads: interpreter, packages, settings
    :param control: user and group that work runs as without walls, when root
    """

    layout: HomeLayout
    run: Path
    name: str
    walls: bool
    clients: frozenset[int]
    code: tuple[Path, ...]
    control: tuple[int, int] | None
    template: tuple[str, ...] = TEMPLATE
    keep_idle: float = KEEP_IDLE
    budget: Budget = field(default_factory=Budget.of)


class Spawner:
    """The loop."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self._settings = settings
        self._template = TemplateProcess(settings.template, environment)
        self._relay = RelayLink(settings.run)
        self._cgroups = cgroups.find(settings.name) if settings.walls else Cgroups({}, 1)
        self._places: dict[str, TeamPlace] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._current: dict[str, Sandbox] = {}
        self._all: list[Sandbox] = []
        self._leases: dict[int, Lease] = {}
        self._by_inbox: dict[int, Sandbox] = {}
        self._by_status: dict[int, Sandbox] = {}
        self._failures: dict[str, int] = {}
        self._graves: list[Group] = []
        self._poll = select.poll()
        self._stopping = False
        self._count = 0
        self._scales = Scales(settings.budget)
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._woken, select.POLLIN)
        self._listener = self._listen()

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def run(self) -> None:
        """Until stopped; then no sandbox is left."""
        kernel.adopt_orphans()  # zygotes of a template that is gone
        self._template.start()
        try:
            while not self._stopping:
                for descriptor, _ in self._wait():
                    self._turn(descriptor)
                self._tidy()
        finally:
            self._close()

    def _wait(self) -> list[tuple[int, int]]:
        with contextlib.suppress(InterruptedError):
            return self._poll.poll(1000 if self._all else 5000)
        return []

    def _turn(self, descriptor: int) -> None:
        if descriptor == self._listener.fileno():
            self._accept()
        elif descriptor in self._leases:
            self._serve(self._leases[descriptor])
        elif descriptor in self._by_status:
            self._hear(self._by_status[descriptor])
        elif descriptor in self._by_inbox:  # nothing is ever read from a zygote: this is its end
            self._zygote_ended(self._by_inbox[descriptor])

    # --- supervisors ---------------------------------------------------------------------------------------------

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

    def _accept(self) -> None:
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

    def _serve(self, lease: Lease) -> None:
        try:
            packet = receive(lease.link)
        except BlockingIOError:
            return
        except (ValueError, OSError) as error:
            log.warning("A supervisor said something that is no message: %s", error)
            packet = None
        if packet is None:
            self._end_lease(lease)
            return
        try:
            self._obey(lease, packet)
        except SandboxError as error:
            log.warning("%s", error.message)
            self._answer(lease, {"error": error.message, "fix": error.fix})
        except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
            log.exception("What a supervisor asked for could not be done")
            self._answer(lease, {"error": f"{type(error).__name__}: {error}", "fix": "airspace doctor"})
        finally:
            packet.close()

    def _obey(self, lease: Lease, packet: Packet) -> None:
        if "team" in packet.body:
            self._run_work(lease, packet)
        elif "child" in packet.body:
            self._adopt(lease, packet)
        elif "signal" in packet.body:
            self._signal(lease, int(packet.body["signal"]))
        elif "state" in packet.body:
            self._answer(lease, {"teams": {team: self._leases_of(team) for team in sorted(self._teams())}})
        elif "stop" in packet.body:
            for sandbox in [box for box in self._all if box.spec.team == packet.body["stop"]]:
                self._remove(sandbox)
            self._answer(lease, {"stopped": True})

    def _teams(self) -> set[str]:
        return {sandbox.spec.team for sandbox in self._all}

    def _leases_of(self, team: str) -> int:
        return sum(sandbox.leases for sandbox in self._all if sandbox.spec.team == team)

    def _answer(self, lease: Lease, body: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            send(lease.link, body)

    def _run_work(self, lease: Lease, packet: Packet) -> None:
        """Hand it to the team's zygote. Whatever takes time is answered with "busy", and asked for again."""
        if lease.sandbox is not None:
            raise ValueError("one lease, one piece of work")
        sandbox = self._sandbox(str(packet.body["team"]))
        if sandbox.inbox is None:
            if sandbox.entering is None and self._template.is_warm():
                self._begin_entering(sandbox)
            self._answer(lease, {"busy": True})
            return
        try:
            send(sandbox.inbox, packet.body["work"], packet.descriptors)
        except OSError as error:
            if error.errno not in _SHORT:  # else the zygote died, and nothing of this was begun
                self._zygote_ended(sandbox)
            self._answer(lease, {"busy": True})
            return
        lease.sandbox = sandbox
        sandbox.leases += 1
        self._answer(lease, {"taken": True})

    def _adopt(self, lease: Lease, packet: Packet) -> None:
        """The supervisor shows the process that its zygote gave it; only one of that sandbox's can be ended later."""
        pidfd = packet.descriptors.pop(0)
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

    def _signal(self, lease: Lease, number: int) -> None:
        """To the work's whole process group; the descriptor says that its leader is still the same process."""
        if lease.child < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(lease.child, 0)
            if os.getpgid(lease.pid) == lease.pid:
                os.killpg(lease.pid, number)
            else:
                signal.pidfd_send_signal(lease.child, number)

    def _end_lease(self, lease: Lease) -> None:
        """The supervisor is done, or dead: its work ends with it."""
        self._leases.pop(lease.link.fileno(), None)
        self._poll.unregister(lease.link)
        lease.link.close()
        if lease.child >= 0:
            self._signal(lease, signal.SIGKILL)
            os.close(lease.child)
        if lease.sandbox is not None:
            lease.sandbox.leases -= 1
            lease.sandbox.idle_since = time.monotonic()

    # --- sandboxes -----------------------------------------------------------------------------------------------

    def _sandbox(self, team: str) -> Sandbox:
        self._read_places()
        place = self._places.get(team)
        if place is None:
            raise SandboxError(f"no place was made for team {team!r} on this machine", fix="airspace apply")
        spec = sandbox_spec(self._settings.layout, place, self._places.values(), self._settings.code)
        current = self._current.get(team)
        if current is not None and (current.spec.fingerprint != spec.fingerprint or not _stands(current)):
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
        limits = replace(spec.limits, memory=spec.limits.memory or _most_memory())
        group = self._cgroups.make(f"{spec.team}.{os.getpid()}.{self._count}", limits)
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
            made = wires.lay(walls.pid, plan(spec.network), with_user=spec.uid is None)
        except (OSError, ValueError) as error:
            log.error("%s: its sandbox has no way to the network: %s", spec.team, error)
            return
        self._relay.offer(self._count, spec.team, spec.network, made)

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

    def _hear(self, sandbox: Sandbox) -> None:
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

    def _entry(self, sandbox: Sandbox) -> Entry:
        spec = sandbox.spec
        if sandbox.walls is None:
            uid, gid = self._settings.control or (None, None)
            home = str(self._settings.layout.airflow)
            return Entry(spec.team, uid, gid, spec.user, home, walls=False, first=False, limits=Limits())
        first, sandbox.entered = not sandbox.entered, True
        limits = replace(spec.limits, memory=spec.limits.memory or _most_memory())
        return Entry(spec.team, spec.uid, spec.gid, spec.user, str(HOME), walls=True, first=first, limits=limits)

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

    def _tidy(self) -> None:
        """Remove what is idle, retired or fallen."""
        now = time.monotonic()
        if self._all:
            self._read_places()
            self._relay.lists({team: place.network for team, place in self._places.items()})
            self._relay.look()
        idle = sorted((box for box in self._all if box.leases == 0), key=lambda box: box.idle_since, reverse=True)
        for position, sandbox in enumerate(idle):
            if (
                sandbox.retired
                or sandbox.worn
                or position >= KEEP_WARM
                or now - sandbox.idle_since > self._settings.keep_idle
            ):
                self._remove(sandbox)
        for sandbox in [box for box in self._all if box.entering and now - box.entering.since > _ENTER_SECONDS]:
            self._entered(sandbox, f"it said nothing for {_ENTER_SECONDS:.0f} s")
        for sandbox in [box for box in self._all if not _stands(box)]:
            self._remove(sandbox)
        self._weigh(now)
        self._graves = [group for group in self._graves if not group.remove()]
        self._bury()

    def _weigh(self, now: float) -> None:
        """Those without work that hold too much go. A zygote that has grown gets no more work and ends."""
        for box in self._scales.surplus([box for box in self._all if box.leases == 0], now):
            self._remove(box)
        for box in [box for box in self._all if box.leases > 0 and box.inbox is not None]:
            if self._scales.is_worn(box, {lease.pid for lease in self._leases.values() if lease.sandbox is box}, now):
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
            for lease in [lease for lease in self._leases.values() if lease.sandbox is sandbox]:
                self._signal(lease, signal.SIGKILL)
        if sandbox.entering is not None:
            self._entered(sandbox, REMOVED)
        if not sandbox.group.remove():
            self._graves.append(sandbox.group)
        self._all.remove(sandbox)
        log.info("%s: a sandbox is gone", sandbox.spec.team)

    def _close(self) -> None:
        for lease in list(self._leases.values()):
            self._end_lease(lease)
        for sandbox in list(self._all):
            self._remove(sandbox)
        self._template.stop()
        self._relay.close()
        deadline = time.monotonic() + 2.0
        while self._graves and time.monotonic() < deadline:
            time.sleep(0.01)
            self._graves = [group for group in self._graves if not group.remove()]
        self._cgroups.remove()
        self._listener.close()
        (self._settings.run / SOCKET).unlink(missing_ok=True)

    def _read_places(self) -> None:
        """Follow ``sandboxes.json``. One that cannot be read changes nothing."""
        path = self._settings.layout.sandboxes
        try:
            found = path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                text = path.read_text(encoding="utf-8")
                self._stamp = stamp  # looked at every second: what is wrong with it is said once
                self._places = read_places(text)
        except FileNotFoundError:
            self._places = {}
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, the teams stay as they are: %s", path, error)


def _stands(sandbox: Sandbox) -> bool:
    return sandbox.walls is None or sandbox.walls.alive


def _most_memory() -> int:
    """For a team without a limit of its own: what leaves the platform some to answer with."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total * 3 // 4


def code_folders(layout: HomeLayout) -> tuple[Path, ...]:
    """What team code is shown of the interpreter, the packages and their settings: each folder once."""
    found = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    found += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent, layout.team_airflow]
    kept: list[Path] = []
    for path in sorted({*found, *(path.resolve() for path in found)} - {Path("/")}):
        if not any(above == path or above in path.parents for above in kept):
            kept.append(path)
    return tuple(kept)


def team_environment(layout: HomeLayout, base: Mapping[str, str]) -> dict[str, str]:
    """What the template is started with: nothing that a team may not know."""
    kept = {key: base[key] for key in _KEPT if key in base}
    # Airflow opens a database when it is imported; in a child it is taken away again before any code of a team's runs.
    return {**kept, "AIRFLOW_HOME": str(layout.team_airflow), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://"}


def main() -> None:
    """Run until told to stop: ``spawner {sandbox,none} [BYTES BYTES]``, the budget of one sandbox and of all."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout, run = HomeLayout(home_root()), Path(os.environ["AIRSPACE_RUN"])
    owner = run.stat()
    wires.allow_many_sockets()
    settings = Settings(
        layout=layout,
        run=run,
        name=f"airspace-{os.environ['AIRSPACE_PLATFORM']}",
        walls=sys.argv[1] != "none",
        clients=frozenset({os.getuid(), owner.st_uid}),
        code=code_folders(layout),
        control=(owner.st_uid, owner.st_gid) if os.getuid() == 0 else None,
        budget=Budget(*map(int, sys.argv[2:4])) if len(sys.argv) > 3 else Budget.of(),
    )
    spawner = Spawner(settings, team_environment(layout, os.environ))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: spawner.stop())
    spawner.run()


if __name__ == "__main__":
    main()
