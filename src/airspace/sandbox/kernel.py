"""What the sandbox needs of Linux and Python does not offer: namespaces, capabilities, the seccomp filter."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
NEW_TIME, NEW_MOUNT, NEW_CGROUP, NEW_UTS = 0x00000080, 0x00020000, 0x02000000, 0x04000000
NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
EVERY_NAMESPACE = NEW_MOUNT | NEW_CGROUP | NEW_UTS | NEW_IPC | NEW_PID | NEW_NET
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, argument: int = 0) -> None:
    """``prctl(2)`` with one argument."""
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0), f"prctl {option}")


def adopt_orphans() -> None:
    """Become the parent of what this process's descendants leave behind, instead of the machine's first process."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same user may look into this one."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def enter_namespaces(pidfd: int, *, with_user: bool) -> None:
    """Move into all namespaces of a process; of its PID namespace, only children become members."""
    _checked(_libc.setns(pidfd, EVERY_NAMESPACE | (NEW_USER if with_user else 0)), "setns")


def enter_namespace(descriptor: int, kind: int) -> None:
    """Move into one namespace, by a descriptor of it."""
    _checked(_libc.setns(descriptor, kind), "setns")


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def drop_bounding_set() -> None:
    """No program that is executed later can give a capability back."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        prctl(_PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Give up every capability of this process for good."""
    _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities")
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _checked(_libc.capset(ctypes.byref(header), data), "capset")


def no_new_privileges() -> None:
    """Set-user-id programs run without their rights from now on."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


# --- seccomp ---------------------------------------------------------------------------------------------------------

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NOT_EQUAL, _EQUAL, _GREATER, _MASKED_EQUAL = 1, 4, 6, 7
_NAMESPACES = (NEW_TIME, NEW_MOUNT, NEW_CGROUP, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET)

REFUSED = (
    # looking into and steering other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    # file systems and namespaces
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns", "swapon", "swapoff", "quotactl",
    "quotactl_fd", "open_by_handle_at", "name_to_handle_at", "fanotify_init", "statmount", "listmount",
    # the kernel's own doors
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "kexec_load", "kexec_file_load",
    "init_module", "finit_module", "delete_module", "create_module", "reboot", "syslog", "acct", "lookup_dcookie",
    "nfsservctl", "uselib", "_sysctl", "sysfs", "ustat", "vm86", "vm86old", "modify_ldt", "iopl", "ioperm",
    "settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex", "vhangup", "personality", "vmsplice",
    "move_pages", "migrate_pages", "mbind", "set_mempolicy", "set_mempolicy_home_node", "sethostname",
    "setdomainname", "lsm_set_self_attr", "map_shadow_stack",
)  # fmt: skip
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")  # libraries fall back on older calls
_FAMILIES, _LAST_FAMILY = (1, 2, 10, 16), 63  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into somebody's terminal


class _Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class SeccompFilter:
    """The filter of every sandboxed process, built by libseccomp. Made once, loaded in each zygote.

    :raises OSError: libseccomp is not installed, or refuses
    """

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._lib.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._lib.seccomp_init(ctypes.c_uint32(_ALLOW)))
        if not self._context:
            raise OSError("libseccomp cannot make a filter")
        # Calls of another architecture (32-bit, x32) are refused as a whole: libseccomp's default is to end the thread.
        self._lib.seccomp_syscall_resolve_name.restype = ctypes.c_int
        for name in REFUSED:
            self._refuse(name, _EPERM)
        for name in ABSENT:
            self._refuse(name, _ENOSYS)
        for flag in _NAMESPACES:
            if flag != NEW_TIME:  # in clone() that bit is part of the exit signal
                self._refuse("clone", _EPERM, _Compare(0, _MASKED_EQUAL, flag, flag))
        self._only_socket_families()
        for request in _TERMINAL:
            self._refuse("ioctl", _EPERM, _Compare(1, _MASKED_EQUAL, 0xFFFFFFFF, request))
        # A descriptor that lingers when it is closed, sent to somebody who drops it, would hold them up for as long as
        # its maker chose. It is answered as done: libraries set it and go on.
        self._refuse(
            "setsockopt", 0, _Compare(1, _MASKED_EQUAL, 0xFFFFFFFF, 1), _Compare(2, _MASKED_EQUAL, 0xFFFFFFFF, 13)
        )
        # Of netlink only what name resolution asks the kernel.
        self._refuse("socket", _EPERM, _Compare(0, _EQUAL, 16, 0), _Compare(2, _NOT_EQUAL, 0, 0))

    def _only_socket_families(self) -> None:
        """Everything else (vsock, packet, alg …) reaches past a network namespace or deep into the kernel."""
        for name in ("socket", "socketpair"):
            for family in set(range(_LAST_FAMILY + 1)) - set(_FAMILIES):
                self._refuse(name, _EPERM, _Compare(0, _EQUAL, family, 0))
            self._refuse(name, _EPERM, _Compare(0, _GREATER, _LAST_FAMILY, 0))

    def _refuse(self, name: str, errno: int, *comparisons: _Compare) -> None:
        number = self._lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:  # this libseccomp is older than the call
            return
        array = (_Compare * max(1, len(comparisons)))(*comparisons)
        done = self._lib.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(_ERRNO | errno), number, len(comparisons), array
        )
        # -EDOM: another architecture's call; -EACCES, -EFAULT: it has no such call.
        if done < 0 and -done not in (33, 14, 13):
            raise OSError(-done, f"seccomp filter, {name}: {os.strerror(-done)}")

    def load(self) -> None:
        """Put this process and all its children under it, for good."""
        done = self._lib.seccomp_load(self._context)
        if done < 0:
            raise OSError(-done, f"seccomp filter: {os.strerror(-done)}")


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor above the standard streams that is not among these."""
    start = 3
    for descriptor in sorted({number for number in kept if number > 2}):
        if descriptor > start:
            os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 1_048_576 if start < 1_048_576 else start)
