"""The homes in a real browser: what they show, that they lead on, and that they suit everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.acceptance.browsing import browser, needs_browser, new_page, picture, settled
from tests.acceptance.conftest import Demo
from tests.acceptance.test_views import LOOKS, address, at, wrong_for_some

__all__ = ["browser"]
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600), *needs_browser]

DS = "data_science"
TEAM, PLATFORM = f"/t/{DS}/plugin/team", "/plugin/platform"
HOME = "[data-testid=airspace-home]"
ARTIFACTS = "section[aria-label=Artifacts]"
AREAS = ("Ads", "Billing", "Content", "Delivery", "Events", "Fraud", "Growth", "Maps", "Orders", "Video")
KINDS = ("Data", "Science", "Analytics", "Platform", "Research", "Quality", "Finance", "Mobile", "Partners", "Support")
MOODS = (["well"], ["well"], ["failing"], ["well"], ["late"], ["well"], ["quiet"], ["well"], ["broken"], ["waiting"])
WIDE = {"light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}}}


@contextmanager
def opened(demo: Demo, browser: Browser, name: str, path: str, look: dict[str, Any]) -> Iterator[Page]:
    """A page of somebody who is signed in; nothing may fail in it."""
    context = browser.new_context(**look)
    signed = demo.rest.send("POST", "/auth/token", json={"username": name, "password": demo.password(name)})
    context.add_cookies([{"name": "_token", "value": signed.body["access_token"], "url": demo.document["url"]}])
    page = new_page(context)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.goto(address(demo, path))
        settled(page, HOME)
        yield page
        assert failures == []
    finally:
        page.unroute_all(behavior="ignoreErrors")  # what the page asks for now is answered by nobody
        context.close()


def suits_everybody(page: Page) -> None:
    """Nothing is wider than the page, and axe finds nothing serious."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wrong_for_some(page, HOME) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_teams_home(demo: Demo, browser: Browser, look: str) -> None:
    with opened(demo, browser, "ada", TEAM, LOOKS[look]) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Data Science")
        expect(page.locator(HOME)).to_contain_text("churn_predictions")
        picture(page, f"home-team-{look}")
        suits_everybody(page)
        drawing = page.get_by_role("region", name="Lineage")
        drawing.get_by_role("link", name=re.compile("^user_profiles asset of data_engineering")).focus()
        expect(drawing.get_by_role("link", name=re.compile("^churn_predictions"))).to_contain_text("made by ds_churn")
        page.get_by_role("heading", name="Where data comes from").scroll_into_view_if_needed()
        picture(page, f"home-lineage-{look}")
        if look == "light":
            page.get_by_role("region", name="The slowest tasks").get_by_role("link").first.click()
            expect(page).to_have_url(re.compile(f"/t/{DS}/dags/ds_churn/tasks/"))


def test_a_new_team_is_told_the_next_step(demo: Demo, browser: Browser) -> None:
    added = demo.airspace("team", "add", "fresh", "--member", "ada:lead", "--json")
    assert added.returncode == 0, added.stderr
    try:
        with opened(demo, browser, "ada", "/t/fresh/plugin/team", LOOKS["light"]) as page:
            expect(page.get_by_role("heading", level=1)).to_have_text("Fresh")
            expect(page.get_by_text("No Dags yet")).to_be_visible()
            expect(page.locator(HOME)).to_contain_text("…/dags/fresh")
            picture(page, "home-team-new")
            suits_everybody(page)
            page.get_by_role("link", name="Artifacts", exact=True).first.click()
            expect(page.get_by_role("heading", name="Nothing is published yet")).to_be_visible()
            expect(page.get_by_text('with publish("daily_sales") as out:').first).to_be_visible()
            settled(page, ARTIFACTS)
            assert wrong_for_some(page, ARTIFACTS) == []
    finally:
        removed = demo.airspace("team", "remove", "fresh", "--yes", "--no-export")
        assert removed.returncode == 0, removed.stderr


def test_the_platforms_home(demo: Demo, browser: Browser) -> None:
    for look in ("light", "dark", "phone"):
        with opened(demo, browser, "admin", PLATFORM, {**LOOKS[look], **WIDE.get(look, {})}) as page:
            expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^\d+ teams$"))
            picture(page, f"home-platform-{look}")
            suits_everybody(page)
            if look == "light":
                page.get_by_role("link", name=re.compile("^Data Science")).click()
                expect(page).to_have_url(at(demo, TEAM))


def a_hundred(route: Route) -> None:
    """The platform's own answer, with more teams: what is tried is how the page lays them out."""
    answer = route.fetch().json()
    one = {
        **answer["teams"][0],
        "runs": 24,
        "failed_runs": 0,
        "running": 0,
        "import_errors": 0,
        "failing": 0,
        "late": 0,
    }
    figures = {"failing": {"failing": 2}, "late": {"late": 1}, "quiet": {"runs": 0}, "broken": {"import_errors": 1}}
    teams = []
    for number in range(100):
        moods = MOODS[(number * 7 + number // 10) % 10]
        title = f"{AREAS[number // 10]} {KINDS[number % 10]}"
        shown = {
            "name": title.lower().replace(" ", "_"),
            "title": title,
            "moods": moods,
            "words": moods[0],
            "waiting": 40,
        }
        teams.append({**one, **shown, **figures.get(moods[0], {})})
    route.fulfill(json={**answer, "teams": teams})


@pytest.mark.parametrize(("look", "width", "height"), [("light", 1440, 900), ("dark", 1440, 900), ("light", 1280, 720)])
def test_a_hundred_teams_need_no_scroll(demo: Demo, browser: Browser, look: str, width: int, height: int) -> None:
    wide = {"color_scheme": look, "viewport": {"width": width, "height": height}}
    with opened(demo, browser, "dora", "/", wide) as page:
        page.route("**/airspace/api/homes/platform", a_hundred)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("100 teams")
        last = page.locator(HOME).get_by_role("listitem").filter(has_text="Video Support").bounding_box()
        assert last is not None
        assert last["y"] + last["height"] < height
        page.get_by_role("link", name=re.compile("^Video Support")).focus()
        expect(page.locator(HOME)).to_contain_text("Video Support (video_support):")
        picture(page, f"home-hundred-{look}" if width == 1440 else f"home-hundred-{width}")
        if look == "light":
            page.get_by_role("button", name="failing").click()
            expect(page.locator(HOME).get_by_role("link", name=re.compile("failing"))).to_have_count(10)
            page.get_by_role("searchbox", name="Filter teams by name").fill("video")
            expect(page.locator(HOME).get_by_role("link", name=re.compile("failing"))).to_have_count(1)
            suits_everybody(page)
