"""A team's things on a machine under its new name, past everything that the team could leave in their way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import places
from airspace.platform.renaming import DAGS, STORAGE, HomeRenamer
from airspace.sandbox.spec import TeamPlace, write_places
from airspace.sdk.layout import AssetLayout
from airspace.sdk.manifest import Manifest
from airspace.sdk.reading import read_published
from airspace.teams import folders
from airspace.teams.folders import Source


@pytest.fixture
def renamer(tmp_path: Path) -> HomeRenamer:
    layout = HomeLayout(tmp_path)
    for folder in (layout.teams, layout.dags / "old", layout.bundles / "old", layout.storage / "old"):
        folder.mkdir(parents=True)
    folders.write_sources(layout, {"old": Source("old", str(layout.dags / "old"))})
    folders.keep_copy(layout, "old", b"name: old\n")
    mine = TeamPlace("old", "old", assets={"numbers": ("third",)}, network=("db.example:5432",))
    other = TeamPlace("third", "third", assets={"sales": ("else", "old")})
    layout.sandboxes.write_text(write_places([mine, other]))
    return HomeRenamer(layout)


def move(renamer: HomeRenamer, kind: str) -> None:
    known = renamer.folder_of(kind, "old") or renamer.folder_of(kind, "new")
    assert known is not None
    for _ in range(2):
        renamer.move_folder(kind, "old", "new", known)


def publish(layout: HomeLayout, team: str, version: str, inputs: tuple[str, ...] = ()) -> Path:
    place = AssetLayout(layout.storage, team, "numbers")
    folder = place.version(version)
    folder.mkdir(parents=True)
    manifest = Manifest("old", "numbers", version, 1, "2026-01-01T00:00:00+00:00", 1, 2, (), {}, inputs)
    (folder / "manifest.json").write_text(manifest.to_json())
    (folder / "manifest.json").chmod(0o444)
    place.current.write_text(version)
    return folder


def test_storage_moves_as_one_and_what_was_published_says_whose_it_is(renamer: HomeRenamer, tmp_path: Path) -> None:
    layout = renamer.layout
    publish(layout, "old", "v1", ("old/numbers/v0", "third/sales/v7"))
    strange = publish(layout, "old", "v2")
    secret = tmp_path / "secret"
    secret.write_text((strange / "manifest.json").read_text())
    (strange / "manifest.json").unlink()
    (strange / "manifest.json").symlink_to(secret)
    for name, make in (("v3", os.mkfifo), ("v4", os.mkdir)):
        folder = publish(layout, "old", name)
        (folder / "manifest.json").unlink()
        make(folder / "manifest.json")
    (publish(layout, "old", "v5") / "manifest.json").chmod(0o644)
    (layout.storage / "old/published/numbers/v5/manifest.json").write_text("[" * 100_000)
    (layout.storage / "old/published/away").symlink_to(tmp_path)
    publish(layout, "old", "v1x")
    (layout.storage / "old/published/numbers/CURRENT").write_text("v1")
    move(renamer, STORAGE)
    assert [renamer.rewrite_manifests("old", "new", lambda _: None) for _ in range(2)] == [2, 0]
    found = read_published(AssetLayout(layout.storage, "new", "numbers"))
    assert (found.ref, found.manifest.inputs) == ("new/numbers/v1", ("new/numbers/v0", "third/sales/v7"))
    assert (found.path / "manifest.json").stat().st_mode & 0o777 == 0o444
    assert '"old"' in secret.read_text()
    assert not (layout.storage / "old").exists()


def test_a_folder_that_was_made_anew_meanwhile_makes_room_and_another_one_does_not(renamer: HomeRenamer) -> None:
    layout = renamer.layout
    (layout.storage / "old/data").write_text("x")
    known = renamer.folder_of(STORAGE, "old")
    assert known is not None
    (layout.storage / "new/published").mkdir(parents=True)
    renamer.move_folder(STORAGE, "old", "new", known)
    (layout.storage / "old/published").mkdir(parents=True)
    renamer.move_folder(STORAGE, "old", "new", known)
    assert [path.name for path in layout.storage.iterdir()] == ["new"]
    assert (layout.storage / "new/data").read_text() == "x"
    with pytest.raises(AirspaceError, match="not the folder that it was"):
        renamer.move_folder(STORAGE, "new", "newer", (0, 0))
    (layout.dags / "new").mkdir()
    with pytest.raises(AirspaceError, match="is there already"):
        move(renamer, DAGS)


def test_a_folder_that_the_platform_made_is_called_like_its_team_and_any_other_stays(renamer: HomeRenamer) -> None:
    layout = renamer.layout
    (layout.dags / "old/dag.py").write_text("1")
    move(renamer, DAGS)
    for _ in range(2):
        renamer.move_source("old", "new")
    assert folders.read_sources(layout) == {"new": Source("new", str(layout.dags / "new"))}
    assert (layout.dags / "new/dag.py").read_text() == "1"
    assert renamer.fetched("new", ["dag.py"], 0.0) == "dag.py"
    folders.write_sources(layout, {"own": Source("own", str(layout.dags / "own"))})
    folders.keep_copy(layout, "own", f"name: own\ndags: {{folder: {layout.dags}/own}}\n".encode())
    assert renamer.folder_of(DAGS, "own") is None
    renamer.move_source("own", "its")
    assert folders.read_sources(layout)["its"].folder == str(layout.dags / "own")


def test_sandboxes_are_made_for_the_new_name_and_show_what_others_publish_to_it(renamer: HomeRenamer) -> None:
    for _ in range(2):
        renamer.places("old", "new")
    known = places.known(renamer.layout)
    assert set(known) == {"new", "third"}
    assert (known["new"].bundle, known["new"].network) == ("new", ("db.example:5432",))
    assert known["third"].assets == {"sales": ("else", "new")}


def test_logs_go_along_and_older_ones_of_that_name_stay_apart(renamer: HomeRenamer) -> None:
    logs = renamer.layout.logs / "airflow"
    for folder in ("triggerer", "dag_processor/2026-01-01/old", "dag_processor/2026-01-02/old"):
        (logs / folder).mkdir(parents=True)
    (logs / "triggerer/old.log").write_text("mine")
    (logs / "triggerer/new.log").write_text("somebody's")
    (logs / "dag_processor/latest").symlink_to("2026-01-02")
    for _ in range(2):
        renamer.move_logs("old", "new")
    assert (logs / "triggerer/new.log").read_text() == "mine"
    assert not list(logs.rglob("old*"))
    assert len(list(logs.glob("triggerer/new.log.before-*"))) == 1
    assert (logs / "dag_processor/2026-01-01/new").is_dir()


def test_what_is_in_the_way_is_told(renamer: HomeRenamer) -> None:
    layout = renamer.layout
    assert renamer.look("old", "new") == []
    for folder in (layout.storage, layout.dags, layout.bundles):
        (folder / "new").mkdir()
    assert [message.rpartition("/")[0].rpartition("/")[2] for message, _ in renamer.look("old", "new")] == [
        "storage", "bundles", "dags"]  # fmt: skip
    assert "has a source or a sandbox" in renamer.look("old", "third")[-1][0]
