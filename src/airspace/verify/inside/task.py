"""What the planted Dags' one task does: be the victim, be the attacker, or end with a forged report."""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airspace.verify.inside import ipc, warehouse
from airspace.verify.inside.facts import (
    SCRATCH_FILE,
    SECRET_KEY,
    SHARED,
    UNSHARED,
    UNSHARED_URI,
    Facts,
    team,
)
from airspace.verify.inside.relay import SLOW, held_up
from airspace.verify.inside.runner import as_json, perform
from airspace.verify.inside.sockets import VICTIM_ABSTRACT

REPORT = "verify_report"
STOP = "verify-stop"
HELD_UP = "verify-held-up"
_HOLD_SECONDS = 900.0
_SCRATCH = (Path(tempfile.gettempdir(), SCRATCH_FILE), Path("/dev/shm", SCRATCH_FILE))  # noqa: S108  # where teams write


def main(context: Mapping[str, Any]) -> None:
    """Do what the run was triggered for; without a word, nothing."""
    asked = context["dag_run"].conf or {}
    if not asked:
        return
    facts = Facts.from_dict(asked["facts"], role=team())
    os.environ["VERIFY_RUN"] = context["run_id"]
    push = context["ti"].xcom_push
    if asked["part"] == "hold":
        _be_the_victim(asked["acts"], replace(facts, victim_ti=str(context["ti"].id)), push)
    elif asked["part"] == "emit":
        _emit()
    elif asked["part"] in ("trigger", "await"):
        _defer(asked.get("acts", []), asked["facts"])
    else:
        push(key=REPORT, value={"results": as_json(perform(asked["acts"], facts)), "machine": _machine()})


def _be_the_victim(acts: list[str], facts: Facts, push: Any) -> None:
    """Have everything that the attacker is after, do everything as its owner, and stay."""
    _furnish(facts, push)
    try:
        with ipc.lent(facts):
            _stay(acts, facts, push)
    finally:
        for path in _SCRATCH:
            path.unlink(missing_ok=True)


def _stay(acts: list[str], facts: Facts, push: Any) -> None:
    secret = ctypes.create_string_buffer(facts.secret.encode())
    named = socket.socket(socket.AF_UNIX)
    named.bind(VICTIM_ABSTRACT.format(facts.nonce))
    named.listen(16)
    with named, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen(16)
        port = listener.getsockname()[1]
        results = perform(acts, replace(facts, victim_port=port))
        told = {"pid": os.getpid(), "address": ctypes.addressof(secret), "port": port, "ti": facts.victim_ti}
        push(key=REPORT, value={"results": as_json(results), "machine": _machine(), **told})
        until = time.monotonic() + _HOLD_SECONDS
        before = 0.0
        while time.monotonic() < until and not (facts.own_storage / f"{STOP}-{facts.nonce}").exists():
            took = held_up(facts.reach)
            if took > 2 * SLOW or min(took, before) > SLOW:  # once for a second: any busy machine does that
                (facts.own_storage / HELD_UP).write_text(f"{took:.1f}")
            before = took
            time.sleep(0.1)


def _furnish(facts: Facts, push: Any) -> None:
    from airspace.sdk import publish

    for path in (facts.private, *_SCRATCH):
        with suppress(FileNotFoundError):
            path.unlink()
        path.write_text(facts.secret)
    for asset in (SHARED, UNSHARED):
        with publish(asset) as draft:
            (draft.path / "data.txt").write_text(facts.secret if asset == UNSHARED else "for everybody whom it names")
            draft.describe(rows=1)
    push(key=SECRET_KEY, value=facts.secret)
    warehouse.prepare(facts)
    for role in ("verify_attacker", "verify_victim"):
        push(key=f"verify_doomed_{role}", value="x")


def _machine() -> dict[str, Any]:
    """What this sandbox tells about its limits."""
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    controllers = [
        name
        for line in groups
        if "airspace-" in line or (line.startswith("0::/") and "airspace" in line)
        for name in (line.split(":")[1].split(",") if line.split(":")[1] else ["memory", "cpu", "pids"])
    ]
    return {"controllers": sorted(set(controllers)), "uid": os.getuid(), "cgroup": groups}


def _defer(acts: list[str], facts: Mapping[str, Any]) -> None:
    """Go on as a trigger, which ends the task itself."""
    from airflow.sdk.exceptions import TaskDeferred

    from airspace.verify.inside.probe_trigger import Probe

    raise TaskDeferred(trigger=Probe(acts, facts), method_name="execute")


def _emit() -> None:
    """End with a report of success that names the victim's asset, as only its own tasks may."""
    from airflow.sdk.execution_time import comms, task_runner

    event = {
        "dest_asset_key": {"name": UNSHARED, "uri": UNSHARED_URI},
        "source_alias_name": None,
        "extra": {"from": team()},
        "dest_asset_extra": {},
    }
    message = comms.SucceedTask(
        end_date=datetime.now(timezone.utc),
        task_outlets=[{"type": "Asset", "name": UNSHARED, "uri": UNSHARED_URI}],
        outlet_events=[event],
    )
    task_runner.SUPERVISOR_COMMS.send(message)
    os._exit(0)
