"""Airflow's own example Dags: which of them take part, and how one deployment's outcome is taken down.

Used twice, on plain Airflow by ``record_plain.py``, on ours by ``test_examples_of_airflow.py``: the same calls over the
public REST API, so that the two outcomes can be compared.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Session

REFERENCE = Path(__file__).parent / "data" / "plain_airflow_examples.json"

# Files that take part nowhere, and why. Everything else that the package brings does.
EXCLUDED = {
    "example_asset_allow_teams.py": "names two teams of its own; what they may share is a team file's business here",
    "example_asset_with_watchers.py": "waits for files in /tmp, and deletes them",
    "example_custom_weight.py": "its weight strategy must be installed as a plugin of the deployment",
    "example_dag_decorator.py": "asks a web site",
    "example_inlet_event_extra.py": "its outcome depends on what has run before it",
    "example_kubernetes_executor.py": "needs a Kubernetes cluster",
    "example_local_kubernetes_executor.py": "needs a Kubernetes cluster",
    "example_retry_policy.py": "asks a web site",
    "example_workday_timetable.py": "its timetable must be installed as a plugin of the deployment",
    "tutorial_objectstorage.py": "asks a web site and writes to S3",
    "tutorial_taskflow_api_virtualenv.py": "installs packages from an index",
}
PATIENCE = 600.0  # seconds for all of them together; a quiet machine of two cores needs a fifth of it

CONFORMANCE = REFERENCE.with_name("conformance.json")
LOG_WORDS = (
    "cleaned up", "tearing down resource", "to stdout", "to stderr", "to the log", "from a program", "callback: speaks",
    "not yet", "try 2", "hello world", "Process exited abnormally", "Process terminated by signal",
)  # fmt: skip

MARKS = {
    "first": datetime(2026, 1, 2, 3, 5, tzinfo=timezone.utc),
    "second": datetime(2026, 1, 2, 3, 7, tzinfo=timezone.utc),
}
"""Run id → logical date."""

Outcome = dict[str, Any]


def copy_examples(target: Path) -> None:
    """Copy the example Dags that take part, with the files they need, into ``target``."""
    found = importlib.util.find_spec("airflow")  # not imported: that would configure Airflow in this process
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).parent / "example_dags"
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.py"):
        if file.name not in EXCLUDED and file.name != "__init__.py":
            shutil.copyfile(file, target / file.name)
    shutil.copytree(source / "sql", target / "sql", dirs_exist_ok=True)


def copy_conformance(target: Path) -> None:
    """Copy our own Dag of everything."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFORMANCE.with_suffix(".py"), target / "conformance.py")


def conformance_outcome(session: Session) -> Outcome:
    """Run it, and take down how every task ended, after how many tries, what it left in XCom and what its log says."""
    session.unpause("conformance")
    run_id = session.trigger("conformance").run_id
    deadline = time.monotonic() + 150
    while not (run := session.run("conformance", run_id)).finished:
        assert time.monotonic() < deadline, "the conformance Dag does not end"
        time.sleep(0.5)
    tasks = _tasks(session, run_id)
    until = time.monotonic() + 30
    while time.monotonic() < until:  # what follows an end, a callback of the task's, is in the log a moment later
        time.sleep(1)
        before, tasks = tasks, _tasks(session, run_id)
        if tasks == before:
            break
    return {"state": run.state, "tasks": tasks}


def _tasks(session: Session, run_id: str) -> Outcome:
    base = f"/dags/conformance/dagRuns/{run_id}/taskInstances"
    tasks: Outcome = {}
    for raw in session.ask("GET", f"{base}?limit=200").body["task_instances"]:
        task_id, index = raw["task_id"], raw["map_index"]
        query = f"map_index={index}"
        entries = session.ask("GET", f"{base}/{task_id}/xcomEntries?{query}&limit=100").body["xcom_entries"]
        keys = sorted(entry["key"] for entry in entries if entry["map_index"] == index)
        values = {}
        for key in keys:
            value = session.ask("GET", f"{base}/{task_id}/xcomEntries/{key}?{query}&stringify=true").body["value"]
            values[key] = value if len(str(value)) < 500 else len(str(value))
        told = json.dumps(session.ask("GET", f"{base}/{task_id}/logs/{max(raw['try_number'], 1)}?{query}").body)
        tasks[f"{task_id}[{index}]"] = {
            "state": raw["state"],
            "tries": raw["try_number"],
            "xcom": values,
            "log": [word for word in LOG_WORDS if word in told],
        }
    return dict(sorted(tasks.items()))


def wait_for_dags(session: Session, expected: set[str] | int, seconds: float = 120.0) -> set[str]:
    """Wait until the Dags have been parsed: the named ones, or as many as expected and no more coming."""
    deadline = time.monotonic() + seconds
    last: set[str] = set()
    while time.monotonic() < deadline:
        found = {dag.dag_id for dag in session.dags()}
        if isinstance(expected, set):
            if expected <= found:
                return found
        elif len(found) >= expected and found == last:
            return found
        last = found
        time.sleep(0.5 if isinstance(expected, set) else 2)
    raise AssertionError(f"after {seconds:.0f} s only these Dags were parsed: {sorted(last)}")


def run_all(session: Session, dag_ids: set[str], *, mark: str) -> Outcome:
    """Run every Dag once, by hand, and take down how each task instance ended.

    :param mark: one of ``MARKS``: names the runs
    """
    for dag_id in sorted(dag_ids):
        session.unpause(dag_id)
    refused: dict[str, int] = {}
    started: list[str] = []
    for dag_id in sorted(dag_ids):
        # With a logical date, because many of the examples use templates that need one. Always the same for a mark:
        # one of them asks whether its minute is odd.
        body = {"logical_date": MARKS[mark].isoformat(), "dag_run_id": mark}
        answer = session.ask("POST", f"/dags/{dag_id}/dagRuns", body)
        if answer.ok:
            started.append(dag_id)
        else:
            refused[dag_id] = answer.status
    _wait_for_runs(session, started, mark)
    return {dag_id: {"refused": status} for dag_id, status in refused.items()} | {
        dag_id: _outcome(session, dag_id, mark) for dag_id in started
    }


def _wait_for_runs(session: Session, dag_ids: list[str], mark: str) -> None:
    deadline = time.monotonic() + PATIENCE
    open_runs = list(dag_ids)
    while open_runs:
        open_runs = [dag_id for dag_id in open_runs if not session.run(dag_id, mark).finished]
        assert time.monotonic() < deadline, f"still not finished after {PATIENCE:.0f} s: {open_runs}"
        time.sleep(1 if open_runs else 0)


def _outcome(session: Session, dag_id: str, run_id: str) -> Outcome:
    tasks = {
        task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": task.state
        for task in session.task_instances(dag_id, run_id)
    }
    return {"state": session.run(dag_id, run_id).state, "tasks": dict(sorted(tasks.items()))}
