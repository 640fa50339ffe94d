"""System calls that Python does not offer."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from airspace.verify.inside.acts import Unshown

NEW_MOUNT, NEW_UTS, NEW_USER, NEW_NET = 0x00020000, 0x04000000, 0x10000000, 0x40000000
_NUMBERS = {
    "x86_64": {
        "bpf": 321, "add_key": 248, "keyctl": 250, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425,
        "init_module": 175, "pidfd_getfd": 438,
    },
    "aarch64": {
        "bpf": 280, "add_key": 217, "keyctl": 219, "perf_event_open": 241, "userfaultfd": 282, "io_uring_setup": 425,
        "init_module": 105, "pidfd_getfd": 438,
    },
}  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """A function of the C library.

    :raises OSError: it fails
    """
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(name: str, *arguments: Any) -> int:
    """A call that the C library has no function for.

    :raises OSError: it fails
    """
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None:
        raise Unshown(f"the numbers of system calls of {platform.machine()} are not known here")
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return call("syscall", ctypes.c_long(numbers[name]), *wide)


def unshare(flags: int) -> None:
    """New namespaces, by way of a user namespace where that is what it takes; in it one is root."""
    uid, gid = os.getuid(), os.getgid()
    try:
        call("unshare", flags)
    except PermissionError:
        flags |= NEW_USER
        call("unshare", flags)
    if flags & NEW_USER:
        with suppress(OSError):
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
