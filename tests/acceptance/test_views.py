"""The view of a team in a real browser: landing, switching, links, leaving; by keyboard, in the dark and on a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.acceptance.browsing import PATIENCE, browser, needs_browser, new_page, picture, settled, signed_in, still
from tests.acceptance.conftest import Demo

__all__ = ["browser"]
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900), *needs_browser]

DS, DA = "data_science", "data_analytics"
AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
# What a link inside Airflow's page does: no page is loaded.
GO = """path => { history.pushState({}, "", path); dispatchEvent(new PopStateEvent("popstate", { state: {} })) }"""
KEYSTROKE = 50.0  # milliseconds of the page's own thread: what others do on this machine does not count


@pytest.fixture(scope="module")
def mia(demo: Demo) -> Iterator[str]:
    """Somebody who is in two teams; her password."""
    added = demo.airspace("user", "add", "mia", "--json")
    assert added.returncode == 0, added.stderr
    for team, role in ((DS, "author"), (DA, "viewer")):
        joined = demo.airspace("member", "add", team, "mia", "--role", role)
        assert joined.returncode == 0, joined.stderr
    yield str(json.loads(added.stdout)["password"])
    for team in (DS, DA):
        demo.airspace("member", "remove", team, "mia")


@pytest.fixture(scope="module")
def hers(demo: Demo, browser: Browser, mia: str) -> Iterator[BrowserContext]:
    """Her browser, signed in once."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(demo.document["url"])
    sign_in(page, mia)
    page.close()
    yield context
    context.close()


def sign_in(page: Page, password: str) -> None:
    page.set_default_timeout(PATIENCE)
    page.wait_for_url("**/auth/login**")
    page.fill("input[name=username]", "mia")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/auth/login" not in url)


@contextmanager
def tab(context: BrowserContext, demo: Demo, path: str) -> Iterator[Page]:
    """A tab in which nothing may fail."""
    page = new_page(context)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.goto(address(demo, path))
        settled(page, "body")
        yield page
        assert failures == []
    finally:
        page.close()


def address(demo: Demo, path: str) -> str:
    return f"{demo.document['url'].rstrip('/')}{path}"


def bar(page: Page) -> Locator:
    return page.get_by_test_id("airspace-bar")


def shows(page: Page, title: str) -> None:
    """Whose view it is, for somebody who may change it."""
    expect(bar(page).get_by_role("button", name=f"{title}: change the team")).to_be_visible()


def at(demo: Demo, path: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(address(demo, path))}(\\?.*)?$")


def choose(page: Page, title: str) -> None:
    bar(page).get_by_role("button", name="change the team").click()
    page.get_by_role("option", name=title).click()


def test_who_signs_in_lands_in_the_own_team_and_a_link_is_kept(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "grace") as page:
        expect(page).to_have_url(at(demo, f"/t/{DS}/"))
        expect(bar(page)).to_contain_text("Data Science")
        expect(bar(page).get_by_role("button").or_(bar(page).get_by_role("link"))).to_have_count(0)
        picture(page, "view-landing")
        settled(page)
        assert not re.search(r"\b(de|da)_\w+", page.locator("main, body").first.inner_text())
        page.context.clear_cookies(name="_token")
        page.goto(address(demo, f"/t/{DS}/dags?state=failed"))
        page.wait_for_url("**/auth/login**")
        page.fill("input[name=username]", "grace")
        page.fill("input[name=password]", demo.password("grace"))
        page.click("button[type=submit]")
        expect(page).to_have_url(at(demo, f"/t/{DS}/dags"))
        assert "state=failed" in page.url


def test_two_tabs_show_two_teams(demo: Demo, hers: BrowserContext) -> None:
    with tab(hers, demo, "/") as one, tab(hers, demo, f"/t/{DS}/dags") as other:
        expect(one).to_have_url(at(demo, f"/t/{DA}/"))
        expect(other.get_by_role("link", name="ds_churn", exact=True).first).to_be_visible()
        choose(other, "Data Analytics")
        expect(other).to_have_url(at(demo, f"/t/{DA}/dags"))
        expect(other.get_by_role("link", name="da_executive_dashboard", exact=True).first).to_be_visible()
        assert "ds_churn" not in other.locator("body").inner_text()
        one.bring_to_front()
        expect(bar(one).get_by_role("button", name="change the team")).to_be_visible()
        one.keyboard.press("Alt+m")
        expect(one.get_by_role("combobox", name="Find a team")).to_be_focused()
        one.keyboard.type("sci")
        expect(one.get_by_role("option", selected=True)).to_contain_text("Data Science")
        picture(one, "switcher")
        one.keyboard.press("Enter")
        expect(one).to_have_url(at(demo, f"/t/{DS}/"))
        shows(one, "Data Science")
        one.reload()
        shows(one, "Data Science")
        expect(other).to_have_url(at(demo, f"/t/{DA}/dags"))
        other.go_back()
        expect(other.get_by_role("link", name="ds_churn", exact=True).first).to_be_visible()
        shows(other, "Data Science")
        choose(other, "All my teams")
        expect(other).to_have_url(at(demo, "/t/~/dags"))
        for dag in ("ds_churn", "da_executive_dashboard"):
            expect(other.get_by_role("link", name=dag, exact=True).first).to_be_visible()
        picture(other, "all-my-teams")


def test_another_team_is_one_click_away(demo: Demo, hers: BrowserContext) -> None:
    with tab(hers, demo, f"/t/{DS}/pools") as page:
        bar(page).get_by_role("link", name="Change to Data Analytics").click()
        expect(page).to_have_url(at(demo, f"/t/{DA}/pools"))
        shows(page, "Data Analytics")
        bar(page).get_by_role("button", name="change the team").focus()
        page.keyboard.press("Tab")
        expect(bar(page).get_by_role("link", name="Change to Data Science")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(at(demo, f"/t/{DS}/pools"))
        shows(page, "Data Science")
        page.goto(address(demo, "/t/~/pools"))
        near = bar(page).get_by_role("link")
        expect(near).to_have_text(["Data Science", "Data Analytics"])
        near.first.click()
        expect(page).to_have_url(at(demo, f"/t/{DS}/pools"))


def test_a_long_name_leaves_the_bar_in_one_line(demo: Demo, hers: BrowserContext) -> None:
    page = new_page(hers)
    teams = [{"name": f"team_{each}", "title": f"{each} and what else is long " * 4, "role": "lead"} for each in "abc"]
    try:
        page.set_viewport_size({"width": 1000, "height": 600})
        page.route("**/airspace/api/me", lambda route: route.fulfill(json={**route.fetch().json(), "teams": teams}))
        page.goto(address(demo, "/t/~/dags"))
        settled(page)
        near = bar(page).get_by_role("link")
        expect(near).to_have_count(2)
        picture(page, "switcher-long")
        tops = {box["y"] for box in (each.bounding_box() for each in near.all()) if box}
        whole = bar(page).bounding_box()
        assert whole is not None
        assert len(tops) == 1
        assert whole["height"] < 50
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.close()


def test_the_keyboard_is_enough(demo: Demo, hers: BrowserContext) -> None:
    with tab(hers, demo, f"/t/{DS}/dags") as page:
        button = bar(page).get_by_role("button", name="change the team")
        button.focus()
        page.keyboard.press("Enter")
        field = page.get_by_role("combobox", name="Find a team")
        expect(field).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(field).to_have_attribute("aria-activedescendant", re.compile("."))
        active = field.get_attribute("aria-activedescendant")
        expect(page.locator(f'[id="{active}"]')).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Escape")
        expect(field).to_have_count(0)
        expect(button).to_be_focused()


def test_a_link_to_a_dag_of_the_other_team_switches_and_says_so(demo: Demo, hers: BrowserContext) -> None:
    with tab(hers, demo, f"/t/{DA}/dags/ds_churn?tab=runs") as page:
        expect(page).to_have_url(at(demo, f"/t/{DS}/dags/ds_churn"))
        assert page.url.endswith("?tab=runs")
        expect(bar(page).get_by_role("status")).to_have_text("Switched to Data Science: this Dag is theirs.")
        picture(page, "switched")
        page.reload()
        shows(page, "Data Science")
        expect(bar(page).get_by_role("status")).to_have_text("")
        page.evaluate(GO, f"/t/{DS}/dags/da_executive_dashboard")
        expect(page).to_have_url(at(demo, f"/t/{DA}/dags/da_executive_dashboard"))
        expect(bar(page).get_by_role("status")).to_have_text("Switched to Data Analytics: this Dag is theirs.")


def test_a_link_to_an_asset_that_only_the_other_team_sees_switches(demo: Demo, hers: BrowserContext) -> None:
    known = demo.sign_in("admin").ask("GET", "/assets", limit=100).body["assets"]
    number = {asset["name"]: asset["id"] for asset in known}
    names = ("dashboard", "telemetry_daily", "user_profiles")
    dashboard, telemetry, profiles = (f"/assets/{number[name]}" for name in names)
    said = "Switched to {}: they see this asset."
    with tab(hers, demo, f"/t/{DS}{dashboard}") as page:
        expect(page).to_have_url(at(demo, f"/t/{DA}{dashboard}"))
        expect(bar(page).get_by_role("status")).to_have_text(said.format("Data Analytics"))
        page.evaluate(GO, f"/t/{DA}{profiles}")
        expect(page.get_by_role("heading", name="user_profiles")).to_be_visible()
        expect(bar(page).get_by_role("status")).to_have_text("")
        expect(page).to_have_url(at(demo, f"/t/{DA}{profiles}"))
        page.evaluate(GO, f"/t/{DA}{telemetry}")
        expect(page).to_have_url(at(demo, f"/t/{DS}{telemetry}"))
        expect(bar(page).get_by_role("status")).to_have_text(said.format("Data Science"))
        page.goto(address(demo, f"/t/{DA}/plugin/artifacts?team={DS}"))
        expect(page).to_have_url(at(demo, f"/t/{DS}/plugin/artifacts"))
        expect(bar(page).get_by_role("status")).to_have_text("Switched to Data Science.")


def test_a_link_to_somebody_elses_dag_or_team_is_a_link_to_nothing(demo: Demo, hers: BrowserContext) -> None:
    told = {}
    for dag in ("de_player_warehouse", "no_such_dag_ever_"):
        with tab(hers, demo, f"/t/{DS}/dags/{dag}") as page:
            expect(page.get_by_text("Dag Not Found")).to_be_visible()
            expect(page).to_have_url(at(demo, f"/t/{DS}/dags/{dag}"))
            expect(bar(page)).to_contain_text("author")
            settled(page)
            told[dag] = page.locator("body").inner_text().replace(dag, "x")
    assert len(set(told.values())) == 1
    pages = set()
    for team in ("data_engineering", "no_such_team"):
        with tab(hers, demo, f"/t/{team}/dags") as page:
            expect(page.get_by_role("heading")).to_have_text("Nothing here for you")
            pages.add(page.content())
            assert wrong_for_some(page, "body") == []
            expect(page.get_by_role("link", name="To my teams")).to_have_attribute("href", "/")
    assert len(pages) == 1


def test_a_link_to_somebody_elses_asset_is_a_link_to_nothing(demo: Demo, browser: Browser) -> None:
    known = demo.sign_in("admin").ask("GET", "/assets", limit=100).body["assets"]
    theirs = next(int(asset["id"]) for asset in known if asset["name"] == "dashboard")
    none, told = 987_654_321, set()
    with signed_in(browser, demo, "grace") as page:
        for asset in (theirs, none):
            page.goto(address(demo, f"/t/{DS}/assets/{asset}"))
            settled(page)
            expect(page).to_have_url(at(demo, f"/t/{DS}/assets/{asset}"))
            text = page.locator("body").inner_text()
            assert "dashboard" not in text.lower()
            told.add(re.sub(rf"\b{asset}\b", "x", text))
    assert len(told) == 1, told


def test_who_signs_out_in_one_view_is_out_of_all(demo: Demo, browser: Browser, mia: str) -> None:
    context = browser.new_context()
    try:
        page, other = context.new_page(), context.new_page()
        page.goto(address(demo, f"/t/{DA}/dags"))
        sign_in(page, mia)
        other.goto(address(demo, f"/t/{DS}/dags"))
        shows(other, "Data Science")
        page.get_by_role("button", name="User", exact=True).click()
        page.get_by_role("menuitem", name="Logout").click()
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        other.reload()
        other.wait_for_url("**/auth/login**")
    finally:
        context.close()


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_bar_and_the_list_suit_everybody(demo: Demo, browser: Browser, hers: BrowserContext, look: str) -> None:
    context = browser.new_context(**LOOKS[look], storage_state=hers.storage_state())
    try:
        with tab(context, demo, f"/t/{DS}/dags") as page:
            shows(page, "Data Science")
            settled(page)
            expect(bar(page).get_by_role("link")).to_have_count(0 if look == "phone" else 1)
            bar(page).get_by_role("button", name="change the team").click()
            expect(page.get_by_role("option")).to_have_count(3)
            still(page)  # it fades in
            picture(page, f"switcher-{look}")
            box = page.get_by_role("dialog").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= LOOKS[look]["viewport"]["width"]
            assert wrong_for_some(page, "[data-testid=airspace-bar]", "[role=dialog]") == []
            page.get_by_role("option", name="Data Analytics").click()
            expect(page).to_have_url(at(demo, f"/t/{DA}/dags"))
            shows(page, "Data Analytics")
    finally:
        context.close()


def wrong_for_some(page: Page, *selectors: str) -> list[str]:
    """What axe finds serious or critical in these parts of the page."""
    assert AXE.exists(), "needs axe-core: python3 scripts/front_end.py check"
    still(page)  # what is half faded in has little contrast
    page.evaluate(AXE.read_text())  # not as a script of the page's: some of ours allow none
    found = page.evaluate(
        "parts => axe.run({include: parts.map(part => [part])}, {resultTypes: ['violations']})", list(selectors)
    )
    return [
        f"{each['id']}: {node['html']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


MANY = [{"name": f"team_{number:03d}", "title": f"Team number {number}", "role": "viewer"} for number in range(300)]
TYPE = """async letters => {
    const field = document.querySelector("[role=combobox][aria-label='Find a team']");
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    for (let length = 1; length <= letters.length; length++) {
        set.call(field, letters.slice(0, length));
        field.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
}"""


def busy(context: BrowserContext, page: Page) -> float:
    """Milliseconds that the page's thread has worked."""
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return float(metrics["TaskDuration"]) * 1000


def test_three_hundred_teams_are_filtered_without_lag(demo: Demo, hers: BrowserContext) -> None:
    """The list alone is made up: what is measured is what the browser does with it."""
    page = new_page(hers)
    try:
        page.route("**/airspace/api/me", lambda route: route.fulfill(json={**route.fetch().json(), "teams": MANY}))
        page.goto(address(demo, "/t/~/dags"))
        settled(page)  # what Airflow's own page does is not in the figure
        bar(page).get_by_role("button", name="change the team").click()
        expect(page.get_by_role("option")).to_have_count(301)
        settled(page)
        picture(page, "switcher-many")
        each = []
        for _ in range(3):  # the first is compiled on the way
            before = busy(hers, page)
            page.evaluate(TYPE, "number 29")
            each.append((busy(hers, page) - before) / len("number 29"))
        expect(page.get_by_role("option")).to_have_count(11)
        assert min(each) < KEYSTROKE, each
    finally:
        page.close()
