"""Carrying files and data of one team to another, past everything that the first could leave behind."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.moving import HomeCarrier
from airspace.teams import folders
from airspace.teams.folders import Source
from airspace.teams.ports import Move

MOVE = Move("key", "old", "new", ("sub/dag.py",))


@pytest.fixture
def carrier(tmp_path: Path) -> HomeCarrier:
    layout = HomeLayout(tmp_path)
    for folder in (layout.dags, layout.bundles):
        for team in ("old", "new"):
            (folder / team).mkdir(parents=True)
    for team in ("old", "new"):
        (layout.storage / team / "published").mkdir(parents=True)
        folders.write_sources(layout, {team: Source(team, str(layout.dags / team))})
    (layout.dags / "old" / "sub").mkdir()
    return HomeCarrier(layout, tmp_path / "run")


def test_a_file_is_somewhere_at_every_moment(carrier: HomeCarrier) -> None:
    layout = carrier.layout
    (layout.dags / "old/sub/dag.py").write_text("1")
    for _ in range(2):
        carrier.take(MOVE)
    assert not (layout.dags / "old/sub/dag.py").exists()
    carrier.give_back(MOVE)
    assert (layout.dags / "old/sub/dag.py").read_text() == "1"
    carrier.forget(MOVE)
    carrier.take(MOVE)
    for _ in range(2):
        carrier.put(MOVE)
    assert (layout.dags / "new/sub/dag.py").read_text() == "1"
    (layout.dags / "new/sub/dag.py").write_text("2")
    with pytest.raises(AirspaceError, match="says something else"):
        carrier.put(MOVE)
    carrier.forget(MOVE)
    assert list(layout.moving.iterdir()) == []


def test_an_archive_goes_whole_and_is_not_opened(carrier: HomeCarrier) -> None:
    layout, move = carrier.layout, replace(MOVE, files=("packed.zip",))
    hostile = b"PK\x03\x04 import helper" + bytes(range(256)) * 100
    for folder in (layout.dags, layout.bundles):
        (folder / "old/packed.zip").write_bytes(hostile)
        (folder / "old/helper.py").write_text("")
    look = carrier.look(move)
    assert (look.problems, look.helpers, look.by_hand) == ((), (), False)
    carrier.take(move)
    carrier.put(move)
    assert (layout.dags / "new/packed.zip").read_bytes() == hostile
    assert not (layout.dags / "old/packed.zip").exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "linked folder", "nothing"])
def test_what_is_no_plain_file_is_not_taken(carrier: HomeCarrier, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "dag.py").write_text("secret")
    place = carrier.layout.dags / "old/sub/dag.py"
    if kind == "link":
        place.symlink_to(secret / "dag.py")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "linked folder":
        place.parent.rmdir()
        place.parent.symlink_to(secret)
    assert [message for message, _ in carrier.look(MOVE).problems] == ["sub/dag.py is not in the folder of team old"]
    with pytest.raises(AirspaceError, match=r"dag\.py cannot be"):
        carrier.take(MOVE)
    assert (secret / "dag.py").read_text() == "secret"
    assert not (carrier.layout.moving / "key" / "0").exists()


@pytest.mark.parametrize("path", ["../other.py", "/etc/passwd", "sub//dag.py", "a\nb.py"])
def test_odd_names_are_refused(carrier: HomeCarrier, path: str) -> None:
    look = carrier.look(replace(MOVE, files=(path,), helpers=("../x",)))
    assert len(look.problems) == 2


def test_data_is_copied_without_links_and_described_anew(carrier: HomeCarrier, tmp_path: Path) -> None:
    storage = carrier.layout.storage
    asset = storage / "old/published/numbers"
    (asset / "v1").mkdir(parents=True)
    (asset / "v1/data").write_text("1")
    (asset / "v1/manifest.json").write_text('{"format": 1}')
    (asset / "v2").symlink_to(storage / "new")
    (storage / "new/published/numbers").mkdir()
    (storage / "new/published/numbers/mine").write_text("its own")
    with (asset / "v1/data").open("r+") as still_open:
        for _ in range(2):
            carrier.copy_data(MOVE, ["numbers", "never_published"], lambda _: None)
        for _ in range(2):
            carrier.place_data(MOVE, ["numbers", "never_published"])
            carrier.drop_data(MOVE, ["numbers", "never_published"], lambda _: None)
        still_open.write("2")
    carrier.forget(MOVE)
    assert not asset.exists()
    placed = storage / "new/published"
    assert (placed / "numbers/v1/data").read_text() == "1"
    assert (placed / "numbers/v1/manifest.json").read_text() == '{"format": 1}'  # no manifest: left as it is
    assert not os.path.lexists(placed / "numbers/v2")
    (kept,) = placed.glob("numbers.before-*")
    assert (kept / "mine").read_text() == "its own"
    assert sorted(path.name for path in storage.iterdir()) == ["new", "old"]


def test_a_link_in_the_place_of_a_storage_is_not_followed(carrier: HomeCarrier, tmp_path: Path) -> None:
    storage = carrier.layout.storage
    (tmp_path / "elsewhere/numbers").mkdir(parents=True)
    (storage / "old/published").rmdir()
    (storage / "old/published").symlink_to(tmp_path / "elsewhere")
    carrier.copy_data(MOVE, ["numbers"], lambda _: None)
    carrier.drop_data(MOVE, ["numbers"], lambda _: None)
    assert (tmp_path / "elsewhere/numbers").is_dir()
    (storage / "new/published").rmdir()
    (storage / "new/published").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AirspaceError, match="no storage"):
        carrier.place_data(MOVE, ["numbers"])


def test_a_supervisor_that_lives_is_waited_for(carrier: HomeCarrier) -> None:
    tasks = carrier.run / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "over").touch()
    carrier.await_ends(["over", "never"], 5)
    pid = os.fork()
    if pid == 0:
        handle = os.open(tasks / "lives", os.O_RDWR | os.O_CREAT)
        fcntl.lockf(handle, fcntl.LOCK_EX)
        (tasks / "begun").touch()
        time.sleep(60)
        os._exit(0)
    while not (tasks / "begun").exists():
        time.sleep(0.001)
    started = time.monotonic()
    carrier.await_ends(["lives"], 0.03)
    assert time.monotonic() - started >= 0.03
    threading.Timer(0.02, lambda: os.kill(pid, 9)).start()
    carrier.await_ends(["lives"], 50)
    assert time.monotonic() - started < 20
    os.waitpid(pid, 0)
