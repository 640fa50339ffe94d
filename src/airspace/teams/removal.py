"""Removing a team: what runs is let end, what was made is packed, then everything goes, everywhere, live.

The steps are a list. Each can be repeated, and which are over is written down after each, so that a removal that was
cut off at any point is carried on with by the next one. Until the last step nobody can make a team of that name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airspace.model.errors import AirspaceError, InvalidInputError, NotRunningError
from airspace.model.hold import HoldKind, Stage
from airspace.model.home import HomeLayout
from airspace.model.names import did_you_mean, is_team_name
from airspace.teams import folders, former, markers, moves, origins, remotes, renames
from airspace.teams.markers import Marker
from airspace.teams.ports import WORKER, Machine, Packing, Tell

DRAIN_SECONDS = 60.0
CLEAN_UP_SECONDS = 15.0
"""For tasks that are ended: Airflow tells them at their next heartbeat, and kills them some seconds later."""
HEARD_SECONDS = 3.0
"""Until every component has read the teams again: they do so every two seconds at least."""
_ASK_SECONDS = 20.0  # one answer of the admin worker, so that progress shows
_ERASE_SECONDS = 60.0


@dataclass(frozen=True)
class Options:
    """How to remove.

    :param drain: seconds that running work may take to end by itself
    :param export: whether to pack what the team made
    :param archive: where; by default in the home's ``exports``
    """

    drain: float = DRAIN_SECONDS
    export: bool = True
    archive: Path | None = None


@dataclass(frozen=True)
class Removed:
    """What became of it.

    :param archive: path, bytes, checksum and counts; None: nothing was packed
    :param ended: tasks, runs and callbacks that had to be ended
    :param rows: table → how many rows were removed
    """

    team: str
    archive: dict[str, Any] | None
    ended: dict[str, int]
    rows: dict[str, int]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


def quiet(line: str) -> None:
    """Tells nobody."""


def preview(control: Machine, name: str) -> dict[str, Any]:
    """What goes with a team, and who depends on it; nothing is touched.

    :raises InvalidInputError: there is no such team
    """
    found = control.run_control(WORKER, ["preview-removal"], {"team": name})
    if not found["known"] and markers.read(control.layout, name) is None:
        raise _unknown(control, name)
    return {"team": name, **found}


def remove_team(control: Machine, name: str, options: Options | None = None, tell: Tell = quiet) -> Removed:
    """Remove a team, or carry on with a removal that was cut off. Others are not disturbed.

    :raises InvalidInputError: there is no such team
    :raises NotRunningError: the platform is not running; nothing was changed
    """
    if not is_team_name(name):
        raise _unknown(control, name)
    with _alone(control.layout, name):
        marker = _begin(control, name)
        removal = _Removal(control, marker, options or Options(), tell)
        if options and options.export and "export" not in marker.done:
            _check_archive(options, marker)
        for step, act in STEPS:
            if step not in marker.done:
                act(removal)
                marker.done.append(step)
                markers.write(control.layout, marker)
        markers.remove(control.layout, name)
    notes = marker.notes
    seconds = time.time() - marker.started
    return Removed(name, notes.get("archive"), notes.get("ended") or {}, notes.get("rows") or {}, seconds)


@contextmanager
def _alone(layout: HomeLayout, name: str) -> Iterator[None]:
    """One removal of a team at a time. Applies and removals of others go on meanwhile."""
    if not layout.manifest.exists():
        raise NotRunningError(f"there is no platform in {layout.root} yet", fix="airspace up")
    layout.leaving.mkdir(mode=0o700, exist_ok=True)
    lock = layout.leaving / f".{name}.lock"
    with folders.locked_file(lock, f"another removal of {name} is running", seconds=2.0):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@dataclass
class _Removal:
    control: Machine
    marker: Marker
    options: Options
    tell: Tell

    @property
    def team(self) -> str:
        return self.marker.team

    def ask(self, command: str, **payload: Any) -> dict[str, Any]:
        return self.control.run_control(WORKER, [command], {"team": self.team, **payload})

    def note(self, **notes: Any) -> None:
        """Written down at once: the step that follows from it may be cut off."""
        self.marker.notes.update(notes)
        markers.write(self.control.layout, self.marker)


def _begin(control: Machine, name: str) -> Marker:
    if marker := markers.read(control.layout, name):
        return marker
    if moving := moves.involving(control.layout, name):
        raise InvalidInputError(
            f"Dags are on their way from team {moving.team} to team {moving.target}", fix=f"first: {moving.command}"
        )
    if renaming := renames.involving(control.layout, name):
        message = f"team {renaming.team} is getting the name {renaming.name}"
        raise InvalidInputError(message, fix=f"first: {renaming.command}")
    if name not in folders.kept_teams(control.layout):
        known = control.run_control(WORKER, ["preview-removal"], {"team": name})["known"]
        if not known:
            raise _unknown(control, name)
    return Marker(name, time.time())


def _check_archive(options: Options, marker: Marker) -> None:
    """Before anything is stopped: it would be found out when nothing runs any more."""
    path = options.archive.absolute() if options.archive else None
    if path is None or marker.notes.get("writing") == str(path):
        return
    if os.path.lexists(path):
        raise InvalidInputError(f"{path} is there already", fix="give another place: --export FILE")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise InvalidInputError(f"{path.parent} is no folder that can be written in", fix="make it, or give another")


def _unknown(control: Machine, name: str) -> InvalidInputError:
    near = did_you_mean(name, folders.kept_teams(control.layout))
    fix = f"did you mean {near}?" if near else "airspace team list shows all"
    return InvalidInputError(f"there is no team {name}", fix=fix)


# --- the steps -------------------------------------------------------------------------------------------------------


def stop_new_runs(removal: _Removal) -> None:
    """From here on no run is made or begins, and no file is read."""
    removal.tell("no new runs begin")
    removal.ask("hold-team", kind=HoldKind.LEAVING.value, stage=Stage.DRAIN.value)
    markers.write(removal.control.layout, removal.marker)
    removal.control.ring(removal.team)


def await_running(removal: _Removal) -> None:
    """Let what runs end by itself, for a while."""
    deadline = time.monotonic() + removal.options.drain
    while (left := deadline - time.monotonic()) > 0:
        work = removal.ask("await-team", seconds=min(left, _ASK_SECONDS))
        if not any(work.values()):
            return
        removal.tell(f"waiting for {work['tasks']} tasks and {work['runs']} runs, {max(0, left):.0f} s at most")


def end_running(removal: _Removal) -> None:
    """End what did not, with its sandbox, so that nothing of the team runs any more."""
    removal.tell("ending what runs")
    ended = removal.ask("halt-team", kind=HoldKind.LEAVING.value)
    removal.control.ring(removal.team)
    halted = time.monotonic()
    removal.control.end_work(removal.team, CLEAN_UP_SECONDS if any(ended.values()) else 0.0)
    time.sleep(max(0.0, HEARD_SECONDS - (time.monotonic() - halted)))
    removal.note(ended=ended)


def write_down(removal: _Removal) -> None:
    """What is whose: afterwards nobody could tell."""
    # Once more: the scheduler may have had something in hand when it heard.
    removal.ask("halt-team", kind=HoldKind.LEAVING.value)
    found = removal.ask("belongings")
    removal.note(belongings={key: found[key] for key in ("bundle", "dags", "assets", "owned")})


def export(removal: _Removal) -> None:
    """Pack everything into one archive."""
    if not removal.options.export:
        return
    layout = removal.control.layout
    path = _archive_path(removal)
    removal.tell(f"packing everything into {path}")
    found = removal.ask("export-team")
    manifest = {
        "format": 1,
        "team": removal.team,
        "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": found["versions"],
        "rows": found["rows"],
        "large_xcoms": found["large"],
        "dags": removal.marker.notes["belongings"]["dags"],
        "applied": found["spec"],
    }
    packing = Packing(removal.team, path, tuple(manifest["dags"]), Path(found["folder"]), manifest)
    layout.exports.mkdir(mode=0o700, exist_ok=True)
    archive = removal.control.pack(packing, removal.tell)
    removal.note(archive=archive)


def _archive_path(removal: _Removal) -> Path:
    """Where to: what an earlier attempt of this removal left there makes room, anything else does not."""
    begun = removal.marker.notes.get("writing")
    stamp = datetime.fromtimestamp(removal.marker.started, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    usual = Path(begun) if begun else removal.control.layout.exports / f"{removal.team}-{stamp}.tar.gz"
    path = (removal.options.archive or usual).absolute()
    if begun == str(path):
        path.unlink(missing_ok=True)
    elif os.path.lexists(path):
        raise AirspaceError(f"{path} is there already", fix="give another place: --export FILE")
    removal.note(writing=str(path))
    return path


def take_out_source(removal: _Removal) -> None:
    """Its Dags are fetched no more, and what they were fetched with is forgotten, unless others share it."""
    removal.tell("removing its source")
    with folders.apply_lock(removal.control.layout):
        folders.write_sources(removal.control.layout, {}, gone=[_names(removal)["bundle"]])
        remotes.forget_unused(removal.control.layout)
    removal.control.ring(removal.team)


def drop_warehouse(removal: _Removal) -> None:
    """Its schema and its role in the teams' own database; after its row, from which an apply would make them anew."""
    if removal.control.layout.warehouse.exists():
        removal.tell("removing its tables")
        removal.ask("drop-warehouse")


def erase_rows(removal: _Removal) -> None:
    """Everything in the database."""
    rows: dict[str, int] = dict(removal.marker.notes.get("rows") or {})
    more = True
    while more:
        removal.tell("removing rows" + (f": {sum(rows.values())} so far" if rows else ""))
        found = removal.ask("erase-team", seconds=_ERASE_SECONDS, **_names(removal))
        for table, count in found["removed"].items():
            rows[table] = rows.get(table, 0) + count
        removal.note(rows=rows)
        more = found["more"]
    removal.control.ring(removal.team)


def forget_files(removal: _Removal) -> None:
    """Everything on this machine."""
    removal.tell("removing files")
    removal.control.end_work(removal.team, 0.0)
    with folders.apply_lock(removal.control.layout):
        origins.forget(removal.control.layout, removal.team)
        former.forget(removal.control.layout, removal.team)
    removal.control.forget(removal.team, _names(removal)["dags"], removal.tell)


def look_again(removal: _Removal) -> None:
    """What came in between: a component may have been storing something when its team went."""
    left: dict[str, int] = {}
    for _ in range(3):
        left = removal.ask("erase-team", seconds=_ERASE_SECONDS, **_names(removal))["left"]
        removal.control.forget(removal.team, _names(removal)["dags"], removal.tell)
        if not left:
            return
    raise AirspaceError(
        f"rows of {removal.team} come back: {', '.join(f'{table} ({count})' for table, count in left.items())}",
        fix=f"airspace team remove {removal.team}",
    )


def _names(removal: _Removal) -> dict[str, Any]:
    found: dict[str, Any] = removal.marker.notes["belongings"]
    return found


Step = Callable[[_Removal], None]
STEPS: tuple[tuple[str, Step], ...] = (
    ("stop", stop_new_runs),
    ("drain", await_running),
    ("end", end_running),
    ("write-down", write_down),
    ("export", export),
    ("source", take_out_source),
    ("rows", erase_rows),
    ("warehouse", drop_warehouse),
    ("files", forget_files),
    ("look-again", look_again),
)
"""Name → what it does, in order. The names are in the markers of removals that were cut off."""
