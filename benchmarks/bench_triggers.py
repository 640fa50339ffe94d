"""``triggers``: a thousand deferred tasks of twenty teams: what they weigh, and how soon a task resumes beside them.

Against plain Airflow with its one triggerer, which runs the triggers of everybody in one process as one user. The
thousand begin deferred (``start_from_trigger``) and wait for a file; what is timed is one task that defers to a trigger
which fires at once, from its deferral to its going on, as it tells itself.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import dags, drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError, team_names

TEAMS = 20
PROBES = 10
SETTLE = 20.0  # seconds until what has begun has begun
_IDLE = {"scheduler_idle_sleep_time": "0.2"}  # as in the other benchmarks; the default is a second
SIDES: dict[str, tuple[type[Peer], dict[str, dict[str, str]]]] = {
    # Its capacity is 1,000: what is timed would never begin beside the thousand.
    "plain": (Plain, {"triggerer": {"capacity": "2000"}, "scheduler": _IDLE}),
    "airspace": (Airspace, {}),
}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    teams = 4 if options.quick else TEAMS
    document: dict[str, Any] = {"benchmark": "triggers", "quick": options.quick, "load_before": machine.load()}
    document |= {"teams": teams, "held": teams * dags.HELD}
    with ExitStack() as stack:
        for name, (kind, settings) in SIDES.items():
            if name in options.sides:
                peer = kind(options.scratch / f"{name}-trig", teams=teams, settings=settings)
                stack.callback(peer.remove)
                for team in team_names(teams):
                    dags.write_deferring(peer.folder(team), team)
                document[name] = _side(peer, 3 if options.quick else PROBES)
                say(f"{name}: {document[name]}")
                peer.stop()
    return document


def _side(peer: Peer, probes: int) -> dict[str, Any]:
    drive.start(peer, fresh=True)
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        for team in team_names(peer.teams):
            drive.await_dag(session, f"held_{team}")
            drive.await_dag(session, f"defers_{team}")
        alone = _probe(session, probes)
        time.sleep(SETTLE)
        before = peer.memory()
        begun = time.monotonic()
        _hold(session, peer.teams)
        seconds = round(time.monotonic() - begun, 1)
        time.sleep(SETTLE)
        held = peer.memory()
        beside = _probe(session, probes)
    return {
        "alone_s": alone,
        "alone_median_s": summary.middle(alone),
        "beside_s": beside,
        "beside_median_s": summary.middle(beside),
        "beside_worst_s": max(beside),
        "all_deferred_s": seconds,
        "before": before.document(),
        "with_held": held.document(),
        "more_mb": round(held.total_mb - before.total_mb, 1),
    }


def _probe(session: Session, count: int) -> list[float]:
    """From deferral to resumption, one after the other; the first is not counted: it begins what is not there yet."""
    dag_id = f"defers_{team_names(1)[0]}"
    samples = []
    for _ in range(count + 1):
        run_id = drive.run(session, dag_id, poll=0.1).run_id
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/defers/xcomEntries/return_value"
        samples.append(round(float(session.ask("GET", path).body["value"]), 3))
    return samples[1:]


def _hold(session: Session, teams: int) -> None:
    """Begin the thousand, and wait until all of them are deferred."""
    runs = {f"held_{team}": session.trigger(f"held_{team}").run_id for team in team_names(teams)}
    deadline = time.monotonic() + 600
    while runs:
        if time.monotonic() > deadline:
            raise PeerError("a thousand tasks were not deferred within ten minutes")
        time.sleep(1.0)
        for dag_id, run_id in list(runs.items()):
            found = session.task_instances(dag_id, run_id)
            if len(found) == dags.HELD and all(task.state == "deferred" for task in found):
                del runs[dag_id]
