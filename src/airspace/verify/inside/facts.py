"""Everything that an attacker could at worst know, and who is asking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

ATTACKER, VICTIM = "verify_attacker", "verify_victim"
DAGS = {ATTACKER: "airspace_verify_attacker", VICTIM: "airspace_verify_victim"}
TASK = "act"
PARSED = "airspace_verify_parsing"
CALLED, CALLED_REPORT = "airspace_verify_callback", "verify_called"
FLOOD = "verify_flood"  # key of a large XCom
SECRET_KEY, CONNECTION, VARIABLE = "verify_secret", "verify_warehouse", "verify_secret"
SHARED, UNSHARED, BAIT = "verify_shared", "verify_unshared", "verify_bait"
UNSHARED_URI = "x-airspace-verify://victim/unshared"
SECRET_FILE, SCRATCH_FILE = "private.txt", "airspace-verify-scratch.txt"


@dataclass(frozen=True)
class Process:
    """A process of the machine: its number may be another one's in a sandbox, its time of birth is not."""

    pid: int
    born: str

    def look(self) -> int:
        """Its number, if that is this very process here.

        :raises ProcessLookupError: there is no such process here
        """
        if not Path("/proc", str(self.pid)).exists():
            raise ProcessLookupError(3, f"there is no process {self.pid} here")
        if born(self.pid) != self.born:
            raise ProcessLookupError(3, f"process {self.pid} is another one here")
        return self.pid


@dataclass(frozen=True)
class Facts:
    """Paths, names, numbers.

    :param role: whose process this is: the attacker's or the victim's team, ``outside`` or ``platform``
    :param control: component → its process
    :param victim_address: where in its memory a copy of ``secret`` is
    :param identities: folder → device and number of the real one: a sandbox may have an empty one at its place
    :param hashes: SHA-256 of the platform's secrets, to recognise one that was found
    :param reach: a port of the machine's loopback that the victim's list names; ``trap``: one that the attacker's
        names, by a name that leads there
    :param handle: of the victim's private file, as ``name_to_handle_at`` gave it
    """

    nonce: str
    home: str
    secret: str
    victim_run: str
    role: str = ATTACKER
    run: str = ""
    supervisor: str = ""
    port: int = 0
    control: Mapping[str, Process] = field(default_factory=dict)
    init: Process = field(default_factory=lambda: Process(1, ""))
    victim: Process = field(default_factory=lambda: Process(0, ""))
    zygote: Process = field(default_factory=lambda: Process(0, ""))
    victim_address: int = 0
    victim_port: int = 0
    victim_ti: str = ""
    victim_log: str = ""
    victim_trigger: int = 0
    handle: str = ""
    handle_type: int = 0
    hashes: tuple[str, ...] = ()
    packages: str = ""
    caller_home: str = ""
    outside_file: str = ""
    identities: Mapping[str, str] = field(default_factory=dict)
    outside_socket: str = ""
    outside_abstract: str = ""
    outside_tcp: int = 0
    outside_tcp6: int = 0
    outside_udp: int = 0
    nameserver: str = ""
    machine_name: str = ""
    reach: int = 0
    trap: int = 0

    @classmethod
    def from_dict(cls, found: Mapping[str, Any], **changes: Any) -> Facts:
        """Read what :meth:`as_dict` made; what is not known is left out."""
        known = {each.name for each in fields(cls)}
        values = {key: value for key, value in {**found, **changes}.items() if key in known}
        for name in ("init", "victim", "zygote"):
            if isinstance(values.get(name), Mapping):
                values[name] = Process(**values[name])
        values["control"] = {name: Process(**item) for name, item in values.get("control", {}).items()}
        values["hashes"] = tuple(values.get("hashes", ()))
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def real(self, folder: Path | str) -> Path:
        """That folder, if it is the machine's.

        :raises FileNotFoundError: it is another one of the same name
        """
        found = os.stat(folder)  # noqa: PTH116  # a text may come in
        if self.identities.get(str(folder)) not in (None, identity(found)):
            raise FileNotFoundError(2, "an empty folder of the sandbox is there", str(folder))
        return Path(folder)

    @property
    def outside(self) -> bool:
        """Whether this runs on the machine itself, in no sandbox."""
        return self.role == "outside"

    @property
    def own(self) -> str:
        """The team that this acts for."""
        return self.role if self.role in DAGS else VICTIM

    @property
    def own_storage(self) -> Path:
        return Path(self.home, "storage", self.own)

    @property
    def victim_storage(self) -> Path:
        return Path(self.home, "storage", VICTIM)

    @property
    def private(self) -> Path:
        """The victim's private file, with ``secret`` in it."""
        return self.victim_storage / SECRET_FILE

    @property
    def victim_dag(self) -> str:
        return DAGS[VICTIM]


def identity(found: os.stat_result) -> str:
    """What a file is, whatever it is called."""
    return f"{found.st_dev}:{found.st_ino}"


def born(pid: int) -> str:
    """When a process began, in the kernel's ticks."""
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19]


def process(pid: int) -> Process:
    """That process, as long as it lives."""
    return Process(pid, born(pid))


def ancestor(pid: int) -> int:
    """The parent of a process."""
    return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])


def team() -> str:
    """The team of this task."""
    return os.environ["AIRSPACE_TEAM"]
