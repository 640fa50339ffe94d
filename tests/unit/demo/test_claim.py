from __future__ import annotations

from pathlib import Path

import httpx

from airspace.backends.airflow_rest import Airflow, Answer
from airspace.demo.claim import Claim, Context, Findings, Observation, verify
from airspace.demo.people import cast
from airspace.model.errors import AirspaceError


def test_everything_that_is_wrong_is_named() -> None:
    found = Findings()
    found.expect(True, "the sky is up")
    found.status(Answer(200, {}), 403, "ben triggers")
    found.status(Answer(404, {"detail": "no  such\nthing"}), (200, 201), "ana reads")
    seen = found.observation()
    assert not seen.ok
    assert seen.text == "ben triggers → 200, expected 403 (); ana reads → 404, expected 200 or 201 (no such thing)"


def test_what_holds_is_told_in_short() -> None:
    found = Findings()
    found.same({"a", "b"}, {"b", "a"}, "Dags")
    assert found.observation() == Observation(True, "Dags: 2")


def test_a_check_that_looked_at_nothing_shows_nothing() -> None:
    assert not Findings().observation().ok


def _context(handler: httpx.MockTransport) -> Context:
    airflow = Airflow("http://airflow.example", http=httpx.Client(transport=handler))
    return Context(airflow, cast({}, {"admin": "pass-word"}), Path("/nowhere"))


def test_a_check_that_cannot_be_carried_out_does_not_hold() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    context = _context(httpx.MockTransport(unreachable))

    def check(context: Context) -> Observation:
        context.as_("admin")
        raise AssertionError

    seen = verify(Claim("x", "x", check), context)
    assert not seen.ok
    assert "no answer from http://airflow.example" in seen.text

    def refused(context: Context) -> Observation:
        raise AirspaceError("no")

    assert verify(Claim("x", "x", refused), context) == Observation(False, "could not be checked: no")


def test_a_trigger_probe_is_taken_back() -> None:
    calls: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append((request.method, request.url.path.split("airspace-probe")[0]))
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        return httpx.Response(204 if request.method == "DELETE" else 200, json={})

    context = _context(httpx.MockTransport(answer))
    assert context.try_trigger("admin", "one").status == 200
    assert calls[1:] == [("POST", "/api/v2/dags/one/dagRuns"), ("DELETE", "/api/v2/dags/one/dagRuns/")]
