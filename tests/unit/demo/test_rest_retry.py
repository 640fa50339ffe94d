"""A read that the server failed to answer is asked again; a change never is."""

from __future__ import annotations

import httpx
import pytest

from airspace.backends.airflow_rest import client
from airspace.backends.airflow_rest.client import Airflow


def answering(monkeypatch: pytest.MonkeyPatch, *statuses: int) -> tuple[Airflow, list[str]]:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0.0, 0.0))
    asked: list[str] = []
    left = list(statuses)

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(left.pop(0), json={})

    return Airflow("http://airflow", http=httpx.Client(transport=httpx.MockTransport(reply))), asked


def test_a_read_is_asked_again_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow, asked = answering(monkeypatch, 500, 503, 200)
    assert airflow.send("GET", "/x").status == 200
    assert len(asked) == 3


def test_a_server_that_stays_broken_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow, asked = answering(monkeypatch, 500, 500, 500, 200)
    assert airflow.send("GET", "/x").status == 500
    assert len(asked) == 3


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_change_is_never_repeated(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    airflow, asked = answering(monkeypatch, 500, 200)
    assert airflow.send(method, "/x").status == 500
    assert len(asked) == 1


def test_a_refusal_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow, asked = answering(monkeypatch, 404)
    assert airflow.send("GET", "/x").status == 404
    assert len(asked) == 1
