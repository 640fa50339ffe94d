"""Our own routes keep to what their OpenAPI document says, whatever is sent to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.integration.access.conftest import Server

pytestmark = pytest.mark.integration
schemathesis = pytest.importorskip("schemathesis", reason="not in this environment: make setup")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

ROUTES = [
    *("GET /login", "POST /login", "GET /logout", "GET /no-team", "POST /token", "POST /token/cli", "GET /whoami"),
    "GET /as/{name}",
]


def test_the_document_knows_every_route(server: Server) -> None:
    paths = httpx.get(f"{server.url}/auth/openapi.json", timeout=60).json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(ROUTES)


@pytest.mark.parametrize(
    ("route", "person"), [*((route, None) for route in ROUTES), ("GET /whoami", "sue"), ("GET /as/{name}", "sue")]
)
def test_answers_are_as_documented(
    server: Server, as_user: Callable[[str], httpx.Client], route: str, person: str | None
) -> None:
    method, path = route.split()
    schema = schemathesis.openapi.from_url(f"{server.url}/auth/openapi.json")
    headers = {"authorization": as_user(person).headers["authorization"]} if person else {}

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def check(case: Any) -> None:
        answer = case.call(base_url=f"{server.url}/auth", headers=headers, allow_redirects=False, timeout=20)
        # It takes our token for one that it made up.
        case.validate_response(answer, excluded_checks=[checks.ignored_auth] if person else [])

    check()
