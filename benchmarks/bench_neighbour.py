"""``neighbour``: what a team notices of another one that runs wild in its sandbox, and what becomes of that.

A quiet team runs a chain of three tasks again and again: alone, beside a neighbour whose tasks do nothing, and while
that one's tasks, one after the other, fork without end, ask for ten gigabytes, fill their scratch space or print one
line of a gigabyte, or one of its Dag files never ends. What it does goes on until the last look is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airspace.backends.airflow_rest import Airflow, RestError, Session
from benchmarks import drive, machine, summary
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import PeerError

PROBE, WILD = "quiet_chain", "wild"
PROBES = 8  # of the chain, beside each; the worst of them counts as much as the median
_PARSE_TIMEOUT = {"dag_processor": {"dag_file_processor_timeout": "20"}}
_LIMITS = "limits: {memory: 1G, cpu: 1, processes: 128, scratch: 256M}\n"
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

    @task(max_active_tis_per_dagrun=1)
    def run_wild(number):
{body}

    run_wild.expand(number=list(range({tries})))
'''
_TRIES = 400  # more than there is time for: the harness ends them
_ORDINARY = "tasks that do nothing"
_WILD = {
    _ORDINARY: """
        return None
""",
    "fork bomb": """
        import os, time
        until = time.monotonic() + 20
        while time.monotonic() < until:
            os.fork()
""",
    "10 GB of memory": """
        held = []
        for _ in range(10 * 1024):
            held.append(bytearray(b"x" * 1024) * 1024)
""",
    "a full scratch disk": """
        with open("/tmp/full", "wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
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

while True:
    pass
'''
_PARSE = "a Dag file that never ends"


class TwoTeams(Airspace):
    """A quiet team and a wild one, with limits."""

    def _write_team(self, team: str) -> None:
        super()._write_team(team)
        quiet, wild = self.teams_now
        file = self.root / "teams" / f"{team}.yaml"
        file.write_text(file.read_text() + _LIMITS)
        if team == quiet:
            (self.folder(team) / f"{PROBE}.py").write_text(_CHAIN)
        if team == wild:
            for number, body in enumerate(_WILD.values()):
                name = f"{WILD}_{number}"
                (self.folder(team) / f"{name}.py").write_text(
                    _TASK.format(dag_id=name, body=body.strip("\n"), tries=_TRIES)
                )


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    document: dict[str, Any] = {
        "benchmark": "neighbour", "quick": options.quick, "load_before": machine.load(), "limits": _LIMITS.strip(),
        "rows": [],
    }  # fmt: skip
    peer = TwoTeams(options.scratch / "airspace-neighbour", teams=2, settings=_PARSE_TIMEOUT)
    try:
        drive.start(peer, fresh=True)
        with Airflow(peer.url) as airflow:
            session = drive.signed_in(peer, airflow)
            drive.await_dag(session, PROBE)
            drive.run(session, PROBE)
            alone = _probes(session, 3 if options.quick else PROBES)
            document["rows"].append(_row("nothing", alone, alone, ""))
            for number, what in enumerate(_WILD):
                row = _beside(session, what, alone, lambda number=number: _task(session, f"{WILD}_{number}"))
                document["rows"].append(row)
                say(str(row))
            row = _beside(session, _PARSE, alone, lambda: _file(peer, session))
            document["rows"].append(row)
            say(str(row))
    finally:
        peer.remove()
    return document


def _beside(session: Session, what: str, alone: list[float], begin: Callable[[], Callable[[], str]]) -> dict[str, Any]:
    """Probe while the neighbour runs wild, and then see what became of it."""
    end = begin()
    time.sleep(1.0)  # until it is under way
    beside = _probes(session, len(alone))
    return _row(what, beside, alone, end())


def _probes(session: Session, count: int) -> list[float]:
    return [round(drive.run(session, PROBE, poll=0.1).seconds or 0.0, 3) for _ in range(count)]


def _task(session: Session, dag_id: str) -> Callable[[], str]:
    drive.await_dag(session, dag_id)
    run_id = session.trigger(dag_id).run_id
    base = f"/dags/{dag_id}/dagRuns/{run_id}"

    def tries() -> dict[int, str]:
        """Those that ended or are at it: number → state."""
        found = session.call("GET", f"{base}/taskInstances", limit=_TRIES)["task_instances"]
        begun = {"running", "success", "failed"}
        return {one["map_index"]: one["state"] for one in found if one["map_index"] >= 0 and one["state"] in begun}

    deadline = time.monotonic() + 60
    while not tries():
        if time.monotonic() > deadline:
            raise PeerError(f"the neighbour's {dag_id} does not begin")
        time.sleep(0.2)

    def end() -> str:
        if session.run(dag_id, run_id).finished:
            raise PeerError(f"the neighbour's {dag_id} was over before the last look")
        states = list(tries().values())
        session.call("PATCH", base, {"state": "failed"})
        if "failed" not in states:
            return f"{states.count('success')} succeeded"
        first = min(number for number, state in tries().items() if state == "failed")
        return f"{states.count('failed')} failed, the first: {_reason(session, base, first)}"

    return end


def _reason(session: Session, base: str, number: int) -> str:
    """The first error in the task's log, shortened."""
    where = f"{base}/taskInstances/run_wild/logs/1"
    log = session.call("GET", where, full_content="true", map_index=number)
    for line in log["content"]:
        if isinstance(line, dict) and line.get("level") in ("error", "critical"):
            detail = (line.get("error_detail") or [{}])[0]
            cause = f"{detail.get('exc_type', '')} {detail.get('exc_value', '')}".strip()
            return str(cause or line.get("event"))[:120]
    return "no reason was given"


def _file(peer: TwoTeams, session: Session) -> Callable[[], str]:
    folder = peer.folder(peer.teams_now[1])
    (folder / "endless.py").write_text(_ENDLESS)

    def end() -> str:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with suppress(RestError):
                for error in session.call("GET", "/importErrors")["import_errors"]:
                    if "endless" in str(error["filename"]):
                        return f"refused: {str(error['stack_trace']).strip().splitlines()[-1][:120]}"
            time.sleep(0.5)
        raise PeerError("the file that never ends was not given up")

    return end


def _row(what: str, beside: list[float], alone: list[float], became: str) -> dict[str, Any]:
    return {
        "neighbour": what,
        "median_s": summary.middle(beside),
        "worst_s": max(beside),
        "ratio": summary.ratio(summary.middle(beside), summary.middle(alone)),
        "worst_ratio": summary.ratio(max(beside), summary.middle(alone)),
        "samples": beside,
        "became": became,
    }
