"""``airspace demo``: prepare, drive, verify, report."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airspace.backends.airflow_rest import Airflow, RestError
from airspace.demo import probes, setup
from airspace.demo.claim import Claim, Context, Observation, verify, visible
from airspace.demo.claims import ALL
from airspace.demo.claims.pipelines import artifacts_of, dashboard_file, runs_of
from airspace.demo.drive import Driver
from airspace.demo.people import Person, cast, load_passwords
from airspace.demo.progress import Display
from airspace.demo.report import Report, View
from airspace.demo.story import DASHBOARD, DE, DEFAULT_PLAYERS, ETL, MEMBER, PROBE_DAGS
from airspace.model.errors import AirspaceError
from airspace.platform.progress import Event
from airspace.platform.service import Platform

KINDS = ("connections", "variables", "pools")
NEEDS = {"polars": "polars", "pyarrow": "pyarrow", "scikit-learn": "sklearn"}


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    :param players: the size of the simulated game
    :param timeout: seconds for the pipelines and the checks, once the platform is ready
    """

    players: int = DEFAULT_PLAYERS
    timeout: float = 900.0


def run_demo(platform: Platform, display: Display, options: Options) -> Report:
    """Rocket, from nothing to a verified end."""
    check_packages()
    begun = time.monotonic()
    with display:
        display.headline("Start the platform")
        platform.up(progress=lambda event: _tell(display, event))
        ready = time.monotonic() - begun
        display.headline("Set up Rocket: three teams, their people, their Dags")
        rocket = setup.prepare(platform)
        for name in rocket.edited:
            display.headline(f"Your own version stays: {platform.layout.rocket / name}")
        people = cast(rocket.members, load_passwords(platform.layout.secrets / "demo-users.json"))
        setup.ensure_users(platform, people)
        with Airflow(platform.url) as airflow:
            context = Context(airflow, people, platform.layout.storage, consents=rocket.consents)
            driver = Driver(context, display, time.monotonic() + options.timeout)
            with probes.lent(rocket.folders):
                drive(driver, options)
                display.headline(f"Verify {len(ALL)} claims as these users")
                results = check_all(context)
            driver.wait_until_gone(PROBE_DAGS)
            return _report(platform, context, rocket.folders, results, ready, begun)


def check_packages() -> None:
    """Refuse before anything is started, where Rocket's own packages are missing.

    :raises AirspaceError: they are
    """
    missing = [name for name, module in NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise AirspaceError(
            f"Rocket needs {', '.join(missing)}", fix=f"{sys.executable} -m pip install 'airspace[rocket]'"
        )


def drive(driver: Driver, options: Options) -> None:
    """Make the story happen."""
    display = driver.display
    display.headline("Wait until the teams' Dags are parsed")
    driver.wait_for_dags()
    driver.settle()
    driver.unpause()
    display.headline(f"Run {ETL} for {options.players:,} players; the other teams follow what it publishes")
    driver.run_rocket(options.players)
    display.headline("Run it again on a spoiled batch: nobody else may start")
    driver.run_spoiled(options.players)


def check_all(context: Context) -> list[tuple[Claim, Observation]]:
    """Every claim with what was seen."""
    return [(claim, verify(claim, context)) for claim in ALL]


def view_of(context: Context, name: str) -> View:
    """What this person sees, counted over REST."""
    session = context.as_(name)
    dags = [dag for dag in session.dags() if dag.dag_id not in PROBE_DAGS]
    return {
        "dags": len(dags),
        "teams": sorted({dag.bundle for dag in dags}),
        **{kind: len(visible(session, kind)) for kind in KINDS},
    }


def _report(
    platform: Platform,
    context: Context,
    folders: Mapping[str, Path],
    results: list[tuple[Claim, Observation]],
    ready: float,
    begun: float,
) -> Report:
    spoiled = context.as_(MEMBER[DE]).run(ETL, context.facts.spoiled_run)
    people: list[Person] = list(context.people.values())
    return Report(
        url=platform.url,
        people=people,
        views={person.name: view_of(context, person.name) for person in people},
        folders=folders,
        runs=runs_of(context),
        spoiled=spoiled,
        artifacts=artifacts_of(context),
        storage=context.storage,
        dashboard=_dashboard(context),
        results=results,
        seconds_to_ready=ready,
        seconds_total=time.monotonic() - begun,
    )


def _dashboard(context: Context) -> Path | None:
    try:
        return dashboard_file(context)
    except (AirspaceError, RestError):
        return None  # the claim about it has said so


def _tell(display: Display, event: Event) -> None:
    if not event.done:
        display.headline(f"Start the platform: {event.step}")


__all__ = ["DASHBOARD", "Options", "check_all", "drive", "run_demo", "view_of"]
