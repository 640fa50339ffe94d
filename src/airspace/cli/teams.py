"""``airspace team list``, ``show``, ``schema``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli.changes import readable
from airspace.cli.output import Json, emit_json, out, shown
from airspace.model import platform_file
from airspace.model.team import json_schema
from airspace.platform.service import Platform
from airspace.platform.wiring import open_platform
from airspace.teams import service


def register_team(team: typer.Typer) -> None:
    """Add this module's commands to ``airspace team``."""
    team.command("list", epilog="Example: [bold]airspace team list[/]")(list_teams)
    team.command("show", epilog="Example: [bold]airspace team show data_science --json[/]")(show)
    team.command("schema", epilog="Example: [bold]airspace team schema > team.schema.json[/]")(schema)


def list_teams(as_json: Json = False) -> None:
    """List the teams that were applied."""
    platform = open_platform()
    states = _states(platform)
    teams = [{**team, "state": service.state_of(team, states)} for team in service.read(platform)]
    if as_json:
        keys = ("name", "title", "slots", "members", "state")
        emit_json({"teams": [{key: team[key] for key in keys} for team in teams]})
        return
    table = Table("team", "title", "slots", "members", "state", box=None)
    for team in teams:
        row = (team["name"], team["title"], team["slots"], len(team["members"]), team["state"])
        table.add_row(*(Text(shown(str(cell))) for cell in row))
    out.print(table)


def show(name: Annotated[str, typer.Argument(help="The team's name.")], as_json: Json = False) -> None:
    """Show one team."""
    platform = open_platform()
    found = service.describe(platform, name)
    status = platform.status()
    source = next((asdict(source) for source in status.sources if source.team == name), None)
    folder = platform.left_out().get(name)
    left_out = [{"path": each.path, "reason": each.reason} for each in folder.told] if folder else []
    state = service.state_of(found, {team.name: team.state for team in status.teams})
    own = {"unix_user": platform.unix_user(name), "state": state, "source": source, "left_out": left_out}
    document = {**found, **own}
    if as_json:
        emit_json(document)
        return
    table = Table(box=None, show_header=False)
    for key, value in document.items():
        table.add_row(Text(key, style="bold"), Text(readable(value)))
    out.print(table)


def schema(
    platform: Annotated[bool, typer.Option("--platform", help="The one of platform.yaml instead.")] = False,
) -> None:
    """Print the JSON Schema of the team file, for editors."""
    typer.echo(json.dumps(platform_file.json_schema() if platform else json_schema(), indent=2))


def _states(platform: Platform) -> dict[str, str]:
    """Team → whether something runs for it."""
    return {team.name: team.state for team in platform.status().teams}
