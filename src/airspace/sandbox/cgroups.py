"""Control groups: what all processes of a sandbox together may use; none where the machine does not let us."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airspace.sandbox.spec import Limits

ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds over which a share of processors is counted
CONTROLLERS = ("memory", "cpu", "pids")
_HELD = {1: ("total_rss", "total_shmem", "total_swap"), 2: ("anon", "shmem")}


@dataclass(frozen=True)
class Group:
    """The folders of one sandbox: one with version 2, one for each controller with version 1."""

    folders: tuple[Path, ...]

    def open_procs(self) -> list[int]:
        """Descriptors through which a process puts itself in."""
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders]

    def memory(self) -> int | None:
        """Bytes that its processes hold, and files on tmpfs; None where nobody counts them.

        What the kernel has read of files is not in it: that is given back by itself.
        """
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                lines = (folder / "memory.stat").read_text().splitlines()
                counted = {name: int(value) for name, value in (line.split() for line in lines)}
                names = _HELD[1 if "total_rss" in counted else 2]
                if names[0] in counted:
                    return sum(counted.get(name, 0) for name in names)
        return None

    def remove(self) -> bool:
        """Remove them; False while the kernel has not seen the last process out."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not any(folder.exists() for folder in self.folders)


@dataclass(frozen=True)
class Cgroups:
    """The groups of one home.

    :param bases: controller → the folder in which groups are made; empty where none can be made
    :param version: 1 or 2
    """

    bases: dict[str, Path]
    version: int

    @property
    def controllers(self) -> tuple[str, ...]:
        """What can be limited."""
        return tuple(self.bases)

    def make(self, name: str, limits: Limits) -> Group:
        """A group with these limits."""
        made = []
        for folder in dict.fromkeys(base / name for base in self.bases.values()):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
            made.append(folder)
        for file, value in settings(limits, self.version, self.controllers):
            controller = file.split(".")[0]
            with contextlib.suppress(OSError):  # swap accounting is off on many machines
                (self.bases[controller] / name / file).write_text(value)
        return Group(tuple(made))

    def remove(self) -> None:
        """Remove the home's own folders, once their groups are gone."""
        for folder in dict.fromkeys(self.bases.values()):
            for left in [entry for entry in folder.iterdir() if entry.is_dir()] if folder.exists() else []:
                with contextlib.suppress(OSError):
                    left.rmdir()
            with contextlib.suppress(OSError):
                folder.rmdir()


def settings(limits: Limits, version: int, controllers: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """File → value of one group."""
    names = {
        1: {"memory": "memory.limit_in_bytes", "swap": "memory.memsw.limit_in_bytes"},
        2: {"memory": "memory.max", "swap": "memory.swap.max"},
    }[version]
    if "memory" in controllers and limits.memory is not None:
        yield names["memory"], str(limits.memory)
        yield names["swap"], str(limits.memory if version == 1 else 0)
    if "cpu" in controllers and limits.cpu is not None:
        quota = max(1000, int(limits.cpu * _PERIOD))
        if version == 1:
            yield "cpu.cfs_period_us", str(_PERIOD)
            yield "cpu.cfs_quota_us", str(quota)
        else:
            yield "cpu.max", f"{quota} {_PERIOD}"
    if "pids" in controllers:
        yield "pids.max", str(limits.processes)


def find(name: str, root: Path = ROOT, own: Path = Path("/proc/self/cgroup")) -> Cgroups:
    """What this machine lets us limit, below groups of that name."""
    unified = root / "cgroup.controllers"
    if unified.exists():
        return _version_2(name, root, own)
    bases = {}
    for controller in CONTROLLERS:
        folder = root / controller / name
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True)
            if os.access(folder / "cgroup.procs", os.W_OK):
                bases[controller] = folder
    return Cgroups(bases, 1)


def _version_2(name: str, root: Path, own: Path) -> Cgroups:
    """The nearest group above our own in which we may make others: as root the machine's, else what was delegated."""
    path = next((line[3:].strip() for line in own.read_text().splitlines() if line.startswith("0::")), "/")
    here = root / path.lstrip("/")
    for above in (root,) if os.getuid() == 0 else here.parents:
        given = (above / "cgroup.controllers").read_text().split() if (above / "cgroup.controllers").exists() else []
        with contextlib.suppress(OSError):
            wanted = [controller for controller in CONTROLLERS if controller in given]
            for controller in wanted:
                (above / "cgroup.subtree_control").write_text(f"+{controller}")
            folder = above / name
            folder.mkdir(exist_ok=True)
            for controller in wanted:
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
            if wanted:
                return Cgroups({controller: folder for controller in wanted}, 2)
    return Cgroups({}, 2)
