"""``wall``: what it costs that every task runs in a sandbox. Tasks that do nothing, against plain LocalExecutor.

Forty in a chain, forty at once, a thousand of ten teams; the time of a whole run, and of each task the time from its
place in the queue to its start. Of the sandboxes alone: the first task of a team that has none, and the memory. And the
memory that each running task adds.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import Any

from airspace.backends.airflow_rest import Airflow, RestError, Run, Session
from benchmarks import airflow_cfg, dags, drive, machine, running_tasks, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError, team_names

CHAIN, PARALLEL, CROWD = f"chain{dags.TASKS}", f"parallel{dags.TASKS}", "teams1000"
TEAMS = 10
CROWD_TRIES = 3
RUNS = 3  # of the chain and of the parallel tasks in a round, after one that is not counted
_EQUAL = {"core": {"parallelism": str(airflow_cfg.PARALLELISM)}}
# Plain Airflow sleeps a second after a scheduler loop without work; it is not compared with that handicap.
_TUNED = {**_EQUAL, "scheduler": {"scheduler_idle_sleep_time": "0.2"}}
SIDES: dict[str, tuple[type[Peer], dict[str, dict[str, str]]]] = {
    "plain": (Plain, _TUNED),
    "airspace": (Airspace, _EQUAL),
}
Samples = dict[str, dict[str, list[float]]]


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    whole: Samples = {kind: {name: [] for name in SIDES} for kind in (CHAIN, PARALLEL, CROWD)}
    waits: Samples = {kind: {name: [] for name in SIDES} for kind in whole}
    document: dict[str, Any] = {"benchmark": "wall", "quick": options.quick, "load_before": machine.load()}
    with ExitStack() as stack:
        peers = {}
        for name, (kind, settings) in SIDES.items():
            if name in options.sides:
                peer = kind(options.scratch / f"{name}-wall", teams=TEAMS, settings=settings, many_tasks=True)
                stack.callback(peer.remove)
                drive.start(peer, fresh=True)
                peer.stop()
                peers[name] = peer
        failed: dict[str, list[int]] = {name: [] for name in peers}
        document["settings"] = {name: SIDES[name][1] for name in peers}
        document["ran_as"] = {name: peer.ran_as for name, peer in peers.items()}
        for number in range(options.repeats):
            for name, peer in peers.items():
                own = [{kind: samples[kind][name] for kind in whole} for samples in (whole, waits)]
                failed[name] += _round(peer, own[0], own[1])
                told = {kind: whole[kind][name][-RUNS:] for kind in whole}
                say(f"round {number + 1}/{options.repeats}: {name}: {told}")
        document["failed_of_a_crowd"] = failed
        if "airspace" in peers:
            document["sandboxes"] = _sandboxes(peers["airspace"])
            say(f"sandboxes: {document['sandboxes']}")
        document["running_tasks"] = {name: running_tasks.run(peer) for name, peer in peers.items()}
        say(f"running tasks: {document['running_tasks']}")
    return document | {kind: _summary(whole[kind], waits[kind]) for kind in whole}


class FailedCrowdError(PeerError):
    """A side did not bring all of a thousand tasks to success."""

    def __init__(self, count: int, seconds: float, queued: list[float]) -> None:
        super().__init__(f"{count} of a thousand tasks did not succeed")
        self.count, self.seconds, self.queued = count, seconds, queued


def _round(peer: Peer, whole: dict[str, list[float]], waits: dict[str, list[float]]) -> list[int]:
    """Start, run everything once for nothing and then for the record, stop.

    How many tasks of the crowd failed, in each try that brought not all to success.
    """
    drive.start(peer)
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        for dag_id in (CHAIN, PARALLEL):
            drive.await_dag(session, dag_id)
            drive.run(session, dag_id)
            for _ in range(RUNS):
                run = drive.run(session, dag_id)
                whole[dag_id].append(round(run.seconds or 0.0, 3))
                waits[dag_id] += _waits(session, dag_id, run.run_id)
        for team in team_names(TEAMS):
            drive.await_dag(session, dags.crowd_id(team))
        seconds, queued, failed = _whole_crowd(session, forgiven=peer.name != "airspace")
        whole[CROWD].append(seconds)
        waits[CROWD] += queued
    peer.stop()
    return failed


def _whole_crowd(session: Session, *, forgiven: bool) -> tuple[float, list[float], list[int]]:
    """A crowd of which every task succeeded, and how many failed in the tries before.

    With both processors full for minutes, a side may fail some: then it tries again.

    :param forgiven: the last try counts even so, which flatters whoever did less than was asked for
    :raises FailedCrowdError: no try brought all to success, and that is not forgiven
    """
    failed: list[int] = []
    while True:
        try:
            return (*_crowd(session), failed)
        except FailedCrowdError as error:
            failed.append(error.count)
            if len(failed) == CROWD_TRIES:
                if not forgiven:
                    raise
                return error.seconds, error.queued, failed


def _crowd(session: Session) -> tuple[float, list[float]]:
    """All teams' Dags of a hundred tasks at once: from the first run's start to the last one's end."""
    crowd = [dags.crowd_id(team) for team in team_names(TEAMS)]
    runs = {dag_id: session.trigger(dag_id).run_id for dag_id in crowd}
    deadline = time.monotonic() + 600
    found: list[Run] = []
    while not found or not all(run.finished for run in found):
        if time.monotonic() > deadline:
            raise PeerError("a thousand tasks did not end within ten minutes")
        time.sleep(1.0)
        with suppress(RestError):  # a side may be too busy to answer
            found = [session.run(dag_id, run_id) for dag_id, run_id in runs.items()]
    starts = [run.start.timestamp() for run in found if run.start]
    ends = [run.end.timestamp() for run in found if run.end]
    seconds = round(max(ends) - min(starts), 3)
    queued = [wait for dag_id, run_id in runs.items() for wait in _waits(session, dag_id, run_id)]
    if any(run.state != "success" for run in found):
        failed = sum(
            ti.state != "success" for dag_id, run_id in runs.items() for ti in session.task_instances(dag_id, run_id)
        )
        raise FailedCrowdError(failed, seconds, queued)
    return seconds, queued


def _waits(session: Session, dag_id: str, run_id: str) -> list[float]:
    """Of each task, the seconds from the queue to its start."""
    found = session.task_instances(dag_id, run_id)
    return [round((ti.start - ti.queued).total_seconds(), 3) for ti in found if ti.start and ti.queued]


def _sandboxes(peer: Peer) -> dict[str, Any]:
    """One team after the other runs its first task since the start, and then a second one."""
    drive.start(peer, first_task=False)
    cold, warm, memory = [], [], [peer.memory().total_mb]
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        for team in team_names(TEAMS):
            dag_id = dags.tiny_id(team)
            drive.await_dag(session, dag_id)
            for samples in (cold, warm):
                samples += _waits(session, dag_id, drive.run(session, dag_id, poll=0.05).run_id)
            memory.append(peer.memory().total_mb)
    peer.stop()
    return {
        "first_task_queued_to_started_s": cold,
        "second_task_queued_to_started_s": warm,
        "pss_mb_by_warm_teams": memory,
        "mb_a_further_team": round((memory[-1] - memory[1]) / (TEAMS - 1), 1),
    }


def _summary(samples: dict[str, list[float]], waits: dict[str, list[float]]) -> dict[str, Any]:
    middle = {name: summary.middle(values) for name, values in samples.items()}
    return {
        "plain_s": middle.get("plain"),
        "airspace_s": middle.get("airspace"),
        "ratio": summary.ratio(middle.get("airspace"), middle.get("plain")),
        "samples": samples,
        "end_to_end": {
            name: {"median_s": summary.middle(values), "p95_s": summary.p95(values)}
            for name, values in samples.items()
            if values
        },
        "queued_to_started": {
            name: {"median_s": summary.middle(values), "p95_s": summary.p95(values)}
            for name, values in waits.items()
            if values
        },
    }
