from __future__ import annotations

import sys
from typing import Annotated

import typer

from airspace.cli.output import Json, emit_json, err, out
from airspace.demo.story import DEFAULT_PLAYERS, SMALL_PLAYERS

SIZES = {"small": SMALL_PLAYERS, "default": DEFAULT_PLAYERS}
FEWEST, MOST = 1_000, 5_000_000


def _players(value: str) -> int:
    if value in SIZES:
        return SIZES[value]
    digits = value.replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit() and FEWEST <= int(digits) <= MOST):
        raise typer.BadParameter(f"write a number from {FEWEST:,} to {MOST:,}, or one of: {', '.join(SIZES)}")
    return int(digits)


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(
        "demo", epilog="Examples: [bold]airspace demo[/] · [bold]airspace demo --players small --json > demo.json[/]"
    )(demo)


def demo(
    players: Annotated[
        str, typer.Option(help="Players in the simulated game: a number, [bold]small[/] or [bold]default[/].")
    ] = "default",
    as_json: Json = False,
    keep: Annotated[bool, typer.Option("--keep/--stop", help="Leave the platform running afterwards.")] = True,
    timeout: Annotated[
        float, typer.Option(min=10.0, help="Seconds for the pipelines, once the platform is ready.")
    ] = 900.0,
) -> None:
    """Rocket: three teams share one Airflow. Runs their pipelines and verifies every promise over REST.

    Starts the platform if it does not run. Exits 0 only if every claim was verified, as the users it names.
    """
    count = _players(players)
    from airspace.demo.progress import display_for
    from airspace.demo.service import Options, run_demo
    from airspace.platform.wiring import open_platform

    platform = open_platform()
    try:
        report = run_demo(platform, display_for(err), Options(players=count, timeout=timeout))
    finally:
        if not keep:
            platform.down()
    if as_json:
        emit_json(report.to_json())
    report.show(err if as_json else out)
    err.print(f"[yellow]{platform.isolation}[/]")
    sys.exit(0 if report.ok else 1)
