"""What apply writes beside the database: whole files, in the right place, and what is remembered of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams import folders, journal, origins
from airspace.teams.completing import Beside
from airspace.teams.origins import Origin


@pytest.fixture
def layout(tmp_path: Path) -> HomeLayout:
    layout = HomeLayout(tmp_path / "home")
    layout.teams.mkdir(parents=True)
    return layout


def keep(layout: HomeLayout, *teams: str) -> None:
    for team in teams:
        folders.keep_copy(layout, team, b"name: x\n")


def test_a_file_is_exchanged_only_if_it_is_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "ops.yaml"
    file.write_bytes(b"one")
    file.chmod(0o640)
    assert folders.exchange_file(file, b"one", b"two")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"two", 0o640)
    assert not folders.exchange_file(file, b"one", b"three")
    assert not folders.exchange_file(file, b"tw", b"three")
    assert not folders.exchange_file(tmp_path / "none.yaml", b"", b"x")
    (tmp_path / "link.yaml").symlink_to(file)
    assert not folders.exchange_file(tmp_path / "link.yaml", b"two", b"x")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert not folders.exchange_file(tmp_path / "pipe.yaml", b"", b"x")
    assert file.read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "ops.yaml", "pipe.yaml"]


def test_a_new_file_takes_nobody_s_place(tmp_path: Path) -> None:
    file = tmp_path / "ops.yaml"
    folders.create_file(file, b"one", mode=0o600)
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    for name in ("ops.yaml", "dangling.yaml"):
        with pytest.raises(FileExistsError):
            folders.create_file(tmp_path / name, b"two", mode=0o600)
    assert file.read_bytes() == b"one"
    assert not (tmp_path / "nowhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling.yaml", "ops.yaml"]


def test_what_is_under_way_is_written_down_and_struck_out(layout: HomeLayout) -> None:
    assert journal.unfinished(layout) == {}
    journal.begin(layout, {"ops": b"1", "dev": b"2"})
    journal.begin(layout, {"ops": b"3"})
    assert journal.unfinished(layout) == {"ops": journal.digest(b"3"), "dev": journal.digest(b"2")}
    journal.end(layout, ["ops", "other"])
    assert journal.unfinished(layout).keys() == {"dev"}
    journal.end(layout, ["dev"])
    assert not layout.applying.exists()
    journal.end(layout, ["dev"])


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"teams": []}', "\xff"])
def test_a_damaged_journal_means_any_team(layout: HomeLayout, damage: str) -> None:
    keep(layout, "ops", "dev")
    layout.applying.write_text(damage)
    assert journal.unfinished(layout).keys() == {"ops", "dev"}


def test_origins_are_of_the_teams_that_are_there(layout: HomeLayout, tmp_path: Path) -> None:
    here = tmp_path / "files"
    here.mkdir()
    keep(layout, "ops", "dev")
    ops, dev = Origin(str(here / "ops.yaml"), None, "d1"), Origin("/elsewhere/dev.yaml", "/elsewhere")
    origins.remember(layout, {"ops": ops, "dev": dev, "left": Origin("/elsewhere/left.yaml")})
    assert origins.read(layout) == {"ops": ops, "dev": dev}
    assert origins.gone(layout, str(here), {"dev"}) == ["ops"]
    assert origins.gone(layout, str(here), {"ops"}) == []
    (tmp_path / "alias").symlink_to(here)
    assert origins.gone(layout, Beside(tmp_path / "alias").place, set()) == ["ops"]
    layout.origins.write_text("{")
    with pytest.raises(HomeError, match="is damaged"):
        origins.read(layout)


def test_a_team_that_leaves_takes_its_file_along_only_from_the_home(layout: HomeLayout, tmp_path: Path) -> None:
    keep(layout, "ops", "dev")
    own, foreign = folders.make_team_files(layout) / "ops.yaml", tmp_path / "dev.yaml"
    for file in (own, foreign):
        file.write_text("name: x\n")
    origins.remember(layout, {"ops": Origin(str(own)), "dev": Origin(str(foreign))})
    journal.begin(layout, {"ops": b"", "dev": b""})
    origins.forget(layout, "ops")
    origins.forget(layout, "ops")
    assert (own.exists(), foreign.exists()) == (False, True)
    assert origins.read(layout).keys() == journal.unfinished(layout).keys() == {"dev"}
    origins.forget(layout, "dev")
    assert foreign.exists()
