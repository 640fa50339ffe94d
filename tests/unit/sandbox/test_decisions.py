"""What a sandbox is made of, decided without one."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from airspace.model.home import HomeLayout
from airspace.sandbox import cgroups, messages, nests
from airspace.sandbox.bubblewrap import arguments
from airspace.sandbox.spec import Limits, TeamPlace, read_places, sandbox_spec, write_places

HOME = HomeLayout(Path("/var/lib/airspace"))
REDS = TeamPlace("reds", "reds", 1001, 1001, "airspace-1-1", assets={"news": ("blues",), "diary": ()})
BLUES = TeamPlace("blues", "blues", 1002, 1002, "airspace-1-2")


def test_places_survive_their_file() -> None:
    found = read_places(write_places([REDS, BLUES]))
    assert found == {"reds": REDS, "blues": BLUES}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"teams": {"../x": {}}}',
        '{"teams": {"reds": {}}}',
        write_places([REDS]).replace("1001", "0"),
        write_places([REDS]).replace("1001", '"1001"'),
    ],
)
def test_a_damaged_list_of_places_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_places(text)


def test_a_sandbox_holds_its_own_and_what_others_consented_to() -> None:
    blues = sandbox_spec(HOME, BLUES, [REDS, BLUES], [Path("/venv")])
    assert blues.consented == (Path("reds/published/news"),)
    assert blues.writable == (HOME.storage / "blues",)
    assert HOME.bundles / "blues" in blues.read_only
    assert not [path for path in blues.read_only if path in (HOME.root, HOME.bundles, HOME.storage, HOME.secrets)]
    assert sandbox_spec(HOME, REDS, [REDS, BLUES], []).consented == ()


def test_whatever_changes_a_sandbox_changes_its_fingerprint() -> None:
    before = sandbox_spec(HOME, BLUES, [REDS], [])
    withdrawn = sandbox_spec(HOME, BLUES, [replace(REDS, assets={})], [])
    smaller = sandbox_spec(HOME, replace(BLUES, limits=Limits(memory=1)), [REDS], [])
    assert len({spec.fingerprint for spec in (before, withdrawn, smaller)}) == 3
    assert before.fingerprint == sandbox_spec(HOME, BLUES, [REDS], []).fingerprint


def test_an_ordinary_users_sandbox_has_a_user_namespace() -> None:
    spec = sandbox_spec(HOME, replace(BLUES, uid=None, gid=None), [REDS], [])
    assert "--unshare-user" in arguments(spec, (), {}, 9)
    told = arguments(sandbox_spec(HOME, BLUES, [REDS], []), (Path("reds/published/news"),), {}, 9)
    assert "--unshare-user" not in told
    for needed in (
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
        "--as-pid-1",
    ):
        assert needed in told
    shown = str(HOME.storage / "reds/published/news")
    assert told[told.index(shown) - 1] == "--ro-bind-try"
    assert told[-6:] == ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


def test_limits_in_the_words_of_each_version_of_cgroups() -> None:
    limits = Limits(memory=1024, cpu=0.5, processes=7)
    every = ("memory", "cpu", "pids")
    assert dict(cgroups.settings(limits, 1, every)) == {
        "memory.limit_in_bytes": "1024",
        "memory.memsw.limit_in_bytes": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "pids.max": "7",
    }
    assert dict(cgroups.settings(limits, 2, every)) == {
        "memory.max": "1024",
        "memory.swap.max": "0",
        "cpu.max": "50000 100000",
        "pids.max": "7",
    }
    assert dict(cgroups.settings(limits, 2, ("pids",))) == {"pids.max": "7"}
    assert dict(cgroups.settings(Limits(), 1, every)) == {"pids.max": "512"}


def test_groups_of_version_2_are_made_where_that_is_delegated(tmp_path: Path) -> None:
    """A folder tree in the place of the kernel's: the writing, not the limiting, is tried."""
    for folder in (tmp_path, tmp_path / "user", tmp_path / "user" / "app"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpu memory pids io")
        (folder / "cgroup.subtree_control").write_text("")
    own = tmp_path / "own"
    own.write_text("0::/user/app\n")
    (tmp_path / "user" / "home").mkdir()
    (tmp_path / "home").mkdir()
    found = cgroups.find("home", tmp_path, own)
    assert found.version == 2
    assert found.controllers == ("memory", "cpu", "pids")
    group = found.make("reds.1", Limits(memory=5))
    (folder,) = group.folders
    assert (folder / "memory.max").read_text() == "5"


def test_a_packet_is_one_message_with_its_descriptors() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, open(os.devnull) as file:  # noqa: PTH123
        messages.send(ours, {"a": 1}, [file.fileno()])
        packet = messages.receive(theirs)
        assert packet is not None
        assert packet.body == {"a": 1}
        assert len(packet.descriptors) == 1
        packet.close()
        for nonsense in (b"[", b"[]", b"1", b"[" * 9000):
            ours.send(nonsense)
            with pytest.raises(ValueError, match="no message"):
                messages.receive(theirs)
        with pytest.raises(ValueError, match="too long"):
            messages.send(ours, {"a": "x" * messages.LARGEST})
        ours.close()
        assert messages.receive(theirs) is None


def test_a_nest_fits_while_nothing_that_it_saw_has_changed(tmp_path: Path) -> None:
    file, missing = tmp_path / "dag.py", tmp_path / "missing.py"
    file.write_text("one")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        nest = nests.Nest(1, ours)
        assert not nest.fits(nest.born), "it is not ready"
        nest.seen = {str(path): nests.state_of(str(path)) for path in (file, missing)}
        assert nest.fits(nest.born)
        assert not nest.fits(nest.born + nests.MOST_AGE + 1)
        missing.write_text("new")
        assert not nest.fits(nest.born)
        missing.unlink()
        assert nest.fits(nest.born)
        times = file.stat().st_atime_ns, file.stat().st_mtime_ns
        file.write_text("two")
        os.utime(file, ns=times)  # as the fetcher keeps the times that files came with
        assert not nest.fits(nest.born)
