"""Team files from a git branch, and sources that fail: by the command line and by REST, beside a running platform."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from airspace.model.errors import AirspaceError
from airspace.platform.watched import Repository as Branch
from airspace.platform.wiring import open_platform
from airspace.teams import repository
from airspace.teams.files import InvalidFilesError
from airspace.teams.service import Outcome
from airspace.teams.watcher import Pace, watch
from tests.acceptance.conftest import Demo
from tests.integration.sources.servers import Repository, git

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

HARBOUR = "name: harbour\nmembers: {olga: lead}\nslots: 2\n"
PIER = "name: pier\nslots: 1\n"


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def pushed(demo: Demo) -> Iterator[Repository]:
    """A repository that the platform's user can read, and no team of it afterwards."""
    root = demo.home.parent / "git"
    made = Repository.make(root, "platform", {"teams/harbour.yaml": HARBOUR, "README": "ours"})
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    try:
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)
        for team in ("harbour", "pier"):
            demo.airspace("team", "remove", team, "--yes", "--no-export")


def source(made: Repository, folder: str = "teams") -> str:
    return f"git+file://{made.bare}@main:{folder}"


def most_trees(home: Path) -> int:
    """Of one branch."""
    return max(len(list(each.glob("trees/*.json"))) for each in (home / "watched").iterdir())


class Reader:
    """Remembers what is told."""

    def __init__(self, branch: Branch) -> None:
        self.branch, self.said = branch, list[tuple[str, Any]]()

    def applied(self, outcome: Outcome) -> None:
        self.said.append((str(self.branch.version), sorted({change.team for change in outcome.changes})))

    def refused(self, error: AirspaceError) -> None:
        found = error.problems if isinstance(error, InvalidFilesError) else []
        self.said.append((str(self.branch.version), [(each.file, each.line, each.rule) for each in found]))

    def unseen(self, error: AirspaceError) -> None:
        self.said.append(("unseen", error.message))

    def seen_again(self) -> None:
        self.said.append(("seen", None))

    def wait(self, count: int) -> tuple[str, Any]:
        """The newest of so many things that were said: no more are."""
        until(lambda: len(self.said) >= count)
        time.sleep(0.6)  # some looks more: nothing is told twice
        assert len(self.said) == count, self.said
        return self.said[-1]


def test_each_commit_of_a_branch_is_applied(demo: Demo, pushed: Repository) -> None:
    first = git(pushed.work, "rev-parse", "HEAD")
    platform = open_platform(demo.home)
    stop = threading.Event()
    branch = Branch(repository.parse(source(pushed), {}), platform, dict, {}, stop)
    reader = Reader(branch)
    pace = Pace(look=0.1, settle=0.0, first_retry=0.1, last_retry=0.2, last_pause=0.2)
    thread = threading.Thread(target=watch, args=(branch, reader, stop, pace))
    thread.start()
    try:
        assert reader.wait(1) == (first, ["harbour"])
        shown = json.loads(demo.airspace("team", "show", "harbour", "--json").stdout)
        assert shown["file"] == f"{source(pushed)}/harbour.yaml"
        refused = demo.airspace("member", "add", "harbour", "ada", "--role", "viewer")
        assert (refused.returncode, "is in a repository" in refused.stderr) == (1, True)

        wrong = pushed.push({"teams/harbour.yaml": HARBOUR + "slots: 3\n", "teams/pier.yaml": "name: pier\nslots: x\n"})
        told = [("teams/harbour.yaml", 4, "duplicate-key"), ("teams/pier.yaml", 2, "wrong-type")]
        assert reader.wait(2) == (wrong, told)
        assert "pier" not in demo.airspace("team", "list", "--json").stdout

        # what was pushed is taken back by force, and the next commit is another one's child
        git(pushed.work, "reset", "--quiet", "--hard", first)
        right = pushed.push({"teams/pier.yaml": PIER})
        assert reader.wait(3) == (right, ["pier"])

        git(pushed.bare, "branch", "-m", "main", "away")
        what, message = reader.wait(4)
        assert (what, message.endswith("there is no branch main")) == ("unseen", True)
        git(pushed.bare, "branch", "-m", "away", "main")
        assert reader.wait(5) == ("seen", None)
        pushed.push({"README": "nothing that is watched"})
        assert reader.wait(6)[1] == []
        assert most_trees(demo.home) == 1
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_a_single_look_for_ci(demo: Demo, pushed: Repository) -> None:
    done = demo.airspace("watch", source(pushed), "--once", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["commit"] == git(pushed.work, "rev-parse", "HEAD")
    assert {change["team"] for change in outcome["changes"]} == {"harbour"}
    pushed.push({"teams/harbour.yaml": "name: harbour\nvariables: {a: {env: HOME}, b: {file: /etc/hostname}}\n"})
    done = demo.airspace("watch", source(pushed), "--once", "--json")
    problems = json.loads(done.stdout)["problems"]
    assert (done.returncode, [(each["file"], each["rule"]) for each in problems]) == (
        1,
        [("teams/harbour.yaml", "no-secret")] * 2,
    )
    done = demo.airspace("watch", source(pushed, "nowhere"), "--once", "--json")
    assert (done.returncode, json.loads(done.stdout)["fix"]) == (1, "push it, or correct folder")
    refused = demo.airspace("watch", source(pushed), "--password", "hunter2")
    assert (refused.returncode, "hunter2" in refused.stderr + refused.stdout) == (1, False)


def test_who_is_killed_goes_on_where_it_was(demo: Demo, pushed: Repository) -> None:
    """At any moment: nothing of it is left running, nothing half done stays, and the next one finishes."""
    command = [str(Path(sys.executable).with_name("airspace")), "watch", source(pushed)]
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8", "AIRSPACE_HOME": str(demo.home)}
    for seconds in (0.7, 1.0, 1.3):
        pushed.push({"teams/pier.yaml": PIER + f"variables: {{round: '{seconds}'}}\n"})
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watcher:
            time.sleep(seconds)
            watcher.send_signal(signal.SIGKILL)
    until(lambda: not [each for each in psutil.process_iter(["cmdline"]) if _looks(each, demo.home)])
    pushed.push({"teams/pier.yaml": PIER + "variables: {round: last}\n"})
    assert demo.airspace("watch", source(pushed), "--once").returncode == 0
    again = json.loads(demo.airspace("watch", source(pushed), "--once", "--json").stdout)
    assert (again["changes"], again["unfinished"]) == ([], [])
    assert most_trees(demo.home) == 1
    assert not list((demo.home / "watched").glob("*/.look-*"))


def _looks(process: psutil.Process, home: Path) -> bool:
    line = " ".join(process.info["cmdline"] or ())
    return "airspace.backends.remotes" in line and f"{home}/watched" in line


def test_members_are_told_that_their_source_fails(demo: Demo, tmp_path: Path) -> None:
    """Within seconds, until it is well again; nobody else of the company is, and the address is in none of it."""
    folder = demo.home.parent / "harbours"
    folder.mkdir()
    secret = "https://127.0.0.1:9/tok3n/harbour.git"
    (folder / "harbour.yaml").write_text(HARBOUR + f"dags: {{git: {{url: '{secret}'}}}}\n")
    try:
        assert demo.airspace("apply", str(folder)).returncode == 0
        olga, stranger = demo.sign_in("olga"), demo.sign_in("ben")

        def told(session: Any) -> list[dict[str, Any]]:
            found = session.call("GET", "/importErrors", filename="source://git")["import_errors"]
            return [each for each in found if each["bundle_name"] == "harbour"]

        [error] = until(lambda: told(olga))
        assert "cannot be fetched from its git repository" in error["stack_trace"]
        assert "no Dag source may be there" in error["stack_trace"]
        assert "tok3n" not in json.dumps(error)
        one = f"/importErrors/{error['import_error_id']}"
        assert olga.call("GET", one) == error
        assert told(stranger) == []
        assert stranger.ask("GET", one).status == 404
        assert told(demo.sign_in("admin")) == [error]
        time.sleep(1.5)  # Airflow looks at the bundle again: the error is no file's, and stays
        assert told(olga) == [error]

        (folder / "harbour.yaml").write_text(HARBOUR)
        assert demo.airspace("apply", str(folder)).returncode == 0
        until(lambda: not told(olga))
    finally:
        demo.airspace("team", "remove", "harbour", "--yes", "--no-export")
        shutil.rmtree(folder)
