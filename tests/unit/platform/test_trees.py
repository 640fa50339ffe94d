"""Folders that a team filled: what root does in them stays in them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from airspace.backends.trees import Archive, Owner, copy_tree, remove_tree, take_inventory
from airspace.model.errors import AirspaceError


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with everything that somebody could put there; beside it, what is not theirs."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("other's")
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "other" / "file")
    (folder / "folder").symlink_to(tmp_path / "other")
    os.link(tmp_path / "other" / "file", folder / "second-name")
    os.mkfifo(folder / "pipe")
    (folder / "a\nb").write_text("line")
    Path(os.fsdecode(bytes(folder / "x") + b"\xff")).write_text("bytes")
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("closed")
    (folder / "closed").chmod(0)
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(400):  # deeper than a path can say
        os.mkdir("d" * 20, dir_fd=handle)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    return folder


def test_everything_is_removed_and_nothing_else(hostile: Path) -> None:
    assert remove_tree(hostile.parent, hostile.name) > 400
    assert not hostile.exists()
    assert (hostile.parent / "other" / "file").read_text() == "other's"
    assert remove_tree(hostile.parent, hostile.name) == 0
    (hostile.parent / "theirs").symlink_to(hostile.parent / "other")
    remove_tree(hostile.parent, "theirs")
    assert (hostile.parent / "other" / "file").exists()


def test_an_inventory_reads_no_other_files(hostile: Path) -> None:
    stream = io.BytesIO()
    found = take_inventory(hostile, stream)
    lines = {line["path"]: line for line in map(json.loads, stream.getvalue().splitlines())}
    assert {"a\nb", "second-name", "x\udcff"} <= set(lines)
    assert lines["second-name"]["sha256"] is None
    assert lines["a\nb"]["sha256"]
    assert found.unread == 1
    assert found.others == 3
    assert not found.complete
    remove_tree(hostile.parent, hostile.name)


def test_an_archive_holds_plain_files_and_is_the_owners(hostile: Path, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    with Archive(path, "export") as archive:
        archive.add_tree(hostile, "files")
        archive.add_text("manifest.json", "{}")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as read:
        members = {member.name: member for member in read.getmembers()}
        assert all(member.isreg() for member in members.values())
        assert "export/files/a\nb" in members
        assert "export/manifest.json" in members
        assert not [name for name in members if name.endswith(("/link", "/pipe"))]
    with pytest.raises(AirspaceError, match="cannot be written"), Archive(path, "export"):
        pass
    remove_tree(hostile.parent, hostile.name)


def test_an_archive_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Archive(tmp_path / "a.tar.gz", "x"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_shrinks_while_it_is_packed_spoils_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "log").write_bytes(b"x" * 100_000)
    with Archive(tmp_path / "a.tar.gz", "x") as archive, (source / "log").open("rb") as file:
        reader = file
        os.truncate(source / "log", 10)
        archive._add(
            "log", 100_000, 0, __import__("airspace.backends.trees.archive", fromlist=["_"])._Exactly(reader, 100_000)
        )
        archive.add_text("after", "whole")
    with tarfile.open(tmp_path / "a.tar.gz") as read:
        after = read.extractfile("x/after")
        assert after is not None
        assert after.read() == b"whole"


def test_a_copy_is_of_plain_files_anew_and_as_small_as_they_are(hostile: Path, tmp_path: Path) -> None:
    kept = hostile / "kept"
    kept.mkdir(mode=0o500)
    with (hostile / "holes").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
    (hostile / "said.json").write_text("old")
    above = os.open(hostile.parent, os.O_RDONLY)
    with (hostile / "said.json").open("r+") as still_open:
        done = copy_tree(
            (above, hostile.name),
            tmp_path / "copy",
            Owner(os.getuid(), os.getgid(), reads=-1),
            rewritten=lambda path, _: b"new" if path == "said.json" else None,
        )
        still_open.write("late")
    os.close(above)
    copy = tmp_path / "copy"
    assert (copy / "said.json").read_text() == "new"
    assert (copy / "holes").stat().st_size == (1 << 40) + 3
    assert (copy / "holes").stat().st_blocks * 512 < 1 << 20
    assert (copy / "kept").stat().st_mode & 0o777 == 0o500
    assert done.left_out > 0
    assert [path for path in copy.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())] == []
    assert all(path.stat().st_nlink == 1 for path in copy.rglob("*") if path.is_file())
