"""Drive one side over REST: until it is ready, until its first task succeeded, a run of a Dag."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airspace.backends.airflow_rest import Airflow, RestError, Run, Session
from benchmarks.peers import Peer, PeerError

POLL = 0.1  # seconds between two questions while starting; the same on every side
PATIENCE = 400.0
PARTS = ("scheduler", "dag_processor", "triggerer")


@dataclass
class Start:
    """One start. Seconds since it began; None for what was not asked for."""

    ready: float | None = None
    first_success: float | None = None
    usable: float | None = None

    def document(self) -> dict[str, float | None]:
        """As it is stored."""
        return {"ready_s": self.ready, "teams_applied_s": self.usable, "first_success_s": self.first_success}


def start(peer: Peer, *, fresh: bool = False, first_task: bool = True) -> Start:
    """Start a side and wait until it is ready and, unless not wanted, its first task succeeded."""
    if fresh:
        peer.forget()
    begun = time.time()
    watched = _Watched(peer, begun, fresh, peer.first_dag() if first_task else None)
    peer.launch(fresh=fresh)
    with Airflow(peer.url) as airflow:
        while not watched.step(airflow):
            peer.check()
            if time.time() > begun + PATIENCE:
                raise peer.failure(f"not {watched.missing} after {PATIENCE:.0f} s")
            time.sleep(POLL)
    return watched.found


@dataclass
class _Watched:
    peer: Peer
    begun: float
    fresh: bool
    dag_id: str | None
    session: Session | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        self.found = Start()

    @property
    def missing(self) -> str:
        """What has not happened yet."""
        return (
            "ready" if self.found.ready is None else "done with its first task" if self.run_id else "aware of its Dag"
        )

    def step(self, airflow: Airflow) -> bool:
        """Ask once; whether everything that was wanted has happened."""
        with suppress(RestError):  # it is starting: what it refuses now it does later
            if self.found.ready is None:
                self._look_for_health(airflow)
            if self.dag_id is not None and self.found.first_success is None:
                self.session = self.session or self.peer.sign_in(airflow)
                if self.session is not None:
                    self._look_for_success(self.session, self.dag_id)
        return self.found.ready is not None and (self.dag_id is None or self.found.first_success is not None)

    def _look_for_health(self, airflow: Airflow) -> None:
        if healthy(airflow, self.begun) and airflow.anonymous("GET", "/version").ok:
            self.found.ready = self._seconds(time.time())
            self.peer.on_ready(fresh=self.fresh)
            self.found.usable = self._seconds(time.time())

    def _look_for_success(self, session: Session, dag_id: str) -> None:
        if self.run_id is None:
            # Refused for as long as the Dag is not known.
            answer = session.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})
            self.run_id = str(answer.body["dag_run_id"]) if answer.ok else None
            return
        for task in session.task_instances(dag_id, self.run_id):
            if task.state == "success" and task.end is not None:
                self.found.first_success = self._seconds(task.end.timestamp())
            elif task.state in ("failed", "upstream_failed"):
                raise self.peer.failure("its first task failed")

    def _seconds(self, moment: float) -> float:
        return round(moment - self.begun, 2)


def healthy(airflow: Airflow, since: float) -> bool:
    """Whether Airflow's own health report calls every component healthy, each heard of since that moment."""
    answer = airflow.anonymous("GET", "/monitor/health")
    return answer.ok and is_healthy(answer.body, since)


def is_healthy(report: Mapping[str, Any], since: float) -> bool:
    """The same of a report: an old heartbeat in the database is not the health of what starts now."""
    return report["metadatabase"]["status"] == "healthy" and all(
        report[part]["status"] == "healthy" and _heartbeat(report, part) >= since for part in PARTS
    )


def _heartbeat(report: Mapping[str, Any], part: str) -> float:
    text = report[part].get(f"latest_{part}_heartbeat")
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() if text else 0.0


def signed_in(peer: Peer, airflow: Airflow) -> Session:
    """A session on a side that is ready."""
    deadline = time.monotonic() + 60
    while (session := peer.sign_in(airflow)) is None:
        if time.monotonic() > deadline:
            raise PeerError(f"{peer.name} lets nobody sign in")
        time.sleep(0.5)
    return session


def await_dag(session: Session, dag_id: str, seconds: float = 120.0) -> None:
    """Wait until Airflow knows a Dag."""
    deadline = time.monotonic() + seconds
    while not session.ask("GET", f"/dags/{dag_id}").ok:
        if time.monotonic() > deadline:
            raise PeerError(f"the Dag {dag_id} was not found by the Dag processor")
        time.sleep(0.5)


def run(session: Session, dag_id: str, *, seconds: float = 300.0, poll: float = 0.25) -> Run:
    """One run of a Dag, to its end."""
    triggered = session.trigger(dag_id)
    deadline = time.monotonic() + seconds
    while not (found := session.run(dag_id, triggered.run_id)).finished:
        if time.monotonic() > deadline:
            raise PeerError(f"the run of {dag_id} did not end within {seconds:.0f} s")
        time.sleep(poll)
    if found.state != "success":
        raise PeerError(f"the run of {dag_id} ended as {found.state}")
    return found
