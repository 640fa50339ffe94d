"""``airspace team fetch``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from airspace.cli.output import Json, emit_json, err
from airspace.platform.wiring import open_platform

_SHOWN = 12


def register_team(team: typer.Typer) -> None:
    """Add this module's commands to ``airspace team``."""
    team.command("fetch", epilog="Example, in a CI job after a push: [bold]airspace team fetch data_science[/]")(fetch)


def fetch(
    name: Annotated[str, typer.Argument(help="The team's name.")],
    seconds: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait at most.")] = 300,
    as_json: Json = False,
) -> None:
    """Fetch a team's Dags now instead of at the next look, and wait until they are here.

    When that fails, the last copy stays, and the exit code is 1.
    """
    platform = open_platform()
    with err.status(f"fetching {name}"):
        found = platform.fetch(name, seconds)
    if as_json:
        emit_json(asdict(found))
    elif found.kind == "folder":
        err.print(Text(f"{name}: its Dags are in a folder, which is followed by itself"))
    else:
        err.print(Text(f"{name}: at {(found.version or '')[:_SHOWN]}"))
        for path, why in sorted(found.left_out.items()):
            err.print(Text(f"  {path} is left out: {why}"), soft_wrap=True)
