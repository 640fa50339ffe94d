"""Giving a team another name, live, with everything that it has and had.

The team is held, what runs of it comes to its end, and then each place where its name is a key gets the new one: the
rows in one transaction, folders and the warehouse's schemas by a rename each. So nothing is copied, nothing secret is
read, and numbers, ids and links into the past stay. The steps are a list; each can be repeated, and which are over is
written down after each. Meanwhile nobody can be given either name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airspace.model.errors import AirspaceError, InvalidInputError, NotRunningError
from airspace.model.hold import HoldKind, Stage
from airspace.model.home import HomeLayout
from airspace.teams import folders, renames, renaming_files
from airspace.teams.ports import WORKER, Machine, Renamer, Tell
from airspace.teams.removal import CLEAN_UP_SECONDS, HEARD_SECONDS, quiet
from airspace.teams.renames import Rename
from airspace.teams.renaming_checks import Options, preview, refusal, rename_in_warehouse

FETCH_SECONDS = 15.0
"""Until the files are in the copy that Airflow reads."""
READ_SECONDS = 60.0
"""Until they were read under the new name."""
FORGOTTEN_SECONDS = 5.5
"""After which no component remembers the old name: Airflow and the policies do so for five seconds."""
_LOOK, _ASK_SECONDS = 0.5, 20.0
_TURNS = 3
_DAGS, _STORAGE = "dags", "storage"


@dataclass(frozen=True)
class Renamed:
    """What became of it.

    :param ended: tasks, runs and callbacks that had to be ended
    :param files: team files that were changed, and those that somebody has to change
    :param unread: Dags that were not read under the new name yet
    """

    team: str
    name: str
    ended: dict[str, int]
    files: dict[str, Any]
    unread: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


def rename(
    control: Machine, renamer: Renamer, team: str, name: str, options: Options | None = None, tell: Tell = quiet
) -> Renamed:
    """Give a team another name, or carry on with a renaming that was cut off.

    :raises InvalidInputError: with every problem; nothing was changed
    :raises AirspaceError: it waits for somebody, or something failed; the same command goes on
    """
    options = options or Options()
    with _alone(control.layout):
        begun = next((each for each in renames.begun(control.layout) if (each.team, each.name) == (team, name)), None)
        if begun is None:
            found = preview(control, renamer, team, name, options)
            if found["problems"]:
                raise refusal(found)
            begun = Rename(team, name, time.time())
            begun.notes = {"hold": found["hold"], "others": found["others"], "files": found["files"]}
            # An apply that has begun ends before; one that comes later is told to wait.
            with folders.apply_lock(control.layout):
                renames.write(control.layout, begun)
        work = _Work(control, renamer, begun, options, tell)
        for step, act in STEPS:
            if step not in begun.done:
                act(work)
                begun.done.append(step)
                renames.write(control.layout, begun)
        renames.remove(control.layout, begun)
    notes = begun.notes
    return Renamed(
        team, name, notes.get("ended") or {}, notes["team_files"], notes["unread"], time.time() - begun.started
    )


def cancel(control: Machine, team: str, name: str) -> None:
    """Take a renaming back that waits for what runs: the team works again as it did.

    :raises InvalidInputError: there is none, or the team has its new name already
    """
    with _alone(control.layout):
        begun = next((each for each in renames.begun(control.layout) if (each.team, each.name) == (team, name)), None)
        if begun is None:
            raise InvalidInputError(f"nobody has begun to rename team {team} to {name}", fix="see airspace status")
        if "rows" in begun.done or is_renamed(control, team):
            raise InvalidInputError(f"the team is called {name} already", fix=f"finish it: {begun.command}")
        control.run_control(WORKER, ["restore-hold"], {"name": team, "suspended": begun.notes["hold"]})
        control.ring(team)
        renames.remove(control.layout, begun)


def is_renamed(control: Machine, team: str) -> bool:
    """Whether the database knows no team of that name any more."""
    return "team" not in control.run_control(WORKER, ["left-of"], {"team": team})["left"]


def is_begun(layout: HomeLayout, team: str, name: str) -> bool:
    """Whether this one was cut off, and can go on."""
    return any((each.team, each.name) == (team, name) for each in renames.begun(layout))


@contextmanager
def _alone(layout: HomeLayout) -> Iterator[None]:
    if not layout.manifest.exists():
        raise NotRunningError(f"there is no platform in {layout.root} yet", fix="airspace up")
    layout.renaming.mkdir(mode=0o700, exist_ok=True)
    with folders.locked_file(layout.renaming / ".lock", "another team is being renamed", seconds=2.0):
        yield


@dataclass
class _Work:
    control: Machine
    renamer: Renamer
    begun: Rename
    options: Options
    tell: Tell

    @property
    def team(self) -> str:
        return self.begun.team

    @property
    def name(self) -> str:
        return self.begun.name

    @property
    def notes(self) -> dict[str, Any]:
        return self.begun.notes

    def ask(self, command: str, **payload: Any) -> dict[str, Any]:
        return self.control.run_control(WORKER, [command], {"team": self.team, "name": self.name, **payload})

    def note(self, **notes: Any) -> None:
        """Written down at once: the step that follows from it may be cut off."""
        self.notes.update(notes)
        renames.write(self.control.layout, self.begun)

    def ring(self) -> None:
        for team in (self.team, self.name):
            self.control.ring(team)


# --- the steps -------------------------------------------------------------------------------------------------------


def hold(work: _Work) -> None:
    """From here on no run of the team is made or begins, and no file of it is read."""
    work.tell("no new runs begin")
    work.ask("hold-team", kind=HoldKind.RENAMING.value, stage=Stage.DRAIN.value)
    work.ring()


def await_running(work: _Work) -> None:
    """Let what runs end by itself, for a while.

    :raises AirspaceError: something has begun since it was looked at, and nobody said what to do with it
    """
    if work.options.drain is None and any((found := work.ask("await-team", seconds=0)).values()):
        raise AirspaceError(
            f"{found['tasks']} tasks and {found['runs']} runs have begun meanwhile; nothing new begins",
            fix=f"{work.begun.command} --drain SECONDS, or --now",
        )
    deadline = time.monotonic() + (work.options.drain or 0.0)
    while (left := deadline - time.monotonic()) > 0:
        found = work.ask("await-team", seconds=min(left, _ASK_SECONDS))
        if not any(found.values()):
            return
        work.tell(f"waiting for {found['tasks']} tasks and {found['runs']} runs, {max(0, left):.0f} s at most")


def end_running(work: _Work) -> None:
    """End what did not, with its sandbox, and give every component time to hear of it."""
    work.tell("ending what runs")
    ended = work.ask("halt-team", kind=HoldKind.RENAMING.value)
    work.ring()
    halted = time.monotonic()
    work.control.end_work(work.team, CLEAN_UP_SECONDS if any(ended.values()) else 0.0)
    time.sleep(max(0.0, HEARD_SECONDS - (time.monotonic() - halted)))
    before = work.notes.get("ended") or {}
    work.note(ended={kind: count + before.get(kind, 0) for kind, count in ended.items()})


def rename_rows(work: _Work) -> None:
    """The database says the new name, everywhere at once."""
    work.tell(f"team {work.team} becomes {work.name}")
    if not is_renamed(work.control, work.team):
        # Once more: the scheduler may have had something in hand when it heard.
        work.ask("halt-team", kind=HoldKind.RENAMING.value)
    work.note(switched=work.ask("rename-rows")["at"])
    work.ring()


def rename_warehouse(work: _Work) -> None:
    """So do its role and its schemas."""
    rename_in_warehouse(work.control, work.team, work.name)


def move_storage(work: _Work) -> None:
    """Its storage, and then what its sandbox is made of: so that there is never one without."""
    _move_folder(work, _STORAGE)
    with folders.apply_lock(work.control.layout):
        work.renamer.places(work.team, work.name)
    work.control.end_work(work.team, 0.0)  # somebody may have looked at its files
    count = work.renamer.rewrite_manifests(work.team, work.name, work.tell)
    work.note(versions=count + int(work.notes.get("versions") or 0))


def move_source(work: _Work) -> None:
    """Its Dag files."""
    _move_folder(work, _DAGS)
    with folders.apply_lock(work.control.layout):
        work.renamer.move_source(work.team, work.name)
    work.ring()
    if missing := work.renamer.fetched(work.name, work.notes["files"], FETCH_SECONDS):
        work.tell(f"{missing} was not fetched yet: its Dags are there again when it was")


def _move_folder(work: _Work, kind: str) -> None:
    key = f"{kind}_folder"
    if key not in work.notes:
        work.note(**{key: work.renamer.folder_of(kind, work.team)})
    if work.notes[key] is not None:
        device, number = work.notes[key]
        work.renamer.move_folder(kind, work.team, work.name, (device, number))


def move_logs(work: _Work) -> None:
    """Logs by the team's name. Those of tasks go by their Dag's."""
    work.renamer.move_logs(work.team, work.name)


def rewrite_files(work: _Work) -> None:
    """The team files say it: its own, and those of who shares something with it."""
    work.tell("changing the team files")
    others = work.ask("consumes", team=work.name)["teams"]
    with folders.apply_lock(work.control.layout):
        files = renaming_files.rename(work.control.layout, work.team, work.name, others)
    found, before = files.as_dict(), work.notes.get("team_files") or {"changed": [], "by_hand": {}}
    changed = [*before["changed"], *(file for file in found["changed"] if file not in before["changed"])]
    work.note(team_files={"changed": changed, "by_hand": {**before["by_hand"], **found["by_hand"]}})


def rewrite_past(work: _Work) -> None:
    """What is over, some runs at a time."""
    more, count = True, 0
    while more:
        found = work.ask("rename-past", after=work.notes.get("past") or 0, seconds=_ASK_SECONDS)
        work.note(past=found["after"])
        more, count = found["more"], count + 1
        if more:
            work.tell(f"rewriting the past: up to run number {found['after']}")


def look_again(work: _Work) -> None:
    """What came in between: a component may have been storing something when the name went.

    :raises AirspaceError: it comes again and again
    """
    work.renamer.clear(work.team)
    time.sleep(max(0.0, work.notes["switched"] + FORGOTTEN_SECONDS - time.time()))
    left: dict[str, int] = {}
    for _ in range(_TURNS):
        left = work.ask("left-of")["left"]
        if not left:
            return
        work.ask("rename-rows")
    raise AirspaceError(
        f"rows of {work.team} come back: {', '.join(f'{table} ({count})' for table, count in left.items())}",
        fix=work.begun.command,
    )


def release(work: _Work) -> None:
    """It works again; or is suspended, as it was."""
    work.ask("restore-hold", suspended=work.notes["hold"])
    work.ring()


def await_read(work: _Work) -> None:
    """Until Airflow has read its files under the new name."""
    unread: list[str] = []
    deadline = time.monotonic() + READ_SECONDS
    while work.notes["hold"] is None:  # else it is suspended, and nobody reads them
        unread = work.ask("settled-team", since=work.notes["switched"])["unread"]
        if not unread or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    work.note(unread=unread)


Step = Callable[[_Work], None]
STEPS: tuple[tuple[str, Step], ...] = (
    ("hold", hold),
    ("drain", await_running),
    ("end", end_running),
    ("rows", rename_rows),
    ("warehouse", rename_warehouse),
    ("storage", move_storage),
    ("source", move_source),
    ("logs", move_logs),
    ("files", rewrite_files),
    ("past", rewrite_past),
    ("look-again", look_again),
    ("release", release),
    ("read", await_read),
)
"""Name → what it does, in order. The names are in what is kept of renamings that were cut off."""
