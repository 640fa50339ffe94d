"""``neighbour``: what a team notices of another one that runs wild in its sandbox, and what becomes of that.

A quiet team runs a chain of three tasks again and again: alone, beside a neighbour that keeps one processor busy, as
its limits allow, and while that one's tasks fork without end, ask for ten gigabytes, fill their scratch space or print
one line of a gigabyte, each begun anew as soon as the last one failed, or while one of its Dag files never ends; all
that of a neighbour that may use one processor, and of one that may use a quarter. Alone it runs before and after each
of them: a machine's speed is not the same all the time. Plain Airflow has the quiet chain and the busy neighbour too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Airflow, RestError, Session
from benchmarks import drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError

PROBE = "quiet_chain"
PROBES = 15  # of the chain, beside each; the worst of them counts as much as the median
_LOOK = 0.25  # seconds between two questions whether the neighbour's task has ended
_PARSE_TIMEOUT = {"dag_processor": {"dag_file_processor_timeout": "20"}}
_LIMITS = "limits: {{memory: 1G, cpu: {cpu}, processes: 128, scratch: 256M}}\n"
_NEIGHBOURS = {1: 1, 2: 0.25}  # place among the teams → processors that it may use
_CHAIN = f'''"""Three tasks, one after the other."""

from airflow.sdk import DAG, task

with DAG("{PROBE}", schedule=None, is_paused_upon_creation=False):

    @task
    def step(before=None):
        return None

    step.override(task_id="third")(step.override(task_id="second")(step.override(task_id="first")()))
'''
_TASK = '''"""Runs wild."""

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, is_paused_upon_creation=False):

    @task
    def run_wild():
{body}

    run_wild()
'''
_BUSY = "a task that computes"
# Each goes on for ten seconds, whatever it meets, and then fails of what it met last.
_WILD = {
    _BUSY: """
        import time
        until = time.monotonic() + 10
        while time.monotonic() < until:
            pass
""",
    "fork bomb": """
        import os, time
        until = time.monotonic() + 10
        while True:
            try:
                os.fork()
            except OSError:
                if time.monotonic() > until:
                    raise
""",
    "10 GB of memory": """
        import time
        until = time.monotonic() + 10
        while True:
            held = []
            try:
                for _ in range(10 * 1024):
                    held.append(bytearray(b"x" * 1024) * 1024)
            except MemoryError:
                del held
                if time.monotonic() > until:
                    raise
""",
    "a full scratch disk": """
        import time
        until = time.monotonic() + 10
        while True:
            try:
                with open("/tmp/full", "wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * (1 << 20))
            except OSError:
                if time.monotonic() > until:
                    raise
""",
    "a log line of 1 GB": """
        import sys
        for _ in range(1024):
            sys.stdout.write("x" * (1 << 20))
        sys.stdout.write("\\n")
""",
}
_ENDLESS = '''"""Never ends while it is read: a Dag."""

from airflow.sdk import DAG
from setproctitle import setproctitle

setproctitle("{title}")
while True:
    pass
'''
_PARSE = "a Dag file that never ends"


class QuietAndWild(Airspace):
    """A quiet team and two wild ones, with limits."""

    def _write_team(self, team: str) -> None:
        super()._write_team(team)
        place = self.teams_now.index(team)
        file = self.root / "teams" / f"{team}.yaml"
        file.write_text(file.read_text() + _LIMITS.format(cpu=_NEIGHBOURS.get(place, 1)))
        if place == 0:
            (self.folder(team) / f"{PROBE}.py").write_text(_CHAIN)
        else:
            _write_wild(self.folder(team), team, list(_WILD))


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    probes = 4 if options.quick else PROBES
    document: dict[str, Any] = {
        "benchmark": "neighbour", "quick": options.quick, "load_before": machine.load(),
        "limits": _LIMITS.format(cpu="as in the rows").strip(), "probes": probes, "rows": [],
    }  # fmt: skip
    plain = Plain(options.scratch / "plain-neighbour")
    plain.folder("all").mkdir(parents=True, exist_ok=True)
    (plain.folder("all") / f"{PROBE}.py").write_text(_CHAIN)
    _write_wild(plain.folder("all"), "all", [_BUSY])
    ours = QuietAndWild(options.scratch / "airspace-neighbour", teams=1 + len(_NEIGHBOURS), settings=_PARSE_TIMEOUT)
    wild = [(ours.teams_now[place], cpu, what) for place, cpu in _NEIGHBOURS.items() for what in (*_WILD, _PARSE)]
    for peer, beside in ((plain, [("all", None, _BUSY)]), (ours, wild)):
        with ExitStack() as stack:
            stack.callback(peer.remove)
            document["rows"].extend(_rows(peer, beside, probes))
    return document


def _rows(peer: Peer, beside: Sequence[tuple[str, float | None, str]], probes: int) -> list[dict[str, Any]]:
    """What each neighbour costs: a team, the processors that it may use, and what it does."""
    drive.start(peer, fresh=True)
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        drive.await_dag(session, PROBE)
        drive.run(session, PROBE)
        alone = [_probes(session, probes)]
        found = []
        for team, cpu, what in beside:
            begin = _endless if what == _PARSE else _again_and_again
            end = begin(peer, session, team, what)
            try:
                samples = _probes(session, probes)
            finally:
                became = end()
            time.sleep(2.0)  # what is left of it ends
            alone.append(_probes(session, probes))
            row = _row(samples, [*alone[-2], *alone[-1]])
            found.append({"side": peer.name, "neighbour": what, "may_use": cpu, "became": became} | row)
            say(str(found[-1]))
    return found


def _probes(session: Session, count: int) -> list[float]:
    return [round(drive.run(session, PROBE, poll=0.1).seconds or 0.0, 3) for _ in range(count)]


class _Neighbour(threading.Thread):
    """Begins the neighbour's task, and begins it anew whenever it has ended, until it is told to stop."""

    def __init__(self, peer: Peer, dag_id: str) -> None:
        super().__init__(daemon=True)
        self._peer, self._dag_id = peer, dag_id
        self._over, self._under_way, self._has_failed = threading.Event(), threading.Event(), threading.Event()
        self.succeeded = 0
        self.failed: list[str] = []

    def begin(self) -> None:
        """Until its first task runs."""
        self.start()
        if not self._under_way.wait(60):
            raise PeerError(f"the neighbour's {self._dag_id} does not begin")

    def end(self, *, failed: bool) -> None:
        """Until nothing of it runs; and, if its task has to fail, until it has failed once."""
        if failed and not self._has_failed.wait(60):
            raise PeerError(f"the neighbour's {self._dag_id} did not fail")
        self._over.set()
        self.join(60)
        if self.is_alive():
            raise PeerError(f"the neighbour's {self._dag_id} cannot be stopped")

    def run(self) -> None:
        """The thread."""
        with Airflow(self._peer.url) as airflow:
            session = drive.signed_in(self._peer, airflow)
            while not self._over.is_set():
                self._once(session)

    def _once(self, session: Session) -> None:
        run_id = session.trigger(self._dag_id).run_id
        while not (found := session.run(self._dag_id, run_id)).finished:
            if self._over.is_set():
                session.call("PATCH", f"/dags/{self._dag_id}/dagRuns/{run_id}", {"state": "failed"})
                return
            if not self._under_way.is_set() and session.task_instances(self._dag_id, run_id)[0].state == "running":
                self._under_way.set()
            time.sleep(_LOOK)
        self._under_way.set()
        if found.state == "failed":
            self.failed.append(run_id)
            self._has_failed.set()
        else:
            self.succeeded += 1


def _again_and_again(peer: Peer, session: Session, team: str, what: str) -> Callable[[], str]:
    """Have the neighbour's task run from now on; how to stop that, and learn what became of it."""
    dag_id = _dag_id(team, what)
    drive.await_dag(session, dag_id)
    neighbour = _Neighbour(peer, dag_id)
    neighbour.begin()

    def end() -> str:
        neighbour.end(failed=what != _BUSY)
        if neighbour.failed:
            return f"{len(neighbour.failed)} failed, the first: {_reason(session, dag_id, neighbour.failed[0])}"
        return f"{neighbour.succeeded} succeeded"

    return end


def _reason(session: Session, dag_id: str, run_id: str) -> str:
    """The first error in the task's log, shortened."""
    where = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/run_wild/logs/1"
    for line in session.call("GET", where, full_content="true")["content"]:
        if isinstance(line, dict) and line.get("level") in ("error", "critical"):
            detail = (line.get("error_detail") or [{}])[0]
            cause = f"{detail.get('exc_type', '')} {detail.get('exc_value', '')}".strip()
            return str(cause or line.get("event"))[:120]
    return "no reason was given"


def _endless(peer: Peer, session: Session, team: str, what: str) -> Callable[[], str]:
    """Have a file read that does not end, from now on."""
    title, file = f"{what}, of {team} at {peer.port}", f"endless_{team}.py"
    (peer.folder(team) / file).write_text(_ENDLESS.format(title=title))
    deadline = time.monotonic() + 90
    while not _runs(title):
        if time.monotonic() > deadline:
            raise PeerError("the file that never ends is not read")
        time.sleep(0.1)

    def end() -> str:
        if not _runs(title):
            raise PeerError("the file that never ends was given up before the last look")
        while time.monotonic() < deadline:
            with suppress(RestError):
                for error in session.call("GET", "/importErrors")["import_errors"]:
                    if file in str(error["filename"]):
                        return f"refused: {str(error['stack_trace']).strip().splitlines()[-1][:120]}"
            time.sleep(0.5)
        raise PeerError("the file that never ends was not given up")

    return end


def _runs(title: str) -> bool:
    """Whether there is a process of that title."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if entry.read_bytes().startswith(title.encode()):
                return True
    return False


def _write_wild(folder: Path, team: str, kinds: Sequence[str]) -> None:
    for what in kinds:
        dag_id = _dag_id(team, what)
        (folder / f"{dag_id}.py").write_text(_TASK.format(dag_id=dag_id, body=_WILD[what].strip("\n")))


def _dag_id(team: str, what: str) -> str:
    return f"{team}_wild_{list(_WILD).index(what)}"


def _row(beside: list[float], alone: list[float]) -> dict[str, Any]:
    return {
        "alone_s": summary.middle(alone),
        "alone_worst_s": max(alone),
        "median_s": summary.middle(beside),
        "worst_s": max(beside),
        "ratio": summary.ratio(summary.middle(beside), summary.middle(alone)),
        "worst_ratio": summary.ratio(max(beside), max(alone)),
        "samples": beside,
        "samples_alone": alone,
    }
