"""The puller and the fetcher as processes: from a push to a bundle, and nobody waits for another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.remotes import states
from airspace.model.home import HomeLayout
from airspace.model.remote import Remote
from airspace.platform import source_status
from airspace.platform.confinement import Confinement
from airspace.teams import folders
from airspace.teams.remotes import Credentials
from tests.integration.runtime.home import wait_for
from tests.integration.sources.servers import GitServer, Repository, git_server, silent_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "served").mkdir()
    with git_server(tmp_path / "served") as found:
        yield found


@pytest.fixture
def layout(tmp_path: Path) -> HomeLayout:
    made = HomeLayout(tmp_path / "home")
    for folder in (made.run, made.secrets, made.airflow, made.remotes):
        folder.mkdir(parents=True, mode=0o700)
    (made.airflow / "airflow.cfg").write_text("[airspace]\nsource_hosts = 127.0.0.1\n")
    return made


def source(url: str, folder: str = "", password: str | None = None, every: int = 300) -> tuple[Remote, dict[str, str]]:
    place = {"url": url, "ref": "refs/heads/main"}
    credential = {"password": password} if password else {}
    return Remote(Credentials("key").id_of("git", place, credential), "git", place, folder, every), credential


def applied(layout: HomeLayout, wanted: Mapping[str, tuple[Remote, dict[str, str]]]) -> None:
    """As apply writes it."""
    credentials = Credentials("key", {remote.id: credential for remote, credential in wanted.values()})
    folders.write_credentials(layout, credentials.dump())
    bundles = {team: folders.Source(team, "", remote).as_dict() for team, (remote, _) in wanted.items()}
    part = layout.sources.with_suffix(".part")
    part.write_text(json.dumps({"bundles": bundles}))
    part.rename(layout.sources)


@contextmanager
def running(layout: HomeLayout) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    env = {"PATH": os.defpath, "HOME": str(layout.root), "LANG": "C.UTF-8", "AIRSPACE_HOME": str(layout.root)}
    started = {}
    for name in ("puller", "fetcher"):
        with (layout.root / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", f"airspace.platform.{name}"]
            started[name] = subprocess.Popen(command, env=env, cwd="/", stdout=log, stderr=log)
    try:
        yield started
    finally:
        for process in started.values():
            process.terminate()
            process.wait(10)


def test_git_sees_nothing_of_the_platform(server: GitServer, layout: HomeLayout) -> None:
    confinement = Confinement(layout, layout.run)
    home = layout.remotes / ("a" * 24)
    home.mkdir()
    prefix = confinement.prefix(home)
    if not prefix:
        pytest.skip("this machine lets nobody make a user namespace")
    (layout.secrets / "fernet_key").write_text("key")
    tried = f"ls -A {layout.secrets}; ls -A {layout.root}; touch {home}/made; touch {layout.remotes}/x; ls /proc"
    plain = subprocess.run(["sh", "-c", tried], capture_output=True, text=True, check=False)
    assert "fernet_key" in plain.stdout
    (layout.remotes / "x").unlink()
    inside = subprocess.run([*prefix, "sh", "-c", tried], capture_output=True, text=True, check=False)
    assert "fernet_key" not in inside.stdout
    assert "remotes" in inside.stdout
    assert not (layout.remotes / "x").exists()
    assert (home / "made").exists()
    assert str(os.getpid()) not in inside.stdout.split()


def airspace(layout: HomeLayout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command."""
    env = {"PATH": os.defpath, "HOME": str(layout.root), "LANG": "C.UTF-8", "AIRSPACE_HOME": str(layout.root)}
    command = [str(Path(sys.executable).parent / "airspace"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def text(layout: HomeLayout, path: str) -> str | None:
    file = layout.bundles / path
    return file.read_text() if file.exists() else None


def status(layout: HomeLayout, team: str) -> Any:
    return json.loads((layout.run / "sources-status.json").read_text()).get(team, {})


def test_three_teams_of_one_repository_are_fetched_once_and_kept_apart(server: GitServer, layout: HomeLayout) -> None:
    files = {f"teams/{team}/dag.py": team for team in ("de", "da", "ds")}
    repository = Repository.make(server.root, "shared", files)
    wanted = {team: source(f"{server.url}/shared.git", f"teams/{team}") for team in ("de", "da", "ds")}
    applied(layout, wanted)
    with running(layout):
        for team in wanted:
            wait_for(lambda team=team: text(layout, f"{team}/dag.py") == team)
            assert [path.name for path in (layout.bundles / team).iterdir()] == ["dag.py"]
        assert server.packs("shared") == 1
        commit = repository.push({"teams/de/dag.py": "de 2"})
        layout.manifest.write_text('{"id": "0a0a0a"}')
        found = json.loads(airspace(layout, "team", "fetch", "da", "--json").stdout)
        assert (found["version"], found["problem"], found["place"]["folder"]) == (commit, None, "teams/da")
        wait_for(lambda: text(layout, "de/dag.py") == "de 2")
        assert server.packs("shared") == 2
        assert status(layout, "ds")["version"] == commit
        # A team that joins later needs no fetch of its own, and one that leaves takes only its copy with it.
        del wanted["da"]
        applied(layout, wanted | {"new": source(f"{server.url}/shared.git", "teams/da")})
        wait_for(lambda: text(layout, "new/dag.py") == "da" and text(layout, "da/dag.py") is None)
        assert text(layout, "de/dag.py") == "de 2"
        applied(layout, {})
        wait_for(lambda: not list(layout.remotes.iterdir()))


def test_silent_sources_hold_up_nobody(server: GitServer, layout: HomeLayout) -> None:
    repository = Repository.make(server.root, "quick", {"dag.py": "one"})
    with silent_server() as port:
        wanted = {f"silent_{number}": source(f"http://127.0.0.1:{port}/{number}.git") for number in range(8)}
        applied(layout, wanted | {"quick": source(f"{server.url}/quick.git")})
        with running(layout):
            wait_for(lambda: text(layout, "quick/dag.py") == "one")
            repository.push({"dag.py": "two"})
            started = time.monotonic()
            source_status.fetch_now(layout, layout.run, "quick", 60)
            wait_for(lambda: text(layout, "quick/dag.py") == "two")
            assert time.monotonic() - started < 25  # one that says nothing is given up after half a minute


def test_what_cannot_be_fetched_keeps_its_last_copy_and_says_why(server: GitServer, layout: HomeLayout) -> None:
    Repository.make(server.root, "ours", {"dag.py": "ours"})
    server.logins["ours"] = "git:token"
    url = f"{server.url}/ours.git"
    # The other team names the first one's repository, without its credential: that is another remote.
    wanted = {"ours": source(url, password="token"), "thief": source(url)}
    assert wanted["ours"][0].id != wanted["thief"][0].id
    applied(layout, wanted)
    with running(layout):
        wait_for(lambda: text(layout, "ours/dag.py") == "ours")
        wait_for(lambda: "login" in status(layout, "thief").get("error", ""))
        assert not list((layout.bundles).glob("thief/*"))
        server.logins["ours"] = "git:renewed"
        layout.manifest.write_text('{"id": "0a0a0a"}')
        refused = airspace(layout, "team", "fetch", "ours")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "the server refuses these credentials" in refused.stderr
        assert "check login, password or key" in refused.stderr
        wait_for(lambda: "credentials" in status(layout, "ours").get("error", ""))
        assert text(layout, "ours/dag.py") == "ours"
        assert states.read(layout.remotes, wanted["ours"][0].id).failures == 1
        told = {found.team: found.problem for found in source_status.statuses(layout, layout.run)}
        assert told["ours"] == "the server refuses these credentials"
    assert "token" not in (layout.root / "puller.log").read_text() + layout.sources.read_text()
    assert layout.source_credentials.stat().st_mode & 0o077 == 0


def test_a_puller_that_is_killed_goes_on_where_it_was(server: GitServer, layout: HomeLayout) -> None:
    repository = Repository.make(server.root, "kept", {"dag.py": "one"})
    applied(layout, {"kept": source(f"{server.url}/kept.git", every=5)})
    with running(layout) as processes:
        wait_for(lambda: text(layout, "kept/dag.py") == "one")
        processes["puller"].kill()
        processes["puller"].wait()
    [home] = [path for path in layout.remotes.iterdir() if path.is_dir()]
    (home / "trees" / ".part-left").mkdir()
    (home / "repository.git" / "shallow.lock").touch()
    (home / ".look-left").mkdir()
    repository.push({"dag.py": "two"})
    with running(layout):
        wait_for(lambda: text(layout, "kept/dag.py") == "two")
        wait_for(lambda: not (home / ".look-left").exists() and not (home / "trees" / ".part-left").exists())
