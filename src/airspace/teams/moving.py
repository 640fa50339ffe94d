"""Giving Dags to another team with all of their past, live.

The steps are a list. Each can be repeated, and which are over is written down after each, so that a transfer that was
cut off at any point is carried on with by the next one. Meanwhile nothing begins for these Dags, and their teams' other
Dags go on. The Dags change hands in one transaction; before it everything can be taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airspace.model.errors import AirspaceError, InvalidInputError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.teams import folders, handing_over, moves, tables_moving
from airspace.teams.moves import Options, Transfer
from airspace.teams.ports import WORKER, Carrier, ControlPlane, Move, Tell
from airspace.teams.previewing import handed_of, preview, refusal
from airspace.teams.removal import CLEAN_UP_SECONDS, HEARD_SECONDS, quiet

FETCH_SECONDS = 15.0
"""Until a change of a folder is in the copy that Airflow reads."""
BY_HAND_SECONDS = 2.0
READ_SECONDS = 60.0
"""Until the files were read in their new team."""
WRONG_SECONDS = 3.0
"""For which a file has to be wrong there: its last part may still be on the way."""
FORGOTTEN_SECONDS = 5.5
"""After which no component remembers whose a Dag was: Airflow and the policies do so for five seconds."""
_LOOK = 0.5
_ASK_SECONDS = 20.0  # one answer of the admin worker, so that progress shows


@dataclass(frozen=True)
class Moved:
    """What became of it.

    :param files: the Dags' files, now in the new team's folder
    :param team_files: team files that were changed
    :param ended: tasks, runs and callbacks that had to be ended
    :param data: what was copied of published assets
    :param errors: file → why it could not be read in the new team
    :param unread: Dags that the new team's files do not define
    """

    team: str
    target: str
    dags: list[str]
    files: list[str]
    assets: dict[str, list[str]]
    tables: list[str]
    team_files: list[str]
    ended: dict[str, int]
    data: dict[str, int]
    errors: dict[str, str]
    unread: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


def transfer(
    control: ControlPlane, carrier: Carrier, wanted: Transfer, options: Options | None = None, tell: Tell = quiet
) -> Moved:
    """Give Dags to another team, or carry on with a transfer that was cut off.

    :raises InvalidInputError: with every problem; nothing was changed
    :raises AirspaceError: it waits for somebody, or something failed; the same command goes on
    """
    options = options or Options()
    with _alone(control.layout):
        begun = _begun(control.layout, wanted)
        if begun is None:
            found = preview(control, carrier, wanted, options)
            if found["problems"]:
                raise refusal(found)
            begun = wanted
            begun.notes = {
                "files": sorted(found["files"]),
                "read": sorted(dag for dags in found["files"].values() for dag in dags),
                "helpers": list(options.with_files),
                "by_hand": found["by_hand"],
                "folders": found["folders"],
                "grants": found["assets"]["handed_over"],
                "tables": found["assets"]["tables"],
                "lacking": found["helpers"],
            }
            moves.write(control.layout, begun)
        work = _Work(control, carrier, begun, options, tell)
        for step, act in STEPS:
            if step not in begun.done:
                act(work)
                begun.done.append(step)
                moves.write(control.layout, begun)
        carrier.forget(work.move)
        moves.remove(control.layout, begun)
    return _moved(begun)


def cancel(control: ControlPlane, carrier: Carrier, dags: Sequence[str]) -> Transfer:
    """Take a transfer back that has not changed hands yet: its Dags stay where they were, and run again.

    :raises InvalidInputError: there is none, or the Dags are the other team's already
    """
    with _alone(control.layout):
        found = moves.overlapping(control.layout, dags)
        if not found:
            raise InvalidInputError(f"no transfer of {', '.join(dags)} is under way", fix="see airspace status")
        begun = found[0]
        if "switch" in begun.done:
            raise InvalidInputError(f"these Dags are team {begun.target}'s already", fix=f"finish it: {begun.command}")
        move = _move_of(begun)
        by_hand = begun.notes["by_hand"]
        # First, as it refuses where they have changed hands without that having been written down.
        asked = {"dags": begun.dags, "only_unmoved": True, "files": begun.notes["files"] if by_hand else []}
        control.run_control(WORKER, ["release-dags"], {**asked, "team": begun.team})
        if not by_hand:
            carrier.give_back(move)
        work = _Work(control, carrier, begun, Options(), quiet)
        if work.tables:
            tables_moving.put(work.ask, work.tables, begun.team)
        for team in (begun.team, begun.target):
            control.ring(team)
        carrier.forget(move)
        moves.remove(control.layout, begun)
    return begun


@contextmanager
def _alone(layout: HomeLayout) -> Iterator[None]:
    if not layout.manifest.exists():
        raise NotRunningError(f"there is no platform in {layout.root} yet", fix="airspace up")
    layout.moving.mkdir(mode=0o700, exist_ok=True)
    with folders.locked_file(layout.moving / ".lock", "another transfer is running", seconds=2.0):
        yield


def _begun(layout: HomeLayout, wanted: Transfer) -> Transfer | None:
    return next((each for each in moves.begun(layout) if each.key == wanted.key), None)


def _move_of(begun: Transfer) -> Move:
    notes = begun.notes
    return Move(begun.key, begun.team, begun.target, tuple(notes["files"]), tuple(notes["helpers"]))


def _moved(begun: Transfer) -> Moved:
    notes = begun.notes
    return Moved(
        begun.team,
        begun.target,
        begun.dags,
        notes["files"],
        notes["grants"],
        tables_moving.names(notes.get("tables") or {}),
        notes.get("team_files") or [],
        notes.get("ended") or {},
        notes.get("data") or {},
        notes.get("errors") or {},
        notes.get("unread") or [],
        time.time() - begun.started,
    )


@dataclass
class _Work:
    control: ControlPlane
    carrier: Carrier
    begun: Transfer
    options: Options
    tell: Tell

    @property
    def move(self) -> Move:
        return _move_of(self.begun)

    @property
    def notes(self) -> dict[str, Any]:
        return self.begun.notes

    @property
    def assets(self) -> list[str]:
        return sorted(self.notes["grants"])

    @property
    def tables(self) -> list[str]:
        return tables_moving.names(self.notes.get("tables") or {})

    def ask(self, command: str, **payload: Any) -> dict[str, Any]:
        asked = {
            "key": self.begun.key,
            "dags": self.begun.dags,
            "team": self.begun.team,
            "target": self.begun.target,
            **payload,
        }
        return self.control.run_control(WORKER, [command], asked)

    def note(self, **notes: Any) -> None:
        """Written down at once: the step that follows from it may be cut off."""
        self.notes.update(notes)
        moves.write(self.control.layout, self.begun)

    def ring(self) -> None:
        for team in (self.begun.team, self.begun.target):
            self.control.ring(team)


# --- the steps -------------------------------------------------------------------------------------------------------


def hold(work: _Work) -> None:
    """From here on no run of these Dags is made or begins, and what is read of them is not stored."""
    work.tell("no new runs of these Dags begin")
    work.ask("hold-dags")


def await_running(work: _Work) -> None:
    """Let what runs end by itself, for a while.

    :raises AirspaceError: something has begun since it was looked at, and nobody said what to do with it
    """
    if work.options.drain is None and any((found := work.ask("await-dags", seconds=0)).values()):
        raise AirspaceError(
            f"{found['tasks']} tasks and {found['runs']} runs have begun meanwhile; nothing new begins",
            fix="the same command with --drain SECONDS or --now, or with --cancel",
        )
    deadline = time.monotonic() + (work.options.drain or 0.0)
    while (left := deadline - time.monotonic()) > 0:
        found = work.ask("await-dags", seconds=min(left, _ASK_SECONDS))
        if not any(found.values()):
            return
        work.tell(f"waiting for {found['tasks']} tasks and {found['runs']} runs, {max(0, left):.0f} s at most")


def end_running(work: _Work) -> None:
    """End what did not, and give every component time to hear of it."""
    found = work.ask("halt-dags")
    work.note(ended=found["ended"])
    work.carrier.await_ends(found["going"], CLEAN_UP_SECONDS)
    time.sleep(HEARD_SECONDS)


def copy_data(work: _Work) -> None:
    """What was published, while its readers still read the old one."""
    if work.assets:
        work.note(data=work.carrier.copy_data(work.move, work.assets, work.tell) or work.notes.get("data"))


def take_files(work: _Work) -> None:
    """The Dags' files leave the old team."""
    if not work.notes["by_hand"]:
        work.tell("taking the files out of the old folder")
        work.carrier.take(work.move)
    _fetched(work, there=bool(work.notes["by_hand"]))


def take_tables(work: _Work) -> None:
    """Their assets' tables leave the old team's schema."""
    if work.tables:
        work.tell(f"taking {', '.join(work.tables)} out of the schema of team {work.begun.team}")
        tables_moving.take(work.ask, work.tables, work.options.drain, work.tell)


def switch(work: _Work) -> None:
    """The Dags are the other team's, all at once."""
    work.tell(f"the Dags become team {work.begun.target}'s")
    # Once more: the scheduler may have had something in hand when it heard.
    work.carrier.await_ends(work.ask("halt-dags")["going"], CLEAN_UP_SECONDS)
    by_hand = work.notes["by_hand"]  # else the file is not there yet, and is read when it comes
    work.note(switched=work.ask("switch-dags", files=work.notes["files"] if by_hand else [])["at"])


def place_data(work: _Work) -> None:
    """What was published is the new team's."""
    if work.assets:
        work.carrier.place_data(work.move, work.assets)


def put_tables(work: _Work) -> None:
    """The tables come into the new team's schema."""
    if work.tables:
        tables_moving.put(work.ask, work.tables, work.begun.target)


def hand_over(work: _Work) -> None:
    """So do the team files say."""
    if work.assets:
        work.tell("changing the team files")
        begun = work.begun
        files = handing_over.hand_over(work.control, begun.team, begun.target, handed_of(work.notes), quiet)
        work.note(team_files=files)


def put_files(work: _Work) -> None:
    """The files come to the new team."""
    if not work.notes["by_hand"] and work.notes["files"]:
        work.tell("putting the files into the new folder")
        work.carrier.put(work.move)
        _fetched(work, there=True)


def await_read(work: _Work) -> None:
    """Until Airflow has read them there."""
    if not work.notes["files"]:
        return
    deadline, wrong_since = time.monotonic() + READ_SECONDS, None
    found: dict[str, Any] = {"unread": work.notes["read"], "errors": {}}
    while (left := deadline - time.monotonic()) > 0:
        work.ring()
        asked = {"since": work.notes["switched"], "files": work.notes["files"], "seconds": min(left, _ASK_SECONDS)}
        found = work.ask("settled-dags", **asked, dags=work.notes["read"])
        wrong_since = (wrong_since or time.monotonic()) if found["errors"] else None
        if not found["unread"] or (wrong_since and time.monotonic() - wrong_since > WRONG_SECONDS):
            break
        work.tell(f"waiting until {', '.join(found['unread'])} is read")
        time.sleep(_LOOK)
    work.note(**found)


def release(work: _Work) -> None:
    """They run again."""
    time.sleep(max(0.0, work.notes["switched"] + FORGOTTEN_SECONDS - time.time()))
    work.ask("release-dags", files=[])
    work.ring()


def drop_data(work: _Work) -> None:
    """What the old team had published goes."""
    if work.assets:
        work.carrier.drop_data(work.move, work.assets, work.tell)


def _fetched(work: _Work, *, there: bool) -> None:
    """
    :raises AirspaceError: the files are not where they should be; the Dags stay held, and the same command goes on
    """
    work.ring()
    by_hand = work.notes["by_hand"]
    missing = work.carrier.fetched(work.move, there=there, seconds=BY_HAND_SECONDS if by_hand else FETCH_SECONDS)
    if missing is None:
        return
    if not by_hand:
        raise AirspaceError(missing, fix="airspace status, then run the command again")
    old, new = work.notes["folders"]
    also = f", with {', '.join(work.notes['lacking'])}" if work.notes["lacking"] else ""
    raise AirspaceError(
        f"{missing}; the Dags are held until it is moved",
        fix=f"move {', '.join(work.notes['files'])}{also} from {old} to {new}, then run the command again;"
        f" or: airspace dag transfer {' '.join(work.begun.dags)} --cancel",
    )


Step = Callable[[_Work], None]
STEPS: tuple[tuple[str, Step], ...] = (
    ("hold", hold),
    ("drain", await_running),
    ("end", end_running),
    ("copy-data", copy_data),
    ("take-files", take_files),
    ("take-tables", take_tables),
    ("switch", switch),
    ("place-data", place_data),
    ("put-tables", put_tables),
    ("hand-over", hand_over),
    ("put-files", put_files),
    ("read", await_read),
    ("release", release),
    ("drop-data", drop_data),
)
"""Name → what it does, in order. The names are in what is kept of transfers that were cut off."""

__all__ = ["STEPS", "Moved", "Options", "cancel", "preview", "refusal", "transfer"]
