"""The kernel's own doors. What needs rights is also tried by way of a user namespace."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import pwd
import socket
import stat
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, Unshown, act, first, writable
from airspace.verify.inside.facts import Facts

_SETUID = ("/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/newgrp", "/usr/bin/chsh")
_TIOCSTI = 0x5412
_ADJ_SETOFFSET = 0x0100


@act("kernel.user-namespace")
def user_namespace(_facts: Facts) -> str:
    libc.call("unshare", libc.NEW_USER)
    return "made a user namespace"


@act("kernel.mount-namespace")
def mount_namespace(_facts: Facts) -> str:
    libc.unshare(libc.NEW_MOUNT)
    return "made a mount namespace"


@act("kernel.network-namespace")
def network_namespace(_facts: Facts) -> str:
    libc.unshare(libc.NEW_NET)
    return "made a network namespace"


@act("kernel.enter-namespace")
def enter_namespace(facts: Facts) -> str:
    def try_one(pid: int) -> str:
        handle = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
        libc.call("setns", handle, libc.NEW_MOUNT)
        return f"entered the mount namespace of process {pid}"

    pids = [1, *(target.pid for target in facts.control.values())]
    return first([partial(try_one, pid) for pid in pids])


@act("kernel.mount")
def mount(_facts: Facts) -> str:
    _try(libc.NEW_MOUNT)
    folder = tempfile.mkdtemp()
    try:
        # In a namespace of its own nothing of it is seen elsewhere; without one it is taken away again.
        libc.call("mount", None, b"/", None, 0x4000 | 0x40000, None)
        libc.call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", 0, None)
        libc.call("umount2", os.fsencode(folder), 2)
    finally:
        Path(folder).rmdir()
    return "mounted a file system"


def _try(flags: int) -> None:
    """Namespaces, if they can be had."""
    try:
        libc.unshare(flags)
    except OSError:
        return


@act("kernel.chroot")
def chroot(_facts: Facts) -> str:
    _try(libc.NEW_MOUNT)
    os.chroot("/usr")
    return "changed its root"


@act("kernel.bpf")
def bpf(_facts: Facts) -> str:
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array of one entry
    libc.syscall("bpf", 0, ctypes.byref(attributes), ctypes.sizeof(attributes))
    return "made a BPF map"


@act("kernel.keyring")
def keyring(_facts: Facts) -> str:
    libc.syscall("add_key", b"user", b"airspace-verify", b"x", 1, -2)
    return "added a key to the kernel's keyring"


@act("kernel.keyring-read")
def keyring_read(_facts: Facts) -> str:
    libc.syscall("keyctl", 0, -4, 0)
    return "found the keyring of its user"


@act("kernel.perf")
def perf(_facts: Facts) -> str:
    attributes = (ctypes.c_uint32 * 28)(1, 112)  # a software clock
    libc.syscall("perf_event_open", ctypes.byref(attributes), 0, -1, -1, 0)
    return "opened a performance counter"


@act("kernel.userfaultfd")
def userfaultfd(_facts: Facts) -> str:
    libc.syscall("userfaultfd", 1)
    return "handles page faults by itself"


@act("kernel.io-uring")
def io_uring(_facts: Facts) -> str:
    libc.syscall("io_uring_setup", 1, ctypes.byref(ctypes.create_string_buffer(120)))
    return "made an io_uring"


@act("kernel.module")
def module(_facts: Facts) -> str:
    try:
        libc.syscall("init_module", b"no module", 9, b"")
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
        return f"the kernel looked at its module: {error.strerror}"
    return "loaded a module"


@act("kernel.setuid-root")
def setuid_root(_facts: Facts) -> str:
    if os.getuid() != 0:
        _try(libc.NEW_USER)
    os.setuid(0)
    return "became root"


@act("kernel.setuid-program")
def setuid_program(facts: Facts) -> str:
    if facts.outside and os.getuid() == 0:
        os.setuid(pwd.getpwnam("nobody").pw_uid)
    found = [path for path in _SETUID if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID]  # noqa: PTH110, PTH116
    if not found:
        raise Unshown("there is no set-user-id program to try")
    with subprocess.Popen(
        [found[0]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        time.sleep(0.05)
        status = Path("/proc", str(program.pid), "status").read_text()
        effective = next(line.split()[2] for line in status.splitlines() if line.startswith("Uid:"))
        if program.stdin:
            program.stdin.close()
        program.wait(5)
    if int(effective) != 0:
        raise Refused(f"{found[0]} ran without root's rights")
    return f"{found[0]} ran as root"


@act("kernel.capabilities")
def capabilities(_facts: Facts) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    held = [name for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") if int(fields[name], 16)]
    if int(fields["CapBnd"], 16) and fields["NoNewPrivs"].strip() == "0":
        held.append("CapBnd")
    if not held:
        raise Refused("it has none, and no program can give it one")
    return f"capabilities in {', '.join(held)}"


@act("kernel.nice")
def nice(_facts: Facts) -> str:
    return f"may take more of the processor than others: nice {os.nice(-30)}"


@act("kernel.realtime")
def realtime(_facts: Facts) -> str:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return "runs before everybody else"


@act("kernel.settings")
def settings(_facts: Facts) -> str:
    names = ("kernel/core_pattern", "kernel/panic", "vm/overcommit_memory", "net/ipv4/ip_forward", "fs/file-max")
    return first([partial(writable, Path("/proc/sys", name)) for name in names[:3]])


@act("kernel.sysrq")
def sysrq(_facts: Facts) -> str:
    path = Path("/proc/sysrq-trigger")
    said = writable(path)
    if stat.S_ISCHR(path.stat().st_mode):
        raise Refused("what is there is no more than /dev/null")
    return said


@act("kernel.log")
def log(_facts: Facts) -> str:
    size = libc.call("klogctl", 3, ctypes.create_string_buffer(256), 256)
    return f"read {size} bytes of the kernel's log"


@act("kernel.symbols")
def symbols(_facts: Facts) -> str:
    for name in ("/proc/kallsyms", "/proc/keys", "/proc/key-users"):
        if text := Path(name).read_bytes()[:200]:
            return f"{name} is readable: {len(text)} bytes and more"
    raise Refused("kallsyms, keys and key-users are empty")


@act("kernel.hostname")
def hostname(_facts: Facts) -> str:
    _try(libc.NEW_UTS)
    socket.sethostname(socket.gethostname())
    return "set the machine's name (to what it was)"


@act("kernel.clock")
def clock(_facts: Facts) -> str:
    libc.call("adjtimex", ctypes.byref((ctypes.c_uint32 * 128)(_ADJ_SETOFFSET)))
    return "moved the clock (by nothing)"


@act("kernel.terminal")
def terminal(_facts: Facts) -> str:
    _, end = os.openpty()
    fcntl.ioctl(end, _TIOCSTI, b"x")
    return "typed into a terminal"
