"""The states of a home: what is taken, what is carried on with, what is refused."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.platform import home
from airspace.platform.home import Manifest
from airspace.platform.vault import Vault


@pytest.fixture
def layout(tmp_path: Path) -> HomeLayout:
    return HomeLayout(tmp_path / "home")


def test_an_absent_or_empty_home_is_usable(layout: HomeLayout) -> None:
    home.check_usable(layout)
    layout.root.mkdir()
    home.check_usable(layout)


def test_a_folder_with_other_things_in_it_is_refused_and_untouched(layout: HomeLayout) -> None:
    layout.root.mkdir()
    (layout.root / "thesis.tex").write_text("mine")
    with pytest.raises(HomeError, match=r"not empty.*airspace\.json") as refused:
        home.check_usable(layout)
    assert "mv " in (refused.value.fix or "")
    assert [p.name for p in layout.root.iterdir()] == ["thesis.tex"]


def test_the_users_settings_may_be_there_before_anything_else(layout: HomeLayout) -> None:
    layout.root.mkdir(mode=0o700)
    (layout.root / "airflow.overrides.cfg").write_text("[core]\nparallelism = 4\n")
    home.check_usable(layout)


def test_a_home_that_was_begun_keeps_its_id(layout: HomeLayout) -> None:
    layout.root.mkdir()
    first = home.begin(layout)
    (layout.root / "postgres").mkdir()
    home.check_usable(layout)
    assert home.begin(layout) == first
    assert home.begun_id(layout) == first.id


def test_a_completed_home_reads_back_what_was_written(layout: HomeLayout) -> None:
    layout.root.mkdir()
    manifest = home.with_changes(home.begin(layout), port=8123, user="airspace-x", schema="s")
    home.complete(layout, manifest)
    assert home.read_manifest(layout) == manifest
    assert home.begin(layout) == manifest
    assert home.begun_id(layout) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"id": "../../etc"}), json.dumps({"id": 7})])
def test_a_damaged_manifest_is_named(layout: HomeLayout, text: str) -> None:
    layout.root.mkdir()
    layout.manifest.write_text(text)
    with pytest.raises(HomeError, match="damaged") as refused:
        home.read_manifest(layout)
    assert refused.value.fix


@pytest.mark.parametrize("name", ["a;b", "a%b", "a#b", "a\nb", 'a"b', "a'b", "a,b", "a$b", "a\\b"])
def test_paths_that_some_program_would_misread_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HomeError, match="characters"):
        home.check_usable(HomeLayout(tmp_path / name))


def test_a_home_others_may_write_in_is_refused(layout: HomeLayout) -> None:
    layout.root.mkdir()
    layout.root.chmod(0o777)
    with pytest.raises(HomeError, match="other users may write") as refused:
        home.check_usable(layout)
    assert refused.value.fix == f"chmod go-w {layout.root}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_foreign_home_is_refused(layout: HomeLayout) -> None:
    layout.root.mkdir()
    os.chown(layout.root, 65534, 65534)
    with pytest.raises(HomeError, match="belongs to nobody"):
        home.check_usable(layout)


def test_a_file_in_the_place_of_a_home_is_refused(layout: HomeLayout) -> None:
    layout.root.touch()
    with pytest.raises(HomeError, match="not a folder"):
        home.check_usable(layout)


def test_sockets_stay_in_the_home_unless_its_path_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    short = home.places(HomeLayout(Path("/srv/airspace")), "abcdef")
    assert (short.run, short.supervisor, short.runtime) == (
        Path("/srv/airspace/run"),
        Path("/srv/airspace/supervisor"),
        None,
    )
    long = home.places(HomeLayout(Path("/srv") / ("x" * 120)), "abcdef")
    assert long.runtime is not None
    assert long.runtime in long.run.parents
    assert "abcdef" in str(long.run)
    assert len(os.fsencode(long.supervisor / "s.sock.4194304")) <= 107


def test_folders_get_their_modes_and_links_are_not_followed(layout: HomeLayout, tmp_path: Path) -> None:
    where = home.places(layout, "abcdef")
    home.make_folders(layout, where, None)
    assert {path.stat().st_mode & 0o777 for path in (layout.secrets, layout.airflow, where.run)} == {0o700}
    layout.secrets.chmod(0o755)
    home.make_folders(layout, where, None)
    assert layout.secrets.stat().st_mode & 0o777 == 0o700
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    layout.storage.rmdir()
    layout.storage.symlink_to(elsewhere)
    with pytest.raises(HomeError, match="symbolic link"):
        home.make_folders(layout, where, None)
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_the_lock_lets_one_in_at_a_time(layout: HomeLayout) -> None:
    entered = threading.Event()

    def second() -> None:
        with home.locked(layout):
            entered.set()

    with home.locked(layout):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()


def test_secrets_are_made_once_private_and_never_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    vault = Vault(folder, None)
    made = vault.open(may_create=True)
    assert vault.open(may_create=False) == made
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert made.jwt_secret not in repr(made)
    assert len({made.fernet_key, made.jwt_secret, made.api_secret_key, made.database_password}) == 4
    (folder / "fernet_key").unlink()
    with pytest.raises(HomeError, match="fernet_key"):
        vault.open(may_create=False)


def test_a_secret_is_not_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("root's")
    (tmp_path / "fernet_key").symlink_to(tmp_path / "shadow")
    with pytest.raises(HomeError, match="cannot read"):
        Vault(tmp_path, None).read("fernet_key")


def test_a_manifest_of_a_later_version_may_say_more(layout: HomeLayout) -> None:
    layout.root.mkdir()
    layout.manifest.write_text(json.dumps({"id": "abcdef", "port": 8080, "later": True}))
    assert home.read_manifest(layout) == Manifest(id="abcdef", port=8080)
