"""Every route of the Execution API: the own thing works, another team's, everybody's and a missing one do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from airspace.airflow.guard.routes import RULES
from tests.integration.guard.conftest import Lab, Task

pytestmark = pytest.mark.integration

NOW = "2026-01-01T00:00:00Z"
HITL = {"ti_id": "?", "options": ["ok"], "subject": "s", "body": "", "multiple": False, "params": {}, "defaults": None}


@dataclass(frozen=True)
class Case:
    """How to ask a route.

    :param names: the thing asked for: an own one, then those that must be refused, the last of which does not exist
    :param ok: what the owner is answered
    :param no: what everybody else is answered
    """

    names: tuple[str, ...] = ()
    ok: int = 200
    no: int = 403
    query: dict[str, str] = field(default_factory=dict)
    json: Any = None


ITSELF = Case(("own", "theirs", "missing"))
DAG = Case(("ds_train", "de_etl", "orphan", "no_such_dag"))
NAMED_DAG = Case(DAG.names, query={"dag_id": "?"})
OWN_ASSET = Case(("model", "de_only", "nobodys_asset", "no_such_asset"), query={"name": "?"})
OWN_URI = Case(("s3://ds/model", "s3://de/only", "nobodys_asset", "s3://no/such"), query={"uri": "?"})


def but(case: Case, **changes: Any) -> Case:
    """The case with something else."""
    return Case(**{**case.__dict__, **changes})


def stored(case: Case, **changes: Any) -> Case:
    """An asset's state store is asked for a key too."""
    return but(case, query={**case.query, "key": "k"}, **changes)


_TI = "/task-instances/{task_instance_id}"
_STORE = "/store/ti/{task_instance_id}"
_XCOM = "/xcoms/{dag_id}/{run_id}/{task_id}/{key:path}"
_HITL = "/hitlDetails/{task_instance_id}"
CASES: dict[tuple[str, str], Case] = {
    ("PATCH", f"{_TI}/run"): but(
        ITSELF, json={"state": "running", "hostname": "h", "unixname": "u", "pid": 1, "start_date": NOW}
    ),
    ("PATCH", f"{_TI}/state"): but(ITSELF, ok=204, json={"state": "failed", "end_date": NOW}),
    ("PUT", f"{_TI}/heartbeat"): but(ITSELF, ok=204, json={"hostname": "host", "pid": 4711}),
    ("PUT", f"{_TI}/rtif"): but(ITSELF, ok=201, json={"a": "b"}),
    ("PATCH", f"{_TI}/rendered-map-index"): but(ITSELF, ok=204, json="a label"),
    ("PATCH", f"{_TI}/skip-downstream"): but(ITSELF, ok=204, json={"tasks": ["t"]}),
    ("GET", f"{_TI}/previous-successful-dagrun"): ITSELF,
    ("GET", f"{_TI}/validate-inlets-and-outlets"): ITSELF,
    ("GET", "/task-reschedules/{task_instance_id}/start_date"): ITSELF,
    ("POST", _HITL): but(ITSELF, ok=201, json=HITL),
    ("GET", _HITL): but(ITSELF, ok=404),
    ("PATCH", _HITL): but(ITSELF, ok=404, json={"ti_id": "?", "chosen_options": ["ok"], "params_input": {}}),
    ("GET", f"{_STORE}/{{key:path}}"): but(ITSELF, ok=404),
    ("PUT", f"{_STORE}/{{key:path}}"): but(ITSELF, ok=204, json={"value": 1}),
    ("DELETE", f"{_STORE}/{{key:path}}"): but(ITSELF, ok=204),
    ("DELETE", _STORE): but(ITSELF, ok=204),
    ("GET", "/dags/{dag_id}"): DAG,
    ("GET", "/dag-runs/count"): NAMED_DAG,
    ("GET", "/dag-runs/previous"): but(NAMED_DAG, query={"dag_id": "?", "logical_date": NOW}),
    ("GET", "/dag-runs/{dag_id}/previous"): but(DAG, query={"logical_date": NOW}),
    ("GET", "/dag-runs/{dag_id}/{run_id}"): DAG,
    ("GET", "/dag-runs/{dag_id}/{run_id}/state"): DAG,
    ("POST", "/dag-runs/{dag_id}/{run_id}"): but(DAG, ok=409, json={}),
    ("POST", "/dag-runs/{dag_id}/{run_id}/clear"): but(DAG, ok=204),
    ("GET", "/task-instances/count"): NAMED_DAG,
    ("GET", "/task-instances/states"): NAMED_DAG,
    ("GET", "/task-instances/breadcrumbs"): but(NAMED_DAG, query={"dag_id": "?", "run_id": "r"}),
    ("GET", "/task-instances/previous/{dag_id}/{task_id}"): DAG,
    ("GET", _XCOM): DAG,
    ("HEAD", _XCOM): DAG,
    ("GET", f"{_XCOM}/item/{{offset}}"): DAG,
    ("GET", f"{_XCOM}/slice"): DAG,
    ("POST", _XCOM): but(DAG, ok=201, json="new"),
    ("DELETE", _XCOM): DAG,
    ("GET", "/connections/{connection_id}"): Case(
        ("warehouse", "data_engineering.warehouse", "de_plain", "everybodys", "no_such"), no=404
    ),
    ("GET", "/variables/{variable_key:path}"): Case(
        ("threshold", "data_engineering.threshold", "de_plain", "everybodys", "no_such"), no=404
    ),
    ("PUT", "/variables/{variable_key:path}"): Case(("other", "squatted"), ok=201, json={"val": "1"}),
    ("DELETE", "/variables/{variable_key:path}"): Case(("other", "squatted"), ok=204),
    ("GET", "/assets/by-name"): OWN_ASSET,
    ("GET", "/assets/by-uri"): OWN_URI,
    ("GET", "/asset-events/by-asset"): but(OWN_ASSET, query={"name": "?", "uri": ""}),
    ("GET", "/store/asset/by-name/value"): stored(OWN_ASSET, ok=404),
    ("PUT", "/store/asset/by-name/value"): stored(OWN_ASSET, ok=204, json={"value": 1}),
    ("DELETE", "/store/asset/by-name/value"): stored(OWN_ASSET, ok=204),
    ("DELETE", "/store/asset/by-name/clear"): but(OWN_ASSET, ok=204),
    ("GET", "/store/asset/by-uri/value"): stored(OWN_URI, ok=404),
    ("PUT", "/store/asset/by-uri/value"): stored(OWN_URI, ok=204, json={"value": 1}),
    ("DELETE", "/store/asset/by-uri/value"): stored(OWN_URI, ok=204),
    ("DELETE", "/store/asset/by-uri/clear"): but(OWN_URI, ok=204),
}
# Tested in their own words, in the other files of this folder.
ELSEWHERE = {
    ("GET", "/health"),
    ("GET", "/health/ping"),
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
    ("GET", "/variables/keys"),
    ("GET", "/assets/by-alias"),
    ("GET", "/asset-events/by-asset-alias"),
    ("GET", "/connection-tests/{connection_test_id}/connection"),
    ("PATCH", "/connection-tests/{connection_test_id}"),
}


def request(route: tuple[str, str], case: Case, name: str, task: Task, token: str | None = None) -> httpx.Response:
    """Ask a route for something of that name."""
    method, path = route
    for old, new in {
        "{task_instance_id}": name,
        "{dag_id}": name,
        "{connection_id}": name,
        "{variable_key:path}": name,
        "{run_id}": task.run_id,
        "{task_id}": "t",
        "{key:path}": "answer",
        "{offset}": "0",
    }.items():
        path = path.replace(old, new)
    query = {key: name if value == "?" else value for key, value in case.query.items()}
    body = {**case.json, "ti_id": name} if isinstance(case.json, dict) and "ti_id" in case.json else case.json
    version = {"airflow-api-version": "2025-11-05"} if route == ("GET", "/dag-runs/{dag_id}/previous") else {}
    return task.ask(method, path, params=query, json=body, token=token, headers=version)


def as_named(lab: Lab, mine: Task) -> Callable[[str], str]:
    """What the words in a case stand for."""
    others = {"own": mine.ti, "theirs": lab.task("de_etl").ti, "missing": "019a0000-0000-7000-8000-000000000000"}
    return lambda name: others.get(name, name)


def test_every_route_has_a_rule_and_is_tested(lab: Lab) -> None:
    """This fails when Airflow gets a route: decide whose it is, in ``routes.py``, and how to ask it, here."""
    routes = {(method, path) for method, path in lab.http.get("/lab/routes").json()}
    assert routes == RULES.keys()
    assert routes == CASES.keys() | ELSEWHERE


@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_own_things_work_and_nothing_else_does(lab: Lab, route: tuple[str, str]) -> None:
    case = CASES[route]
    start = route[1].endswith("/run")
    mine = lab.task("ds_train", "queued" if start else "running")
    token = mine.queued if start else mine.token
    named = as_named(lab, mine)
    refused = [request(route, case, named(name), mine, token) for name in case.names[1:]]
    assert [answer.status_code for answer in refused] == [case.no] * len(refused)
    if route[0] != "HEAD":
        texts = {a.text.replace(named(n), "X") for a, n in zip(refused, case.names[1:], strict=True)}
        assert len(texts) == 1, "what exists and what does not must look the same"
    answer = request(route, case, named(case.names[0]), mine, token)
    assert answer.status_code == case.ok, answer.text


@pytest.mark.parametrize("route", [r for r in RULES if not r[1].startswith("/health")], ids=" ".join)
def test_nothing_is_answered_without_a_token(lab: Lab, route: tuple[str, str]) -> None:
    path = route[1].replace("{", "").replace("}", "").replace(":path", "")
    missing = route[1] == "/openapi.json"
    version = {"airflow-api-version": "2025-11-05"} if route[1] == "/dag-runs/{dag_id}/previous" else {}
    answer = lab.http.request(route[0], f"/execution{path}", headers=version)
    assert answer.status_code == (404 if missing else 401)
