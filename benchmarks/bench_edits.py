"""``edits``: from saving a Dag file until the REST API shows it, for a changed file and for a new one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer

PATIENCE = 60.0  # seconds; by default Airflow looks for new files every 300 s
_SOURCE = '''"""Written by the benchmark."""

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, tags=["{tag}"]):

    @task
    def nothing():
        return None

    nothing()
'''


SIDES: dict[str, type[Peer]] = {"plain": Plain, "airspace": Airspace}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    document: dict[str, Any] = {"benchmark": "edits", "quick": options.quick, "load_before": machine.load()}
    for name, kind in SIDES.items():
        if name in options.sides:
            peer: Peer = kind(options.scratch / f"{name}-edits", teams=1)
            try:
                drive.start(peer, fresh=True)
                with Airflow(peer.url) as airflow:
                    document[name] = _side(
                        peer.folder(peer.teams_now[0]), peer, drive.signed_in(peer, airflow), options.repeats
                    )
            finally:
                peer.remove()
            say(f"{name}: {document[name]}")
    return document


def _side(folder: Path, peer: Peer, session: Session, repeats: int) -> dict[str, Any]:
    known = peer.first_dag()
    assert known is not None
    drive.await_dag(session, known)
    file = next(folder.glob("*.py"))
    edits = []
    for number in range(repeats):
        tag = f"edit-{number}"
        begun = _save(file, _SOURCE.format(dag_id=known, tag=tag))
        edits.append(_seconds(begun, lambda tag=tag: tag in str(session.ask("GET", f"/dags/{known}").body["tags"])))  # type: ignore[misc]
        time.sleep(1)
    new = []
    for number in range(repeats):
        dag_id = f"new_{number}"
        begun = _save(folder / f"{dag_id}.py", _SOURCE.format(dag_id=dag_id, tag="new"))
        new.append(_seconds(begun, lambda dag_id=dag_id: session.ask("GET", f"/dags/{dag_id}").ok))  # type: ignore[misc]
        if new[-1] is None:
            break  # the others would not be found either
        time.sleep(1)
    return {"edit": _row(edits), "new": _row(new)}


def _save(file: Path, text: str) -> float:
    file.write_text(text)
    return time.monotonic()


def _seconds(begun: float, seen: Callable[[], bool]) -> float | None:
    while not seen():
        if time.monotonic() > begun + PATIENCE:
            return None
        time.sleep(0.02)
    return round(time.monotonic() - begun, 2)


def _row(samples: list[float | None]) -> dict[str, Any]:
    done = [seconds for seconds in samples if seconds is not None]
    return {
        "samples": samples,
        "median_s": summary.middle(done) if len(done) == len(samples) else None,
        "worst_s": max(done) if len(done) == len(samples) else None,
    }
