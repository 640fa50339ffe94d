"""``view``: how long a member's pages take in a browser, against plain Airflow with that team's Dags and runs alone.

Both run side by side and are opened by turns, first one and then the other first. Airspace has other teams as well,
with as much of their own, of which the member sees nothing; its pages have the bar with the team above them.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

import airspace
from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import BIN, Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MEMBER, PASSWORD = "ada", "a password of a member"
DAGS = 30  # of each team, each with one run that waits: they stay paused
TEAMS = 20
ROUNDS = 10
_PATIENCE = 120_000  # milliseconds
_PAGES = {"first page": "", "list of Dags": "dags", "list of runs": "dag_runs", "list of tasks": "task_instances"}
_SCRIPT = Path(airspace.__file__).parent / "airflow" / "web" / "static" / "airspace.js"
_DAG_FILE = """\
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

for number in range({count}):
    with DAG(f"{team}_{{number:02d}}", schedule=None, tags=["{team}"]):
        EmptyOperator(task_id="nothing")
"""
# When the page first shows anything, and when it shows what it was opened for.
_SHOWN = {
    "first page": "[data-testid=main-content] h2",
    "list of Dags": "a[href$='_29'], a[href$='_00']",
    "list of runs": "td a[href*='/runs/']",
    "list of tasks": "td a[href*='/tasks/nothing']",
}
_BAR = "[data-testid=airspace-bar]"
# Told a moment after it happened; that there is none for five seconds has not been seen.
_FIRST_PAINT = """() => new Promise(done => {
    setTimeout(() => done(null), 5000);
    new PerformanceObserver(list => {
        const [found] = list.getEntriesByName('first-contentful-paint');
        if (found) done(found.startTime);
    }).observe({ type: 'paint', buffered: true });
})"""
_NOW = """([selectors, patience]) => Promise.all(selectors.map(selector => new Promise((done, fail) => {
    const look = () => {
        if (document.querySelector(selector)) done(performance.now());
        else if (performance.now() > patience) fail(new Error(`no ${selector} on ${location.pathname}`));
        else requestAnimationFrame(look);
    };
    look();
})))"""


class _Teams(Airspace):
    """This project, with a member in its first team."""

    def on_ready(self, *, fresh: bool) -> None:
        super().on_ready(fresh=fresh)
        subprocess.run(
            [str(BIN / "airspace"), "user", "add", MEMBER], env=self._environment(), input=f"{PASSWORD}\n", text=True,
            check=True, capture_output=True,
        )  # fmt: skip

    def _write_team(self, team: str) -> None:
        super()._write_team(team)
        _write_dags(self.folder(team), team)
        if team == self.teams_now[0]:
            with (self.root / "teams" / f"{team}.yaml").open("a") as file:
                file.write(f"members: {{{MEMBER}: author}}\n")


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    if not _SCRIPT.exists():
        raise PeerError("the pages of ours are not built, so nothing of them would be measured: make setup")
    teams = 3 if options.quick else TEAMS
    rounds = 2 if options.quick else ROUNDS * options.repeats
    document: dict[str, Any] = {
        "benchmark": "view", "quick": options.quick, "load_before": machine.load(), "teams": teams, "dags": DAGS,
    }  # fmt: skip
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        plain, ours = _started(options, teams, stack)
        browser = stack.enter_context(_browser())
        sides = [("plain", *plain), ("airspace", *ours)]
        for number in range(rounds + 1):
            for side, address, token in sides if number % 2 else reversed(sides):
                for what, value in _looked(browser, address, token):
                    if number > 0:  # in the first one, both servers load what they have not needed before
                        samples[what][side].append(value)
            say(f"round {number}/{rounds}")
    rows = [_row(what, found) for what, found in samples.items()]
    return document | {"rounds": rounds, "rows": rows, "samples": samples}


def _row(what: str, sides: dict[str, list[float]]) -> dict[str, Any]:
    plain, ours = (summary.middle(sides[side]) for side in ("plain", "airspace"))
    return {"what": what, "plain": plain, "airspace": ours, "ratio": summary.ratio(ours, plain)}


def _started(options: Options, teams: int, stack: ExitStack) -> tuple[tuple[str, str], tuple[str, str]]:
    """Both sides with all their Dags read: the address to open, and a token of who opens it."""
    plain = Plain(options.scratch / "plain-view")
    stack.callback(plain.remove)
    _write_dags(plain.folder("all"), "team_01")
    ours = _Teams(options.scratch / "airspace-view", teams=teams)
    stack.callback(ours.remove)
    tokens = {}
    for peer, seen in ((plain, DAGS + 1), (ours, teams * (DAGS + 1))):
        drive.start(peer, fresh=True, first_task=False)
        with Airflow(peer.url) as airflow:
            session = drive.signed_in(peer, airflow)
            _await_dags(peer, session, seen)
            for team in ours.teams_now if peer is ours else ours.teams_now[:1]:
                for number in range(DAGS):
                    session.trigger(f"{team}_{number:02d}")
            tokens[peer.name] = _token(airflow, peer)
    return (plain.url, tokens["plain"]), (f"{ours.url}/t/{ours.teams_now[0]}", tokens["airspace"])


def _token(airflow: Airflow, peer: Peer) -> str:
    if isinstance(peer, Plain):
        return str(airflow.send("GET", "/auth/token").body["access_token"])
    credentials = {"username": MEMBER, "password": PASSWORD}
    return str(airflow.send("POST", "/auth/token", json=credentials).body["access_token"])


def _await_dags(peer: Peer, session: Session, count: int) -> None:
    deadline = time.monotonic() + 300
    while session.ask("GET", "/dags?limit=1").body["total_entries"] < count:
        if time.monotonic() > deadline:
            raise PeerError(f"{peer.name} does not have its {count} Dags")
        time.sleep(0.5)


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield running
        finally:
            running.close()


def _looked(browser: Browser, address: str, token: str) -> Iterator[tuple[str, float]]:
    """Milliseconds until each page is painted and until it is there: in a new browser, and once it has been here."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        context.add_cookies([{"name": "_token", "value": token, "url": address.split("/t/")[0]}])
        for visit in ("new", "known"):
            for what, path in _PAGES.items():
                if visit == "new" and path:
                    continue  # the first page has brought the scripts
                wanted = [_SHOWN[what], *([_BAR] if "/t/" in address else [])]
                paint, there, *bar = _opened(context, f"{address}/{path}", wanted)
                yield f"{what}, {visit} browser, first paint", paint
                yield f"{what}, {visit} browser, all there", there
                for value in bar:
                    yield f"{what}, {visit} browser, the bar", value
    finally:
        context.close()


def _opened(context: BrowserContext, address: str, selectors: list[str]) -> list[float]:
    """When anything was painted, and when each of these was there."""
    page = context.new_page()
    try:
        page.goto(address, wait_until="commit")
        there = page.evaluate(_NOW, [selectors, _PATIENCE])
        return [float(page.evaluate(_FIRST_PAINT) or there[0]), *map(float, there)]
    finally:
        page.close()


def _write_dags(folder: Path, team: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"many_{team}.py").write_text(_DAG_FILE.format(count=DAGS, team=team))
