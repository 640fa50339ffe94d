"""``tasks``: how fast forty tasks that do nothing are run, one after the other and all at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from airspace.backends.airflow_rest import Airflow
from benchmarks import airflow_cfg, dags, drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer

CHAIN, PARALLEL = f"chain{dags.TASKS}", f"parallel{dags.TASKS}"
RUNS = 3  # of each Dag in a round, after one that is not counted
_EQUAL = {"core": {"parallelism": str(airflow_cfg.PARALLELISM)}}
# Plain Airflow sleeps a second after a scheduler loop without work; it is not compared with that handicap.
_TUNED = {**_EQUAL, "scheduler": {"scheduler_idle_sleep_time": "0.2"}}
SIDES: dict[str, tuple[type[Peer], dict[str, dict[str, str]]]] = {
    "plain": (Plain, _TUNED),
    "airspace": (Airspace, _EQUAL),
}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    raw: dict[str, dict[str, list[float]]] = {dag_id: {name: [] for name in SIDES} for dag_id in (CHAIN, PARALLEL)}
    document: dict[str, Any] = {"benchmark": "tasks", "quick": options.quick, "load_before": machine.load()}
    with ExitStack() as stack:
        peers = {}
        for name, (kind, settings) in SIDES.items():
            if name in options.sides:
                peer = kind(options.scratch / f"{name}-tasks", teams=1, settings=settings, many_tasks=True)
                stack.callback(peer.remove)
                drive.start(peer, fresh=True)
                peer.stop()
                peers[name] = peer
        document["settings"] = {name: SIDES[name][1] for name in peers}
        document["ran_as"] = {name: peer.ran_as for name, peer in peers.items()}
        for number in range(options.repeats):
            for name, peer in peers.items():
                for dag_id, seconds in _round(peer).items():
                    raw[dag_id][name] += seconds
                    say(f"round {number + 1}/{options.repeats}: {name} {dag_id}: {seconds}")
    return document | {dag_id: _summary(samples) for dag_id, samples in raw.items()}


def _round(peer: Peer) -> dict[str, list[float]]:
    """Start, run each Dag once for nothing and then ``RUNS`` times, stop."""
    drive.start(peer)
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        found: dict[str, list[float]] = {}
        for dag_id in (CHAIN, PARALLEL):
            drive.await_dag(session, dag_id)
            drive.run(session, dag_id)
            runs = [drive.run(session, dag_id) for _ in range(RUNS)]
            found[dag_id] = [round(r.seconds, 3) for r in runs if r.seconds is not None]
    peer.stop()
    return found


def _summary(samples: dict[str, list[float]]) -> dict[str, Any]:
    middle = {name: summary.middle(values) for name, values in samples.items()}
    return {
        "plain_s": middle.get("plain"),
        "airspace_s": middle.get("airspace"),
        "ratio": summary.ratio(middle.get("airspace"), middle.get("plain")),
        "samples": samples,
    }
