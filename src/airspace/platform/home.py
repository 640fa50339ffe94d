"""One home on disk: whose it is, what state it is in, its folders, its lock.

States: *absent* (nothing, or an empty folder), *begun* (``.begun`` names its id: an ``up`` was cut off and the next one
carries on), *initialised* (``airspace.json``, written last). Anything else is refused and nothing in it is touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airspace.model.errors import AirspaceError, HomeError
from airspace.model.home import HomeLayout
from airspace.platform.airflow_config import OVERRIDES

SANDBOX, NONE = "sandbox", "none"
_ID = re.compile(r"[0-9a-f]{6}\Z")
# What supervisord, PostgreSQL, SQLAlchemy, Airflow's config parser and a shell all take literally, letters aside.
_PATH_MARKS = frozenset("/._-+@ ")
_LONGEST_SOCKET = 107  # bytes: sun_path of Linux less its terminator
_LONGEST_NAME = "/supervisor/s.sock.4194304"  # the longest below a home: supervisord binds it under its pid first


@dataclass(frozen=True)
class Manifest:
    """``airspace.json``.

    :param id: six hex digits, random: part of the names of Unix users, so that homes do not share any
    :param port: of the API server and UI, kept so that the URL survives a restart
    :param database: ``embedded`` or ``external`` (its URL is a secret)
    :param user: the system user of the platform's processes when root started it
    :param isolation: ``sandbox``, or ``none`` where somebody chose that by name
    :param schema: what the database was last migrated for; the same again needs no migration
    """

    id: str
    port: int | None = None
    database: str = "embedded"
    user: str | None = None
    isolation: str = SANDBOX
    schema: str = ""
    version: str = ""


@dataclass(frozen=True)
class Places:
    """Folders that hold sockets: below the home, or in a private runtime folder when its path is too long.

    ``run`` is the control user's; ``supervisor`` is the caller's alone, because who can write there gives root orders.
    """

    run: Path
    supervisor: Path
    runtime: Path | None

    @property
    def doorbell(self) -> Path:
        """The Dag processor listens here: a datagram is the name of a bundle that changed."""
        return self.run / "doorbell.sock"

    @property
    def postgres(self) -> Path:
        return self.run / "postgres"


def places(layout: HomeLayout, home_id: str) -> Places:
    """Where this home's sockets are."""
    if len(os.fsencode(layout.root)) + len(_LONGEST_NAME) <= _LONGEST_SOCKET:
        return Places(layout.run, layout.root / "supervisor", None)
    uid = os.getuid()
    base = Path("/run") if uid == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    runtime = base / (f"airspace-{home_id}" if uid == 0 else f"airspace-{uid}-{home_id}")
    if len(os.fsencode(runtime)) + len(_LONGEST_NAME) > _LONGEST_SOCKET:
        raise HomeError(
            f"the home's path is too long for Unix sockets: {layout.root}", fix="set AIRSPACE_HOME to a shorter path"
        )
    return Places(runtime / "run", runtime / "supervisor", runtime)


def check_usable(layout: HomeLayout) -> None:
    """Refuse a home that is not ours or cannot work, before anything is written."""
    root = layout.root
    strange = sorted({char for char in str(root) if not (char.isalnum() or char in _PATH_MARKS)})
    if strange:
        raise HomeError(
            f"the home's path holds characters that the programs below it do not all accept: {' '.join(strange)}",
            fix="set AIRSPACE_HOME to a path of letters, digits, spaces and . _ - + @",
        )
    if not root.exists():
        _check_parent(root)
        return
    if not root.is_dir():
        raise HomeError(f"{root} is not a folder", fix="set AIRSPACE_HOME to a folder")
    found = root.stat()
    if found.st_uid != os.getuid():
        owner = _name_of(found.st_uid)
        raise HomeError(
            f"{root} belongs to {owner}, not to you",
            fix=f"run this as {owner}, or set AIRSPACE_HOME to a folder of your own",
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise HomeError(f"other users may write in {root}", fix=f"chmod go-w {root}")
    known = layout.manifest.exists() or _begun_file(layout).exists()
    # The user's settings may be there before anything else; the others are what another `up` that has just begun makes.
    may_be = (OVERRIDES, ".lock", ".begun", "..begun")
    if not known and any(not entry.name.startswith(may_be) for entry in root.iterdir()):
        raise HomeError(
            f"{root} is not empty and was not made by airspace up (it has no airspace.json)",
            fix=f"move it away (mv {root} {root}.old) or set AIRSPACE_HOME to a new folder",
        )


def _check_parent(root: Path) -> None:
    parent = next(folder for folder in root.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise HomeError(f"cannot make {root}: {parent} is not writable for you", fix="set AIRSPACE_HOME elsewhere")


def read_manifest(layout: HomeLayout) -> Manifest | None:
    """The manifest of an initialised home; None where there is none yet."""
    try:
        found = json.loads(layout.manifest.read_text(encoding="utf-8"))
        known = {key: found[key] for key in Manifest.__dataclass_fields__ if key in found}
        manifest = Manifest(**known)
        if not _ID.match(manifest.id):
            raise ValueError("id")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise HomeError(f"{layout.manifest} cannot be read by you", fix="run this as the home's owner") from None
    except (ValueError, TypeError, KeyError, OSError):
        raise HomeError(
            f"{layout.manifest} is damaged", fix=f"restore it from a backup, or start anew: rm -r {layout.root}"
        ) from None
    return manifest


def begin(layout: HomeLayout) -> Manifest:
    """The manifest to go on with: the initialised one, that of an ``up`` that was cut off, or a new one."""
    if manifest := read_manifest(layout):
        return manifest
    begun = _begun_file(layout)
    if begun.exists() and _ID.match(found := begun.read_text(encoding="utf-8").strip()):
        return Manifest(id=found)
    manifest = Manifest(id=secrets.token_hex(3))
    write_atomically(begun, manifest.id + "\n", mode=0o644)
    return manifest


def begun_id(layout: HomeLayout) -> str | None:
    """The id of a home whose first ``up`` was cut off."""
    try:
        found = _begun_file(layout).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return found if _ID.match(found) else None


def complete(layout: HomeLayout, manifest: Manifest) -> None:
    """Write the manifest: from now on the home is initialised."""
    write_atomically(layout.manifest, json.dumps(asdict(manifest), indent=2) + "\n", mode=0o644)
    _begun_file(layout).unlink(missing_ok=True)


def with_changes(manifest: Manifest, **changes: object) -> Manifest:
    """A changed copy."""
    return replace(manifest, **changes)  # type: ignore[arg-type]


def make_folders(layout: HomeLayout, where: Places, control: tuple[int, int] | None) -> None:
    """Make every folder with the owner and mode it must have; what exists is put right.

    :param control: user and group id of the control user when root calls, else None
    """
    as_root = control is not None
    own, group = (control or (os.getuid(), os.getgid())), (control or (0, os.getgid()))[1]
    if where.runtime is not None:
        _private_runtime(where.runtime, mode=0o711 if as_root else 0o700)
    make_folder(layout.root, 0o711 if as_root else 0o700, None)
    for folder in (
        layout.secrets, layout.airflow, where.run, layout.storage, layout.remotes, layout.watched,
        layout.airflow / "no_dags",
    ):  # fmt: skip
        make_folder(folder, 0o700, own)
    make_folder(where.postgres, 0o700, own)
    make_folder(where.supervisor, 0o700, None)
    for folder in (layout.logs, layout.bundles, layout.teams):
        make_folder(folder, 0o750, (os.getuid(), group) if as_root else None)
    make_folder(layout.logs / "airflow", 0o700, own)
    # Read by team code: there is nothing secret in it.
    for folder in (layout.team_airflow, layout.team_airflow / "logs", layout.team_airflow / "no_dags"):
        make_folder(folder, 0o755, None)
    make_folder(layout.dags, 0o755 if as_root else 0o700, None)


def make_folder(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    """Make one, or put right whose it is and who may enter; never through a link."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    try:
        # By descriptor and never through a link: some of these lie in folders that the control user may change.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        raise HomeError(f"{path} is a symbolic link", fix=f"put a folder there, or mount one: rm {path}") from None
    try:
        found = os.fstat(descriptor)
        if owner is not None and (found.st_uid, found.st_gid) != owner:
            os.fchown(descriptor, *owner)
        if stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _private_runtime(path: Path, *, mode: int) -> None:
    """Make a folder in a shared place, or take it if it is a folder of ours: never somebody else's, never a link."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise HomeError(f"{path} exists and is not yours", fix="set AIRSPACE_HOME to a shorter path") from None
    path.chmod(mode)


def write_atomically(path: Path, text: str, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write a file so that a reader or a crash never sees half of it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(layout: HomeLayout) -> Iterator[None]:
    """Hold the home's lock: one ``up``, ``down`` or ``destroy`` at a time. A killed holder gives it back."""
    _make_root(layout.root)
    with (layout.root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_root(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o711 if os.getuid() == 0 else 0o700)
    except OSError as error:
        raise AirspaceError(f"cannot make {root}: {error.strerror}", fix="set AIRSPACE_HOME elsewhere") from None


def _begun_file(layout: HomeLayout) -> Path:
    return layout.root / ".begun"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
