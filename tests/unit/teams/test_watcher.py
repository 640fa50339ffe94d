"""A folder is applied when it has settled; mistakes are told once; the end comes at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airspace.model.errors import AirspaceError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.model.problem import Problem
from airspace.teams import service
from airspace.teams.completing import Beside
from airspace.teams.files import InvalidFilesError
from airspace.teams.loading import LoadedTeams
from airspace.teams.service import Outcome
from airspace.teams.watcher import Pace, Signature, look, once, watch

DONE = Outcome((), True, 0.0)
FAST = Pace(look=0.002, settle=0.01, first_retry=0.01, last_retry=0.02, last_pause=0.01, again=0.01)


class Town:
    """Applies as the script says, one entry a time, and stops after the last."""

    def __init__(self, folder: Path, *script: Callable[[], Outcome]) -> None:
        self.folder, self.script, self.said, self.stop = folder, list(script), list[str](), threading.Event()

    def look(self) -> Signature:
        return look(self.folder)

    def load(self) -> LoadedTeams:
        return LoadedTeams((), (), Beside(self.folder))

    def apply(self, loaded: LoadedTeams) -> Outcome:
        act = self.script.pop(0)
        if not self.script:
            self.stop.set()
        return act()

    def applied(self, outcome: Outcome) -> None:
        self.said.append("applied")

    def refused(self, error: AirspaceError) -> None:
        self.said.append(error.message)

    def unseen(self, error: AirspaceError) -> None:
        self.said.append(f"unseen: {error.message}")

    def seen_again(self) -> None:
        self.said.append("seen again")

    def run(self, pace: Pace = FAST) -> list[str]:
        watch(self, self, self.stop, pace)
        return self.said


def refuse(error: AirspaceError) -> Callable[[], Outcome]:
    def act() -> Outcome:
        raise error

    return act


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ops.yaml").write_text("name: ops\n")
    return tmp_path


def test_it_is_applied_at_first_and_after_a_change(folder: Path) -> None:
    def change() -> Outcome:
        (folder / "new.yaml").write_text("name: new\n")
        return DONE

    assert Town(folder, change, lambda: DONE).run() == ["applied", "applied"]


def test_the_same_reason_is_told_once_and_tried_again(folder: Path) -> None:
    def wrong(line: int) -> Callable[[], Outcome]:
        return refuse(InvalidFilesError([Problem("ops.yaml", line, 1, "", "yaml", "bad", "mend it")]))

    away = refuse(NotRunningError("not running", fix="airspace up"))
    said = Town(folder, wrong(1), wrong(1), wrong(2), away, away, lambda: DONE).run()
    told = "1 problem in the team files; nothing was changed"
    assert said == [told, told, "not running", "applied"]


def test_a_folder_that_is_being_written_is_left_alone(folder: Path) -> None:
    """Every look finds another state until the fifth: then it settles, and is applied once."""
    looks = 0
    town = Town(folder, lambda: DONE)
    waiting = town.stop.wait

    def busy(seconds: float | None = None) -> bool:
        nonlocal looks
        looks += 1
        if looks < 5:
            (folder / "ops.yaml").write_text("name: ops\n" + "#" * looks)
        return waiting(seconds)

    town.stop.wait = busy  # type: ignore[method-assign]
    assert town.run(Pace(look=0.002, settle=0.02)) == ["applied"]
    assert looks >= 5


def test_what_a_look_sees(folder: Path) -> None:
    before = look(folder)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.yaml").write_text("x")
    assert look(folder) == before
    os.utime(folder / "ops.yaml", ns=(1, 1))
    assert look(folder) != before
    (folder / "dangling.yaml").symlink_to("nowhere")
    assert look(folder)[0][0] == "dangling.yaml"  # type: ignore[index]
    assert look(folder / "gone")[0] == "unreadable"


class Hidden(Town):
    """What it watches cannot be looked at, some of the time."""

    def __init__(self, folder: Path, *looks: str | None) -> None:
        super().__init__(folder, lambda: DONE, lambda: DONE)
        self.looks = list(looks)

    def look(self) -> Signature:
        what = self.looks.pop(0)
        if not self.looks:
            self.stop.set()
        if what is not None and what.startswith("!"):
            raise AirspaceError(what[1:], fix="mend it")
        return (what,)


def test_what_cannot_be_looked_at_is_told_once_and_stays_as_it_was(folder: Path) -> None:
    town = Hidden(folder, "one", "!away", "!away", "!gone", "!gone", "one", "one", "two")
    assert town.run(Pace(look=0.002, settle=0.0, last_pause=0.003)) == [
        "applied", "unseen: away", "unseen: gone", "seen again", "applied",
    ]  # fmt: skip


class Secretive(Town):
    """Real team files, one of which refers to a file."""

    loads = 0

    def load(self) -> LoadedTeams:
        self.loads += 1
        if self.loads == 8:
            self.stop.set()
        return service.load(self.folder, HomeLayout(self.folder / "home"), {})


def test_what_a_reference_leads_to_is_looked_at_again(folder: Path) -> None:
    """Applied at first, and once more when the secret has changed; what is the same is not applied again."""
    secret = folder / "secret.txt"
    secret.write_text("one")
    (folder / "ops.yaml").write_text("name: ops\nvariables: {token: {file: secret.txt}}\n")

    def change() -> Outcome:
        secret.write_text("two")
        return DONE

    town = Secretive(folder, change, lambda: DONE, lambda: DONE)
    assert town.run() == ["applied", "applied"]
    assert town.loads == 8


def test_once_is_once(folder: Path) -> None:
    town = Town(folder, lambda: DONE, refuse(NotRunningError("not running", fix="airspace up")))
    assert (once(town, town), once(town, town)) == (True, False)
    hidden = Hidden(folder, "!away")
    assert not once(hidden, hidden)
    assert town.said + hidden.said == ["applied", "not running", "unseen: away"]


def test_a_fault_that_nobody_foresaw_is_told_and_outlived(folder: Path) -> None:
    def fault() -> Outcome:
        raise ValueError("hunter22")

    said = Town(folder, fault, fault, lambda: DONE).run()
    assert said[0].startswith("applying the team files: a fault of Airspace itself: ValueError")
    assert said[1:] == ["applied"]
    town = Town(folder, fault)
    assert once(town, town) is False
    assert "hunter22" not in str(town.said)


def test_a_look_that_fails_unforeseen_is_told_and_outlived(folder: Path) -> None:
    town = Town(folder, lambda: DONE)
    looks = iter([False, False, True])

    def look_at() -> Signature:
        if not next(looks, True):
            raise KeyError("hunter22")
        return look(folder)

    town.look = look_at  # type: ignore[method-assign]
    said = town.run()
    assert said[0].startswith("unseen: looking at the team files: a fault of Airspace itself: KeyError")
    assert said[1:] == ["seen again", "applied"]
