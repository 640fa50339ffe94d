"""Looking through another's eyes, names that teams give, and assets that several teams touch, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.access.conftest import Server
from tests.integration.access.test_d_sign_in import run_sql

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

LISTS = ("dags", "dags/~/dagRuns", "pools", "connections", "variables", "assets", "eventLogs", "importErrors")


def totals(client: httpx.Client, prefix: str = "") -> list[int]:
    answers = [client.get(f"{prefix}/api/v2/{path}") for path in LISTS]
    return [a.json()["total_entries"] if a.status_code == 200 else a.status_code for a in answers]


@pytest.mark.parametrize("person", ["viewer", "lead", "both", "nemo", "iris", "admin"])
def test_an_administrator_sees_what_the_user_sees(as_user: Client, person: str) -> None:
    before = totals(as_user(person))
    assert totals(as_user("admin"), f"/as/{person}")[:6] == before[:6]


def test_support_sees_no_more_than_both_may(as_user: Client) -> None:
    sue = as_user("sue")
    seen = totals(sue, "/as/lead")
    assert seen[:3] == totals(as_user("lead"))[:3]
    assert seen[3:5] == [403, 403], "an operator may not see connections and variables, whoever they look through"
    for person in ("admin", "iris", "no_such_user", "gone"):
        assert totals(sue, f"/as/{person}")[0] == 0
        assert sue.get(f"/auth/as/{person}").status_code == 404
    (answer, other) = (sue.get(f"/auth/as/{person}").text for person in ("admin", "no_such_user"))
    assert answer == other


@pytest.mark.parametrize("person", ["lead", "viewer", "iris", "nemo"])
def test_nobody_else_looks_through_anybodys_eyes(as_user: Client, person: str) -> None:
    for target in ("emil", "admin", "no_such_user"):
        assert totals(as_user(person), f"/as/{target}")[0] == 0
        assert as_user(person).get(f"/as/{target}/api/v2/dags/de_etl").status_code == 404
        assert as_user(person).get(f"/auth/as/{target}").status_code == 404


def test_a_view_changes_nothing_and_says_whose_it_is(as_user: Client, server: Server) -> None:
    admin = as_user("admin")
    for method, path, body in (
        ("POST", "/api/v2/dags/ds_train/dagRuns", {"logical_date": None}),
        ("PATCH", "/api/v2/dags/ds_train", {"is_paused": True}),
        ("DELETE", "/api/v2/dags/ds_train", None),
        ("POST", "/ui/auth/token", {"token_type": "api"}),
        ("POST", "/auth/login", None),
    ):
        answer = admin.request(method, f"/as/lead{path}", json=body)
        assert (answer.status_code, "read-only" in answer.text) == (403, True)
    answer = admin.get("/as/lead/auth/whoami")
    assert answer.headers["x-airspace-view"] == "lead; read-only"
    assert answer.json() == {**as_user("lead").get("/auth/whoami").json(), "seen_by": "admin", "read_only": True}
    assert admin.get("/as/lead/ui/auth/me").json()["username"] == "lead (seen by admin)"
    page = admin.get("/as/lead/dags")
    assert '<base href="/as/lead/"' in re.sub(r"\s+", " ", page.text), "the stock pages stay in the view"
    script = re.search(r'src="\./(static/[^"]+\.js)"', page.text)
    assert script is not None
    assert admin.get(f"/as/lead/{script[1]}").status_code == 200
    assert admin.get("/as/lead", follow_redirects=False).headers["location"] == "/as/lead/"
    assert admin.get("/auth/as/lead", follow_redirects=False).headers["location"] == "/as/lead/"
    for path in ("/as/lead/execution/docs", "/as//api/v2/dags", "/as/a%0Ab/api/v2/dags"):
        assert admin.get(path).status_code == 404
    assert as_user("nemo").get("/api/v2/dags").json()["total_entries"] == 0, "the view ends with the request"
    rows = admin.get("/api/v2/eventLogs?event=view_as&owner=admin").json()["event_logs"]
    assert '"user": "lead"' in " ".join(row["extra"] for row in rows)


def test_a_cookie_session_stays_the_persons_own(server: Server, as_user: Client) -> None:
    token = as_user("admin").headers["authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=server.url, cookies={"_token": token}, timeout=60) as browser:
        assert browser.get("/as/viewer/auth/whoami").json()["seen_by"] == "admin"
        assert "set-cookie" not in browser.get("/as/viewer/api/v2/dags").headers
        assert browser.get("/auth/whoami").json()["name"] == "admin"


NEW: list[tuple[str, str, dict[str, Any]]] = [
    ("connections", "connection_id", {"conn_type": "http"}),
    ("variables", "key", {"value": "1"}),
    ("pools", "name", {"slots": 1}),
]


@pytest.mark.parametrize(("kind", "field", "rest"), NEW)
def test_what_a_team_makes_has_the_teams_name_in_front(
    as_user: Client, kind: str, field: str, rest: dict[str, Any]
) -> None:
    team = {"team_name": "data_science"}

    def post(person: str, name: str, more: dict[str, Any]) -> httpx.Response:
        return as_user(person).post(f"/api/v2/{kind}", json={field: name, **rest, **more})

    for name in ("fresh", "data_engineering.taken", "data_engineering.warehouse", "global_warehouse"):
        answer = post("lead", name, team)
        assert (answer.status_code, answer.json()[field]) == (201, f"data_science.{name}"), answer.text
        assert as_user("lead").get(f"/api/v2/{kind}/data_science.{name}").json()["team_name"] == "data_science"
    assert post("lead", "data_science.fresh", team).status_code == 409, "one's own may be told"
    foreign, missing = (post("lead", "x", {"team_name": name}) for name in ("data_engineering", "no_such_team"))
    assert (foreign.status_code, foreign.text) == (missing.status_code, missing.text) == (403, '{"detail":"Forbidden"}')
    refused = post("admin", "data_science.of_nobody", {})
    assert (refused.status_code, "data_science" in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("connections", "connection_id", {"conn_type": "http"}),
        ("variables", "key", {"value": "1"}),
        ("pools", "name", {"slots": 1}),
    ],
)
def test_a_plain_name_is_that_of_ones_only_team(as_user: Client, path: str, field: str, more: dict[str, Any]) -> None:
    lead, admin = as_user("lead"), as_user("admin")
    made = lead.post(f"/api/v2/{path}", json={field: "plain", **more})
    assert made.status_code == 201, made.text
    assert (made.json()[field], made.json()["team_name"]) == ("data_science.plain", "data_science")
    assert lead.delete(f"/api/v2/{path}/data_science.plain").status_code == 204
    # An administrator's is the platform's, and who may create nowhere creates nothing.
    made = admin.post(f"/api/v2/{path}", json={field: "plain", **more})
    assert (made.json()[field], made.json()["team_name"]) == ("plain", None)
    assert admin.delete(f"/api/v2/{path}/plain").status_code == 204
    assert as_user("viewer").post(f"/api/v2/{path}", json={field: "plain", **more}).status_code == 403


def test_a_connection_is_tested_by_its_teams_lead_and_in_bounds(as_user: Client) -> None:
    def ask(person: str, name: str, team: str | None, path: str = "enqueue-test") -> httpx.Response:
        body = {"connection_id": name, "conn_type": "http", **({"team_name": team} if team else {})}
        return as_user(person).post(f"/api/v2/connections/{path}", json=body)

    own, other = "data_science", "data_engineering"
    for path in ("enqueue-test", "test"):
        assert ask("viewer", "one", own, path).status_code == 403
        assert ask("lead", f"{other}.one", other, path).status_code == 403
        assert ask("lead", f"{other}.one", None, path).status_code == 403
        assert ask("admin", "one", None, path).status_code == 403
        assert "without a team" in ask("admin", "one", None, path).text
    first = ask("lead", "one", own)
    assert (first.status_code, first.json()["connection_id"]) == (202, f"{own}.one")
    assert ask("lead", "one", own).status_code == 409
    assert ask("lead", "two", own).status_code == 202
    for path in ("enqueue-test", "test"):
        assert ask("lead", "three", own, path).status_code == 429
    assert ask("admin", "one", other).status_code == 202, "another team waits for nobody"


def test_a_second_producer_takes_nothing(server: Server, as_user: Client) -> None:
    assets = {asset["name"]: asset["id"] for asset in as_user("admin").get("/api/v2/assets").json()["assets"]}
    number = assets["de_only"]
    run_sql(
        server,
        f"""INSERT INTO task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at,
            allow_global_consumers) VALUES ({number}, 'ds_train', 'fit', now(), now(), false)""",  # noqa: S608
    )
    try:
        seen = as_user("lead").get(f"/api/v2/assets/{number}").json()
        assert [task["dag_id"] for task in seen["producing_tasks"]] == ["ds_train"]
        assert seen["last_asset_event"] == {"id": None, "timestamp": None}, "the owner's events are not for them"
        assert as_user("lead").get(f"/api/v2/assets/events?asset_id={number}").json()["total_entries"] == 0
        assert as_user("lead").post("/api/v2/assets/events", json={"asset_id": number}).status_code == 403
        assert as_user("emil").post("/api/v2/assets/events", json={"asset_id": number}).status_code == 200
        theirs = as_user("emil").get(f"/api/v2/assets/{number}").json()
        assert [task["dag_id"] for task in theirs["producing_tasks"]] == ["de_etl"]
    finally:
        run_sql(server, "DELETE FROM task_outlet_asset_reference USING asset WHERE asset_id = id AND name = 'de_only'"
                " AND dag_id = 'ds_train'")  # fmt: skip


def test_a_consumer_sees_that_something_came_and_not_from_which_dag(server: Server, as_user: Client) -> None:
    assets = {asset["name"]: asset["id"] for asset in as_user("admin").get("/api/v2/assets").json()["assets"]}
    number = assets["user_profiles"]
    run_sql(
        server,
        f"""INSERT INTO asset_event (asset_id, extra, source_dag_id, source_task_id, source_run_id, source_map_index,
            timestamp) VALUES ({number}, '{{"rows": 5}}', 'de_etl', 'load', 'r1', -1, now())""",  # noqa: S608
    )
    events = as_user("lead").get(f"/api/v2/assets/events?asset_id={number}").json()["asset_events"]
    (made,) = [each for each in events if each["extra"] == {"rows": 5}]
    assert (made["source_dag_id"], made["source_task_id"], made["source_run_id"]) == (None, None, None)
    for query in ("source_dag_id=de_etl", "source_task_id=load", "source_run_id=r1"):
        assert as_user("lead").get(f"/api/v2/assets/events?{query}").json()["total_entries"] == 0, (
            "no guess is confirmed"
        )
    ours = as_user("emil").get("/api/v2/assets/events?source_dag_id=de_etl").json()["asset_events"]
    assert {each["source_dag_id"] for each in ours} == {"de_etl"}
    shown = as_user("lead").get(f"/api/v2/assets/{number}").json()
    assert [dag["dag_id"] for dag in shown["scheduled_dags"]] == ["ds_train"]
    assert shown["producing_tasks"] == []


def test_the_producers_event_log_does_not_name_who_listens(server: Server, as_user: Client) -> None:
    """Airflow writes the listening Dags of every team into rows of the producer's."""
    events = ("missing partition key", "failed to map partition_key", "partition fan-out exceeded")
    for event in events:
        run_sql(
            server,
            f"INSERT INTO log (dttm, dag_id, event, extra) VALUES (now(), 'ds_train', '{event}', 'de_etl')",  # noqa: S608
        )
    try:
        for event in events:
            path = f"/api/v2/eventLogs?event={quote(event)}"
            (row,) = as_user("admin").get(path).json()["event_logs"]
            assert as_user("lead").get(path).json()["total_entries"] == 0
            assert as_user("lead").get(f"/api/v2/eventLogs/{row['event_log_id']}").status_code == 404
    finally:
        run_sql(server, "DELETE FROM log WHERE extra = 'de_etl'")
