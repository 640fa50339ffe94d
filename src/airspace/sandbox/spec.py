"""What a team's sandbox is made of, as data. Pure: decided here, built by :mod:`airspace.sandbox.bubblewrap`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airspace.model.home import HomeLayout
from airspace.model.names import is_team_name
from airspace.sandbox.relay.rules import Allowance
from airspace.storage.layout import readable_folders

SCRATCH = 1 << 30
PROCESSES = 512
FILES = 4096
HOME, SCRATCH_FOLDER = Path("/home/team"), Path("/tmp")  # noqa: S108  # the sandbox's own

# Of the machine, what programs need to run. Nothing in it is secret, and nothing of it can be written.
SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")))
_SETTINGS = (
    "/etc/alternatives", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/fonts", "/etc/gai.conf",
    "/etc/host.conf", "/etc/java-11-openjdk", "/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/ld.so.cache",
    "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/magic", "/etc/mime.types", "/etc/pki",
    "/etc/protocols", "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone", "/etc/terminfo",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What all processes of a sandbox may use together where cgroups work, and each of them by itself always.

    :param memory: bytes; None leaves it to the machine
    :param cpu: cores; None leaves it to the machine
    :param scratch: bytes of ``/tmp``, of the home and of ``/dev/shm``, each
    """

    memory: int | None = None
    cpu: float | None = None
    processes: int = PROCESSES
    scratch: int = SCRATCH
    files: int = FILES


@dataclass(frozen=True)
class TeamPlace:
    """What the platform made for a team, as ``sandboxes.json`` keeps it.

    :param uid: and gid: the team's Unix user; None where an ordinary user runs the platform
    :param user: its name
    :param assets: what it publishes → the teams that may read it
    :param network: what it may reach: ``host:port``, or the word ``open``
    """

    team: str
    bundle: str
    uid: int | None = None
    gid: int | None = None
    user: str | None = None
    limits: Limits = field(default_factory=Limits)
    assets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    network: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, team: str, found: Mapping[str, Any]) -> TeamPlace:
        """Read what :meth:`as_dict` wrote.

        :raises ValueError: it is nothing of the kind
        """
        if not is_team_name(team):
            raise ValueError(f"{team!r} is no team")
        limits = {key: found["limits"][key] for key in Limits.__dataclass_fields__ if key in found["limits"]}
        assets = {str(name): tuple(map(str, consumers)) for name, consumers in found["assets"].items()}
        uid, gid = found["uid"], found["gid"]
        if uid is not None and not (isinstance(uid, int) and isinstance(gid, int) and uid > 0 and gid > 0):
            raise ValueError(f"{team}: {uid!r} is no user of a team")
        network = tuple(map(str, found.get("network", ())))
        Allowance.read(network)
        return cls(team, str(found["bundle"]), uid, gid, found["user"], Limits(**limits), assets, network)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the team's name."""
        document = asdict(self)
        del document["team"]
        return document


@dataclass(frozen=True)
class SandboxSpec:
    """One sandbox: everything that exists in it.

    :param read_only: paths of the machine that are seen at the same place, as far as they exist
    :param writable: the same, for writing
    :param consented: folders below ``storage`` that others let it read. Their owners can change what is there, so they
        are looked at again before anybody enters
    """

    team: str
    uid: int | None
    gid: int | None
    user: str
    read_only: tuple[Path, ...]
    writable: tuple[Path, ...]
    storage: Path
    consented: tuple[Path, ...]
    limits: Limits
    network: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes with anything that a new sandbox would have different."""
        return hashlib.sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()[:16]


def sandbox_spec(
    layout: HomeLayout, place: TeamPlace, others: Iterable[TeamPlace], code: Iterable[Path]
) -> SandboxSpec:
    """The sandbox of a team: its code and its own data, and of others what they published to it.

    :param code: the interpreter, the packages, the settings that team code may read
    """
    grants = {(other.team, asset): teams for other in others for asset, teams in other.assets.items()}
    consented = readable_folders(layout.storage, place.team, grants)
    return SandboxSpec(
        team=place.team,
        uid=place.uid,
        gid=place.gid,
        user=place.user or "team",
        read_only=(*SYSTEM, *map(Path, _SETTINGS), *code, layout.bundles / place.bundle),
        writable=(layout.storage / place.team,),
        storage=layout.storage,
        consented=tuple(path.relative_to(layout.storage) for path in consented),
        limits=place.limits,
        network=place.network,
    )


def read_places(text: str) -> dict[str, TeamPlace]:
    """Team → place, of a ``sandboxes.json``.

    :raises ValueError: it is damaged
    """
    try:
        return {team: TeamPlace.from_dict(team, found) for team, found in json.loads(text)["teams"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def write_places(places: Iterable[TeamPlace]) -> str:
    """The text of ``sandboxes.json``."""
    return json.dumps(
        {"teams": {place.team: place.as_dict() for place in sorted(places, key=lambda p: p.team)}}, indent=1
    )
