"""Every attack: what it tries, what shows that it would work, when it must fail. Data; the functions are in ``inside``.

``python -m airspace.verify.catalogue docs/verify-isolation.json`` prints the table of ``docs/verify-isolation.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Control(str, Enum):
    """Where the same function has to succeed."""

    OWNER = "the victim's own task"
    OUTSIDE = "outside, by who runs verify"
    PLATFORM = "outside, as the platform's user"


class Promise(str, Enum):
    """On which machines it must fail."""

    ALWAYS = "always"
    MEMORY = "with a memory cgroup"
    CPU = "with a cpu cgroup"
    PIDS = "with a pids cgroup, or as root"
    OWN_USERS = "when root started the platform"
    STORAGE_QUOTA = "not yet: storage has no quota"


@dataclass(frozen=True)
class Attack:
    """One row.

    :param native: what Airflow's own multi-team does where that was tried; empty: not tried
    :param harmful: may disturb others on the machine while it lasts; only with ``--destructive``
    :param witness: success is looked up outside; its function only says that nothing was refused
    """

    id: str
    what: str
    control: Control
    promise: Promise = Promise.ALWAYS
    native: str = ""
    harmful: bool = False
    witness: bool = False

    @property
    def surface(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


_OWNER, _OUTSIDE, _PLATFORM = Control.OWNER, Control.OUTSIDE, Control.PLATFORM
_READABLE, _WORKS = "readable", "works"


def _files() -> tuple[Attack, ...]:
    return (
        Attack("files.storage-read", "read a private file of the victim's storage", _OWNER),
        Attack("files.storage-list", "list the victim's storage", _OWNER),
        Attack("files.storage-write", "make a file in the victim's storage", _OWNER),
        Attack("files.unshared-read", "read an asset that the victim published to nobody", _OWNER),
        Attack("files.shared-write", "write into an asset that the victim lets it read", _OWNER),
        Attack("files.dot-dot", "reach the victim's file from its own storage by `..`", _OWNER),
        Attack("files.bundle-read", "read the victim's Dag files", _OWNER, native=_READABLE),
        Attack("files.bundle-write", "write into the victim's Dag bundle", _OUTSIDE, native="writable"),
        Attack("files.own-bundle-write", "write into its own Dag bundle, past the fetcher", _OUTSIDE),
        Attack("files.source-write", "write into the folder that the victim's Dags come from", _OUTSIDE),
        Attack("files.packages-write", "write into the Python packages that all share", _OUTSIDE),
        Attack("files.airflow-cfg", "read the platform's airflow.cfg", _OUTSIDE, native=_READABLE),
        Attack("files.secrets", "read the platform's keys", _OUTSIDE, native=_READABLE),
        Attack("files.team-files", "read the kept copy of the victim's team file", _OUTSIDE),
        Attack("files.places-write", "open the list of teams' sandboxes for writing", _OUTSIDE),
        Attack("files.postgres", "read PostgreSQL's data folder", _OUTSIDE),
        Attack("files.platform-logs", "read the scheduler's log", _OUTSIDE, native=_READABLE),
        Attack("files.shadow", "read /etc/shadow", _OUTSIDE),
        Attack("files.users", "read the machine's users in /etc/passwd", _OUTSIDE),
        Attack("files.home-of-the-owner", "list the home folder of who started the platform", _OUTSIDE),
        Attack("files.tmp-of-the-machine", "read a file in the machine's /tmp", _OUTSIDE),
        Attack("files.tmp-of-the-victim", "read a file in the victim's /tmp", _OWNER),
        Attack("files.shm-of-the-victim", "read the victim's shared memory in /dev/shm", _OWNER),
        Attack("files.mknod", "make a device node for the machine's memory", _OUTSIDE),
        Attack("files.disks", "open the machine's disks", _OUTSIDE),
        Attack("files.cgroup-write", "make a control group", _OUTSIDE),
        Attack("files.proc-root", "reach the victim's file through /proc/PID/root", _OUTSIDE),
        Attack("files.proc-cwd", "see another process's folder in /proc/PID/cwd", _OUTSIDE),
        Attack("files.proc-fd", "see other processes' open files in /proc/PID/fd", _OUTSIDE),
        Attack("files.proc-fd-parents", "find the victim's file behind any open folder in /proc", _OUTSIDE),
    )


def _links() -> tuple[Attack, ...]:
    return (
        Attack("links.symlink", "read the victim's file by a symbolic link in its own storage", _OWNER),
        Attack("links.symlink-published", "the same by a link in what it publishes", _OWNER),
        Attack("links.hard", "the same by a hard link", _OWNER),
        Attack(
            "links.replace-published",
            "put something else in the place of its folder `published`",
            _OUTSIDE,
            Promise.OWN_USERS,
        ),
        Attack(
            "links.descriptors", "find the victim's file, or the platform's, behind an inherited descriptor", _OUTSIDE
        ),
        Attack("links.file-handle", "open the victim's file by its handle (open_by_handle_at)", _OUTSIDE),
    )


def _processes() -> tuple[Attack, ...]:
    environ = "readable in /proc"
    return (
        Attack(
            "processes.see", "see the platform's processes or the victim's task in /proc", _OUTSIDE, native="visible"
        ),
        Attack("processes.environment", "read the environment of the platform's processes", _OUTSIDE, native=environ),
        Attack("processes.own-environment", "find secrets in its own environment or its parents'", _OUTSIDE),
        Attack("processes.ptrace", "trace the victim's task", _OUTSIDE),
        Attack("processes.vm-read", "read the victim's memory with process_vm_readv", _OUTSIDE),
        Attack("processes.memory", "read the victim's memory in /proc/PID/mem", _OUTSIDE),
        Attack("processes.zygote-memory", "open the memory of the process that forks its own team's tasks", _OUTSIDE),
        Attack("processes.descriptor", "take an open descriptor from the victim's task (pidfd_getfd)", _OUTSIDE),
        Attack("processes.shared-memory", "read the victim's System V shared memory", _OWNER),
        Attack("processes.core-dump", "have its memory written to a core file", _OUTSIDE),
    )


def _signals() -> tuple[Attack, ...]:
    return (
        Attack("signals.platform", "signal the platform's processes", _OUTSIDE, native=_WORKS),
        Attack("signals.victim", "signal the victim's task", _OUTSIDE, native=_WORKS),
        Attack("signals.init", "signal the machine's first process", _OUTSIDE),
        Attack("signals.everybody", "signal everybody it can (kill −1)", _OUTSIDE, witness=True),
    )


def _kernel() -> tuple[Attack, ...]:
    return (
        Attack("kernel.user-namespace", "make a user namespace", _OUTSIDE),
        Attack("kernel.mount-namespace", "make a mount namespace", _OUTSIDE),
        Attack("kernel.network-namespace", "make a network namespace", _OUTSIDE),
        Attack("kernel.enter-namespace", "enter another process's namespaces (setns)", _OUTSIDE),
        Attack("kernel.mount", "mount a file system", _OUTSIDE),
        Attack("kernel.chroot", "change its root", _OUTSIDE),
        Attack("kernel.bpf", "load BPF", _OUTSIDE),
        Attack("kernel.keyring", "add a key to the kernel's keyring", _OUTSIDE),
        Attack("kernel.keyring-read", "find its user's keyring", _OUTSIDE),
        Attack("kernel.perf", "open performance counters", _OUTSIDE),
        Attack("kernel.userfaultfd", "handle page faults (userfaultfd)", _OUTSIDE),
        Attack("kernel.io-uring", "make an io_uring", _OUTSIDE),
        Attack("kernel.module", "load a kernel module", _OUTSIDE),
        Attack("kernel.setuid-root", "become root", _OUTSIDE),
        Attack("kernel.setuid-program", "run a set-user-id program with root's rights", _OUTSIDE),
        Attack("kernel.capabilities", "hold a capability, or get one back by a program", _OUTSIDE),
        Attack("kernel.nice", "take more of the processor than others (nice below zero)", _OUTSIDE),
        Attack("kernel.realtime", "run before everybody else (real-time scheduling)", _OUTSIDE),
        Attack("kernel.settings", "write /proc/sys", _OUTSIDE),
        Attack("kernel.sysrq", "write /proc/sysrq-trigger", _OUTSIDE),
        Attack("kernel.log", "read the kernel's log", _OUTSIDE),
        Attack("kernel.symbols", "read kallsyms, keys and key-users in /proc", _OUTSIDE),
        Attack("kernel.hostname", "set the machine's name", _OUTSIDE),
        Attack("kernel.clock", "set the clock", _OUTSIDE),
        Attack("kernel.terminal", "type into a terminal (TIOCSTI)", _OUTSIDE),
    )


def _sockets() -> tuple[Attack, ...]:
    return (
        Attack("sockets.spawner", "connect to the spawner, which starts sandboxes", _OUTSIDE),
        Attack("sockets.doorbell", "connect to the Dag processor's bell", _OUTSIDE),
        Attack("sockets.wake", "connect to the scheduler's bell", _OUTSIDE),
        Attack("sockets.relay", "connect to the relay, which connects sandboxes", _OUTSIDE),
        Attack("sockets.postgres", "connect to PostgreSQL's socket", _OUTSIDE, native=_WORKS),
        Attack("sockets.process-manager", "connect to the process manager", _OUTSIDE),
        Attack("sockets.machine", "connect to the machine's sockets (Docker, D-Bus, …)", _OUTSIDE),
        Attack("sockets.abstract", "connect to an abstract socket of the machine", _OUTSIDE),
        Attack("sockets.abstract-victim", "connect to an abstract socket of the victim's", _OWNER),
        Attack("sockets.vsock", "make a socket to the hypervisor (AF_VSOCK)", _OUTSIDE),
        Attack("sockets.packet", "make a packet socket", _OUTSIDE),
        Attack("sockets.raw", "make a raw socket", _OUTSIDE),
        Attack("sockets.alg", "make a socket into the kernel's ciphers (AF_ALG)", _OUTSIDE),
        Attack("sockets.netlink", "talk to the kernel's audit and other netlink families", _OUTSIDE),
        Attack("sockets.descriptors", "find an inherited socket that leads to a named place", _OUTSIDE),
    )


def _network() -> tuple[Attack, ...]:
    return (
        Attack("network.api", "connect to the API server", _OUTSIDE, native=_WORKS),
        Attack("network.loopback", "connect to a port of the machine's loopback", _OUTSIDE, native=_WORKS),
        Attack("network.loopback-v6", "the same over IPv6", _OUTSIDE),
        Attack("network.datagram", "send a datagram to the machine's loopback", _OUTSIDE, witness=True),
        Attack("network.victim", "connect to a port that the victim's task listens on", _OWNER, native=_WORKS),
        Attack("network.metadata", "reach the cloud's metadata service", _OUTSIDE),
        Attack("network.internet", "find a route to the internet", _OUTSIDE),
        Attack("network.names", "ask the machine's name server", _OUTSIDE),
        Attack("network.interfaces", "see the machine's network interfaces", _OUTSIDE),
    )


def _relay() -> tuple[Attack, ...]:
    return (
        Attack("relay.unlisted", "reach a host that only the victim's list names", _OWNER),
        Attack("relay.disguise", "the same by the address in another spelling, and over IPv6", _OWNER),
        Attack("relay.victims-address", "the same by the address that the victim's sandbox knows it by", _OWNER),
        Attack("relay.name", "ask for a name that is not on its list", _OUTSIDE),
        Attack("relay.name-of-loopback", "reach the machine's loopback by a name on its own list", _OUTSIDE),
    )


def _tokens() -> tuple[Attack, ...]:
    return (
        Attack("tokens.memory", "find a token in its own memory", _OUTSIDE, native="its own, good for another one"),
        Attack("tokens.environment", "find a token in its environment", _OUTSIDE),
        Attack(
            "tokens.settings",
            "read from Airflow's configuration what tokens are forged with, or the database's password",
            _PLATFORM,
            native=_READABLE,
        ),
    )


def _database() -> tuple[Attack, ...]:
    return (
        Attack("database.session", "ask the database through Airflow's ORM session", _PLATFORM),
        Attack(
            "database.engine", "ask it through an engine of its own, with the configured URL", _PLATFORM, native=_WORKS
        ),
        Attack("database.psycopg2", "ask it through psycopg2 at its socket", _PLATFORM, native=_WORKS),
        Attack("database.cli", "ask it through `airflow` as a subprocess", _PLATFORM),
    )


def _names() -> tuple[Attack, ...]:
    sdk = "scoped to the team"
    events = "handed to the victim's next run"
    return (
        Attack("names.variable-read", "read the victim's variable", _OWNER, native=sdk),
        Attack("names.variable-read-sdk", "the same with Variable.get", _OWNER, native=sdk),
        Attack("names.variable-keys", "list the victim's variables", _OWNER),
        Attack("names.variable-set", "overwrite the victim's variable", _OWNER, native=_WORKS, witness=True),
        Attack("names.variable-delete", "delete the victim's variable", _OWNER, witness=True),
        Attack("names.connection-read", "read the victim's connection", _OWNER, native=sdk),
        Attack("names.connection-read-sdk", "the same with get_connection", _OWNER, native=sdk),
        Attack("names.xcom-read", "read an XCom of the victim's task", _OWNER, native=sdk),
        Attack("names.xcom-read-sdk", "the same with XCom.get_one", _OWNER, native=sdk),
        Attack("names.xcom-list", "list the XComs of the victim's task", _OWNER, native=sdk),
        Attack("names.xcom-write", "write an XCom of the victim's task", _OWNER, native=sdk),
        Attack("names.xcom-delete", "delete an XCom of the victim's task", _OWNER, native=sdk),
        Attack("names.trigger", "trigger the victim's Dag", _OWNER, native=_WORKS),
        Attack("names.clear", "clear the victim's run", _OWNER, native=_WORKS),
        Attack("names.dag", "read the victim's Dag", _OWNER, native=_READABLE),
        Attack("names.run", "read the victim's run", _OWNER, native=_READABLE),
        Attack("names.run-state", "read the state of the victim's run", _OWNER, native=_READABLE),
        Attack("names.run-count", "count the victim's runs", _OWNER, native=_READABLE),
        Attack("names.task-count", "count the victim's task instances", _OWNER, native=_READABLE),
        Attack("names.task-states", "read the states of the victim's tasks", _OWNER, native=_READABLE),
        Attack("names.breadcrumbs", "read how the victim's tasks ended", _OWNER),
        Attack("names.previous-run", "ask for the victim's previous run", _OWNER),
        Attack("names.previous-task", "ask for the victim's previous task instance", _OWNER),
        Attack("names.task-store-write", "write into the store of the victim's task", _OWNER),
        Attack("names.task-store-read", "read the store of the victim's task", _OWNER),
        Attack("names.inlets", "have the victim's inlets and outlets looked at", _OWNER),
        Attack("names.asset", "read the victim's asset by its name", _OWNER),
        Attack("names.asset-by-uri", "read the victim's asset by its address", _OWNER),
        Attack("names.asset-events", "read the events of the victim's asset", _OWNER, native=_READABLE),
        Attack("names.asset-state", "write into the state of the victim's asset", _OWNER, native="stored"),
        Attack("names.asset-state-clear", "clear the state of the victim's asset", _OWNER),
        Attack("names.asset-emit", "emit an event on the victim's asset", _OWNER, native=events, witness=True),
    )


def _logs() -> tuple[Attack, ...]:
    return (
        Attack("logs.read", "read the log of the victim's task", _OUTSIDE, native=_READABLE),
        Attack("logs.write", "write into the log of the victim's task", _OUTSIDE),
        Attack("logs.place", "make a file beside the log of the victim's task", _OUTSIDE),
    )


def _exhaustion() -> tuple[Attack, ...]:
    def harmful(name: str, what: str, control: Control, promise: Promise = Promise.ALWAYS) -> Attack:
        return Attack(f"exhaustion.{name}", what, control, promise, harmful=True)

    return (
        harmful("memory-process", "take more memory than the team's limit in one process", _OUTSIDE),
        harmful("memory", "take more memory than the team's limit in several processes", _OUTSIDE, Promise.MEMORY),
        harmful("processor", "take more of the processor than the team's limit", _OUTSIDE, Promise.CPU),
        harmful("processes", "fork more processes than the team's limit", _OUTSIDE, Promise.PIDS),
        harmful("scratch", "fill /tmp beyond the team's limit", _OUTSIDE),
        harmful("shared-memory", "fill /dev/shm beyond the team's limit", _OUTSIDE),
        harmful("descriptors", "open thousands of files", _OUTSIDE),
        Attack(
            "exhaustion.inotify",
            "take every inotify instance, so that the platform does not see changed files",
            _PLATFORM,
            Promise.OWN_USERS,
            harmful=True,
            witness=True,
        ),
        Attack(
            "exhaustion.xcom",
            "store an XCom of 40 MB, in one message (the control: 20 MB)",
            _OWNER,
            harmful=True,
            witness=True,
        ),
        Attack(
            "exhaustion.relay",
            "ask for names and connect as fast as it goes, so that the victim's connection is held up",
            _OWNER,
            harmful=True,
            witness=True,
        ),
        harmful("storage", "fill its storage", _OWNER, Promise.STORAGE_QUOTA),
        harmful("log", "print 288 MB into the log of one try (the control: 8 MB)", _OWNER),
    )


def _parsing() -> tuple[Attack, ...]:
    """The same functions as on other surfaces, run while the attacker's Dag file is read."""
    native = {"airflow-cfg": _READABLE, "bundle-read": _READABLE, "postgres": _WORKS}
    rows = {
        "airflow-cfg": "read airflow.cfg",
        "secrets": "read the platform's keys",
        "bundle-read": "read the victim's Dag files",
        "see": "see the platform's processes",
        "api": "connect to the API server",
        "postgres": "connect to PostgreSQL's socket",
    }
    return tuple(
        Attack(f"parsing.{name}", f"while its Dag file is read: {what}", _OUTSIDE, native=native.get(name, ""))
        for name, what in rows.items()
    )


ATTACKS: tuple[Attack, ...] = (
    *_files(), *_links(), *_processes(), *_signals(), *_kernel(), *_sockets(), *_network(), *_relay(),
    *_tokens(), *_database(),
    *_names(), *_logs(), *_parsing(), *_exhaustion(),
)  # fmt: skip
SURFACES: tuple[str, ...] = tuple(dict.fromkeys(attack.surface for attack in ATTACKS))


def reference(seen: Mapping[str, Sequence[str]]) -> str:
    """The table of ``docs/verify-isolation.md``, made from the rows above.

    :param seen: id → the verdicts as root, as an ordinary user, and with isolation none, as they were seen
    """
    columns = ("id", "a task of one team tries to …", "control", "must fail", "root", "user", "none", "native")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for attack in ATTACKS:
        when = attack.promise.value + (", `--destructive`" if attack.harmful else "")
        verdicts = [_SHORT[verdict] for verdict in seen[attack.id]]
        cells = (f"`{attack.id}`", attack.what, attack.control.value, when, *verdicts, attack.native)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_SHORT = {"blocked": "blocked", "lost": "**lost**", "not_promised": "–"}

if __name__ == "__main__":
    sys.stdout.write(reference(json.loads(Path(sys.argv[1]).read_text())) + "\n")
