"""Every attack: what it tries, what shows that it would work, when it must fail. Data: functions are in ``inside``."""

from __future__ import annotations

from collections.abc import Mapping

from airspace.verify.attack import Attack, Control, Promise

_OWNER, _OUTSIDE, _PLATFORM = Control.OWNER, Control.OUTSIDE, Control.PLATFORM


def _files() -> tuple[Attack, ...]:
    return (
        Attack("files.storage-read", "read a private file of the victim's storage", _OWNER),
        Attack("files.storage-list", "list the victim's storage", _OWNER),
        Attack("files.storage-write", "make a file in the victim's storage", _OWNER),
        Attack("files.unshared-read", "read an asset that the victim published to nobody", _OWNER),
        Attack("files.shared-write", "write into an asset that the victim lets it read", _OWNER),
        Attack("files.dot-dot", "reach the victim's file from its own storage by `..`", _OWNER),
        Attack("files.bundle-read", "read the victim's Dag files", _OWNER),
        Attack("files.bundle-write", "write into the victim's Dag bundle", _OUTSIDE),
        Attack("files.own-bundle-write", "write into its own Dag bundle, past the fetcher", _OUTSIDE),
        Attack("files.source-write", "write into the folder that the victim's Dags come from", _OUTSIDE),
        Attack("files.packages-write", "write into the Python packages that all share", _OUTSIDE),
        Attack("files.airflow-cfg", "read the platform's airflow.cfg", _OUTSIDE),
        Attack("files.secrets", "read the platform's keys", _OUTSIDE),
        Attack("files.remotes", "list the clones that all teams' Dags are fetched into", _OUTSIDE),
        Attack("files.team-files", "read the kept copy of the victim's team file", _OUTSIDE),
        Attack("files.places-write", "open the list of teams' sandboxes for writing", _OUTSIDE),
        Attack("files.postgres", "read PostgreSQL's data folder", _OUTSIDE),
        Attack("files.platform-logs", "read the scheduler's log", _OUTSIDE),
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
    return (
        Attack("processes.see", "see the platform's processes or the victim's task in /proc", _OUTSIDE),
        Attack("processes.environment", "read the environment of the platform's processes", _OUTSIDE),
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
        Attack("signals.platform", "signal the platform's processes", _OUTSIDE),
        Attack("signals.victim", "signal the victim's task", _OUTSIDE),
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
        Attack("sockets.postgres", "connect to PostgreSQL's socket", _OUTSIDE),
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
        Attack("network.api", "connect to the API server", _OUTSIDE),
        Attack("network.loopback", "connect to a port of the machine's loopback", _OUTSIDE),
        Attack("network.loopback-v6", "the same over IPv6", _OUTSIDE),
        Attack("network.datagram", "send a datagram to the machine's loopback", _OUTSIDE, witness=True),
        Attack("network.victim", "connect to a port that the victim's task listens on", _OWNER),
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
        Attack("tokens.memory", "find a token in its own memory", _OUTSIDE),
        Attack("tokens.environment", "find a token in its environment", _OUTSIDE),
        Attack(
            "tokens.settings",
            "read from Airflow's configuration what tokens are forged with, or the database's password",
            _PLATFORM,
        ),
    )


def _database() -> tuple[Attack, ...]:
    return (
        Attack("database.session", "ask the database through Airflow's ORM session", _PLATFORM),
        Attack("database.engine", "ask it through an engine of its own, with the configured URL", _PLATFORM),
        Attack("database.psycopg2", "ask it through psycopg2 at its socket", _PLATFORM),
        Attack("database.cli", "ask it through `airflow` as a subprocess", _PLATFORM),
    )


def _warehouse() -> tuple[Attack, ...]:
    where = "in the warehouse"
    return (
        Attack("warehouse.metadata", f"{where}: ask Airflow's database, on the same server", _PLATFORM),
        Attack("warehouse.other-role", f"{where}: connect as the victim's role", _PLATFORM),
        Attack("warehouse.set-role", f"{where}: become the victim's role", _PLATFORM),
        Attack("warehouse.table-read", f"{where}: read the victim's table", _OWNER),
        Attack("warehouse.table-write", f"{where}: write into the victim's table", _OWNER),
        Attack("warehouse.granted", f"{where}: read a table that the victim granted to all by SQL", _OWNER),
        Attack("warehouse.published-write", f"{where}: write into a table that the victim publishes to it", _OWNER),
        Attack("warehouse.activity", f"{where}: see everybody's sessions and queries", _PLATFORM),
        Attack("warehouse.locks", f"{where}: take locks at will, of the one table of them", _PLATFORM),
        Attack("warehouse.program", f"{where}: run a program (COPY … TO PROGRAM)", _PLATFORM),
        Attack("warehouse.file", f"{where}: read the server's files", _PLATFORM),
        Attack("warehouse.function", f"{where}: make a function, which others would run", _PLATFORM),
        Attack("warehouse.limits", f"{where}: raise its own number of connections", _PLATFORM),
        Attack("warehouse.connections", f"{where}: hold more connections than it may have", _PLATFORM),
        Attack("warehouse.long", f"{where}: have a statement take longer than it may", _OWNER),
    )


def _names() -> tuple[Attack, ...]:
    return (
        Attack("names.variable-read", "read the victim's variable", _OWNER),
        Attack("names.variable-read-sdk", "the same with Variable.get", _OWNER),
        Attack("names.variable-keys", "list the victim's variables", _OWNER),
        Attack("names.variable-set", "overwrite the victim's variable", _OWNER, witness=True),
        Attack("names.variable-delete", "delete the victim's variable", _OWNER, witness=True),
        Attack("names.connection-read", "read the victim's connection", _OWNER),
        Attack("names.connection-read-sdk", "the same with get_connection", _OWNER),
        Attack("names.xcom-read", "read an XCom of the victim's task", _OWNER),
        Attack("names.xcom-read-sdk", "the same with XCom.get_one", _OWNER),
        Attack("names.xcom-list", "list the XComs of the victim's task", _OWNER),
        Attack("names.xcom-write", "write an XCom of the victim's task", _OWNER),
        Attack("names.xcom-delete", "delete an XCom of the victim's task", _OWNER),
        Attack("names.trigger", "trigger the victim's Dag", _OWNER),
        Attack("names.clear", "clear the victim's run", _OWNER),
        Attack("names.dag", "read the victim's Dag", _OWNER),
        Attack("names.run", "read the victim's run", _OWNER),
        Attack("names.run-state", "read the state of the victim's run", _OWNER),
        Attack("names.run-count", "count the victim's runs", _OWNER),
        Attack("names.task-count", "count the victim's task instances", _OWNER),
        Attack("names.task-states", "read the states of the victim's tasks", _OWNER),
        Attack("names.breadcrumbs", "read how the victim's tasks ended", _OWNER),
        Attack("names.previous-run", "ask for the victim's previous run", _OWNER),
        Attack("names.previous-task", "ask for the victim's previous task instance", _OWNER),
        Attack("names.task-store-write", "write into the store of the victim's task", _OWNER),
        Attack("names.task-store-read", "read the store of the victim's task", _OWNER),
        Attack("names.inlets", "have the victim's inlets and outlets looked at", _OWNER),
        Attack("names.asset", "read the victim's asset by its name", _OWNER),
        Attack("names.asset-by-uri", "read the victim's asset by its address", _OWNER),
        Attack("names.asset-events", "read the events of the victim's asset", _OWNER),
        Attack("names.asset-state", "write into the state of the victim's asset", _OWNER),
        Attack("names.asset-state-clear", "clear the state of the victim's asset", _OWNER),
        Attack("names.asset-emit", "emit an event on the victim's asset", _OWNER, witness=True),
    )


def _logs() -> tuple[Attack, ...]:
    return (
        Attack("logs.read", "read the log of the victim's task", _OUTSIDE),
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


# What is tried again elsewhere than in a task, by the same functions.
_AGAIN: Mapping[str, tuple[str, Control]] = {
    "airflow-cfg": ("read airflow.cfg", _OUTSIDE),
    "secrets": ("read the platform's keys", _OUTSIDE),
    "own-environment": ("find secrets in its environment", _OUTSIDE),
    "environment": ("read the platform's environment", _OUTSIDE),
    "see": ("see the platform's processes", _OUTSIDE),
    "bundle-read": ("read the victim's Dag files", _OWNER),
    "storage-read": ("read a private file of the victim's storage", _OWNER),
    "api": ("connect to the API server", _OUTSIDE),
    "postgres": ("connect to PostgreSQL's socket", _OUTSIDE),
    "psycopg2": ("ask the database through psycopg2", _PLATFORM),
    "variable-read": ("read the victim's variable", _OWNER),
    "variable-keys": ("list the victim's variables", _OWNER),
    "connection-read": ("read the victim's connection", _OWNER),
    "xcom-read": ("read an XCom of the victim's task", _OWNER),
    "run-state": ("read the state of the victim's run", _OWNER),
    "task-states": ("read the states of the victim's tasks", _OWNER),
}


def _again(surface: str, where: str, names: str, control: Control | None = None) -> tuple[Attack, ...]:
    """Rows of :data:`_AGAIN`.

    :param names: some of them, with spaces between; ``control`` stands for theirs
    """
    return tuple(
        Attack(f"{surface}.{name}", f"{where}: {_AGAIN[name][0]}", control or _AGAIN[name][1]) for name in names.split()
    )


def _parsing() -> tuple[Attack, ...]:
    where = "while its Dag file is read"
    return (
        *_again("parsing", where, "airflow-cfg secrets bundle-read see api postgres", _OUTSIDE),
        *_again("parsing", where, "storage-read psycopg2 variable-read connection-read"),
    )


def _callbacks() -> tuple[Attack, ...]:
    names = (
        "airflow-cfg secrets own-environment see bundle-read storage-read api psycopg2"
        " variable-read variable-keys connection-read xcom-read task-states"
    )
    where = "in its Dag's failure callback"
    return (
        *_again("callbacks", where, names),
        Attack("callbacks.variable-set", f"{where}: overwrite the victim's variable", _OWNER, witness=True),
    )


def _tests() -> tuple[Attack, ...]:
    return (
        Attack("tests.victim", "have the victim's connection tested, as a lead of another team", Control.LEAD),
        Attack("tests.loopback", "reach a port of the machine's loopback by testing its own connection", _OUTSIDE),
    )


def _viewings() -> tuple[Attack, ...]:
    link = "the same through a link in its own storage (the control: without one)"
    return (
        Attack("viewings.foreign", "have the victim's file shown on the page of artifacts", Control.LEAD),
        Attack("viewings.link", link, Control.LEAD),
        Attack("viewings.table", "have the victim's table of the warehouse shown on that page", Control.LEAD),
    )


def _triggers() -> tuple[Attack, ...]:
    names = (
        "airflow-cfg secrets storage-read see environment api postgres"
        " variable-read connection-read xcom-read run-state task-states"
    )
    where = "from a trigger"
    return (
        *_again("triggers", where, names),
        *_again("triggers", where, "bundle-read", _OUTSIDE),
        Attack("triggers.variable-set", f"{where}: overwrite the victim's variable", _OWNER, witness=True),
        Attack("triggers.event", f"{where}: fire, fail and end the victim's trigger", _OWNER),
        Attack("triggers.log", f"{where}: write into the log of the victim's trigger", _OWNER),
    )


ATTACKS: tuple[Attack, ...] = (
    *_files(), *_links(), *_processes(), *_signals(), *_kernel(), *_sockets(), *_network(), *_relay(), *_tokens(),
    *_database(), *_warehouse(), *_names(), *_logs(), *_parsing(), *_callbacks(), *_tests(), *_viewings(), *_triggers(),
    *_exhaustion(),
)  # fmt: skip
SURFACES: tuple[str, ...] = tuple(dict.fromkeys(attack.surface for attack in ATTACKS))
