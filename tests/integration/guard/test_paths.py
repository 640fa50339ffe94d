"""There is one reading of a path: tricks with it reach what the router sees, or nothing."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tests.integration.guard.conftest import Lab, Task

pytestmark = pytest.mark.integration

TRICKS = [
    "/execution/dags/{}",
    "/execution/dags/{}/",
    "/execution/dags/{}?dag_id=ds_train",
    "/execution/dags/{}#ds_train",
    "/execution/dags/{}%20",
    "/execution/dags/{}%00",
    "/execution/dags/%20{}",
    "/execution/dags/ds_train/../{}",
    "/execution/dags/ds_train/%2e%2e/{}",
    "/execution/dags/ds_train%2F..%2F{}",
    "/execution/dags/ds_train%252F..%252F{}",
    "/execution/dags/./{}",
    "/execution/dags//{}",
    "/execution//dags/{}",
    "//execution/dags/{}",
    "/./execution/dags/{}",
    "/execution/./dags/{}",
    "/execution/../execution/dags/{}",
    "/execution/x/../dags/{}",
    "/execution/execution/dags/{}",
    "/api/v2/../../execution/dags/{}",
    "/auth/../execution/dags/{}",
    "/auth/execution/dags/{}",
    "/ui/%2e%2e/execution/dags/{}",
    "/%65xecution/dags/{}",
    "/execution/%64ags/{}",
    "/execution%2Fdags%2F{}",
    "/%2Fexecution/dags/{}",
    "/Execution/dags/{}",
    "/EXECUTION/DAGS/{}",
    "/execution/Dags/{}",
    "/execution;v=1/dags/{}",
    "/execution/dags;v=1/{}",
    "/execution\\dags\\{}",
    "/execution/dags\\{}",
    "/execution/dags/{};ds_train",
    "/execution/2026-06-30/dags/{}",
    "/execution/latest/dags/{}",
    "http://elsewhere.invalid/execution/dags/{}",
]
HEADERS = [
    {"x-http-method-override": "GET"},
    {"x-original-url": "/execution/health"},
    {"x-rewrite-url": "/execution/health"},
    {"x-forwarded-prefix": "/execution"},
    {"x-forwarded-path": "/execution/health"},
    {"host": "elsewhere.invalid"},
]


def raw(lab: Lab, task: Task, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    """A request with exactly this path."""
    connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=20)
    connection._validate_path = lambda _path: None  # type: ignore[attr-defined]
    given = headers or {}
    connection.putrequest(method, path, skip_host="host" in given, skip_accept_encoding=True)
    for name, value in {"authorization": f"Bearer {task.token}", **given}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def found(answer: tuple[int, str], dag_id: str) -> bool:
    """Whether the answer is the Dag."""
    return answer[0] == 200 and f'"dag_id":"{dag_id}"' in answer[1]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_path_leads_to_another_teams_dag(lab: Lab, mine: Task, trick: str) -> None:
    assert not found(raw(lab, mine, trick.format("de_etl")), "de_etl")
    encoded = raw(lab, mine, trick.format("".join(f"%{ord(c):02x}" for c in "de_etl")))
    assert not found(encoded, "de_etl")


def test_ways_that_the_router_knows_lead_to_the_own_dag(lab: Lab, mine: Task) -> None:
    ways = [
        "/execution/dags/ds_train",
        "/%65xecution/%64ags/ds%5ftrain",
        "http://elsewhere.invalid/execution/dags/ds_train",
    ]
    assert [found(raw(lab, mine, way), "ds_train") for way in ways] == [True] * len(ways)


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_no_header_leads_to_another_teams_dag(lab: Lab, mine: Task, headers: dict[str, str]) -> None:
    for path in ("/execution/dags/de_etl", "/dags/de_etl", "/execution/health"):
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            assert not found(raw(lab, mine, path, method, headers), "de_etl")


@pytest.mark.parametrize("root", ["/airflow", "/execution", "/execution/dags", "/"])
def test_no_root_path_leads_round_the_guard(lab: Lab, mine: Task, root: str) -> None:
    for path in ("/execution/dags/{}", f"{root}/execution/dags/{{}}", f"{root}/dags/{{}}", f"{root}{root}/dags/{{}}"):
        assert not found(raw(lab, mine, path.format("de_etl"), headers={"x-lab-root-path": root}), "de_etl")
    behind = {"x-lab-root-path": "/airflow"}
    assert found(raw(lab, mine, "/airflow/execution/dags/ds_train", headers=behind), "ds_train")
    assert raw(lab, mine, "/airflow/execution/dags/de_etl", headers=behind)[0] == 403


@pytest.mark.parametrize(
    "version", ["2025-04-11", "2026-06-30", "2030-01-01", "2020-01-01", "", "head", "unversioned", "2026-06-30 "]
)
def test_no_version_leads_to_another_teams_dag(lab: Lab, mine: Task, version: str) -> None:
    headers = {"airflow-api-version": version}
    for path in ("/execution/dags/de_etl", "/execution/dag-runs/count?dag_id=de_etl", "/execution/dag-runs/de_etl/x"):
        status, _ = raw(lab, mine, path, headers=headers)
        assert status in (400, 403, 404)
    known = version in ("2025-04-11", "2026-06-30")
    own, _ = raw(lab, mine, "/execution/dag-runs/count?dag_id=ds_train", headers=headers)
    assert own == (200 if known else 400)


def test_two_versions_are_none(lab: Lab, mine: Task) -> None:
    headers = [("authorization", f"Bearer {mine.token}")]
    headers += [("airflow-api-version", "2026-06-30"), ("airflow-api-version", "2025-04-11")]
    assert lab.http.get("/execution/dags/ds_train", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/changelog", "/docs/oauth2-redirect", "/", "/nothing", "/dags"]
)
def test_what_has_no_rule_is_refused(lab: Lab, mine: Task, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "get"):
        assert raw(lab, mine, f"/execution{path}", method)[0] in (400, 404)


def test_a_thing_is_named_once(mine: Task) -> None:
    for path in (
        "/dag-runs/count?dag_id=ds_train&dag_id=de_etl",
        "/dag-runs/count?dag_id=de_etl&dag_id=ds_train",
        "/assets/by-name?name=model&name=de_only",
        "/variables/keys?prefix=a&prefix=b",
    ):
        assert mine.ask("GET", path).status_code == 422
    assert mine.ask("GET", "/dag-runs/count").status_code == 422


def test_health_is_open_and_says_that_the_guard_is_there(lab: Lab) -> None:
    answer = lab.http.get("/execution/health")
    assert answer.status_code == 200
    assert answer.headers["airspace-guard"] == "1"
    with lab.unguarded():
        assert "airspace-guard" not in lab.http.get("/execution/health").headers
    assert "airspace-guard" not in lab.http.get("/api/v2/monitor/health").headers


def test_who_comes_in_further_inside_meets_the_same_guard(lab: Lab, mine: Task) -> None:
    inner = {"x-lab-inner": "1"}
    assert mine.ask("GET", "/dags/ds_train", headers=inner).status_code == 200
    assert mine.ask("GET", "/dags/de_etl", headers=inner).status_code == 403
    assert lab.http.get("/execution/health", headers=inner).headers["airspace-guard"] == "1"
