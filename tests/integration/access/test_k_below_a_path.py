"""A server whose addresses lie below a path: over HTTP, behind proxies that keep it or not, and in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from airspace.airflow.web.pages import bundle
from airspace.backends.postgres import Cluster
from tests.acceptance.browsing import PATIENCE, browser, needs_browser
from tests.integration.access.conftest import PASSWORD, Server, serving
from tests.integration.access.test_i_team_views import PAGE

__all__ = ["browser"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DE, DS = "data_engineering", "data_science"
BELOW = "/our/airflow"


@pytest.fixture(scope="module")
def below(postgres: Cluster, migrated_template: str) -> Iterator[Server]:
    with serving(postgres, migrated_template, BELOW) as running:
        yield running


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, timeout=60, **options)


@pytest.fixture(scope="module")
def tokens(below: Server) -> dict[str, str]:
    return {name: _token(below, name) for name in ("both", "lead", "admin")}


def _token(server: Server, name: str) -> str:
    answer = ask("POST", f"{server.url}{BELOW}/auth/token", json={"username": name, "password": PASSWORD})
    return str(answer.json()["access_token"])


@pytest.fixture(params=[BELOW, ""], ids=["kept", "taken away"])
def sent(request: pytest.FixtureRequest) -> str:
    """What of the path reaches the server: some proxies take it away."""
    return str(request.param)


REDIRECTS = [
    ("both", "/", f"/t/{DE}/"),
    ("both", f"/t/{DE}", f"/t/{DE}/"),
    ("both", f"/t/{DE}/dags/ds_train?tab=runs", f"/t/{DS}/dags/ds_train?tab=runs"),
    ("both", "/dags/ds_train", f"/t/{DS}/dags/ds_train"),
    ("admin", "/as/both", "/as/both/"),
    ("admin", "/as/both/", f"/as/both/t/{DE}/"),
    ("admin", "/auth/as/both", "/as/both/"),
    (
        "both",
        f"/t/{DS}/api/v2/auth/login?next={BELOW}/t/{DS}/dags",
        f"/auth/login?next=%2Four%2Fairflow%2Ft%2F{DS}%2Fdags",
    ),
]


@pytest.mark.parametrize(("person", "path", "place"), REDIRECTS)
def test_every_way_leads_to_below_the_path(
    below: Server, tokens: dict[str, str], sent: str, person: str, path: str, place: str
) -> None:
    answer = ask("GET", f"{below.url}{sent}{path}", cookies={"_token": tokens[person]}, headers=PAGE)
    assert answer.status_code in (303, 307)
    assert answer.headers["location"] == f"{BELOW}{place}"
    for cookie in answer.headers.get_list("set-cookie"):
        assert f"Path={BELOW}/" in cookie


def test_the_path_itself_is_the_front_door(below: Server, tokens: dict[str, str]) -> None:
    answer = ask("GET", f"{below.url}{BELOW}?lang=de", cookies={"_token": tokens["both"]}, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{BELOW}/?lang=de")
    for stray in (f"{BELOW}x/", f"/{BELOW}/dags", f"{BELOW}{BELOW}/api/v2/dags", "/our/api/v2/dags"):
        answer = ask("GET", f"{below.url}{stray}", cookies={"_token": tokens["both"]})
        assert "ds_train" not in answer.text


def test_pages_and_what_they_ask_for_are_below_the_path(below: Server, tokens: dict[str, str], sent: str) -> None:
    with httpx.Client(
        base_url=below.url + sent, cookies={"_token": tokens["both"]}, headers=PAGE, timeout=60
    ) as client:
        page = client.get(f"/t/{DS}/dags")
        assert f'<base href="{BELOW}/t/{DS}/"' in re.sub(r"\s+", " ", page.text)
        scripts = re.findall(r'(?:src|href)="(/[^"]+\.js[^"]*)"', page.text)
        assert scripts
        assert all(script.startswith((f"{BELOW}/static/", f"{BELOW}/airspace/static/")) for script in scripts)
        for script in scripts:
            assert "immutable" in client.get(script.removeprefix(BELOW)).headers["cache-control"]
        assert f"airspace_view={DS}; HttpOnly; Max-Age=31536000; Path={BELOW}/;" in page.headers["set-cookie"]
        assert client.get(f"/t/{DS}/airspace/api/me").json()["view"] == DS
        assert [dag["dag_id"] for dag in client.get(f"/t/{DE}/api/v2/dags").json()["dags"]] == ["de_etl"]
        missing = client.get("/t/data_analytics/dags")
        assert (missing.status_code, f'href="{BELOW}/"' in missing.text) == (404, True)
        assert missing.text == client.get("/t/no_such_team/dags").text
        asked = client.get(f"/t/{DS}/airspace/api/me", params={"x": "/static/"})
        assert asked.headers["cache-control"] == "no-store", "what is asked is kept nowhere"


def test_tasks_api_is_guarded_wherever_it_is_asked_for(below: Server, tokens: dict[str, str], sent: str) -> None:
    assert ask("GET", f"{below.url}{sent}/execution/health").json() == {"status": "healthy"}
    for token in (None, tokens["admin"]):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = ask("GET", f"{below.url}{sent}/execution/variables/{DS}.threshold", headers=headers)
        assert answer.status_code in (401, 403)
    assert ask("GET", f"{below.url}{sent}/t/{DS}/execution/health").status_code == 404


def test_who_signs_in_and_out_by_the_form(below: Server, sent: str) -> None:
    form = {"username": "both", "password": PASSWORD}
    signed = ask("POST", f"{below.url}{sent}/auth/login", data={**form, "next": f"{BELOW}/t/{DS}/pools"})
    assert (signed.status_code, signed.headers["location"]) == (303, f"{BELOW}/t/{DS}/pools")
    assert f"Path={BELOW}/;" in next(each for each in signed.headers.get_list("set-cookie") if "_token" in each)
    for elsewhere in ("https://evil.example/", "//evil.example", f"{BELOW}/auth/logout"):
        led = ask("POST", f"{below.url}{sent}/auth/login", data={**form, "next": elsewhere})
        assert led.headers["location"] == f"{BELOW}/"
    out = ask("GET", f"{below.url}{sent}/auth/logout", cookies={"_token": signed.cookies["_token"]})
    assert out.headers["location"] == f"{BELOW}/auth/login?signed-out"
    assert all(f"Path={BELOW}/" in each for each in out.headers.get_list("set-cookie"))


@pytest.fixture
def page(browser: Browser, below: Server) -> Iterator[Page]:
    """A page that asks for nothing outside of the path, and in which nothing fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    failures: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page
        assert failures == []
        paths = [urlsplit(url).path for url in asked if url.startswith("http")]
        assert [path for path in paths if not path.startswith(f"{BELOW}/")] == []
        assert {cookie["path"] for cookie in context.cookies()} <= {f"{BELOW}/", f"{BELOW}/auth"}
    finally:
        expect.set_options(timeout=5_000)
        context.close()


def _sign_in(page: Page, below: Server, name: str) -> None:
    page.goto(f"{below.url}{BELOW}/")
    page.wait_for_url(f"**{BELOW}/auth/login**")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")


@pytest.mark.skipif(not bundle.is_built(), reason="needs the front end: python3 scripts/front_end.py build")
@needs_browser[0]
def test_a_person_walks_through_it(below: Server, page: Page) -> None:
    bar = page.get_by_test_id("airspace-bar")
    _sign_in(page, below, "both")
    page.wait_for_url(f"**{BELOW}/t/{DE}/")
    bar.get_by_role("button", name="change the team").click()
    page.get_by_role("option", name=DS).click()
    page.wait_for_url(f"**{BELOW}/t/{DS}/")
    page.goto(f"{below.url}{BELOW}/t/{DS}/dags/de_etl")
    page.wait_for_url(f"**{BELOW}/t/{DE}/dags/de_etl")
    expect(bar.get_by_role("status")).to_have_text(f"Switched to {DE}: this Dag is theirs.")
    model = _asset(page, "model")
    page.evaluate(
        'path => { history.pushState({}, "", path); dispatchEvent(new PopStateEvent("popstate", { state: {} })) }',
        f"{BELOW}/t/{DE}/assets/{model}",
    )
    page.wait_for_url(f"**{BELOW}/t/{DS}/assets/{model}")
    expect(bar.get_by_role("status")).to_have_text(f"Switched to {DS}: they see this asset.")
    page.get_by_role("link", name="Team", exact=True).first.click()
    expect(page.get_by_role("heading", name="Data Science")).to_be_visible()
    page.goto(f"{below.url}{BELOW}/t/{DS}/plugin/artifacts")
    expect(page.get_by_role("heading", name="Artifacts", level=1)).to_be_visible()
    page.goto("about:blank")  # a page that is open learns that nobody is signed in, and goes to the sign-in itself
    page.goto(f"{below.url}{BELOW}/t/{DS}/api/v2/auth/logout")
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def _asset(page: Page, name: str) -> int:
    found = page.evaluate(f"async () => (await fetch('{BELOW}/api/v2/assets')).json()")
    return next(int(asset["id"]) for asset in found["assets"] if asset["name"] == name)


@pytest.mark.skipif(not bundle.is_built(), reason="needs the front end: python3 scripts/front_end.py build")
@needs_browser[0]
def test_an_administrator_looks_through_anothers_eyes_and_leaves(below: Server, page: Page) -> None:
    _sign_in(page, below, "admin")
    page.wait_for_url(f"**{BELOW}/plugin/platform")
    expect(page.get_by_role("link", name=re.compile("^Data Science"))).to_be_visible()
    page.goto(f"{below.url}{BELOW}/as/both/t/{DS}/dags")
    bar = page.get_by_test_id("airspace-bar")
    expect(bar).to_contain_text("You see what both sees")
    expect(page.get_by_role("link", name="ds_train", exact=True).first).to_be_visible()
    bar.get_by_role("link", name="Leave").click()
    page.wait_for_url(f"**{BELOW}/plugin/platform")
