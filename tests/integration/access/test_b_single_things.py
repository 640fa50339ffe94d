"""What is somebody else's answers exactly as what does not exist; the same address works for those who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.access.conftest import Server
from tests.integration.access.test_d_sign_in import run_sql

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

DAG = "/api/v2/dags/{dag}"
RUN = DAG + "/dagRuns/r1"
TASK = RUN + "/taskInstances/load"
ON_DAGS: list[tuple[str, str, Any]] = [
    ("GET", DAG, None),
    ("GET", DAG + "/details", None),
    ("GET", DAG + "/tasks", None),
    ("GET", DAG + "/dagVersions", None),
    ("GET", "/api/v2/dagSources/{dag}", None),
    ("GET", DAG + "/dagRuns", None),
    ("GET", RUN, None),
    ("GET", TASK, None),
    ("GET", TASK + "/logs/1", None),
    ("GET", TASK + "/xcomEntries", None),
    ("GET", TASK + "/xcomEntries/answer", None),
    ("GET", "/api/v2/eventLogs?dag_id={dag}", None),
    ("GET", "/ui/grid/runs/{dag}", None),
    ("GET", "/ui/structure/structure_data?dag_id={dag}", None),
    ("PATCH", DAG, {"is_paused": False}),
    ("POST", DAG + "/dagRuns", {"logical_date": None}),
    ("POST", RUN + "/clear", {"dry_run": True}),
    ("PATCH", TASK, {"new_state": "success"}),
    ("PATCH", TASK + "/xcomEntries/answer", {"value": "1"}),
    ("DELETE", RUN, None),
    ("DELETE", DAG, None),
]
NAMED: list[tuple[str, str, Any]] = [
    *[("GET", f"/api/v2/{kind}/{{name}}", None) for kind in ("connections", "variables", "pools")],
    *[("DELETE", f"/api/v2/{kind}/{{name}}", None) for kind in ("connections", "variables", "pools")],
    ("PATCH", "/api/v2/connections/{name}", {"connection_id": "{name}", "conn_type": "x", "team_name": "data_science"}),
    ("PATCH", "/api/v2/variables/{name}", {"key": "{name}", "value": "2", "team_name": "data_science"}),
    ("PATCH", "/api/v2/pools/{name}", {"pool": "{name}", "slots": 2, "team_name": "data_science"}),
]
LAST = {"variables": "threshold", "connections": "warehouse", "pools": "gpu"}


def put(value: Any, **names: str) -> Any:
    if isinstance(value, dict):
        return {key: put(each, **names) for key, each in value.items()}
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize("person", ["lead", "nemo"])
@pytest.mark.parametrize(("method", "path", "body"), ON_DAGS, ids=[f"{m} {p}" for m, p, _ in ON_DAGS])
def test_a_foreign_dag_is_a_missing_one(as_user: Client, person: str, method: str, path: str, body: Any) -> None:
    answers = {
        dag: as_user(person).request(method, put(path, dag=dag), json=body) for dag in ("de_etl", "orphan", "nothing")
    }
    assert {answer.status_code for answer in answers.values()} == {404}
    assert len({answer.text.replace(dag, "DAG") for dag, answer in answers.items()}) == 1
    if method == "GET":
        assert as_user("emil").get(put(path, dag="de_etl")).status_code == 200, "its own team reads it"


@pytest.mark.parametrize(("method", "path", "body"), NAMED, ids=[f"{m} {p}" for m, p, _ in NAMED])
def test_a_foreign_or_global_name_is_a_missing_one(as_user: Client, method: str, path: str, body: Any) -> None:
    last = next(last for kind, last in LAST.items() if kind in path)
    answers = {
        name: as_user("lead").request(method, put(path, name=name), json=put(body, name=name))
        for name in (f"data_engineering.{last}", f"global_{last}", "data_engineering.nothing", "nothing")
    }
    assert {answer.status_code for answer in answers.values()} == {404}, [a.text for a in answers.values()]
    assert len({answer.text.replace(name, "NAME") for name, answer in answers.items()}) == 1
    if method == "GET":
        for name, person in ((f"data_engineering.{last}", "emil"), (f"global_{last}", "admin")):
            assert as_user(person).get(put(path, name=name)).status_code == 200


def ids(client: httpx.Client, path: str, of: str) -> list[int]:
    return [row["id"] for row in client.get(f"/api/v2/{path}").json()[of]]


def test_a_foreign_asset_is_a_missing_one(as_user: Client) -> None:
    assets = {asset["name"]: asset["id"] for asset in as_user("admin").get("/api/v2/assets").json()["assets"]}
    lead, hidden = as_user("lead"), assets["de_only"]
    for path in ("assets/{}", "assets/{}/queuedEvents"):
        foreign, missing = (lead.get("/api/v2/" + path.format(number)) for number in (hidden, 4711))
        assert (foreign.status_code, missing.status_code) == (404, 404)
        assert foreign.text.replace(str(hidden), "N") == missing.text.replace("4711", "N")
        assert lead.get("/api/v2/" + path.format(assets["user_profiles"])).status_code == 200, "shared with us"
        assert as_user("emil").get("/api/v2/" + path.format(hidden)).status_code == 200
    for odd in ("-1", "99999999999999999999", "x", "1%00"):
        assert lead.get(f"/api/v2/assets/{odd}").status_code in (404, 422)


def test_events_are_posted_on_own_assets_only(as_user: Client) -> None:
    assets = {asset["name"]: asset["id"] for asset in as_user("admin").get("/api/v2/assets").json()["assets"]}

    def post(person: str, asset_id: object) -> httpx.Response:
        return as_user(person).post("/api/v2/assets/events", json={"asset_id": asset_id})

    assert post("operator", assets["model"]).status_code == 200
    assert post("viewer", assets["model"]).status_code == 403
    assert post("lead", assets["user_profiles"]).status_code == 403, "a consumer reads it and no more"
    foreign, missing = post("lead", assets["de_only"]), post("lead", 4711)
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.text.replace(str(assets["de_only"]), "N") == missing.text.replace("4711", "N")
    assert post("lead", str(assets["de_only"])).status_code == 404, "a number in a string is the same number"
    assert post("lead", None).status_code == 422
    assert post("iris", assets["model"]).status_code == 403
    odd = as_user("lead").post("/api/v2/assets/events", content=b"{", headers={"content-type": "application/json"})
    assert odd.status_code == 422


def test_an_event_posted_by_hand_is_the_owners_whoever_else_may_be_seen(server: Server, as_user: Client) -> None:
    """Somebody of two teams starts no Dag of the other one, which was never given the asset."""
    assets = {asset["name"]: asset["id"] for asset in as_user("admin").get("/api/v2/assets").json()["assets"]}
    waits = f"""INSERT INTO dag_schedule_asset_reference (asset_id, dag_id, created_at, updated_at)
        SELECT {assets["model"]}, dag_id, now(), now() FROM dag WHERE dag_id IN ('de_etl', 'ds_train')"""  # noqa: S608
    run_sql(server, waits)
    run_sql(server, "UPDATE dag SET is_paused = false WHERE dag_id IN ('de_etl', 'ds_train')")
    try:
        for person in ("both", "admin", "operator"):
            assert as_user(person).post("/api/v2/assets/events", json={"asset_id": assets["model"]}).status_code == 200
            queued = as_user("admin").get(f"/api/v2/assets/{assets['model']}/queuedEvents").json()["queued_events"]
            assert {each["dag_id"] for each in queued} == {"ds_train"}, person
    finally:
        run_sql(server, "DELETE FROM asset_dag_run_queue")
        run_sql(
            server,
            f"""DELETE FROM dag_schedule_asset_reference WHERE asset_id = {assets["model"]}
            AND dag_id IN ('de_etl', 'ds_train')""",  # noqa: S608
        )


def test_numbers_of_foreign_rows_say_nothing(as_user: Client) -> None:
    rows = as_user("admin").get("/api/v2/eventLogs").json()["event_logs"]
    logs = {row["dag_id"]: row["event_log_id"] for row in rows}
    viewer = as_user("viewer")
    assert viewer.get(f"/api/v2/eventLogs/{logs['ds_train']}").status_code == 200
    missing = viewer.get("/api/v2/eventLogs/4711").text
    for number in (logs["de_etl"], logs[None], logs["orphan"]):
        for query in ("", "?dag_id=ds_train"):
            answer = viewer.get(f"/api/v2/eventLogs/{number}{query}")
            assert (answer.status_code, answer.text) == (404, missing.replace("4711", str(number)))

    backfills = {row["dag_id"]: row["id"] for row in as_user("admin").get("/ui/backfills").json()["backfills"]}
    assert viewer.get(f"/api/v2/backfills/{backfills['ds_train']}").status_code == 200
    for number in (backfills["de_etl"], 4711):
        for answer in (
            viewer.get(f"/api/v2/backfills/{number}"),
            as_user("lead").put(f"/api/v2/backfills/{number}/pause"),
        ):
            assert (answer.status_code, answer.json()) == (404, {"detail": "Backfill not found"})


def test_bulk_changes_of_foreign_things_are_refused_whole(as_user: Client) -> None:
    def bulk(person: str, kind: str, *actions: dict[str, Any]) -> httpx.Response:
        return as_user(person).patch(f"/api/v2/{kind}", json={"actions": list(actions)})

    def variable(action: str, key: str, team: str | None, **more: str) -> dict[str, Any]:
        return {"action": action, "entities": [{"key": key, "value": "9", "team_name": team}], **more}

    new = "data_science.bulk"
    refused = [
        bulk("author", "variables", variable("update", "data_engineering.threshold", "data_engineering")),
        bulk("author", "variables", variable("update", "data_engineering.threshold", "data_science")),
        bulk("author", "variables", variable("update", "global_threshold", "data_science")),
        bulk("author", "variables", variable("create", "global_new", None)),
        bulk("author", "variables", variable("create", new, None), variable("create", new, "data_science")),
        bulk("author", "variables", variable("create", new, "data_engineering")),
        bulk(
            "author",
            "variables",
            variable("create", "global_threshold", "data_science", action_on_existence="overwrite"),
        ),
        bulk("author", "variables", {"action": "delete", "entities": ["data_engineering.threshold"]}),
        bulk("author", "variables", {"action": "delete", "entities": ["nothing"]}),
        bulk("lead", "connections", {"action": "delete", "entities": ["data_engineering.warehouse"]}),
        bulk("lead", "pools", {"action": "delete", "entities": ["global_gpu"]}),
        bulk("viewer", "variables", variable("create", new, "data_science")),
        bulk("iris", "variables", variable("create", new, "data_science")),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert {answer.text for answer in refused} == {'{"detail":"Forbidden"}'}


def test_bulk_changes_of_own_things_work(as_user: Client) -> None:
    def bulk(kind: str, action: str, entity: Any, **more: str) -> tuple[int, Any]:
        body = {"actions": [{"action": action, "entities": [entity], **more}]}
        answer = as_user("lead").patch(f"/api/v2/{kind}", json=body)
        return answer.status_code, answer.json().get(action, {}).get("success")

    pool = {"name": "data_science.bulk", "slots": 1, "team_name": "data_science"}
    connection = {"connection_id": "data_science.bulk", "conn_type": "http", "team_name": "data_science"}
    for kind, entity in (("pools", pool), ("connections", connection)):
        assert bulk(kind, "create", entity) == (200, ["data_science.bulk"])
        assert bulk(kind, "create", entity, action_on_existence="overwrite") == (200, ["data_science.bulk"])
        assert bulk(kind, "update", {**entity, "team_name": None}) == (403, None), "it stays the team's"
        assert bulk(kind, "create", {**entity, "team_name": None}, action_on_existence="overwrite") == (403, None)
        assert as_user("lead").get(f"/api/v2/{kind}/data_science.bulk").json()["team_name"] == "data_science"
        assert bulk(kind, "delete", "data_science.bulk") == (200, ["data_science.bulk"])
    variable = {"key": "data_science.threshold", "value": "5", "team_name": "data_science"}
    assert bulk("variables", "update", variable) == (200, ["data_science.threshold"])
    assert bulk("variables", "update", {**variable, "team_name": None}) == (403, None)
    assert bulk("variables", "create", {**variable, "key": "data_science.bulk"}) == (403, None), "it would be global"


def test_task_instances_in_bulk_are_asked_one_by_one(as_user: Client) -> None:
    def patch(person: str, dag: str, task: str) -> dict[str, Any]:
        entity = {"dag_id": dag, "dag_run_id": "r1", "task_id": task, "new_state": "success"}
        body = {"actions": [{"action": "update", "entities": [entity]}]}
        answer = as_user(person).patch("/api/v2/dags/~/dagRuns/~/taskInstances", json=body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["update"]
        return result

    own, foreign, missing = (
        patch("lead", "ds_train", "fit"),
        patch("lead", "de_etl", "load"),
        patch("lead", "no", "load"),
    )
    assert own["success"]
    assert not foreign["success"]
    assert str(foreign["errors"]).replace("de_etl", "DAG") == str(missing["errors"]).replace("'no'", "'DAG'")
