"""What doctor says about sandboxes: found wrong before anybody is refused by `up`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import doctor, home, sandboxes
from airspace.platform.doctor import Check


@pytest.fixture
def layout(tmp_path: Path) -> HomeLayout:
    return HomeLayout(tmp_path)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that can hold sandboxes, whatever this one can."""
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(doctor, "SeccompFilter", lambda: None)
    monkeypatch.setattr(doctor.os, "getuid", lambda: 0)
    monkeypatch.setattr(sandboxes, "check", lambda _layout, **_: None)
    monkeypatch.setattr(sandboxes, "controllers", lambda: ("memory", "pids"))
    return monkeypatch


def walls(layout: HomeLayout) -> dict[str, Check]:
    return {check.name: check for check in doctor._walls(layout)}


def test_a_machine_that_can(able: pytest.MonkeyPatch, layout: HomeLayout) -> None:
    found = walls(layout)
    assert list(found) == ["bubblewrap", "libseccomp", "user namespaces", "sandboxes", "network of sandboxes"]
    assert all(check.ok and check.fix is None for check in found.values())
    assert found["sandboxes"].message == "one was built and removed; limited as a whole by cgroup: memory, pids"
    able.setattr(sandboxes, "controllers", lambda: ())
    assert "for each process only" in walls(layout)["sandboxes"].message
    able.setattr(sandboxes, "check", lambda _layout, **_: "not permitted")
    unreached = walls(layout)["network of sandboxes"]
    assert not unreached.ok
    assert unreached.message.endswith("not permitted")


def test_without_bubblewrap_or_libseccomp(able: pytest.MonkeyPatch, layout: HomeLayout) -> None:
    def absent() -> None:
        raise OSError("libseccomp.so.2: cannot open shared object file")

    able.setattr(doctor.shutil, "which", lambda _name: None)
    able.setattr(doctor, "SeccompFilter", absent)
    found = walls(layout)
    assert not found["bubblewrap"].ok
    assert found["bubblewrap"].fix == "apt-get install bubblewrap"
    assert not found["libseccomp"].ok
    assert found["libseccomp"].fix == "apt-get install libseccomp2"
    assert "sandboxes" not in found, "what is missing was said"


def test_an_ordinary_user_without_namespaces(able: pytest.MonkeyPatch, layout: HomeLayout) -> None:
    able.setattr(doctor.os, "getuid", lambda: 1000)
    able.setattr(doctor.shutil, "which", lambda _name: "/bin/false")
    check = walls(layout)["user namespaces"]
    assert not check.ok
    assert "sudo sysctl" in (check.fix or "")


def test_one_that_cannot_be_built(able: pytest.MonkeyPatch, layout: HomeLayout) -> None:
    def refuse(_layout: HomeLayout, as_root: bool) -> None:
        raise AirspaceError("this machine cannot hold sandboxes: bubblewrap failed", fix="airspace doctor")

    able.setattr(sandboxes, "check", refuse)
    check = walls(layout)["sandboxes"]
    assert not check.ok
    assert "bubblewrap failed" in check.message
    assert "--isolation none" in (check.fix or "")


def test_who_chose_no_walls_needs_nothing(able: pytest.MonkeyPatch, layout: HomeLayout) -> None:
    able.setattr(doctor.shutil, "which", lambda _name: None)
    able.setattr(doctor.home, "read_manifest", lambda _layout: home.Manifest(id="0a0a0a", isolation=home.NONE))
    (check,) = walls(layout).values()
    assert check.ok


def test_controllers_are_looked_up_without_making_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("memory", "pids"):
        (tmp_path / name).mkdir()
    assert sandboxes.controllers(tmp_path) == ("memory", "pids")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["memory", "pids"]

    unified = tmp_path / "unified"
    here = unified / "user.slice" / "session"
    here.mkdir(parents=True)
    for folder in (unified, here.parent):
        (folder / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
        (folder / "cgroup.subtree_control").write_text("")
    own = tmp_path / "own"
    own.write_text("0::/user.slice/session\n")
    for uid in (0, 1000):
        monkeypatch.setattr(os, "getuid", lambda uid=uid: uid)
        assert sandboxes.controllers(unified, own) == ("memory", "cpu", "pids")
    (here.parent / "cgroup.subtree_control").unlink()
    (unified / "cgroup.subtree_control").unlink()
    assert sandboxes.controllers(unified, own) == ()


@pytest.mark.parametrize("as_root", [True, False])
def test_the_sentence_says_what_is_inside_and_what_is_not(as_root: bool) -> None:
    told = sandboxes.sentence(home.SANDBOX, as_root=as_root)
    assert told.startswith(
        "isolation: sandbox - tasks and triggers run, and Dag files are read, in their team's sandbox"
    )
    assert ("share one Unix user" in told) is not as_root
    assert sandboxes.sentence(home.NONE, as_root=as_root).startswith("isolation: none")
