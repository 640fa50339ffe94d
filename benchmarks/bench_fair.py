"""``fair``: how long a quiet team waits while its neighbour holds ten thousand tasks of the highest priority."""

from __future__ import annotations

import re
import time
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import drive, machine, summary
from benchmarks.airflow_peers import Native
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError

QUIET, NOISY = "team_01", "team_02"
HELD = 10_000
NOISY_SLOTS = 8
PROBES = 9
PATIENCE = 60.0  # seconds: who has not finished by then starves
LOOPS = "airflow.jobs=DEBUG, airspace.airflow.scheduling.scheduler=DEBUG"  # have the scheduler say how long it took
_LOOP = {  # of Airspace, the part of a loop that decides: its scheduler waits for something to happen within the loop
    "airspace": re.compile(r"Decided in (\d+\.\d+) ms"),
    "native": re.compile(r"Ran scheduling loop in (\d+\.\d+) ms"),
}
STEPS = 5  # in which the backlog grows while the scheduler's loops are timed
STEP_SECONDS = 12.0
ALONE = 20.0  # seconds in which the neighbour's own rate is measured, before and while others work

_QUIET = '''"""Three tasks that do nothing, one after the other."""

from airflow.sdk import DAG, task

with DAG("quiet", schedule=None, is_paused_upon_creation=False):

    @task
    def nothing(before=None):
        return None

    nothing.override(task_id="c")(nothing.override(task_id="b")(nothing.override(task_id="a")()))
'''

_NOISY = '''"""Ten thousand tasks of a second each, of the highest priority."""

import time

from airflow.sdk import DAG, get_parsing_context, task


@task(priority_weight=10**6)
def work(number):
    time.sleep(1)


with DAG("noisy", schedule=None, is_paused_upon_creation=False, max_active_tasks=10_000, max_active_runs=1_000):
    {body}
'''

# A task's own process builds its own task only, as Airflow recommends for large Dags: otherwise this would measure how
# long ten thousand operators take to build, for each task anew.
_STATIC = """for number in range({held}):
        if get_parsing_context().task_id in (None, f"t{{number}}"):
            work.override(task_id=f"t{{number}}")(number)"""
_MAPPED = "work.expand(number=list(range({held})))"
_RUNS = "for number in range(10):\n        work.override(task_id=f't{{number}}')(number)"

_STEPS = _STATIC.replace("{held}", f"{{held}} // {STEPS}")

SCENARIOS: dict[str, tuple[str, int]] = {
    # name → the neighbour's Dag, and how many runs of it
    "static": (_STATIC, 1),
    "mapped": (_MAPPED, 1),
    "runs": (_RUNS, 1_000),
}

# The platform's limits would refuse such Dags: they are lifted, so that fairness is measured and not the limits.
_LIFTED = {
    "core": {"max_map_length": "20000"},
    "logging": {"namespace_levels": LOOPS},
    "airspace": {
        "tasks_per_dag": "20000",
        "map_length": "20000",
        "instances_per_run": "20000",
        "active_runs": "1000",
        "active_tasks": "20000",
        "graph_work": "1000000000",
        "message_bytes": "100000000",
    },
}


class FairAirspace(Airspace):
    """This project: slots for the neighbour as a team file gives them."""

    def _write_team(self, team: str) -> None:
        super()._write_team(team)
        slots = NOISY_SLOTS if team == NOISY else 16
        path = self.root / "teams" / f"{team}.yaml"
        path.write_text(f"name: {team}\ndags: {{folder: dags/{team}}}\nslots: {slots}\n")


SIDES: dict[str, tuple[type[FairAirspace | Native], dict[str, dict[str, str]]]] = {
    "airspace": (FairAirspace, _LIFTED),
    # As many processes for the neighbour as it has slots with us.
    "native": (
        Native,
        {
            "core": {"parallelism": str(NOISY_SLOTS), "max_map_length": "20000"},
            "logging": {"namespace_levels": LOOPS},
            "dag_processor": {"refresh_interval": "5"},
            "scheduler": {"scheduler_idle_sleep_time": "0.2"},
        },
    ),
}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    document: dict[str, Any] = {"benchmark": "fair", "quick": options.quick, "load_before": machine.load()}
    held = document["held"] = HELD // 10 if options.quick else HELD
    for side in SIDES:
        if side not in options.sides:
            continue
        document[side] = {name: _scenario(side, name, options, held) for name in SCENARIOS}
        with _Deployment(side, "loops", _STEPS.format(held=held), options) as (peer, session):
            document[side]["loops"] = _loops(peer, session, held)
            say(f"{side}, loops: {document[side]['loops']}")
    return document


def _scenario(side: str, name: str, options: Options, held: int) -> dict[str, Any]:
    body, runs = SCENARIOS[name]
    with _Deployment(side, name, body.format(held=held), options) as (peer, session):
        found = _measure(peer, session, max(1, runs * held // HELD), options)
    say(f"{side}, {name}: {found}")
    return found


class _Deployment:
    """One side with the two teams' Dags, started, both known."""

    def __init__(self, side: str, name: str, body: str, options: Options) -> None:
        kind, settings = SIDES[side]
        self._side = side
        self._peer = kind(options.scratch / f"{side}-fair-{name}", teams=2, settings=settings)
        self._body = body

    def __enter__(self) -> tuple[Peer, Session]:
        peer = self._peer
        try:
            peer.folder(QUIET).mkdir(parents=True, exist_ok=True)
            (peer.folder(QUIET) / "quiet.py").write_text(_QUIET)
            (peer.folder(NOISY) / "noisy.py").write_text(_NOISY.format(body=self._body))
            drive.start(peer, fresh=True)
            self._airflow = Airflow(peer.url)
            session = drive.signed_in(peer, self._airflow.__enter__())
            drive.await_dag(session, "quiet")
            drive.await_dag(session, "noisy")
        except BaseException:
            peer.remove()
            raise
        return peer, session

    def __exit__(self, *_: object) -> None:
        self._airflow.__exit__(None, None, None)
        self._peer.remove()


def _loops(peer: Peer, session: Session, held: int) -> list[dict[str, Any]]:
    """How long the scheduler's loops take while the neighbour's backlog grows step by step."""
    log = next(
        path for path in (peer.home / "logs" / "scheduler.log", peer.root / "logs" / "1-scheduler.log") if path.exists()
    )
    found = []
    for step in range(STEPS + 1):
        if step:
            _trigger(session, "noisy", step)
            time.sleep(STEP_SECONDS / 2)  # until its task instances are there
        begun = log.stat().st_size
        time.sleep(STEP_SECONDS)
        with log.open("rb") as file:
            file.seek(begun)
            loops = sorted(float(ms) for ms in _LOOP[peer.name].findall(file.read().decode(errors="replace")))
        if loops:
            found.append(
                {
                    "backlog": step * held // STEPS,
                    "loops": len(loops),
                    "median_ms": round(loops[len(loops) // 2], 1),
                    "worst_ms": round(loops[-1], 1),
                }
            )
    return found


def _measure(peer: Peer, session: Session, runs: int, options: Options) -> dict[str, Any]:
    count = 3 if options.quick else PROBES
    _probe(session, "quiet", 120.0)  # warm
    alone = [_probe(session, "quiet", 120.0) for _ in range(count)]
    begun = time.monotonic()
    for number in range(runs):
        _trigger(session, "noisy", number)
    triggered = time.monotonic() - begun
    backlog = _Backlog(peer, session)
    backlog.wait(20, 90.0)
    before = backlog.rate(ALONE)
    began, had = time.monotonic(), backlog.done()
    probes = []
    for _ in range(count):
        probes.append(_probe(session, "quiet", PATIENCE))
        time.sleep(0.7)
        if len([seconds for seconds in probes if seconds is None]) == 3:
            break  # it starves; it will go on doing so
    during = (backlog.done() - had) / (time.monotonic() - began)
    done = [seconds for seconds in probes if seconds is not None]
    return {
        "quiet_alone_s": _round(alone),
        "quiet_s": _round(probes),
        "alone_median_s": summary.middle([seconds for seconds in alone if seconds is not None]),
        "median_s": summary.middle(done) if len(done) == len(probes) else None,
        "worst_s": round(max(done), 3) if len(done) == len(probes) else None,
        "unfinished": len(probes) - len(done),
        "neighbour_alone_per_s": round(before, 2),
        "neighbour_per_s": round(during, 2),
        "neighbour_keeps": round(during / before, 2) if before else None,
        "triggering_s": round(triggered, 1),
    }


def _probe(session: Session, dag_id: str, seconds: float) -> float | None:
    """One run, from asking for it to its success; None when it has not finished in that time."""
    begun = time.monotonic()
    run_id = session.trigger(dag_id).run_id
    while time.monotonic() - begun < seconds:
        found = session.run(dag_id, run_id)
        if found.state == "success":
            return time.monotonic() - begun
        if found.finished:
            raise PeerError(f"the quiet team's run ended as {found.state}")
        time.sleep(0.03)
    return None


def _trigger(session: Session, dag_id: str, number: int) -> None:
    answer = session.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "dag_run_id": f"held-{number}"})
    if not answer.ok:
        raise PeerError(f"{dag_id} could not be run: {answer.words}")


class _Backlog:
    """The neighbour's progress."""

    def __init__(self, peer: Peer, session: Session) -> None:
        self._peer = peer
        self._session = session

    def done(self) -> int:
        """How many of its tasks have succeeded."""
        answer = self._session.ask("GET", "/dags/noisy/dagRuns/~/taskInstances?state=success&limit=1")
        if not answer.ok:
            raise PeerError(f"the neighbour's tasks could not be counted: {answer.words}")
        return int(answer.body["total_entries"])

    def wait(self, count: int, seconds: float) -> None:
        """Until so many have succeeded."""
        deadline = time.monotonic() + seconds
        while self.done() < count:
            if time.monotonic() > deadline:
                raise self._peer.failure(f"the neighbour did not get {count} tasks done in {seconds:.0f} s")
            time.sleep(0.5)

    def rate(self, seconds: float) -> float:
        """Tasks a second."""
        began, had = time.monotonic(), self.done()
        time.sleep(seconds)
        return (self.done() - had) / (time.monotonic() - began)


def _round(samples: list[float | None]) -> list[float | None]:
    return [None if seconds is None else round(seconds, 3) for seconds in samples]
