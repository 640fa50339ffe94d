"""The fetcher's copies: faithful to honest folders, closed to hostile ones."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from airspace.backends.sources import Limits, Mirror, Owner
from airspace.backends.sources.safe_open import RefusedError, open_root

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "lib").mkdir(parents=True)
    (folder / "dag.py").write_text("dag = 1\n")
    (folder / "lib" / "helper.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    os.utime(folder / "dag.py", ns=(10**18, 10**18 + 7))
    return folder


def mirror(source: Path, limits: Limits | None = None, owner: Owner | None = None) -> Mirror:
    target = source.parent / "bundles" / "team"
    target.parent.mkdir(exist_ok=True)
    return Mirror(source, target, owner, limits)


def tree(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


def test_a_folder_is_copied_as_it_is(source: Path) -> None:
    copy = mirror(source)
    outcome = copy.update()
    assert outcome.changed
    assert outcome.files == 3
    assert not outcome.problems
    assert tree(copy.target) == tree(source)
    assert outcome.folders == {source, source / "lib"}
    assert (copy.target / "dag.py").stat().st_mtime_ns == 10**18 + 7
    assert stat.S_IMODE((copy.target / "dag.py").stat().st_mode) == 0o444
    assert stat.S_IMODE((copy.target / "run.sh").stat().st_mode) == 0o555


def test_nothing_new_changes_nothing_also_after_a_restart(source: Path) -> None:
    copy = mirror(source)
    copy.update()
    assert not copy.update().changed
    assert not mirror(source).update().changed


def test_edits_and_deletions_follow(source: Path) -> None:
    copy = mirror(source)
    copy.update()
    (source / "dag.py").write_text("dag = 2\n")
    (source / "lib" / "helper.py").unlink()
    (source / "lib").rmdir()
    (source / "lib").write_text("a file now\n")
    assert copy.update().changed
    assert tree(copy.target) == tree(source)
    (source / "lib").unlink()
    (source / "lib").mkdir()
    (source / "lib" / "new.py").write_text("")
    assert copy.update().changed
    assert tree(copy.target) == tree(source)


def test_same_time_and_size_are_no_proof_of_same_contents(source: Path) -> None:
    copy = mirror(source)
    copy.update()
    (source / "dag.py").write_text("dag = 9\n")
    os.utime(source / "dag.py", ns=(10**18, 10**18 + 7))
    assert copy.update().changed
    assert (copy.target / "dag.py").read_text() == "dag = 9\n"
    (source / "dag.py").write_text("dag = 8\n")
    os.utime(source / "dag.py", ns=(10**18, 10**18 + 7))
    assert mirror(source).update().changed
    assert (copy.target / "dag.py").read_text() == "dag = 8\n"


def test_a_missing_source_keeps_its_last_copy(source: Path) -> None:
    copy = mirror(source)
    copy.update()
    source.rename(source.with_name("moved"))
    outcome = copy.update()
    assert not outcome.changed
    assert outcome.problems == {".": "No such file or directory"}
    assert (copy.target / "dag.py").exists()


def test_links_sockets_pipes_and_setuid_files_are_refused(source: Path) -> None:
    copy = mirror(source)
    secret = source.parent / "secret"
    secret.write_text("secret")
    (source / "link.py").symlink_to(secret)
    (source / "folder").symlink_to(source.parent)
    (source / "loop").symlink_to(source)
    os.mkfifo(source / "pipe.py")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
    (source / "dag.py").chmod(0o4755)
    outcome = copy.update()
    assert set(outcome.problems) == {"link.py", "folder", "loop", "pipe.py", "socket", "dag.py"}
    assert set(tree(copy.target)) == {"lib/helper.py", "run.sh"}
    assert not any(path.is_symlink() for path in copy.target.rglob("*"))


def test_what_becomes_a_link_goes_from_the_copy(source: Path) -> None:
    copy = mirror(source)
    copy.update()
    (source / "dag.py").unlink()
    (source / "dag.py").symlink_to("/etc/passwd")
    assert copy.update().changed
    assert not (copy.target / "dag.py").exists()


def test_links_in_the_copy_are_replaced_not_followed(source: Path) -> None:
    copy = mirror(source)
    outside = source.parent / "outside"
    outside.mkdir()
    copy.target.mkdir(parents=True)
    (copy.target / "lib").symlink_to(outside)
    (copy.target / "dag.py").symlink_to(outside / "dag.py")
    copy.update()
    assert not list(outside.iterdir())
    assert tree(copy.target) == tree(source)


def test_a_racing_link_never_leaks(source: Path) -> None:
    """A file and a folder are swapped with links all the time: the copy never holds what they point to."""
    secret = source.parent / "private"
    secret.mkdir()
    (secret / "helper.py").write_text("SECRET")
    (secret / "dag.py").write_text("SECRET")
    copy = mirror(source)
    stop = threading.Event()

    def swap() -> None:
        (source / "real").mkdir()
        (source / "real" / "helper.py").write_text("x = 1\n")
        while not stop.is_set():
            for name, good in (("race.py", source / "run.sh"), ("race", source / "real")):
                part = source.parent / "part"
                for target in (good, secret / "dag.py" if name == "race.py" else secret):
                    part.unlink(missing_ok=True)
                    if target == source / "run.sh":
                        part.write_text("x")
                        part.rename(source / name)
                    elif target == source / "real":
                        (source / name).unlink(missing_ok=True)
                        (source / "real").rename(source / name)
                        (source / name).rename(source / "real")
                    else:
                        part.symlink_to(target)
                        part.rename(source / name)

    racer = threading.Thread(target=swap)
    racer.start()
    deadline = time.monotonic() + 1
    try:
        while time.monotonic() < deadline:
            copy.update()
            assert "SECRET" not in tree(copy.target).values()
    finally:
        stop.set()
        racer.join()


def test_limits_leave_out_and_report(source: Path) -> None:
    copy = mirror(source, Limits(files=2, file_bytes=100, total_bytes=1000, depth=1))
    (source / "big.csv").write_text("x" * 101)
    (source / "lib" / "deep").mkdir()
    (source / "lib" / "deep" / "module.py").write_text("")
    outcome = copy.update()
    assert set(tree(copy.target)) == {"dag.py", "lib/helper.py"}
    assert set(outcome.problems) == {"big.csv", "lib/deep", "run.sh"}
    assert "more than 2 files" in outcome.problems["run.sh"]


def test_what_no_bundle_needs_is_left_out(source: Path) -> None:
    for name in (".git", "__pycache__", ".venv"):
        (source / name).mkdir()
        (source / name / "file").write_text("x")
    copy = mirror(source)
    assert not copy.update().problems
    assert set(tree(copy.target)) == {"dag.py", "lib/helper.py", "run.sh"}


@ROOT
def test_with_roots_rights_only_what_the_owner_may_read(source: Path) -> None:
    theirs = 12345
    secret = source.parent / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    for path in (source, *source.rglob("*")):
        os.chown(path, theirs, theirs)
    os.link(secret, source / "stolen.py")
    (source / "private.py").write_text("mine")
    (source / "private.py").chmod(0o600)
    os.chown(source / "private.py", theirs, theirs)
    copy = mirror(source, owner=Owner(23456, 23456))
    outcome = copy.update()
    assert set(outcome.problems) == {"stolen.py"}
    assert (copy.target / "private.py").read_text() == "mine"
    assert {f.stat().st_uid for f in [copy.target, *copy.target.rglob("*")]} == {23456}


@ROOT
def test_with_roots_rights_nobody_elses_link_leads_to_the_source(tmp_path: Path) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    home.mkdir()
    secret.mkdir()
    (home / "dags").symlink_to(secret)
    (tmp_path / "roots").symlink_to("secret")
    os.chown(home / "dags", 12345, 12345, follow_symlinks=False)
    with pytest.raises(RefusedError, match="symbolic link"):
        open_root(home / "dags", privileged=True)
    with pytest.raises(RefusedError, match="symbolic link"):
        open_root(home / "dags" / "inner", privileged=True)
    os.close(open_root(tmp_path / "roots", privileged=True))


def test_an_unreadable_file_keeps_its_copy_and_is_reported(source: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    copy = mirror(source)
    copy.update()
    (source / "dag.py").chmod(0)
    outcome = copy.update()
    assert outcome.problems == {"dag.py": "Permission denied"}
    assert (copy.target / "dag.py").exists()
