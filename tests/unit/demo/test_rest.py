from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airspace.backends.airflow_rest import Airflow, RestError

SECRET = "the-pass-word"


def _airflow(answer: Any) -> Airflow:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            known = json.loads(request.content)["password"] == SECRET
            return httpx.Response(
                201 if known else 401, json={"access_token": "the-token"} if known else {"detail": "no"}
            )
        assert request.headers["authorization"] == "Bearer the-token"
        return answer(request)  # type: ignore[no-any-return]

    return Airflow("http://airflow.example/", http=httpx.Client(transport=httpx.MockTransport(handle)))


def test_pages_are_followed_to_the_end() -> None:
    names = [f"dag_{number:03}" for number in range(250)]

    def answer(request: httpx.Request) -> httpx.Response:
        limit, offset = (int(request.url.params[key]) for key in ("limit", "offset"))
        rows = [
            {"dag_id": name, "bundle_name": "one", "is_paused": False, "is_stale": False}
            for name in names[offset : offset + limit]
        ]
        return httpx.Response(200, json={"dags": rows, "total_entries": len(names)})

    session = _airflow(answer).sign_in("ada", SECRET)
    assert [dag.dag_id for dag in session.dags()] == names


def test_a_refusal_is_an_answer_or_an_error_as_the_caller_wants() -> None:
    session = _airflow(lambda _request: httpx.Response(403, json={"detail": "Forbidden"})).sign_in("ada", SECRET)
    assert session.ask("GET", "/dags").status == 403
    with pytest.raises(RestError) as caught:
        session.call("GET", "/dags")
    assert caught.value.status == 403
    assert str(caught.value) == "GET /dags as ada: 403 Forbidden"


@pytest.mark.parametrize("word", [SECRET + "x", SECRET])
def test_no_error_and_no_repr_holds_a_secret(word: str) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"{request.headers}", request=request)

    airflow = _airflow(broken)
    with pytest.raises(RestError) as caught:
        airflow.sign_in("ada", word).call("POST", "/variables", {"value": SECRET})
    told = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    assert SECRET not in told
    assert "the-token" not in told
    assert SECRET not in repr(airflow.sign_in("ada", SECRET))


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(404, json={"detail": "not found"})

    session = _airflow(answer).sign_in("ada", SECRET)
    with pytest.raises(RestError):
        session.run("../../dags?x=", "a/b")
    assert seen == [b"/api/v2/dags/..%2F..%2Fdags%3Fx%3D/dagRuns/a%2Fb"]


def test_an_answer_that_is_no_json_is_told_in_short() -> None:
    session = _airflow(lambda _request: httpx.Response(502, text="<html>bad gateway</html>" * 50)).sign_in(
        "ada", SECRET
    )
    answer = session.ask("GET", "/dags")
    assert answer.status == 502
    assert len(answer.words) <= 300
