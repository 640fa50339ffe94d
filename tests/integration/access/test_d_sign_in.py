"""Signing in and out, tokens, and rights that end at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.integration.access.conftest import PASSWORD, Server

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """Keeps cookies, follows nothing."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def sign_in(browser: httpx.Client, name: str = "lead", password: str = PASSWORD, **form: str) -> httpx.Response:
    return browser.post("/auth/login", data={"username": name, "password": password, **form})


def run_sql(server: Server, statement: str) -> None:
    engine = create_engine(server.database)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_browser_signs_in_and_out(browser: httpx.Client) -> None:
    page = browser.get("/auth/login?next=/dags/ds_train")
    assert '<input type="hidden" name="next" value="/dags/ds_train">' in page.text
    answer = sign_in(browser, next="/dags/ds_train")
    assert (answer.status_code, answer.headers["location"]) == (303, "/dags/ds_train")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("_token="))
    assert cookie.partition("; ")[2].lower() == "httponly; path=/; samesite=lax"
    assert browser.get("/auth/whoami").json() == {
        "name": "lead",
        "platform_role": None,
        "support_role": None,
        "teams": ["data_science"],
        "roles": {"data_science": "lead"},
    }
    assert browser.get("/api/v2/dags").json()["total_entries"] == 1
    assert "You are signed in as <strong>lead</strong>" in browser.get("/auth/login").text

    token = browser.cookies["_token"]
    out = browser.get("/api/v2/auth/logout")
    assert out.status_code == 307
    out = browser.get(out.headers["location"])
    assert (out.status_code, out.headers["location"]) == (303, "/auth/login?signed-out")
    assert "_token" not in browser.cookies
    assert "You are signed out." in browser.get("/auth/login?signed-out").text
    bearer = {"authorization": f"Bearer {token}"}
    assert browser.get("/api/v2/dags", headers=bearer).status_code == 401, "the token is revoked, not only forgotten"


def test_signing_out_at_our_own_address_revokes_too(browser: httpx.Client) -> None:
    sign_in(browser)
    token = browser.cookies["_token"]
    assert browser.get("/auth/logout").status_code == 303
    assert browser.get("/api/v2/dags", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_session_that_has_ended_says_so_and_signing_in_again_works(browser: httpx.Client) -> None:
    sign_in(browser)
    good = browser.cookies["_token"]
    browser.cookies.delete("_token")
    assert "Your session has ended" in browser.get("/auth/login").text
    stale = httpx.Cookies({"_token": good[:-4] + "AAAA"})
    answer = httpx.post(
        f"{browser.base_url}/auth/login",
        data={"username": "lead", "password": PASSWORD},
        cookies=dict(stale),
        timeout=60,
    )
    tokens = [c for c in answer.headers.get_list("set-cookie") if c.startswith("_token=")]
    assert len(tokens) == 1, "a stale cookie must not delete the new one"
    assert "max-age=0" not in tokens[0].lower()


@pytest.mark.parametrize(
    ("name", "password"), [("lead", "typo-typo"), ("unknown", PASSWORD), ("gone", PASSWORD), ("lead", "x" * 1500)]
)
def test_every_failure_looks_the_same(browser: httpx.Client, name: str, password: str) -> None:
    answer = sign_in(browser, name, password)
    assert answer.status_code == 401
    assert "The user name or the password is wrong." in answer.text
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert password not in answer.text
    assert "set-cookie" not in answer.headers
    token = browser.post("/auth/token", json={"username": name, "password": password})
    assert (token.status_code, token.json()) == (401, {"detail": "The user name or the password is wrong."})


def test_what_was_typed_is_escaped(browser: httpx.Client) -> None:
    answer = sign_in(browser, '"><script>x</script>', "wrong", next='/"><script>')
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "bad",
    [
        *("//evil.example", "///evil.example", "https://evil.example/", "https:evil.example", "/\\evil.example"),
        *("/\t/evil.example", "javascript:alert(1)", "http://127.0.0.1@evil.example/", "\r\nset-cookie: x=y"),
        *("/auth/logout", "/auth/login"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(browser: httpx.Client, bad: str) -> None:
    answer = sign_in(browser, next=bad)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}]
)
def test_another_site_signs_nobody_in_or_out(browser: httpx.Client, headers: dict[str, str]) -> None:
    form = {"username": "lead", "password": PASSWORD}
    refused = browser.post("/auth/login", data=form, headers=headers)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    same = {"sec-fetch-site": "same-origin", "origin": str(browser.base_url).rstrip("/")}
    assert browser.post("/auth/login", data=form, headers=same).status_code == 303
    assert browser.get("/auth/logout", headers=headers).status_code == 403
    assert browser.get("/auth/whoami").status_code == 200


def test_pages_are_kept_out_of_frames_and_caches(browser: httpx.Client) -> None:
    for path in ("/auth/login", "/auth/whoami", "/auth/logout"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    page = browser.get("/auth/login").text
    assert "<script" not in page
    assert " style=" not in page
    assert page.count("http") == page.count("http-equiv"), "nothing comes from elsewhere"
    style = browser.get("/auth/static/sign-in.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "http" not in style.text
    assert browser.get("/auth/static/../app.py").status_code == 404


def test_somebody_without_a_role_is_told_whom_to_ask(browser: httpx.Client) -> None:
    answer = sign_in(browser, "nemo", next="/dags")
    assert answer.headers["location"] == "/auth/no-team"
    page = browser.get("/auth/no-team").text
    assert "members: {nemo: viewer}" in page
    assert "whoever runs this platform" in page
    assert "admin" not in page, "nobody is named unasked"
    assert browser.get("/auth/whoami").json()["contact"] in page
    assert browser.get("/api/v2/dags").json()["total_entries"] == 0
    assert httpx.get(f"{browser.base_url}/auth/no-team", timeout=60).headers["location"] == "/auth/login"


def test_our_pages_are_loaded_by_everyone_from_one_address(
    browser: httpx.Client, as_user: Callable[[str], httpx.Client]
) -> None:
    plugins = as_user("viewer").get("/api/v2/plugins").json()["plugins"]
    apps = [app for plugin in plugins for app in plugin["react_apps"]]
    assert [app["name"] for app in apps if app["destination"] == "base"] == ["Airspace switcher"]
    [script] = {app["bundle_url"] for app in apps}
    drawn = browser.get(script)
    assert (drawn.status_code, drawn.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert drawn.headers["content-type"].startswith("text/javascript")
    assert not [app["name"] for app in apps if app["name"] not in drawn.text]
    assert all(browser.get(app["icon"]).status_code == 200 for app in apps if app["icon"])
    assert "contact" not in as_user("viewer").get("/auth/whoami").json()


def test_tokens_for_scripts(browser: httpx.Client) -> None:
    good = {"username": "lead", "password": PASSWORD}
    for answer in (
        browser.post("/auth/token", json=good),
        browser.post("/auth/token", data={"grant_type": "password", **good}),
        browser.post("/auth/token/cli", json=good),
    ):
        assert answer.status_code == 201
        assert set(answer.json()) == {"access_token"}
        assert "set-cookie" not in answer.headers
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert browser.get("/auth/whoami", headers=bearer).json()["name"] == "lead"


MALFORMED: list[tuple[int, dict[str, Any]]] = [
    (422, {"json": {}}),
    (422, {"json": {"username": "lead"}}),
    (422, {"json": {"username": "lead", "password": ""}}),
    (422, {"json": {"username": "lead", "password": ["sesame"]}}),
    (422, {"json": {"username": 1, "password": "sesame"}}),
    (422, {"json": ["sesame"]}),
    (422, {"content": b"{sesame", "headers": {"content-type": "application/json"}}),
    (422, {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}),
    (422, {"content": b"username=%ff&password", "headers": {"content-type": "application/x-www-form-urlencoded"}}),
    (422, {"content": b"a=1&" * 100, "headers": {"content-type": "application/x-www-form-urlencoded"}}),
    (413, {"json": {"username": "lead", "password": "x" * 20_000}}),
    (415, {"content": b"<sesame/>", "headers": {"content-type": "text/xml"}}),
]


@pytest.mark.parametrize(("status", "request_"), MALFORMED)
def test_malformed_requests_are_refused_without_repeating_them(
    browser: httpx.Client, status: int, request_: dict[str, Any]
) -> None:
    answer = browser.post("/auth/token", **request_)
    assert answer.status_code == status, answer.text
    assert "sesame" not in answer.text


@pytest.mark.parametrize("name", ["operator", "nobody"])
def test_too_many_failures_have_to_wait_whoever_it_is(server: Server, browser: httpx.Client, name: str) -> None:
    for _ in range(9):
        assert browser.post("/auth/token", json={"username": name, "password": "wrong"}).status_code == 401
    still = server.without_rule.with_name("still")  # the second that is to wait does not end while we look
    still.touch()
    try:
        _has_to_wait(browser, name)
    finally:
        still.unlink()


def _has_to_wait(browser: httpx.Client, name: str) -> None:
    assert browser.post("/auth/token", json={"username": name, "password": "wrong"}).status_code == 401
    answer = browser.post("/auth/token", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"detail": "Too many attempts. Please try again in 1 second."}
    assert "Please try again in" in sign_in(browser, name).text
    assert sign_in(browser, "lead").status_code == 303, "others are not held up"


def test_bad_tokens_sign_nobody_in(browser: httpx.Client, as_user: Client) -> None:
    good = as_user("lead").headers["authorization"]
    for bad in ("Bearer nonsense", good[:-4] + "AAAA", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."):
        assert browser.get("/api/v2/dags", headers={"authorization": bad}).status_code == 401
    assert browser.get("/api/v2/dags").status_code == 401


def test_rights_end_at_once(server: Server, as_user: Client) -> None:
    leaver = as_user("leaver")
    assert leaver.get("/api/v2/variables/data_science.threshold").status_code == 200
    run_sql(server, "UPDATE airspace_member SET role = 'viewer' WHERE user_name = 'leaver'")
    assert leaver.get("/api/v2/variables/data_science.threshold").status_code == 404
    assert leaver.get("/api/v2/dags").json()["total_entries"] == 1
    run_sql(server, "DELETE FROM airspace_member WHERE user_name = 'leaver'")
    assert leaver.get("/api/v2/dags").json()["total_entries"] == 0
    run_sql(server, "UPDATE airspace_user SET disabled = true WHERE name = 'leaver'")
    assert leaver.get("/api/v2/dags").status_code == 401
    run_sql(server, "DELETE FROM airspace_user WHERE name = 'leaver'")
    assert leaver.get("/api/v2/dags").status_code == 401


CROWD = (
    "INSERT INTO team (name) SELECT 'crowd_' || n FROM generate_series(1, 300) AS n",
    """INSERT INTO variable (key, val, is_encrypted, team_name)
       SELECT name, '1', false, name FROM team WHERE name ~ 'crowd'""",
    """INSERT INTO asset (name, uri, "group", extra, created_at, updated_at)
       SELECT name, name, '', '{}', now(), now() FROM team WHERE name ~ 'crowd'""",
)
NO_CROWD = (
    "DELETE FROM variable WHERE key ~ 'crowd'",
    "DELETE FROM asset WHERE name ~ 'crowd'",
    "DELETE FROM team WHERE name ~ 'crowd'",
)


@pytest.mark.parametrize("person", ["both", "sue", "admin"])
def test_the_number_of_queries_does_not_grow(server: Server, as_user: Client, person: str) -> None:
    def queries() -> dict[str, int]:
        paths = ["dags", "connections", "variables", "pools", "assets", "importErrors", "dags/~/dagRuns"]
        return {path: int(as_user(person).get(f"/api/v2/{path}?limit=1").headers["x-queries"]) for path in paths}

    queries()
    before = queries()
    for statement in CROWD:
        run_sql(server, statement)
    try:
        assert queries() == before
    finally:
        for statement in NO_CROWD:
            run_sql(server, statement)
    assert max(before.values()) < 30, before
