"""A look at a git repository, over a real server: what comes, what is left out, what is refused."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from airspace.backends.remotes.__main__ import look, reach_all
from airspace.backends.remotes.job import Job, Seen
from airspace.backends.sources import Limits
from airspace.model.source_settings import SourceSettings
from tests.integration.runtime.home import wait_for
from tests.integration.sources.servers import GitServer, Repository, git, git_server, silent_server

LOCAL = SourceSettings(hosts=("127.0.0.1",))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with git_server(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def job(url: str, home: Path, *folders: str, settings: SourceSettings = LOCAL, **credential: str) -> Job:
    place = {"url": url, "ref": "refs/heads/main"}
    return Job("git", place, folders or ("",), str(home), credential, settings)


def tree(home: Path, seen: Seen, folder: str = "") -> dict[str, str]:
    root = home / "trees" / seen.trees[folder]
    return {str(f.relative_to(root)): f.read_text() for f in root.rglob("*") if f.is_file()}


def message(seen: Seen) -> str:
    assert seen.error is not None
    return seen.error[0]


def test_each_team_gets_its_folder_of_one_fetch(server: GitServer, home: Path) -> None:
    files = {f"teams/{team}/dag.py": team for team in ("de", "da", "ds")} | {"README": "all"}
    repository = Repository.make(server.root, "shared", files)
    wanted = job(f"{server.url}/shared.git", home, "teams/de", "teams/da", "teams/ds")
    seen = look(wanted)
    assert seen.error is None
    assert {folder: tree(home, seen, folder) for folder in seen.trees} == {
        f"teams/{team}": {"dag.py": team} for team in ("de", "da", "ds")
    }
    assert seen.version == git(repository.work, "rev-parse", "HEAD")
    assert server.packs("shared") == 1
    again = look(replace(wanted, known=seen.trees, version=seen.version))
    assert again.trees == seen.trees
    assert server.packs("shared") == 1


def test_a_change_renews_what_changed_and_keeps_the_times_of_the_rest(server: GitServer, home: Path) -> None:
    repository = Repository.make(server.root, "changing", {"a.py": "one", "b/c.py": "c", "gone.py": "x"})
    wanted = job(f"{server.url}/changing.git", home)
    first = look(wanted)
    old = home / "trees" / first.trees[""]
    os.utime(old / "b" / "c.py", ns=(10**18, 10**18))
    commit = repository.push({"a.py": "two", "gone.py": None})
    second = look(replace(wanted, known=first.trees, version=first.version))
    assert second.version == commit
    assert tree(home, second) == {"a.py": "two", "b/c.py": "c"}
    new = home / "trees" / second.trees[""]
    assert (new / "b" / "c.py").stat().st_mtime_ns == 10**18
    assert tree(home, first)["a.py"] == "one"


def test_nothing_of_a_hostile_repository_is_run_or_followed(server: GitServer, home: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    repository = Repository.make(server.root, "hostile", {"dag.py": "good", "lfs.bin": ""})
    work = repository.work
    (work / "shadow.py").symlink_to("/etc/shadow")
    (work / "up").symlink_to("../../../..")
    (work / ".gitattributes").write_text("* filter=evil text eol=crlf\n*.bin filter=lfs\n")
    (work / ".lfsconfig").write_text("[lfs]\n\turl = https://evil.example\n")
    (work / "lfs.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    (work / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = "ext::sh -c touch% {ran}"\n')
    (work / "crlf.py").write_bytes(b"a\nb\n")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "hooks").mkdir()
    (work / "hooks" / "post-checkout").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (work / "hooks" / "post-checkout").chmod(0o755)
    git(work, "add", "--all")
    head = git(work, "rev-parse", "HEAD")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},x")
    git(work, "commit", "--quiet", "-m", "hostile")
    repository.send()
    seen = look(job(f"{server.url}/hostile.git", home))
    assert seen.error is None
    found = tree(home, seen)
    assert found["crlf.py"] == "a\nb\n"
    assert {"shadow.py", "up", "x"}.isdisjoint(found)
    assert seen.left_out[""] == {
        "shadow.py": "it is a symbolic link",
        "up": "it is a symbolic link",
        "x": "it is a submodule, which is not followed",
        "lfs.bin": "it is kept in Git LFS: only its pointer is here",
    }
    root = home / "trees" / seen.trees[""]
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o755
    assert not any(path.is_symlink() for path in root.rglob("*"))
    assert not ran.exists()


@pytest.mark.parametrize("name", [".git", ".GIT", "..", "git~1"])
def test_forged_names_are_not_written(server: GitServer, home: Path, name: str) -> None:
    repository = Repository.make(server.root, f"forged-{name.strip('.~')}-{len(name)}{name.isupper()}", {"dag.py": "x"})
    blob = git(repository.bare, "hash-object", "-w", "--stdin", given="evil")
    inner = git(repository.bare, "mktree", given=f"100644 blob {blob}\tconfig\n")
    raw = f"40000 {name}\0".encode() + bytes.fromhex(inner)
    top = git(repository.bare, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=raw)
    commit = git(repository.bare, "commit-tree", top, "-m", "forged")
    git(repository.bare, "update-ref", "refs/heads/main", commit)
    before = {path for path in home.rglob("*") if path.name == "config" and "repository.git" not in path.parts}
    seen = look(job(f"{server.url}/{repository.bare.name}", home))
    assert "damaged or forged" in message(seen)
    assert {path for path in home.rglob("*") if path.name == "config" and "repository.git" not in path.parts} == before


def test_a_hundred_thousand_files_and_a_huge_one_are_bounded(
    server: GitServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airspace.backends.remotes.trees._LIMITS", Limits(files=1_000))
    repository = Repository.make(server.root, "many", {"dag.py": "x"})
    lines = [b"blob\nmark :1\ndata 1\nx\n", b"commit refs/heads/main\ncommitter a <a@x> 1 +0000\ndata 1\nm\n"]
    lines += [f"M 100644 :1 d{n // 1000}/f{n}.py\n".encode() for n in range(100_000)]
    size = 65 << 20
    lines += [b"M 100644 inline a_huge.bin\ndata %d\n" % size, b"\0" * size, b"\n"]
    git(repository.bare, "fast-import", "--quiet", "--force", given=b"".join(lines))
    started = time.monotonic()
    seen = look(job(f"{server.url}/many.git", home))
    assert seen.error is None
    assert time.monotonic() - started < 90
    root = home / "trees" / seen.trees[""]
    assert sum(path.is_file() for path in root.rglob("*")) == 1_000
    why = list(seen.left_out[""].values())
    assert why == ["it is larger than 64 MB", "there are more than 1000 files: this and what follows"]


def test_a_private_repository_needs_its_own_credential(server: GitServer, home: Path, tmp_path: Path) -> None:
    Repository.make(server.root, "private", {"dag.py": "secret"})
    server.logins["private"] = "git:right-token"
    url = f"{server.url}/private.git"
    assert tree(home, look(job(url, home, password="right-token"))) == {"dag.py": "secret"}
    for credential in ({}, {"password": "wrong-token"}, {"login": "ada", "password": "right-token"}):
        (tmp_path / "other").mkdir(exist_ok=True)
        seen = look(job(url, tmp_path / "other", **credential))
        assert "credentials" in message(seen) or "login" in message(seen)
        assert "token" not in seen.dump()
        assert not list((tmp_path / "other").glob("trees/*"))


def test_no_credential_is_in_arguments_answers_or_files(server: GitServer, home: Path) -> None:
    Repository.make(server.root, "watched", {"dag.py": "x"})
    server.logins["watched"] = "git:very-hidden-token"
    wanted = job(f"{server.url}/watched.git", home, password="very-hidden-token")
    command = [sys.executable, "-m", "airspace.backends.remotes", "look"]
    done = subprocess.run(command, input=wanted.dump(), capture_output=True, text=True, check=False, timeout=60)
    assert Seen.load(done.stdout).error is None, done.stdout
    assert "very-hidden" not in done.stdout + done.stderr
    with silent_server() as port:
        url = f"http://127.0.0.1:{port}/x.git"
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True) as process:
            assert process.stdin is not None
            process.stdin.write(job(url, home, password="very-hidden-token").dump())
            process.stdin.close()
            me = psutil.Process(process.pid)
            wait_for(lambda: any("remote-http" in " ".join(each.cmdline()) for each in me.children(recursive=True)))
            shown = " ".join(part for each in [me, *me.children(recursive=True)] for part in each.cmdline())
            kept = [path for path in home.rglob("*") if path.is_file() and b"very-hidden" in path.read_bytes()]
            os.killpg(process.pid, signal.SIGKILL)
    assert "very-hidden" not in shown
    assert kept == []


def test_only_public_hosts_unless_the_owner_lists_them(server: GitServer, home: Path) -> None:
    nothing = SourceSettings()
    for url in ("https://127.0.0.1:1/x.git", "https://169.254.169.254/x.git", "https://10.0.0.1/x.git",
                "https://[::1]/x.git", "https://[::ffff:127.0.0.1]/x.git", "ssh://git@127.0.0.1/x.git"):  # fmt: skip
        assert "no Dag source may be there" in message(look(job(url, home, settings=nothing))), url
    Repository.make(server.root, "plain", {"dag.py": "x"})
    assert "http is not encrypted" in message(look(job(f"{server.url}/plain.git", home, settings=nothing)))
    listed = SourceSettings(hosts=("127.0.0.0/8",))
    assert look(job(f"{server.url}/plain.git", home, settings=listed)).error is None


def test_a_redirect_is_followed_nowhere(server: GitServer, home: Path) -> None:
    Repository.make(server.root, "inner", {"dag.py": "x"})
    server.elsewhere["moved"] = f"{server.url}/inner.git/info/refs?service=git-upload-pack"
    before = server.packs("inner")
    seen = look(job(f"{server.url}/moved.git", home))
    assert message(seen) == "the server sends git elsewhere"
    assert server.packs("inner") == before


def test_a_folder_of_the_machine_only_below_what_the_owner_opened(home: Path, tmp_path: Path) -> None:
    Repository.make(tmp_path / "srv", "local", {"dag.py": "x"})
    (tmp_path / "srv" / "link.git").symlink_to(tmp_path / "elsewhere.git")
    Repository.make(tmp_path, "elsewhere", {"dag.py": "secret"})
    opened = SourceSettings(folders=(str(tmp_path / "srv"),))
    url = f"file://{tmp_path}/srv/local.git"
    assert tree(home, look(job(url, home, settings=opened))) == {"dag.py": "x"}
    assert "not open to Dag sources" in message(look(job(url, home, settings=SourceSettings())))
    linked = job(f"file://{tmp_path}/srv/link.git", home, settings=opened)
    assert "not open to Dag sources" in message(look(linked))


def test_what_is_wrong_is_said_with_a_fix(server: GitServer, home: Path) -> None:
    Repository.make(server.root, "small", {"dag.py": "x"})
    url = f"{server.url}/small.git"
    gone = replace(job(url, home), place={"url": url, "ref": "refs/heads/gone"})
    assert message(look(gone)) == "there is no branch gone"
    tagged = replace(job(url, home), place={"url": url, "ref": "refs/tags/v1"})
    assert message(look(tagged)) == "there is no tag v1"
    assert "no such repository" in message(look(job(f"{server.url}/nothing.git", home)))
    assert (
        message(look(job("https://no-such-host.invalid/x.git", home))) == "the name no-such-host.invalid is not known"
    )
    seen = look(job(url, home, "teams/nobody"))
    assert seen.missing == {"teams/nobody": "push it, or correct folder"}
    assert seen.error is None


def test_asking_whether_it_can_be_reached_never_takes_long(
    server: GitServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repository.make(server.root, "there", {"dag.py": "x"})
    monkeypatch.setattr("airspace.backends.remotes.__main__.REACH_SECONDS", 8.0)
    with silent_server() as port:
        jobs = [job(f"http://127.0.0.1:{port}/x.git", home), job(f"{server.url}/there.git", home)]
        started = time.monotonic()
        silent, there = reach_all([each.dump() for each in jobs])
        assert time.monotonic() - started < 25, "git alone would wait half a minute"
    assert "does not answer" in silent["error"][0]
    assert there["version"]
