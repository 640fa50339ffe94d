"""Everything is killed at random while 200 tasks of three teams run or wait: each ends in its true state.

The last of this folder's tests: it leaves the shared platform as it found it, but not in peace.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from airspace.backends.airflow_rest import RestError, Session
from airspace.model.home import HomeLayout
from airspace.platform import places
from tests.acceptance.airflow_examples import wait_for_dags
from tests.acceptance.conftest import Demo
from tests.integration.platform.conftest import alive

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

T = TypeVar("T")

TEAMS = ("storm_one", "storm_two", "storm_three")
TEAM = "name: {team}\nmembers: {{ada: lead}}\nslots: 8\ndags: {{folder: dags/{team}}}\n"
COUNT = 67  # tasks of each; every tenth fails, as it should
WAITS = ("wait_2", "wait_6", "wait_10", "wait_14", "wait_calm")  # deferred
SEED = 20260131
RECOVERY = 240.0  # seconds in which some task is done
BACK = 60.0
MET = 240.0  # seconds until what is to be killed is there, again
READ = 150.0


def platform(demo: Demo) -> list[psutil.Process]:
    """Every process of this home."""
    manager = int((demo.home / "supervisor" / "supervisord.pid").read_text())
    return psutil.Process(manager).children(recursive=True)


def title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


VICTIMS: dict[str, Callable[[str], bool]] = {
    "child": lambda title: title.startswith("airspace task: storm"),
    "zygote": lambda title: title.startswith("airspace zygote: storm"),
    "first process": lambda title: title == "sleep infinity",
    "runner": lambda title: title.startswith("airspace triggers: storm"),
    "triggerer": lambda title: title.startswith("airspace triggerer"),
    "supervisor": lambda title: title.startswith("airspace supervisor: storm"),
    "template": lambda title: title.startswith("airspace sandboxes: template"),
    "spawner": lambda title: "airspace.sandbox.spawner" in title,
    "Dag processor": lambda title: title.startswith("airspace dag-processor") or "airflow.run dag-processor" in title,
    "reading": lambda title: title.startswith("airspace parse:"),  # whoever's: a new Dag processor reads everything
    "relay": lambda title: "airspace.sandbox.relay" in title,
    "scheduler": lambda title: "airspace.airflow.run scheduler" in title or title.startswith("airflow scheduler"),
    "database": lambda title: title.endswith("/postgres") or "/postgres -D" in title,
    "API server": lambda title: title.startswith("airflow api_server") or "airspace.airflow.run api-server" in title,
}
# Mostly those that a task is made of; of what takes seconds to come back, each once. A new Dag processor reads all.
MANY = ["child", "zygote", "supervisor", "first process"] * 5 + ["runner"] * 3
ONCE = [["triggerer"], ["spawner"], ["relay"], ["scheduler"], ["database"], ["template"], ["API server"]]
ONCE += [["Dag processor", "reading"]]


def order(chance: random.Random) -> list[str]:
    """What to kill, one after the other."""
    found = [[kind] for kind in MANY] + ONCE
    chance.shuffle(found)
    return [kind for kinds in found for kind in kinds]


def kill_at_random(demo: Demo, chance: random.Random) -> dict[str, int]:
    """Kill each when it is there; what was killed, and how many tasks had then still to be done, at the least."""
    left: dict[str, int] = {}
    for kind in order(chance):
        time.sleep(0.3 + chance.random())
        undone = until(lambda kind=kind: killed(demo, kind, chance), MET, f"no {kind} to kill after {left}")  # type: ignore[misc]
        left[kind] = min(left.get(kind, undone), undone)
    return left


def killed(demo: Demo, kind: str, chance: random.Random) -> int:
    """How many tasks were not done yet when one of that kind was killed; 0: there was none to kill."""
    if found := [process for process in platform(demo) if VICTIMS[kind](title(process))]:
        with contextlib.suppress(psutil.Error):
            chance.choice(found).send_signal(signal.SIGKILL)
            return len(TEAMS) * COUNT - done(demo)
    return 0


def done(demo: Demo) -> int:
    """How many tasks have left their mark."""
    return sum(1 for team in TEAMS for _ in (demo.home / "storage" / team / "chaos").glob("*.done"))


def states(session: Session, dag_id: str, run_id: str) -> dict[int | str, str | None] | None:
    with contextlib.suppress(RestError):
        if session.run(dag_id, run_id).finished:
            found = session.task_instances(dag_id, run_id)
            return {task.task_id if task.map_index < 0 else task.map_index: task.state for task in found}
    return None


def copy_storms(target: Path) -> None:
    """The same Dag for each team."""
    for team in TEAMS:
        (target / team).mkdir(parents=True)
        shutil.copyfile(Path(__file__).parent / "data" / "chaos.py", target / team / "chaos.py")


def users(home_id: str) -> set[str]:
    """This home's users on the machine."""
    return {user.pw_name for user in pwd.getpwall() if user.pw_name.startswith(f"airspace-{home_id}")}


def left_by(uids: set[int]) -> list[str]:
    """Every process of these users."""
    return [title(p) for p in psutil.process_iter(["uids"]) if p.info["uids"] and set(p.info["uids"]) & uids]


def test_everything_is_killed_and_nothing_is_lost(demo: Demo) -> None:
    ada = demo.bring("storms", {f"{team}.yaml": TEAM.format(team=team) for team in TEAMS}, copy_storms)
    wait_for_dags(ada, {f"{team}_chaos" for team in TEAMS})
    home_id = json.loads((demo.home / "airspace.json").read_text())["id"]
    admin, before = demo.sign_in("admin"), users(home_id)
    fresh, unread = known(admin), unreadable(admin)
    runs = {f"{team}_chaos": ada.trigger(f"{team}_chaos").run_id for team in TEAMS}
    left = kill_at_random(demo, random.Random(SEED))
    assert set(left) == set(VICTIMS)
    assert min(left.values()) > 0, left
    for team in TEAMS:
        (demo.home / "storage" / team / "calm").touch()

    ended: dict[str, dict[int | str, str | None]] = {}
    so_far, deadline = -1, 0.0
    while len(ended) < len(TEAMS):
        if (now := len(ended) + done(demo)) > so_far:
            so_far, deadline = now, time.monotonic() + RECOVERY
        assert time.monotonic() < deadline, f"nothing went on for {RECOVERY:.0f} s ({left}): {sorted(ended)}, {so_far}"
        time.sleep(1)
        for dag_id, run_id in runs.items():
            if dag_id not in ended and (found := states(ada, dag_id, run_id)) is not None:
                ended[dag_id] = found
    for team in TEAMS:
        true = {number: "failed" if number % 10 == 9 else "success" for number in range(COUNT)}
        assert ended[f"{team}_chaos"] == {**true, **dict.fromkeys(WAITS, "success")}, left
        marks = {entry.name for entry in (demo.home / "storage" / team / "chaos").iterdir()}
        assert not [name for name in marks if name.endswith(".twice")], left
        assert {f"{number}.done" for number in range(COUNT)} <= marks

    # Nothing of it is left: the platform is well, every file is read, and without work there is no sandbox.
    until(lambda: not [part for part in components(demo) if ill(part)], BACK, "some part is not well")
    until(lambda: unreadable(admin) <= unread, READ, "a file has an import error")
    until(lambda: known(admin) >= fresh, READ, "a Dag is stale")
    until(lambda: not [p for p in platform(demo) if "storm" in title(p)], 100, "a sandbox without work stays")
    assert demo.airspace("down").returncode == 0
    assert not list(Path("/sys/fs/cgroup").glob(f"*/airspace-{home_id}*"))
    assert str(demo.home) not in Path("/proc/self/mountinfo").read_text()
    assert not list((demo.home / "run").glob("*.sock"))
    assert not [p for p in psutil.process_iter() if str(demo.home) in title(p) and p.pid != os.getpid()]
    assert alive(home_id) == []
    uids = {place.uid for place in places.known(HomeLayout(demo.home)).values() if place.uid is not None}
    assert bool(uids) == (os.getuid() == 0)
    assert left_by(uids) == []
    assert users(home_id) == before


def components(demo: Demo) -> list[dict[str, Any]]:
    return list(json.loads(demo.airspace("status", "--json").stdout)["components"])


def unreadable(session: Session) -> set[str]:
    """Files that have import errors."""
    errors = session.call("GET", "/importErrors", limit=100)["import_errors"]
    return {f"{error['bundle_name']}/{error['filename']}" for error in errors}


def known(session: Session) -> set[str]:
    """The Dags that are not stale."""
    return {dag.dag_id for dag in session.dags() if not dag.stale}


def ill(part: dict[str, Any]) -> bool:
    """What was killed last may still be starting when the last task ends."""
    return bool(part["state"] != "running")


def until(what: Callable[[], T], seconds: float, told: str) -> T:
    """Wait until it is true; what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    return found
