"""Publishing is complete or not at all; versions never change; readers trust nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airspace.sdk import (
    NameRefusedError,
    NotPublishedError,
    OutsidePlatformError,
    Published,
    PublishError,
    publish,
    published,
    storage,
    team,
    workspace,
)

OWNER = "data_engineering"


def put(text: str = "1", *, version: str | None = None, keep: int = 3) -> Published:
    with publish("users", version=version, keep=keep) as out:
        (out.path / "part.txt").write_text(text)
        out.describe(rows=len(text), schema={"text": str})
    assert out.result is not None
    return out.result


def test_what_is_published_can_be_read_and_describes_itself(root: Path) -> None:
    with publish("users", version="v1") as out:
        (out.path / "date=2025-06-02").mkdir()
        (out.path / "date=2025-06-02" / "part.txt").write_text("abc")
        out.describe(rows=3, schema={"id": "Int64"})
    found = published(OWNER, "users")
    assert found.path == root / OWNER / "published" / "users" / "v1"
    assert (found.path / "date=2025-06-02" / "part.txt").read_text() == "abc"
    manifest = found.manifest
    assert (manifest.rows, manifest.bytes, dict(manifest.schema)) == (3, 3, {"id": "Int64"})
    assert [file.path for file in manifest.files] == ["date=2025-06-02/part.txt"]
    assert found == out.result


def test_the_event_is_plain_json_with_rows_uri_and_version(root: Path) -> None:
    source = put(version="v1")
    with publish("copies", inputs=[source]) as out:
        (out.path / "part.txt").write_text("x")
        out.describe(rows=1)
    event = out.event()
    assert json.loads(json.dumps(event)) == event
    assert event["rows"] == 1
    assert event["uri"] == published(OWNER, "copies").path.as_uri()
    assert event["inputs"] == ["data_engineering/users/v1"]


def test_an_exception_publishes_nothing_and_leaves_the_version_before(root: Path) -> None:
    put("old", version="v1")
    drafts = []

    def fail() -> None:
        with publish("users") as out:
            drafts.append(out.path)
            (out.path / "part.txt").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert published(OWNER, "users").version == "v1"
    assert [entry.name for entry in drafts[0].parent.iterdir()] == [".lock"]


def test_a_draft_is_not_visible_before_the_end(root: Path) -> None:
    with publish("users") as out:
        (out.path / "part.txt").write_text("new")
        with pytest.raises(NotPublishedError, match="published nothing"):
            published(OWNER, "users")
        with pytest.raises(PublishError, match="not published yet"):
            out.event()
        assert list((root / OWNER / "published" / "users").iterdir()) == []


def test_the_newest_versions_are_kept_and_older_ones_go(root: Path) -> None:
    for number in range(5):
        put(str(number), version=f"v{number}", keep=2)
    folder = root / OWNER / "published" / "users"
    assert sorted(entry.name for entry in folder.iterdir()) == ["CURRENT", "v3", "v4"]
    assert published(OWNER, "users", version="v3").manifest.sequence == 4
    with pytest.raises(NotPublishedError, match="any more"):
        published(OWNER, "users", version="v0")


def test_a_label_published_again_is_a_new_version_and_the_old_one_does_not_change(root: Path) -> None:
    first, second = put("a", version="run1"), put("b", version="run1")
    assert (first.version, second.version) == ("run1", "run1.2")
    assert (first.path / "part.txt").read_text() == "a"
    assert published(OWNER, "users") == second


def test_modes_let_another_user_read_and_nobody_write_whatever_the_umask(root: Path) -> None:
    before = os.umask(0o077)
    try:
        found = put()
    finally:
        os.umask(before)
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o755
    assert stat.S_IMODE(found.path.parent.stat().st_mode) == 0o755
    for file in (found.path / "part.txt", found.path / "manifest.json", found.path.parent / "CURRENT"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o444


def test_a_consumer_needs_only_the_assets_folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    put("shared")
    elsewhere = tmp_path_factory.mktemp("consumer")
    (elsewhere / OWNER / "published").mkdir(parents=True)
    (root / OWNER / "published" / "users").rename(elsewhere / OWNER / "published" / "users")
    os.environ["AIRSPACE_STORAGE"] = str(elsewhere)  # the fixture's monkeypatch puts it back
    assert (published(OWNER, "users").path / "part.txt").read_text() == "shared"


def write_odd(kind: str, folder: Path) -> None:
    if kind == "link":
        (folder / "part.txt").symlink_to("/etc/hostname")
    elif kind == "folder link":
        (folder / "parts").symlink_to("/etc")
    elif kind == "pipe":
        os.mkfifo(folder / "pipe")
    elif kind == "manifest":
        (folder / "manifest.json").write_text("{}")


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "nothing", "manifest"])
def test_only_plain_files_are_published(root: Path, kind: str) -> None:
    with pytest.raises(PublishError), publish("users") as out:
        write_odd(kind, out.path)
    with pytest.raises(NotPublishedError):
        published(OWNER, "users")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\n", "x" * 151, "a..b", "ü"]
)
def test_names_cannot_be_paths(root: Path, name: str) -> None:
    with pytest.raises(NameRefusedError), publish(name):
        pass
    with pytest.raises(NameRefusedError), publish("users", version=name):
        pass
    with pytest.raises(NameRefusedError):
        published(OWNER, name)
    with pytest.raises(NameRefusedError):
        published(name, "users")
    with pytest.raises(NameRefusedError):
        published(OWNER, "users", version=name)


def test_the_pointers_name_is_no_version(root: Path) -> None:
    with pytest.raises(NameRefusedError), publish("users", version="CURRENT"):
        pass


@pytest.mark.parametrize("rows", [-1, True, "3", None])
def test_rows_are_a_count(root: Path, rows: object) -> None:
    with pytest.raises(PublishError), publish("users") as out:
        out.describe(rows=rows)  # type: ignore[arg-type]


def test_keeping_nothing_is_refused(root: Path) -> None:
    with pytest.raises(PublishError), publish("users", keep=0):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [("../../secret", "names no version"), ("", "names no version"), ("x" * 2000, "published nothing")],
)
def test_a_pointer_that_points_out_is_not_followed(root: Path, content: str, message: str) -> None:
    put()
    pointer = root / OWNER / "published" / "users" / "CURRENT"
    pointer.unlink()
    pointer.write_text(content)
    with pytest.raises(NotPublishedError, match=message):
        published(OWNER, "users")


def test_links_that_a_producer_plants_are_not_followed(root: Path, tmp_path: Path) -> None:
    found = put(version="v1")
    aside = tmp_path / "aside"
    found.path.rename(aside)
    found.path.symlink_to(aside)
    with pytest.raises(NotPublishedError):
        published(OWNER, "users")


def test_a_pipe_does_not_block_the_reader(root: Path) -> None:
    put()
    pointer = root / OWNER / "published" / "users" / "CURRENT"
    pointer.unlink()
    os.mkfifo(pointer)
    with pytest.raises(NotPublishedError):
        published(OWNER, "users")


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"rows": -1}, {"bytes": "1"}, {"files": [1]}, {"schema": {"a": 1}}, {"team": "data_science"}],
)
def test_a_manifest_that_lies_about_its_form_is_refused(root: Path, change: dict[str, object]) -> None:
    path = put().path / "manifest.json"
    data = {**json.loads(path.read_text()), **change}
    path.unlink()
    path.write_text(json.dumps(data))
    with pytest.raises(NotPublishedError, match="manifest"):
        published(OWNER, "users")


def test_storage_is_the_teams_own_folder(root: Path) -> None:
    assert team() == OWNER
    assert storage() == root / OWNER
    assert storage().is_dir()


def test_a_workspace_is_kept_for_the_newest_runs(root: Path) -> None:
    for number, name in enumerate(("run1", "run2", "run3")):
        folder = workspace("batches", name, keep=2)
        (folder / "data").write_text(name)
        os.utime(folder, (number, number))
    assert sorted(entry.name for entry in (root / OWNER / "batches").iterdir()) == ["run2", "run3"]
    assert (workspace("batches", "run2", keep=1) / "data").read_text() == "run2"
    assert [entry.name for entry in (root / OWNER / "batches").iterdir()] == ["run2"]
    with pytest.raises(NameRefusedError):
        workspace("..", "x")


@pytest.mark.parametrize("name", ["AIRSPACE_TEAM", "AIRSPACE_STORAGE"])
def test_outside_the_platform_the_message_says_what_to_set(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(OutsidePlatformError, match=f"export {name}="):
        storage()


def test_a_relative_storage_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRSPACE_STORAGE", "here")
    with pytest.raises(OutsidePlatformError):
        storage()


def test_only_the_standard_library_is_imported() -> None:
    code = (
        "import sys; before = set(sys.modules); import airspace.sdk\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["airspace"]
