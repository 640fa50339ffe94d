"""Letting go of a team on this machine: ending its work, packing what is kept of it, removing its files.

Much of it is done as root in folders that the team could write to: see :mod:`airspace.backends.trees`.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airspace.backends import trees
from airspace.backends.trees.archive import digest
from airspace.model.errors import AirspaceError, HomeError
from airspace.model.home import HomeLayout
from airspace.model.remote import ID
from airspace.platform import places
from airspace.sandbox.client import SpawnerClient
from airspace.teams import folders
from airspace.teams.ports import Packing, Tell

_LOOK = 0.1
_FETCHER_SECONDS = 10.0
_GONE = ".gone-"  # in front of the name of a team's folder in which nobody looks any more


def end_work(run: Path, team: str, seconds: float) -> None:
    """Give what runs in a team's sandbox so long to end, then end all of it.

    :param run: where the spawner's socket is
    """
    spawner, deadline = SpawnerClient(run), time.monotonic() + seconds
    while spawner.state().get(team, 0) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    spawner.stop(team)


def pack(layout: HomeLayout, packing: Packing, tell: Tell) -> dict[str, Any]:
    """Write the archive of a team; what is in it, its size and checksum.

    :raises AirspaceError: it cannot be written
    """
    layout.exports.mkdir(mode=0o700, exist_ok=True)
    try:
        with trees.Archive(packing.path, f"airspace-{packing.team}") as archive:
            files = _fill(archive, layout, packing, tell)
    except OSError as error:
        raise AirspaceError(
            f"{packing.path} cannot be written: {error.strerror}",
            fix="make room or give another place (--export FILE), then run the command again",
        ) from None
    trees.remove_tree(packing.rows.parent, packing.rows.name)
    found = packing.path.stat()
    return {"path": str(packing.path), "bytes": found.st_size, "sha256": digest(packing.path), "files": files}


def _fill(archive: trees.Archive, layout: HomeLayout, packing: Packing, tell: Tell) -> dict[str, Any]:
    tell("packing Dag files")
    source, source_bytes = archive.add_tree(layout.bundles / packing.team, "dags")
    tell("packing what the database holds")
    rows, _ = archive.add_tree(packing.rows, "database")
    tell("packing logs")
    logs = log_bytes = 0
    for folder, name in _logs(layout, packing.team, packing.dags):
        count, size = archive.add(folder, name, str(Path("logs") / folder.relative_to(_root(layout)) / name))
        logs, log_bytes = logs + count, log_bytes + size
    tell("listing the storage")
    files: dict[str, Any] = {
        "dags": {"files": source, "bytes": source_bytes},
        "database": {"files": rows},
        "logs": {"files": logs, "bytes": log_bytes},
        "storage": _add_inventory(layout, packing.team, archive, tell),
    }
    manifest = json.dumps({**packing.manifest, "files": files}, indent=1, sort_keys=True, default=str)
    archive.add_text("manifest.json", manifest + "\n")
    return files


def forget(layout: HomeLayout, team: str, dags: Sequence[str], tell: Tell) -> None:
    """Remove every file of a team, then its Unix user. What was removed already is no mistake."""
    trees.remove_file(layout.teams, f"{team}.yaml")
    trees.remove_tree(layout.dags, team)
    _await_fetcher(layout, team)
    trees.remove_tree(layout.bundles, team)
    _forget_remotes(layout)
    tell("removing logs")
    for folder, name in _logs(layout, team, dags):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            trees.remove_tree(folder, name)
        else:
            trees.remove_file(folder, name)
    _remove_storage(layout, team, tell)
    # Only now: what the team left behind may take minutes to remove, and no apply of others waits for that.
    with folders.apply_lock(layout):
        places.retire(layout, team)


def _remove_storage(layout: HomeLayout, team: str, tell: Tell) -> None:
    """Put aside in one step, so that nobody sees half of it, then emptied however long that takes."""
    with suppress(FileNotFoundError):
        handle = os.open(layout.storage, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            aside = f"{_GONE}{team}-{time.time_ns()}"
            os.rename(team, aside, src_dir_fd=handle, dst_dir_fd=handle)
        except FileNotFoundError:
            pass
        finally:
            os.close(handle)
    for path in sorted(layout.storage.iterdir()) if layout.storage.is_dir() else ():
        if path.name.rpartition("-")[0] == f"{_GONE}{team}":
            tell("removing the storage")
            trees.remove_tree(layout.storage, path.name, lambda count: tell(f"removing the storage: {count} entries"))


def _await_fetcher(layout: HomeLayout, team: str) -> None:
    """It removes its copy when the source is taken from its list; while it does, nobody else should."""
    deadline = time.monotonic() + _FETCHER_SECONDS
    while (layout.bundles / team).exists() and time.monotonic() < deadline:
        time.sleep(_LOOK)


def _forget_remotes(layout: HomeLayout) -> None:
    """The clones that no source needs any more. The puller removes them too; it may not be running."""
    deadline = time.monotonic() + _FETCHER_SECONDS
    while _unused_remotes(layout) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    with folders.apply_lock(layout):  # else an apply could begin to use one
        for name in _unused_remotes(layout):
            if (layout.remotes / name).is_dir() and not (layout.remotes / name).is_symlink():
                trees.remove_tree(layout.remotes, name)
            else:
                trees.remove_file(layout.remotes, name)


def _unused_remotes(layout: HomeLayout) -> list[str]:
    found = sorted(path.name for path in layout.remotes.iterdir()) if layout.remotes.is_dir() else []
    used = {source.remote.id for source in folders.read_sources(layout).values() if source.remote}
    return [name for name in found if ID.fullmatch(known := name.removesuffix(".json")) and known not in used]


def _add_inventory(layout: HomeLayout, team: str, archive: trees.Archive, tell: Tell) -> dict[str, int | bool]:
    place = places.known(layout).get(team)
    with tempfile.TemporaryDirectory(dir=layout.exports) as folder:
        path = Path(folder) / "storage.jsonl"
        with path.open("xb") as file:
            owner = place.uid if place else None
            found = trees.take_inventory(
                layout.storage / team, file, owner, lambda count: tell(f"listing the storage: {count} files")
            )
        archive.add_file(Path(folder), path.name, path.name)
    return found.as_dict()


def _root(layout: HomeLayout) -> Path:
    return layout.logs / "airflow"


def _logs(layout: HomeLayout, team: str, dags: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Where logs of a team are: folder and name in it, of those that exist."""
    root = _root(layout)
    places_of_dags = [(root, f"dag_id={dag}") for dag in dags] + [(root / "executor_callbacks", dag) for dag in dags]
    for folder, name in [*places_of_dags, (root / "triggerer", f"{team}.log")]:
        # A Dag may be called `..`, which here is the name of somebody else's folder.
        if name not in ("", ".", "..") and "/" not in name and "\0" not in name and os.path.lexists(folder / name):
            yield folder, name
    try:
        days = sorted((root / "dag_processor").iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise HomeError(f"{root} cannot be read: {error.strerror}", fix="airspace doctor") from None
    for day in days:
        if not day.is_symlink() and (day / team).is_dir():
            yield day, team
