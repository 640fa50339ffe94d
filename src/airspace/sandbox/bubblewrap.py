"""A sandbox's walls, built by bubblewrap around a process that only sleeps.

Bubblewrap makes the namespaces and everything that is seen in them; who works there enters later. The sleeping
process is the first of its PID namespace: when it ends, the kernel ends every other process in it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airspace.sandbox.errors import SandboxError
from airspace.sandbox.messages import readable
from airspace.sandbox.relay.plan import NAME_SERVER
from airspace.sandbox.spec import HOME, SCRATCH_FOLDER, SandboxSpec

log = logging.getLogger("airspace.spawner")

_START_SECONDS = 10.0
# As the first of its namespace it inherits every orphan; told to ignore their ends, the kernel buries them.
_SLEEP = "echo; exec env --ignore-signal=CHLD sleep infinity >/dev/null 2>&1"
# Of the whole machine, readable by everybody, and of no use to a team.
_HIDDEN = tuple(map(Path, ("/proc/keys", "/proc/key-users", "/proc/kallsyms", "/proc/sysrq-trigger")))


@dataclass
class Walls:
    """A built sandbox.

    :param pid: of the sleeping process, on the machine
    """

    process: subprocess.Popen[bytes]
    pid: int
    pidfd: int

    @property
    def alive(self) -> bool:
        """Whether it still stands."""
        return self.process.poll() is None and not readable(self.pidfd)

    def namespace(self) -> int:
        """The number of its PID namespace."""
        return Path(f"/proc/{self.pid}/ns/pid").stat().st_ino

    def remove(self) -> None:
        """End every process in it, and with them it is gone."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, 9)
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.pidfd)


def find_bubblewrap() -> str:
    """The program.

    :raises SandboxError: it is not installed
    """
    if found := shutil.which("bwrap"):
        return found
    raise SandboxError("bubblewrap is not installed", fix="apt-get install bubblewrap")


def build(spec: SandboxSpec) -> Walls:
    """Build the walls and wait until they stand.

    What others consented to is left out where it is no folder of theirs, or stops being one meanwhile: a team that
    plays such tricks only hides its own data.

    :raises SandboxError: with what bubblewrap said
    """
    shown = {path: found for path in spec.consented if (found := _identity(spec.storage, path)) is not None}
    while True:
        try:
            walls = _build(spec, tuple(shown))
        except SandboxError:
            if not shown:
                raise
            log.warning("%s: its sandbox is built without what others share", spec.team, exc_info=True)
            shown.clear()
            continue
        seen = Path(f"/proc/{walls.pid}/root") / spec.storage.relative_to("/")
        moved = [path for path, found in shown.items() if _identity(seen, path) != found]
        if not moved:
            return walls
        walls.remove()
        for path in moved:
            log.warning("%s: %s was changed while it was mounted, it is left out", spec.team, path)
            del shown[path]


def _build(spec: SandboxSpec, shown: tuple[Path, ...]) -> Walls:
    program = find_bubblewrap()
    ready, ready_end = os.pipe()
    info, info_end = os.pipe()
    files = _files(spec)
    try:
        command = [program, *arguments(spec, shown, files, info_end), "--", "/bin/sh", "-c", _SLEEP]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=ready_end,
            stderr=subprocess.PIPE,
            pass_fds=(info_end, *files.values()),
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            start_new_session=True,
        )
        os.close(ready_end)
        os.close(info_end)
        ready_end = info_end = -1
        pid = _await(process, ready, info)
    finally:
        for descriptor in (ready, ready_end, info, info_end, *files.values()):
            if descriptor >= 0:
                os.close(descriptor)
    if process.stderr is not None:
        process.stderr.close()
    return Walls(process, pid, os.pidfd_open(pid))


def arguments(spec: SandboxSpec, shown: tuple[Path, ...], files: dict[Path, int], info: int) -> list[str]:
    """What bubblewrap is told, without the command.

    :param shown: what of others is shown, below the storage's root
    :param files: small files → descriptors of what is in them
    """
    size = str(spec.limits.scratch)
    made = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if spec.uid is None:
        made.append("--unshare-user")
    made += ["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--hostname", "sandbox"]
    made += ["--cap-drop", "ALL", "--info-fd", str(info)]
    # Before what lies below it: a home of the platform may be in /tmp.
    made += _private(spec, size)
    made_folders: set[Path] = {SCRATCH_FOLDER, Path("/dev"), Path("/proc"), HOME, *HOME.parents}
    for path, descriptor in files.items():
        made += [*_folders(path, made_folders), "--perms", "0444", "--ro-bind-data", str(descriptor), str(path)]
    for path in (spec.storage / below for below in shown):
        made += [*_folders(path, made_folders), "--ro-bind-try", str(path), str(path)]
    for path in spec.read_only:
        if path.is_symlink() and path.parent == Path("/"):
            made += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            made += [*_folders(path, made_folders), "--ro-bind", str(path), str(path)]
    for path in spec.writable:
        made += [*_folders(path, made_folders), "--bind", str(path), str(path)]
    made += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    return made


def _private(spec: SandboxSpec, size: str) -> Iterator[str]:
    """What is the sandbox's alone: scratch space, home, processes, devices."""
    for path in (SCRATCH_FOLDER, HOME):
        mode = "0700" if path == HOME and spec.uid is None else "1777"
        yield from (*_folders(path, set()), "--perms", mode, "--size", size, "--tmpfs", str(path))
    yield from ("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", size)
    yield from ("--tmpfs", "/dev/shm")  # noqa: S108  # the sandbox's own
    for hidden in _HIDDEN:
        if hidden.exists():
            yield from ("--ro-bind", "/dev/null", str(hidden))


def _folders(path: Path, made: set[Path]) -> Iterator[str]:
    """Parents that bubblewrap would make for nobody but their owner."""
    for parent in reversed(path.parents):
        if parent != Path("/") and parent not in made:
            made.add(parent)
            yield from ("--perms", "0755", "--dir", str(parent))


def _files(spec: SandboxSpec) -> dict[Path, int]:
    uid, gid = (os.getuid(), os.getgid()) if spec.uid is None else (spec.uid, spec.gid)
    texts = {
        "/etc/passwd": f"{spec.user}:x:{uid}:{gid}:{spec.team}:{HOME}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        "/etc/group": f"{spec.user}:x:{gid}:\nnogroup:x:65534:\n",
        "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/resolv.conf": f"nameserver {NAME_SERVER[0]}\n",
    }
    made = {}
    for path, text in texts.items():
        descriptor = os.memfd_create("sandbox")
        os.write(descriptor, text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        made[Path(path)] = descriptor
    return made


def _await(process: subprocess.Popen[bytes], ready: int, info: int) -> int:
    """The pid of the sleeping process, once everything is mounted."""
    deadline = time.monotonic() + _START_SECONDS
    told = bytearray()
    watched = {ready, info}
    while ready in watched or info in watched:
        poll = select.poll()
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        told_by = [descriptor for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)]
        if not told_by:
            process.kill()
            raise SandboxError(f"bubblewrap was not ready after {_START_SECONDS:.0f} s", fix="airspace doctor")
        for descriptor in told_by:
            data = os.read(descriptor, 4096)
            if descriptor == info:
                told += data
            if descriptor == ready and not data:
                process.kill()
                said = (process.communicate()[1] or b"").decode(errors="replace").strip()
                raise SandboxError(f"bubblewrap failed: {said or 'it said nothing'}", fix="airspace doctor")
            if not data or descriptor == ready:
                watched.discard(descriptor)
        if told.rstrip().endswith(b"}"):
            watched.discard(info)
    return int(json.loads(told)["child-pid"])


def _identity(storage: Path, path: Path) -> tuple[int, int] | None:
    """Which folder it is, reached from the storage's root without following any link; None when there is none."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        handle = os.open(storage, flags)
        for part in path.parts:
            above = handle
            try:
                handle = os.open(part, flags | os.O_NOFOLLOW, dir_fd=above)
            finally:
                os.close(above)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
    finally:
        os.close(handle)
    return found.st_dev, found.st_ino
