"""Everything is killed at random while 200 tasks of three teams run or wait: each ends in its true state.

The last of this folder's tests: it leaves the shared platform as it found it, but not in peace.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from airspace.backends.airflow_rest import RestError, Session
from tests.acceptance.airflow_examples import wait_for_dags
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

TEAMS = ("storm_one", "storm_two", "storm_three")
TEAM = "name: {team}\nmembers: {{ada: lead}}\nslots: 8\ndags: {{folder: dags/{team}}}\n"
COUNT = 67  # tasks of each; every tenth fails, as it should
WAITS = ("wait_2", "wait_6", "wait_10", "wait_14")  # deferred
SEED = 20260131
RECOVERY = 240.0
BACK = 60.0


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
# Mostly those that a task is made of; of what takes seconds to come back, each once.
PLAN = ["child", "zygote", "supervisor", "first process"] * 5 + ["runner"] * 3
PLAN += ["triggerer", "spawner", "relay", "scheduler", "database", "template", "Dag processor"] + ["reading"] * 3


def kill_at_random(demo: Demo, chance: random.Random) -> list[str]:
    """Kill what is there, one after the other; what was killed."""
    killed, plan = [], PLAN.copy()
    chance.shuffle(plan)
    for kind in plan:
        time.sleep(0.3 + chance.random())
        found = [process for process in platform(demo) if VICTIMS[kind](title(process))]
        if found:
            with contextlib.suppress(psutil.Error):
                chance.choice(found).send_signal(signal.SIGKILL)
                killed.append(kind)
    return killed


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


def test_everything_is_killed_and_nothing_is_lost(demo: Demo) -> None:
    ada = demo.bring("storms", {f"{team}.yaml": TEAM.format(team=team) for team in TEAMS}, copy_storms)
    wait_for_dags(ada, {f"{team}_chaos" for team in TEAMS})
    runs = {f"{team}_chaos": ada.trigger(f"{team}_chaos").run_id for team in TEAMS}
    killed = kill_at_random(demo, random.Random(SEED))
    assert len(set(killed)) >= 6, killed

    ended: dict[str, dict[int | str, str | None]] = {}
    deadline = time.monotonic() + RECOVERY
    while len(ended) < len(TEAMS):
        assert time.monotonic() < deadline, f"not over {RECOVERY:.0f} s after the last kill ({killed}): {sorted(ended)}"
        time.sleep(1)
        for dag_id, run_id in runs.items():
            if dag_id not in ended and (found := states(ada, dag_id, run_id)) is not None:
                ended[dag_id] = found
    for team in TEAMS:
        true = {number: "failed" if number % 10 == 9 else "success" for number in range(COUNT)}
        assert ended[f"{team}_chaos"] == {**true, **dict.fromkeys(WAITS, "success")}, killed
        left = {entry.name for entry in (demo.home / "storage" / team / "chaos").iterdir()}
        assert not [name for name in left if name.endswith(".twice")], killed
        assert {f"{number}.done" for number in range(COUNT)} <= left

    # Nothing of it is left: the platform is well, and without work there is no sandbox.
    deadline = time.monotonic() + BACK
    while unwell := [part for part in json.loads(demo.airspace("status", "--json").stdout)["components"] if ill(part)]:
        assert time.monotonic() < deadline, (killed, unwell)
        time.sleep(1)
    until(lambda: not [p for p in platform(demo) if "storm" in title(p)], 100)
    assert demo.airspace("down").returncode == 0
    home_id = json.loads((demo.home / "airspace.json").read_text())["id"]
    assert not list(Path("/sys/fs/cgroup").glob(f"*/airspace-{home_id}*"))
    assert str(demo.home) not in Path("/proc/self/mountinfo").read_text()
    assert not list((demo.home / "run").glob("*.sock"))
    assert not [p for p in psutil.process_iter() if str(demo.home) in title(p) and p.pid != os.getpid()]


def ill(part: dict[str, Any]) -> bool:
    """What was killed last may still be starting when the last task ends."""
    return bool(part["state"] != "running")


def until(what: Callable[[], object], seconds: float) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.5)
