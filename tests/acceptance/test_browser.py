"""Airflow's own UI in a real browser: what a member of one team and what support see after signing in.

``AIRSPACE_SCREENSHOTS=docs/images`` saves pictures for the docs.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.browsing import PATIENCE, browser, needs_browser, picture, settled, signed_in
from tests.acceptance.conftest import Demo
from tests.acceptance.test_views import wrong_for_some

__all__ = ["browser"]

DAGS = {
    "data_engineering": "de_player_warehouse",
    "data_science": "ds_churn",
    "data_analytics": "da_executive_dashboard",
}

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900), *needs_browser]


def _open_dags(page: Page, demo: Demo, shown: set[str]) -> None:
    """Go to the list of Dags by the UI's own address, and wait until it shows something."""
    page.goto(f"{demo.document['url'].rstrip('/')}/dags")
    for dag_id in shown:
        expect(page.get_by_role("link", name=dag_id, exact=True).first).to_be_visible(timeout=PATIENCE)
    settled(page)


def _no_error_shown(page: Page) -> None:
    text = page.locator("body").inner_text()
    for word in ("403", "404", "500", "Forbidden", "Internal Server Error", "Something went wrong"):
        assert word not in text, text[:2000]
    assert page.locator("[data-scope=toast][data-type=error]").count() == 0


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_sign_in_page_fits_and_says_what_is_wrong(demo: Demo, browser: Browser, look: str) -> None:
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(demo.document["url"])
        page.wait_for_url("**/auth/login**")
        picture(page, f"sign-in-{look}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing to scroll sideways"
        assert wrong_for_some(page, "body") == []
        page.keyboard.press("Tab")
        page.fill("input[name=username]", f"somebody-{look}")
        page.fill("input[name=password]", "not the password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        assert wrong_for_some(page, "body") == []
        if look == "light":
            picture(page, "sign-in-error")
    finally:
        context.close()


def test_a_member_sees_the_own_team_only(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "ada") as page:
        settled(page)
        _no_error_shown(page)
        _open_dags(page, demo, {DAGS["data_science"]})
        text = page.locator("body").inner_text()
        assert DAGS["data_engineering"] not in text
        assert DAGS["data_analytics"] not in text
        _no_error_shown(page)
        picture(page, "dags-of-a-member")


def test_a_member_does_not_find_a_foreign_dag_by_its_address(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "ada") as page:
        page.goto(f"{demo.document['url'].rstrip('/')}/dags/{DAGS['data_engineering']}")
        settled(page)
        assert "receive" not in page.locator("body").inner_text()


def test_support_sees_all_teams(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "dora") as page:
        _open_dags(page, demo, set(DAGS.values()))
        _no_error_shown(page)
        picture(page, "dags-of-support")
        page.goto(f"{demo.document['url'].rstrip('/')}/dags/{DAGS['data_science']}")
        settled(page)
        _no_error_shown(page)
        picture(page, "a-dag-of-another-team")


def test_somebody_without_a_role_meets_an_empty_house_not_an_error(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "nemo") as page:
        settled(page, "body")
        text = page.locator("body").inner_text()
        assert not [dag_id for dag_id in DAGS.values() if dag_id in text]
        assert "Internal Server Error" not in text
        picture(page, "sign-in-no-team")


def test_a_newcomer_is_told_whom_to_ask_on_every_page_and_nobody_else_is(demo: Demo, browser: Browser) -> None:
    settings = demo.home / "platform.json"
    before = settings.read_bytes() if settings.exists() else b"{}"
    settings.write_text(json.dumps({**json.loads(before), "contact": "Ask Rosa, third floor, <rosa@rocket.example>."}))
    settings.chmod(0o644)
    try:
        with signed_in(browser, demo, "nemo") as page:
            expect(page.get_by_text("Ask Rosa, third floor, <rosa@rocket.example>.")).to_be_visible()
            picture(page, "whom-to-ask")
            for path in ("", "dags"):
                page.goto(f"{demo.document['url'].rstrip('/')}/{path}")
                bar = page.get_by_role("status").filter(has_text="in no team yet")
                expect(bar).to_contain_text("Ask Rosa, third floor, <rosa@rocket.example>.", timeout=PATIENCE)
            _no_error_shown(page)
            picture(page, "newcomer")
        with signed_in(browser, demo, "ada") as page:
            settled(page)
            assert "in no team yet" not in page.locator("body").inner_text()
    finally:
        settings.write_bytes(before)


def test_the_dashboard_opens_without_a_network(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(demo.document["dashboard"])
        assert page.locator("svg").count() >= 3
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        picture(page, "rocket-dashboard")
    finally:
        context.close()
