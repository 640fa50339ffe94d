"""Whose turn it is: tokens that are forged, exchanged, re-used, early or late, and instances that are gone or over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.guard.conftest import DS, Lab, Task

pytestmark = pytest.mark.integration

NOW = "2026-01-01T00:00:00Z"
START = {"state": "running", "hostname": "host", "unixname": "somebody", "pid": 4711, "start_date": NOW}
ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/connections/warehouse", None),
    ("GET", "/variables/threshold", None),
    ("PUT", "/variables/threshold", {"val": "stolen"}),
    ("GET", "/dags/ds_train", None),
    ("GET", "/assets/by-name?name=model", None),
    ("GET", "/asset-events/by-asset-alias?name=x", None),
    ("PUT", "/task-instances/{ti}/rtif", {"a": "b"}),
    ("PUT", "/store/ti/{ti}/k", {"value": 1}),
]


def answers(task: Task, token: str | None = None) -> set[int]:
    """The statuses of one request of each sort."""
    asked = [task.ask(method, path.format(ti=task.ti), json=body, token=token) for method, path, body in ASKED]
    return {answer.status_code for answer in asked}


def test_a_running_task_is_answered(mine: Task) -> None:
    assert answers(mine) <= {200, 201, 204}
    mine.ask("PUT", "/variables/threshold", json={"val": f"{DS}-value"})


def test_the_life_of_a_task_goes_on_as_before(lab: Lab) -> None:
    task = lab.task("ds_train", "queued")
    started = task.ask("PATCH", f"/task-instances/{task.ti}/run", json=START, token=task.queued)
    assert started.status_code == 200, started.text
    token = started.headers["refreshed-api-token"]
    beat = {"hostname": "host", "pid": 4711}
    assert task.ask("PUT", f"/task-instances/{task.ti}/heartbeat", json=beat, token=token).status_code == 204
    done = {"state": "success", "end_date": NOW, "task_outlets": [], "outlet_events": []}
    assert task.ask("PATCH", f"/task-instances/{task.ti}/state", json=done, token=token).status_code == 204
    assert task.state == "success"
    again = task.ask("PATCH", f"/task-instances/{task.ti}/state", json=done, token=token)
    assert again.status_code == 200, "the report that was not heard is repeated, as Airflow allows"


def test_a_token_cannot_be_exchanged_once_its_task_runs(lab: Lab, mine: Task) -> None:
    path = f"/task-instances/{mine.ti}/run"
    with lab.unguarded():
        native = mine.ask("PATCH", path, json=START, token=mine.token)
    assert native.status_code == 200
    guarded = mine.ask("PATCH", path, json=START, token=mine.token)
    assert guarded.status_code == 409
    assert guarded.json()["detail"]["previous_state"] == "running"
    assert "refreshed-api-token" not in guarded.headers


def test_a_start_whose_answer_was_lost_is_repeated_by_who_started_it(lab: Lab, mine: Task) -> None:
    path = f"/task-instances/{mine.ti}/run"
    assert mine.ask("PATCH", path, json=START, token=mine.queued).status_code == 200
    other = mine.ask("PATCH", path, json=START | {"pid": 1}, token=mine.queued)
    assert other.status_code == 409, "another process is not the one that started it"


def test_the_token_of_a_waiting_task_starts_it_and_nothing_else(lab: Lab) -> None:
    task = lab.task("ds_train", "queued")
    assert answers(task, task.queued) == {403}
    assert answers(task) == {409}, "neither does an execution token that came too early"
    for early in ("scheduled", None):
        lab.sql("UPDATE task_instance SET state = :state WHERE id = :ti", state=early, ti=task.ti)
        answer = task.ask("PATCH", f"/task-instances/{task.ti}/run", json=START, token=task.queued)
        assert answer.status_code == 409
        assert answers(task) == {409}


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "deferred", "up_for_retry", "restarting", "removed"])
def test_a_task_that_is_over_can_do_nothing(lab: Lab, mine: Task, state: str) -> None:
    lab.sql("UPDATE task_instance SET state = :state WHERE id = :ti", state=state, ti=mine.ti)
    assert answers(mine) == {409}
    for token in (mine.token, mine.queued):
        assert mine.ask("PATCH", f"/task-instances/{mine.ti}/run", json=START, token=token).status_code == 409
    beat = mine.ask("PUT", f"/task-instances/{mine.ti}/heartbeat", json={"hostname": "host", "pid": 4711})
    assert beat.status_code == 409
    assert mine.state == state


def test_a_task_that_is_gone_can_do_nothing(lab: Lab, mine: Task) -> None:
    assert lab.http.get("/lab/retry", params={"ti": mine.ti}).json()["ti"] != mine.ti
    assert answers(mine) == {410}
    beat = mine.ask("PUT", f"/task-instances/{mine.ti}/heartbeat", json={"hostname": "host", "pid": 4711})
    assert beat.status_code == 410
    assert mine.ask("PATCH", f"/task-instances/{mine.ti}/run", json=START, token=mine.queued).status_code == 404


def test_a_deleted_run_takes_its_tasks_rights_along(lab: Lab, mine: Task) -> None:
    assert mine.ask("GET", "/variables/threshold").status_code == 200
    lab.sql("DELETE FROM dag_run WHERE run_id = :run", run=mine.run_id)
    assert answers(mine) == {410}


def test_what_was_issued_before_the_task_was_queued_again_is_over(lab: Lab, mine: Task) -> None:
    lab.sql("UPDATE task_instance SET queued_dttm = now() + interval '60 s' WHERE id = :ti", ti=mine.ti)
    assert answers(mine) == {409}
    lab.sql("UPDATE task_instance SET state = 'queued' WHERE id = :ti", ti=mine.ti)
    answer = mine.ask("PATCH", f"/task-instances/{mine.ti}/run", json=START, token=mine.queued)
    assert answer.json()["detail"]["reason"] == "earlier_turn"


def test_a_task_without_a_team_can_do_nothing(lab: Lab) -> None:
    task = lab.task("orphan")
    assert answers(task) == {403}
    queued = lab.task("orphan", "queued")
    answer = queued.ask("PATCH", f"/task-instances/{queued.ti}/run", json=START, token=queued.queued)
    assert "belongs to no team" in answer.json()["detail"]["message"]


def test_a_dag_that_changes_hands_does_not_take_a_running_task_along(lab: Lab) -> None:
    task = lab.task("ds_squats")
    assert "data_science-pass" in task.ask("GET", "/connections/warehouse").text
    lab.sql("UPDATE dag SET bundle_name = 'data_engineering' WHERE dag_id = 'ds_squats'")
    try:
        with lab.unguarded():
            assert "data_engineering-pass" in task.ask("GET", "/connections/warehouse").text
        assert answers(task) == {403}
    finally:
        lab.sql("UPDATE dag SET bundle_name = 'data_science' WHERE dag_id = 'ds_squats'")
    assert task.ask("GET", "/connections/warehouse").status_code == 200


def test_tokens_that_are_not_a_tasks_are_refused(lab: Lab, mine: Task) -> None:
    bad = {
        "expired": lab.token(mine.ti, valid_for=-60),
        "of the UI": lab.token(mine.ti, audience="apache-airflow"),
        "forged": lab.token(mine.ti, secret="x" * 40),
        "of an unknown scope": lab.token(mine.ti, "admin"),
        "of a user": lab.token("admin"),
        "of nothing": "x.y.z",
        "unsigned": "eyJhbGciOiJub25lIn0.e30.",
    }
    assert {name: answers(mine, token) for name, token in bad.items()} == {name: {403} for name in bad}
    assert answers(mine, lab.token(mine.ti)) <= {200, 201, 204}


def test_a_request_has_one_token(lab: Lab, mine: Task, theirs: Task) -> None:
    headers = [("authorization", f"Bearer {mine.token}"), ("authorization", f"Bearer {theirs.token}")]
    for order in (headers, headers[::-1]):
        assert lab.http.get("/execution/variables/threshold", headers=order).status_code == 403
    for scheme in ("Basic", "bearer2"):
        answer = lab.http.get("/execution/variables/threshold", headers={"authorization": f"{scheme} {mine.token}"})
        assert answer.status_code == 401
    cookie = {"cookie": f"_token={mine.token}"}
    assert lab.http.get("/execution/variables/threshold", headers=cookie).status_code == 401


def test_a_connection_test_is_only_its_own(lab: Lab, mine: Task) -> None:
    test, other = (lab.http.get("/lab/connection-test").json() for _ in range(2))
    path = f"/connection-tests/{test['id']}/connection"
    for token in (other["token"], mine.token, mine.queued, lab.token(test["id"])):
        assert mine.ask("GET", path, token=token).status_code == 403
    assert answers(mine, test["token"]) == {403}
    assert "tested-pass" in mine.ask("GET", path, token=test["token"]).text
    result = {"state": "success", "result_message": "it works"}
    patch = f"/connection-tests/{test['id']}"
    assert mine.ask("PATCH", patch, json=result, token=other["token"]).status_code == 403
    assert mine.ask("PATCH", patch, json=result, token=test["token"]).status_code == 204
    assert mine.ask("GET", path, token=test["token"]).status_code == 410


def test_when_the_database_does_not_answer_the_answer_is_no(lab: Lab, mine: Task) -> None:
    lab.sql("ALTER TABLE dag_bundle_team RENAME TO elsewhere")
    try:
        answer = mine.ask("GET", "/variables/threshold")
    finally:
        lab.sql("ALTER TABLE elsewhere RENAME TO dag_bundle_team")
    assert answer.status_code == 503
    assert "database" in answer.json()["detail"]["message"]
    assert mine.ask("GET", "/variables/threshold").status_code == 200
