"""A real browser in front of the demo's platform."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.conftest import Demo

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
PATIENCE = 30_000  # milliseconds

needs_browser = [pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}: apt-get install chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def signed_in(browser: Browser, demo: Demo, name: str) -> Iterator[Page]:
    """A page after signing in by the form, as a person does."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
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
