"""A real browser in front of the demo's platform."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, expect, sync_playwright

from tests.acceptance.conftest import Demo

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
PATIENCE = 30_000  # milliseconds
MAIN = "[data-testid=main-content]"  # of Airflow's front end
_REST = "() => new Promise(done => requestIdleCallback(() => done(), { timeout: 5000 }))"
_STILL = """() => Promise.all(document.getAnimations()
    .filter(each => each.effect && each.effect.getComputedTiming().endTime !== Infinity)
    .map(each => each.finished.catch(() => null)))"""

needs_browser = [pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}: apt-get install chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            yield running
        finally:
            running.close()


class Traffic:
    """What a page has asked for and not got. The browser's own ``networkidle`` comes while the front end compiles."""

    def __init__(self, page: Page) -> None:
        self._page, self._last = page, time.monotonic()
        self._open: set[Request] = set()
        page.on("request", self._asked)
        page.on("requestfinished", self._over)
        page.on("requestfailed", self._over)

    def _asked(self, request: Request) -> None:
        self._open.add(request)
        self._last = time.monotonic()

    def _over(self, request: Request) -> None:
        self._open.discard(request)
        self._last = time.monotonic()

    def settle(self, quiet: float) -> None:
        """Wait until the page's own thread rests, nothing is asked for, and nothing was for ``quiet`` seconds."""
        until = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < until:
            with suppress(Error):  # a page that left for another one
                self._page.evaluate(_REST)
                if not self._open and time.monotonic() - self._last >= quiet:
                    return
            self._page.wait_for_timeout(50)
        raise AssertionError(f"the page is not done: {[each.url for each in self._open]}")


_TRAFFIC: WeakKeyDictionary[Page, Traffic] = WeakKeyDictionary()


def new_page(context: BrowserContext) -> Page:
    """A page that :func:`settled` can wait for."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    _TRAFFIC[page] = Traffic(page)
    return page


def settled(page: Page, shows: str = MAIN, quiet: float = 0.7) -> None:
    """Wait until a page shows that, has what it asked for and has drawn it; its animations are over then, too."""
    expect(page.locator(shows).first).to_be_visible(timeout=PATIENCE)
    _TRAFFIC[page].settle(quiet)
    still(page)


def still(page: Page) -> None:
    """Wait for what fades in or out."""
    page.evaluate(_STILL)


@contextmanager
def signed_in(browser: Browser, demo: Demo, name: str) -> Iterator[Page]:
    """A page after signing in by the form, as a person does."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = new_page(context)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.goto(demo.document["url"])
        page.wait_for_url("**/auth/login**")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", demo.password(name))
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "/auth/login" not in url)
        yield page
        assert failures == []
    finally:
        context.close()


def picture(page: Page, name: str) -> None:
    """Save what the page shows, where ``AIRSPACE_SCREENSHOTS`` asks for it."""
    if folder := os.environ.get("AIRSPACE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
