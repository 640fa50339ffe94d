"""Every page of Airflow's own UI, opened by a member of one team: it works, and it shows nothing of another team.

The pages are those of the router in the shipped front end, so that a new page of Airflow is a failed test.
``AIRSPACE_SCREENSHOTS=folder`` saves a picture of each.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from airspace.access.table import Kind
from airspace.airflow.web.addresses import Named, named_in
from tests.acceptance.browsing import PATIENCE, browser, needs_browser, picture, settled, signed_in
from tests.acceptance.conftest import Demo

__all__ = ["browser"]
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900), *needs_browser]

DAG = "ds_churn"
FOREIGN = re.compile(r"\b(de_|da_)\w+|data_engineering|data_analytics")
# The front end's routes, each with the pages to open; {} is filled from a finished run of the member's own Dag.
TOP: dict[str, tuple[str, ...]] = {
    "/": ("/",),
    "dags": ("/dags",),
    "dag_runs": ("/dag_runs",),
    "task_instances": ("/task_instances",),
    "xcoms": ("/xcoms",),
    "assets": ("/assets",),
    "assets/:assetId": ("/assets/{asset}",),
    "asset-state-store": ("/assets/{asset}/asset-state-store",),
    "asset_events": ("/dags/{dag}/runs/{run}/asset_events", "/dags/{dag}/runs/{run}/tasks/{task}/asset_events"),
    "events": ("/events", "/dags/{dag}/events", "/dags/{dag}/runs/{run}/events"),
    "variables": ("/variables",),
    "pools": ("/pools",),
    "connections": ("/connections",),
    "jobs": ("/jobs",),
    "plugins": ("/plugins",),
    "providers": ("/providers",),
    "configs": ("/configs",),
    "required_actions": ("/required_actions", "/dags/{dag}/required_actions"),
    "deadlines": ("/deadlines",),
    "dags/:dagId": ("/dags/{dag}",),
    "runs": ("/dags/{dag}/runs",),
    "tasks": ("/dags/{dag}/tasks",),
    "calendar": ("/dags/{dag}/calendar",),
    "backfills": ("/dags/{dag}/backfills",),
    "code": ("/dags/{dag}/code", "/dags/{dag}/runs/{run}/code"),
    "details": ("/dags/{dag}/details", "/dags/{dag}/runs/{run}/tasks/{task}/details"),
    "dags/:dagId/runs/:runId": ("/dags/{dag}/runs/{run}",),
    "dags/:dagId/runs/:runId/tasks/:taskId": ("/dags/{dag}/runs/{run}/tasks/{task}",),
    "rendered_templates": ("/dags/{dag}/runs/{run}/tasks/{task}/rendered_templates",),
    "xcom": ("/dags/{dag}/runs/{run}/tasks/{task}/xcom",),
    "task-state-store": ("/dags/{dag}/runs/{run}/tasks/{task}/task-state-store",),
    "dags/:dagId/tasks/:taskId": ("/dags/{dag}/tasks/{task}",),
}
# Routes of things that Rocket does not have, or that a plugin or auth manager would have to bring.
ELSEWHERE = {
    "*",
    "plugin/:page/*",
    "security/:page/*",
    "dags/:dagId/runs/:runId/tasks/:taskId/mapped",
    "dags/:dagId/runs/:runId/tasks/:taskId/mapped/:mapIndex",
    "dags/:dagId/runs/:runId/tasks/group/:groupId",
    "dags/:dagId/tasks/group/:groupId",
}
NOT_A_MEMBERS = {"/configs", "/jobs", "/providers"}
"""Pages of the platform: a member is told that they may not see them."""
ASKED_IN_VAIN = ("/api/v2/plugins/importErrors", "/static/")
"""The home page asks for the first, which is the platform's; of the second, this Airflow's own wheel lacks files."""


def test_every_route_of_the_front_end_is_known() -> None:
    """A page that this Airflow does not have, or one that nobody looks at."""
    assert _routes() == set(TOP) | ELSEWHERE


def test_every_page_of_one_thing_is_one_that_links_switch_views_for() -> None:
    """A page of another kind of thing would be looked for in the wrong team's view."""
    things = {route.partition("/:")[0] for route in _routes() if "/:" in route} - {"plugin", "security"}
    found = {name: named_in(f"/{name}/7/runs/x") for name in things}
    assert found == {"dags": Named(Kind.DAG, "7"), "assets": Named(Kind.ASSET, "7")}
    artifacts = Named(Kind.ARTIFACT, "data_science")
    assert [named_in("/plugin/artifacts", f"at=x&team={team}") for team in ("data_science", "", "../x")] == [
        artifacts, None, None
    ]  # fmt: skip
    assert [named_in(path, "team=data_science") for path in ("/dags", "/", "/plugin/team", "/assets/")] == [None] * 4


def _routes() -> set[str]:
    found = importlib.util.find_spec("airflow")
    assert found is not None
    assert found.origin is not None
    bundles = (Path(found.origin).parent / "ui" / "dist" / "assets").glob("index-*.js")
    text = max((bundle.read_text() for bundle in bundles), key=len)
    paths = {one or other for one, other in re.findall(r'\bpath:"([\w/:*-]+)"|\bpath:`([\w/:*-]+)`', text)}
    return paths


@dataclass
class Watched:
    """What happened while a page was open."""

    page: Page
    refused: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("response", self._answered)

    def open(self, address: str) -> str:
        """Open it and wait until it has all it asked for; the text it shows."""
        self.page.goto("about:blank")  # what the page before asked for is not this one's
        self.refused.clear()
        self.shown.clear()
        self.page.goto(address)
        with suppress(PlaywrightTimeout):  # a page that stays empty is told by its text
            self.page.wait_for_function("document.body.innerText.length >= 50", timeout=PATIENCE)
        settled(self.page, "body")
        return self.page.locator("body").inner_text()

    def _answered(self, response: Response) -> None:
        path = re.sub(r"^/t/[^/]+", "", urlsplit(response.url).path)  # in the member's view or in none
        if response.status >= 400 and not path.startswith(ASKED_IN_VAIN):
            self.refused.append(f"{response.status} {response.request.method} {response.url}")


def _addresses(demo: Demo) -> dict[str, str]:
    """What stands for the names in an address: a finished run of the member's Dag, one of its tasks, an asset."""
    session = demo.sign_in("ada")
    run = session.ask("GET", f"/dags/{DAG}/dagRuns?state=success&limit=1").body["dag_runs"][0]["dag_run_id"]
    tasks = session.ask("GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances").body["task_instances"]
    assets = session.ask("GET", "/assets").body["assets"]
    own = next(asset for asset in assets if any(task["dag_id"] == DAG for task in asset["producing_tasks"]))
    return {"dag": DAG, "run": run, "task": tasks[0]["task_id"], "asset": str(own["id"])}


def _pages() -> Iterator[Any]:
    for pages in TOP.values():
        yield from pages


def test_every_page_works_for_a_member_and_shows_the_own_team_only(demo: Demo, browser: Browser) -> None:
    names = _addresses(demo)
    shared = {consumed["name"] for consumed in demo.sign_in("ada").ask("GET", "/assets").body["assets"]}
    wrong: dict[str, object] = {}
    with signed_in(browser, demo, "ada") as page:
        watched = Watched(page)
        for template in _pages():
            path = template.format(**names)
            text = watched.open(f"{demo.document['url'].rstrip('/')}{path}")
            picture(page, "page" + (re.sub(r"\W+", "-", template).rstrip("-") or "-home"))
            toasts = page.locator("[data-scope=toast][data-type=error]").count()
            # The team's own source may name whom it likes.
            foreign = set() if template.endswith("/code") else {found[0] for found in FOREIGN.finditer(text)} - shared
            refused = [] if template in NOT_A_MEMBERS else list(watched.refused)
            told = {"toasts": toasts, "foreign": sorted(foreign), "refused": refused, "text": text[:300]}
            bar = page.get_by_test_id("airspace-bar").inner_text().strip()  # she may be in several teams
            if toasts or foreign or refused or len(text) < 50 or "Page Not Found" in text or not bar:
                wrong[template] = {**told, "bar": bar}
    assert not wrong, json.dumps(wrong, indent=1)
