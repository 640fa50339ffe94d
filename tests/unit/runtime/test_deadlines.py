"""Deadlines: what Airflow writes passes, and nothing else does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airspace.airflow.parsing.deadlines import refusals

SYNC = "airflow.sdk.definitions.callback.SyncCallback"
ASYNC = "airflow.sdk.definitions.callback.AsyncCallback"


def interval(value: Any = 60.0, **more: Any) -> dict[str, Any]:
    return {"__classname__": "datetime.timedelta", "__version__": 2, "__data__": value, **more}


def callback(kind: str = SYNC, **data: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": "late.tell", "kwargs": {"to": ["us"]}}
    if kind == SYNC:
        fields["executor"] = None
    return {"__classname__": kind, "__version__": 0, "__data__": {**fields, **data}}


def deadline(**fields: Any) -> dict[str, Any]:
    made = {"name": None, "reference": {"reference_type": "DagRunQueuedAtDeadline"}}
    return {**made, "interval": interval(), "callback": callback(), **fields}


def reference(kind: str, **more: Any) -> dict[str, Any]:
    return deadline(reference={"reference_type": kind, **more})


GOOD = {
    "queued": deadline(),
    "named": deadline(name="late"),
    "logical date": reference("DagRunLogicalDateDeadline"),
    "a time": reference("FixedDatetimeDeadline", datetime=1735689600.0),
    "an average": reference("AverageRuntimeDeadline", max_runs=3, min_runs=None),
    "before": deadline(interval=interval(-5.0)),
    "as Airflow once wrote it": deadline(interval=60),
    "asynchronous": deadline(callback=callback(ASYNC)),
    "in the Dag's own file": deadline(callback=callback(path="unusual_prefix_0a1b_file.tell")),
}
BAD = {
    "no mapping": [],
    "more fields": {**deadline(), "__type": "x"},
    "fewer fields": {"reference": 1},
    "a long name": deadline(name="x" * 251),
    "a class of its own": reference("DagRunQueuedAtDeadline", __class_path="os.system"),
    "an unknown class": reference("SerializedCustomReference"),
    "no class": deadline(reference={}),
    "a class that is no text": reference(["x"]),  # type: ignore[arg-type]
    "a time beyond all": reference("FixedDatetimeDeadline", datetime=1e18),
    "no time": reference("FixedDatetimeDeadline", datetime="now"),
    "too many runs": reference("AverageRuntimeDeadline", max_runs=10**9, min_runs=1),
    "no runs": reference("AverageRuntimeDeadline", max_runs=3, min_runs=0),
    "more runs than there are": reference("AverageRuntimeDeadline", max_runs=3, min_runs=4),
    "an interval beyond all": deadline(interval=interval(1e18)),
    "a whole number in an envelope": deadline(interval=interval(1)),
    "no interval": deadline(interval=None),
    "another version of it": deadline(interval=interval(__version__=1)),
    "a variable of the deployment": deadline(
        interval={"__classname__": "airflow.sdk.definitions.deadline.VariableInterval", "__version__": 1,
                  "__data__": {"key": "other.secret"}}),
    "another class for an interval": deadline(interval=interval(__classname__="datetime.datetime")),
    "another class for a callback": deadline(callback=callback("airflow.models.Connection")),
    "a class that is a list": deadline(callback={**callback(), "__classname__": [SYNC]}),
    "an executor": deadline(callback=callback(executor="LocalExecutor")),
    "an executor of the asynchronous": deadline(callback=callback(ASYNC, executor=None)),
    "another field": deadline(callback=callback(more=1)),
    "no path": deadline(callback=callback(path=None)),
    "a path of the machine": deadline(callback=callback(path="../../etc/passwd")),
    "a function in a function": deadline(callback=callback(path="late.f.<locals>.g")),
    "a bare name": deadline(callback=callback(path="tell")),
    "a long path": deadline(callback=callback(path="a." + "b" * 500)),
    "an object": deadline(callback=callback(kwargs={"x": [{"y": interval()}]})),
    "an old object": deadline(callback=callback(kwargs={"x": {"__type": "connection", "__var": {}}})),
    "too much": deadline(callback=callback(kwargs={"x": "x" * 70_000})),
    "no arguments": deadline(callback=callback(kwargs=None)),
}  # fmt: skip


@pytest.mark.parametrize("what", GOOD)
def test_what_airflow_writes_passes(what: str) -> None:
    asked = copy.deepcopy(GOOD[what])
    assert not list(refusals([asked], "Dag 'x'"))
    assert asked == GOOD[what]


@pytest.mark.parametrize("what", BAD)
def test_nothing_else_does(what: str) -> None:
    (refusal,) = refusals([BAD[what]], "Dag 'x'")
    assert refusal.rule == "deadline"


def test_there_may_be_none_and_not_too_many() -> None:
    assert not list(refusals(None, "x"))
    assert not list(refusals([], "x"))
    assert not list(refusals([deadline()] * 10, "x"))
    assert len(list(refusals([deadline()] * 11, "x"))) == 1
    assert len(list(refusals({"a": 1}, "x"))) == 1
