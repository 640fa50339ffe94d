"""Names of the victim's, asked for over the Execution API: by the task SDK, and by raw messages to the supervisor."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airspace.verify.inside.acts import Refused, act
from airspace.verify.inside.facts import (
    CONNECTION,
    SECRET_KEY,
    TASK,
    UNSHARED,
    UNSHARED_URI,
    VARIABLE,
    VICTIM,
    Facts,
)
from airspace.verify.inside.runner import refusal

_NOW = datetime(2100, 1, 1, tzinfo=timezone.utc)


def _send(kind: str, /, **fields: Any) -> Any:
    """A raw message; an answer that is an error is raised."""
    from airflow.sdk.execution_time import comms, task_runner

    answer = task_runner.SUPERVISOR_COMMS.send(getattr(comms, kind)(**fields))
    if isinstance(answer, comms.ErrorResponse):
        raise Refused(refusal(answer))
    return answer


@act("names.variable-read")
def variable_read(facts: Facts) -> str:
    value = _send("GetVariable", key=f"{VICTIM}.{VARIABLE}").value
    if value != facts.secret:
        raise Refused("a variable of that name, but not the victim's")
    return "read the victim's variable"


@act("names.variable-read-sdk")
def variable_read_sdk(facts: Facts) -> str:
    from airflow.sdk import Variable

    names = (VARIABLE,) if facts.own == VICTIM else (f"{VICTIM}.{VARIABLE}", VARIABLE)
    values = [Variable.get(name, default=None) for name in names]
    if facts.secret not in values:
        raise Refused("no value, or not the victim's")
    return "read the victim's variable with Variable.get"


@act("names.variable-keys")
def variable_keys(_facts: Facts) -> str:
    found = _send("GetVariableKeys", prefix="", limit=1000).keys
    theirs = [key for key in found if key.endswith(VARIABLE) and (key.startswith(VICTIM) or "." not in key)]
    if not theirs:
        raise Refused(f"only its own are listed ({len(found)})")
    return f"listed {theirs[0]}"


@act("names.variable-set")
def variable_set(facts: Facts) -> str:
    """What became of it, is looked up over REST."""
    from airflow.sdk import Variable

    Variable.set(f"{VICTIM}.verify_written", f"{facts.role}-{facts.nonce}")
    return "the victim's variable is what it was"


@act("names.variable-delete")
def variable_delete(facts: Facts) -> str:
    """What became of it, is looked up over REST."""
    _send("DeleteVariable", key=f"{VICTIM}.verify_doomed_{facts.role}")
    return "the victim's variable is still there"


@act("names.connection-read")
def connection_read(facts: Facts) -> str:
    if _send("GetConnection", conn_id=f"{VICTIM}.{CONNECTION}").password != facts.secret:
        raise Refused("a connection of that name, but not the victim's")
    return "read the victim's password"


@act("names.connection-read-sdk")
def connection_read_sdk(facts: Facts) -> str:
    from airflow.sdk import BaseHook

    name = CONNECTION if facts.own == VICTIM else f"{VICTIM}.{CONNECTION}"
    if BaseHook.get_connection(name).password != facts.secret:
        raise Refused("a connection of that name, but not the victim's")
    return "read the victim's password with get_connection"


def _xcom(facts: Facts, key: str = SECRET_KEY) -> dict[str, Any]:
    return {"dag_id": facts.victim_dag, "run_id": facts.victim_run, "task_id": TASK, "key": key}


@act("names.xcom-read")
def xcom_read(facts: Facts) -> str:
    if _send("GetXCom", **_xcom(facts)).value != facts.secret:
        raise Refused("no value, or not the victim's")
    return "read the victim's XCom"


@act("names.xcom-read-sdk")
def xcom_read_sdk(facts: Facts) -> str:
    from airflow.sdk.execution_time.xcom import XCom

    found = XCom.get_one(key=SECRET_KEY, dag_id=facts.victim_dag, run_id=facts.victim_run, task_id=TASK, map_index=None)
    if found != facts.secret:
        raise Refused("no value, or not the victim's")
    return "read the victim's XCom with XCom.get_one"


@act("names.xcom-list")
def xcom_list(facts: Facts) -> str:
    found = _send("GetXComSequenceSlice", **_xcom(facts), start=None, stop=None, step=None).root
    if facts.secret not in found:
        raise Refused("an empty list")
    return "read a list of the victim's XComs"


@act("names.xcom-write")
def xcom_write(facts: Facts) -> str:
    _send("SetXCom", **_xcom(facts, f"verify_written_{facts.role}"), value="x", map_index=-1)
    return "wrote an XCom of the victim's task"


@act("names.xcom-delete")
def xcom_delete(facts: Facts) -> str:
    _send("DeleteXCom", **_xcom(facts, f"verify_doomed_{facts.role}"), map_index=-1)
    return "deleted an XCom of the victim's task"


@act("names.trigger")
def trigger(facts: Facts) -> str:
    _send("TriggerDagRun", dag_id=facts.victim_dag, run_id=f"verify-triggered-{facts.role}-{facts.nonce}", conf={})
    return "triggered the victim's Dag"


@act("names.clear")
def clear(facts: Facts) -> str:
    """Of a run that is over: clearing is part of the same message as triggering."""
    _send(
        "TriggerDagRun", dag_id=facts.victim_dag, run_id=f"verify-over-{facts.nonce}", conf={}, reset_dag_run=True
    )  # fmt: skip
    return "cleared the victim's run"


@act("names.dag")
def dag(facts: Facts) -> str:
    return f"read the victim's Dag: {_send('GetDag', dag_id=facts.victim_dag).dag_id}"


@act("names.run")
def run(facts: Facts) -> str:
    return f"read the victim's run: {_send('GetDagRun', dag_id=facts.victim_dag, run_id=facts.victim_run).state}"


@act("names.run-state")
def run_state(facts: Facts) -> str:
    found = _send("GetDagRunState", dag_id=facts.victim_dag, run_id=facts.victim_run)
    return f"read the state of the victim's run: {found.state}"


@act("names.run-count")
def run_count(facts: Facts) -> str:
    return f"counted the victim's runs: {_send('GetDRCount', dag_id=facts.victim_dag).count}"


@act("names.task-count")
def task_count(facts: Facts) -> str:
    return f"counted the victim's task instances: {_send('GetTICount', dag_id=facts.victim_dag).count}"


@act("names.task-states")
def task_states(facts: Facts) -> str:
    found = _send("GetTaskStates", dag_id=facts.victim_dag, run_ids=[facts.victim_run])
    if not found.task_states:
        raise Refused("no states")
    return "read the states of the victim's tasks"


@act("names.breadcrumbs")
def breadcrumbs(facts: Facts) -> str:
    _send("GetTaskBreadcrumbs", dag_id=facts.victim_dag, run_id=facts.victim_run)
    return "read how the victim's tasks ended"


@act("names.previous-run")
def previous_run(facts: Facts) -> str:
    _send("GetPreviousDagRun", dag_id=facts.victim_dag, logical_date=_NOW)
    return "asked for the victim's previous run, and was answered"


@act("names.previous-task")
def previous_task(facts: Facts) -> str:
    _send("GetPreviousTI", dag_id=facts.victim_dag, task_id=TASK, logical_date=_NOW)
    return "asked for the victim's previous task, and was answered"


@act("names.task-store-write")
def task_store_write(facts: Facts) -> str:
    _send("SetTaskStateStore", ti_id=facts.victim_ti, key=f"verify_{facts.role}", value="x", expires_at=None)
    return "wrote into the store of the victim's task"


@act("names.task-store-read")
def task_store_read(facts: Facts) -> str:
    found = _send("GetTaskStateStore", ti_id=facts.victim_ti, key=f"verify_{VICTIM}")
    return f"read the store of the victim's task: {found.value}"


@act("names.inlets")
def inlets(facts: Facts) -> str:
    _send("ValidateInletsAndOutlets", ti_id=facts.victim_ti)
    return "had the victim's inlets and outlets looked at"


@act("names.asset")
def asset(_facts: Facts) -> str:
    return f"read the victim's asset {_send('GetAssetByName', name=UNSHARED).name}"


@act("names.asset-by-uri")
def asset_by_uri(_facts: Facts) -> str:
    return f"read the victim's asset {_send('GetAssetByUri', uri=UNSHARED_URI).uri}"


@act("names.asset-events")
def asset_events(_facts: Facts) -> str:
    found = _send("GetAssetEventByAsset", name=UNSHARED, uri=None).asset_events
    return f"read {len(found)} events of the victim's asset"


@act("names.asset-state")
def asset_state(facts: Facts) -> str:
    _send("SetAssetStateStoreByName", name=UNSHARED, key=f"verify_{facts.role}", value="x")
    return "wrote into the state of the victim's asset"


@act("names.asset-state-clear")
def asset_state_clear(_facts: Facts) -> str:
    _send("ClearAssetStateStoreByUri", uri=UNSHARED_URI)
    return "cleared the state of the victim's asset"


@act("names.asset-emit")
def asset_emit(_facts: Facts) -> str:
    """Ends the task with a report that names the victim's asset; whether the event came, is looked up over REST."""
    raise AssertionError("a task of its own does this: airspace.verify.inside.task.emit")
