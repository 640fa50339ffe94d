"""What ``airspace verify isolation`` has to say on the machine of the tests: what the page says, row by row.

A machine may lack what a row needs to be shown, or show what the page's could not. Such a row has its reason below; it
may be blocked or not promised, and is lost nowhere but where the page says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "verify-isolation.json"
ROOT, USER, NONE = range(3)
"""The columns of the page: started by root, by an ordinary user, by root with isolation none."""
_MACHINE_DEPENDENT = {"blocked", "not_promised"}

# The kernel was built, or is set, with or without it.
_KERNEL = {
    "kernel.module", "kernel.sysrq", "kernel.userfaultfd", "kernel.io-uring", "kernel.terminal", "kernel.symbols",
    "kernel.setuid-program", "sockets.alg", "sockets.vsock", "processes.core-dump",
}  # fmt: skip
# The machine may have no IPv6, no way out, no name server, no name that leads to itself.
_NETWORK = {
    "network.loopback-v6", "network.metadata", "network.internet", "network.names", "relay.name-of-loopback",
}  # fmt: skip
# A busy machine gives the control no three quarters of a core either.
_LOAD = {"exhaustion.processor"}
# Only who has them can show that they are missing: of root's rights a container's root has some, an ordinary user's
# depend on how the machine is set (Yama, dmesg_restrict, perf_event_paranoid, unprivileged_bpf_disabled, …).
_RIGHTS = {
    "files.packages-write", "files.shadow", "files.mknod", "files.disks", "files.cgroup-write", "links.file-handle",
    "processes.ptrace", "processes.vm-read", "processes.memory", "processes.zygote-memory", "processes.descriptor",
    "signals.init", "kernel.enter-namespace", "kernel.bpf", "kernel.perf", "kernel.nice", "kernel.realtime",
    "kernel.settings", "kernel.log", "kernel.clock", "sockets.packet", "sockets.raw",
}  # fmt: skip
_CAPABILITIES = {
    "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "KILL": 5, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21,
    "SYS_NICE": 23, "SYS_TIME": 25, "MKNOD": 27, "SYSLOG": 34,
}  # fmt: skip
# Without a control group that the platform may change they are not promised.
_GROUPS = {"exhaustion.memory", "exhaustion.processor", "exhaustion.processes"}
# Without walls a home is as open as its owner made it: the page's is /root, the tests' lets others look.
_OPEN_WITHOUT_WALLS = {"files.home-of-the-owner"}


def dependent() -> set[str]:
    """The rows that this machine may see otherwise."""
    apart = _KERNEL | _NETWORK | _LOAD
    apart |= set() if _all_rights() else _RIGHTS
    return apart if _groups() else apart | _GROUPS


def otherwise(rows: Mapping[str, Mapping[str, Any]], column: int, surfaces: Iterable[str] = ()) -> dict[str, str]:
    """What was not seen as the page says, in words.

    :param surfaces: that were asked for; none: all
    """
    page = json.loads(_PAGE.read_text())
    wanted, apart = set(surfaces), dependent()
    assert apart <= set(page), "no row is called like that"
    said = {}
    for name, verdicts in page.items():
        if wanted and name.partition(".")[0] not in wanted:
            continue
        row = rows.get(name, {"verdict": "not there", "control": "", "observed": ""})
        allowed = {verdicts[column]} | (_MACHINE_DEPENDENT if name in apart else set())
        if column == NONE and name in _OPEN_WITHOUT_WALLS:
            allowed |= {"lost"}
        if row["verdict"] not in allowed:
            said[name] = f"{row['verdict']}, not {verdicts[column]}: {row['observed']} (control: {row['control']})"
    return said


def _all_rights() -> bool:
    """Whether this process has what those rows need, as root on a machine of its own has."""
    fields = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    held = int(fields["CapEff"], 16)
    return all(held & 1 << number for number in _CAPABILITIES.values())


def _groups() -> bool:
    """Whether control groups can be made, in either version of them."""
    found = (Path("/sys/fs/cgroup", each) for each in ("memory", "cgroup.subtree_control"))
    return any(os.access(path, os.W_OK) for path in found)
