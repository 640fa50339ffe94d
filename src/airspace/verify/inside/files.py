"""Files: the victim's, the platform's, the machine's."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import partial
from pathlib import Path

from airspace.verify.inside.acts import Refused, Unshown, act, create, first, read, writable
from airspace.verify.inside.facts import DAGS, SCRATCH_FILE, SECRET_FILE, SHARED, UNSHARED, VICTIM, Facts, Process

_SHM = Path("/dev/shm")  # noqa: S108  # where programs keep shared memory


@act("files.storage-read")
def storage_read(facts: Facts) -> str:
    return read(facts.private, facts.secret)


@act("files.storage-list")
def storage_list(facts: Facts) -> str:
    found = os.listdir(facts.victim_storage)  # noqa: PTH208
    if SECRET_FILE not in found:
        raise Refused(f"only what was consented to is seen: {', '.join(found) or 'nothing'}")
    return f"saw {', '.join(sorted(found))}"


@act("files.storage-write")
def storage_write(facts: Facts) -> str:
    return create(facts.real(facts.victim_storage))


@act("files.unshared-read")
def unshared_read(facts: Facts) -> str:
    return read(facts.victim_storage / "published" / UNSHARED / "CURRENT")


@act("files.shared-write")
def shared_write(facts: Facts) -> str:
    return create(facts.real(facts.victim_storage / "published" / SHARED))


@act("files.dot-dot")
def dot_dot(facts: Facts) -> str:
    return read(f"{facts.own_storage}/../{VICTIM}/{SECRET_FILE}", facts.secret)


@act("files.bundle-read")
def bundle_read(facts: Facts) -> str:
    return read(Path(facts.home, "bundles", VICTIM, f"{DAGS[VICTIM]}.py"))


@act("files.bundle-write")
def bundle_write(facts: Facts) -> str:
    return create(facts.real(f"{facts.home}/bundles/{VICTIM}"))


@act("files.own-bundle-write")
def own_bundle_write(facts: Facts) -> str:
    return create(facts.real(f"{facts.home}/bundles/{facts.own}"))


@act("files.source-write")
def source_write(facts: Facts) -> str:
    return create(facts.real(f"{facts.home}/dags/{VICTIM}"))


@act("files.packages-write")
def packages_write(facts: Facts) -> str:
    return create(facts.real(facts.packages))


@act("files.airflow-cfg")
def airflow_cfg(facts: Facts) -> str:
    return read(Path(facts.home, "airflow", "airflow.cfg"))


@act("files.secrets")
def secrets(facts: Facts) -> str:
    folder = Path(facts.home, "secrets")
    names = sorted(os.listdir(folder))  # noqa: PTH208
    return read(folder / names[0])


@act("files.remotes")
def remotes(facts: Facts) -> str:
    found = os.listdir(Path(facts.home, "remotes"))  # noqa: PTH208
    return f"saw {len(found)} repositories and object stores"


@act("files.team-files")
def team_files(facts: Facts) -> str:
    return read(Path(facts.home, "teams", f"{VICTIM}.yaml"))


@act("files.places-write")
def places_write(facts: Facts) -> str:
    return writable(Path(facts.home, "sandboxes.json"))


@act("files.postgres")
def postgres(facts: Facts) -> str:
    return read(Path(facts.home, "postgres", "PG_VERSION"))


@act("files.platform-logs")
def platform_logs(facts: Facts) -> str:
    return read(Path(facts.home, "logs", "scheduler.log"))


@act("files.shadow")
def shadow(_facts: Facts) -> str:
    return read("/etc/shadow")


@act("files.users")
def users(_facts: Facts) -> str:
    names = [line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines() if line]
    if len(names) <= 2:
        raise Refused(f"only the team's own user is listed: {', '.join(names)}")
    return f"read the names of {len(names)} users"


@act("files.home-of-the-owner")
def home_of_the_owner(facts: Facts) -> str:
    found = os.listdir(facts.real(facts.caller_home))  # noqa: PTH208
    return f"saw {len(found)} names in the home of who started the platform"


@act("files.tmp-of-the-machine")
def tmp_of_the_machine(facts: Facts) -> str:
    return read(facts.outside_file, facts.nonce)


@act("files.tmp-of-the-victim")
def tmp_of_the_victim(facts: Facts) -> str:
    return read(Path(tempfile.gettempdir(), SCRATCH_FILE), facts.secret)


@act("files.shm-of-the-victim")
def shm_of_the_victim(facts: Facts) -> str:
    return read(_SHM / SCRATCH_FILE, facts.secret)


@act("files.mknod")
def mknod(_facts: Facts) -> str:
    path = Path(tempfile.gettempdir(), f"airspace-verify-{os.getpid()}")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 1))
    path.unlink()
    return "made a device node for the machine's memory"


@act("files.disks")
def disks(_facts: Facts) -> str:
    found = [entry.path for entry in os.scandir("/dev") if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)]
    if not found:
        raise Refused("no disk is seen here")
    return first([partial(_open, path) for path in found])


def _open(path: str) -> str:
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return f"opened {path}"


@act("files.cgroup-write")
def cgroup_write(_facts: Facts) -> str:
    root = Path("/sys/fs/cgroup")
    if not root.is_dir():
        raise Refused("no control groups are seen here")
    folders = [root, *(entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())]
    return first([partial(_make_group, folder) for folder in folders])


def _make_group(folder: Path) -> str:
    made = folder / f"airspace-verify-{os.getpid()}"
    made.mkdir()
    made.rmdir()
    return f"made a control group in {folder}"


def _others(facts: Facts) -> list[Process]:
    return [facts.victim, facts.zygote, facts.init, *facts.control.values()]


@act("files.proc-root")
def proc_root(facts: Facts) -> str:
    """Also by numbers that are other processes here: whoever they are, the file must not be behind them."""
    return first([partial(read, f"/proc/{each.pid}/root{facts.private}", facts.secret) for each in _others(facts)])


@act("files.proc-cwd")
def proc_cwd(facts: Facts) -> str:
    def try_one(target: Process) -> str:
        return f"saw the folder of process {target.look()}: {Path('/proc', str(target.pid), 'cwd').readlink()}"

    return first([partial(try_one, each) for each in _others(facts)])


@act("files.proc-fd")
def proc_fd(facts: Facts) -> str:
    def try_one(target: Process) -> str:
        found = os.listdir(f"/proc/{target.look()}/fd")  # noqa: PTH208
        return f"saw {len(found)} descriptors of process {target.pid}"

    return first([partial(try_one, each) for each in _others(facts)])


@act("files.proc-fd-parents")
def proc_fd_parents(facts: Facts) -> str:
    """Through descriptors of processes that are seen here, whoever they are: a folder that leads out."""
    tries = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            tries += [partial(read, f"{entry}/fd/{number}{facts.private}", facts.secret) for number in range(3, 24)]
            tries += [partial(read, f"{entry}/cwd{facts.private}", facts.secret)]
    if facts.outside:  # the control has such a descriptor
        handle = os.open("/", os.O_RDONLY)
        tries = [partial(read, f"/proc/{os.getpid()}/fd/{handle}{facts.private}", facts.secret)]
    if not tries:
        raise Unshown("there is no /proc")
    return first(tries)
