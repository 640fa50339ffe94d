"""What a running task weighs: tasks that sleep, of one team and of several, and the memory of what they add.

PSS of all processes of a deployment before and while they run; what is added, by task, and whose it is: the task's own
process, its supervisor, or the rest (a zygote, a nest, what scheduler and API server needed for them).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import dags, drive
from benchmarks.measure import SUPERVISORS, TASKS, Memory
from benchmarks.peers import Peer, PeerError, team_names

COUNT = 20  # tasks at once
TEAMS = (1, 4)
_SETTLE = 3.0


def run(peer: Peer) -> dict[str, Any]:
    """Weigh its tasks of one team and of several, each after a start: supervisors stay warm."""
    found = {}
    for teams in TEAMS:
        names = team_names(teams)
        for team in names:
            dags.write_sleep(peer.folder(team), team, COUNT // teams)
        drive.start(peer)
        with Airflow(peer.url) as airflow:
            found[f"{COUNT}_of_{teams}"] = _weigh(peer, drive.signed_in(peer, airflow), names)
        peer.stop()
    return found


def _weigh(peer: Peer, session: Session, teams: list[str]) -> dict[str, float]:
    each = COUNT // len(teams)
    names = [dags.sleep_id(team, each) for team in teams]
    for team, name in zip(teams, names, strict=True):
        drive.await_dag(session, name)
        if session.ask("GET", f"/dags/{dags.tiny_id(team)}").ok:  # where there are teams, each is to have its sandbox
            drive.run(session, dags.tiny_id(team))
    before = peer.memory()
    runs = {name: session.trigger(name).run_id for name in names}
    _await_running(session, runs)
    time.sleep(_SETTLE)
    after = peer.memory()
    for name, run_id in runs.items():  # else the next start would take them up again
        session.set_run_state(name, run_id, "failed")
    return added(before, after)


def added(before: Memory, after: Memory) -> dict[str, float]:
    """MB a task, by whose they are."""
    whole = (after.total_mb - before.total_mb) / COUNT
    parts = {
        name: (after.by_title.get(title, 0.0) - before.by_title.get(title, 0.0)) / COUNT
        for name, title in (("task_mb", TASKS), ("supervisor_mb", SUPERVISORS))
    }
    rounded = {name: round(value, 1) for name, value in parts.items()}
    return {"mb": round(whole, 1), **rounded, "rest_mb": round(whole - sum(parts.values()), 1)}


def _await_running(session: Session, runs: Mapping[str, str]) -> None:
    deadline = time.monotonic() + 120
    while sum(ti.state == "running" for name, run in runs.items() for ti in session.task_instances(name, run)) < COUNT:
        if time.monotonic() > deadline:
            raise PeerError(f"{COUNT} sleeping tasks did not all start")
        time.sleep(0.5)
