"""``airspace apply``, ``plan``, ``team list``, ``team show``, ``team schema``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli.output import emit_json, err, out
from airspace.model.change import ChangeAction
from airspace.model.home import HomeLayout, home_root
from airspace.model.problem import Problem
from airspace.model.team import json_schema
from airspace.platform.wiring import open_platform
from airspace.teams import service
from airspace.teams.files import InvalidFilesError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Directory = Annotated[
    Path,
    typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of team files, one *.yaml a team."),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", exists=True, file_okay=False, help="Dag folders must be inside it; DIR by default."),
]
_SIGNS = {
    ChangeAction.CREATE: ("+", "green"),
    ChangeAction.UPDATE: ("~", "yellow"),
    ChangeAction.DELETE: ("-", "red"),
}

team_app = typer.Typer(no_args_is_help=True, help="Teams: read what is applied.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="Examples: [bold]airspace apply teams/[/] · [bold]airspace apply teams/ --root . --json[/]")(
        apply
    )
    app.command(epilog="Example: [bold]airspace plan teams/[/]")(plan)
    team_app.command("list", epilog="Example: [bold]airspace team list[/]")(list_teams)
    team_app.command("show", epilog="Example: [bold]airspace team show data_science --json[/]")(show)
    team_app.command("schema", epilog="Example: [bold]airspace team schema > team.schema.json[/]")(schema)
    app.add_typer(team_app, name="team")


def apply(directory: Directory, root: Root = None, as_json: Json = False) -> None:
    """Make the team files in DIR so. Every problem is told at once, and then nothing is changed.

    Applying twice changes nothing. Teams that DIR does not name stay as they are.
    """
    _run(directory, root, as_json, dry=False)


def plan(directory: Directory, root: Root = None, as_json: Json = False) -> None:
    """Show what apply would change. Touches nothing."""
    _run(directory, root, as_json, dry=True)


def list_teams(as_json: Json = False) -> None:
    """List the teams that were applied."""
    teams = service.read(open_platform())
    if as_json:
        emit_json({"teams": [{key: team[key] for key in ("name", "title", "slots", "members")} for team in teams]})
        return
    table = Table("team", "title", "slots", "members", box=None)
    for team in teams:
        table.add_row(*(Text(str(team[key])) for key in ("name", "title", "slots")), str(len(team["members"])))
    out.print(table)


def show(name: Annotated[str, typer.Argument(help="The team's name.")], as_json: Json = False) -> None:
    """Show one team."""
    platform = open_platform()
    found = service.describe(platform, name)
    states = {team.name: team.state for team in platform.status().teams}
    document = {**found, "unix_user": None, "state": states.get(name, "idle")}
    if as_json:
        emit_json(document)
        return
    table = Table(box=None, show_header=False)
    for key, value in document.items():
        table.add_row(Text(key, style="bold"), Text(_readable(value)))
    out.print(table)


def schema() -> None:
    """Print the JSON Schema of the team file, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _run(directory: Path, root: Path | None, as_json: bool, *, dry: bool) -> None:
    try:
        loaded = service.load(directory, HomeLayout(home_root()), os.environ, root)
    except InvalidFilesError as error:
        if as_json:
            emit_json({"problems": [problem.as_dict() for problem in error.problems]})
        for problem in error.problems:
            _print_problem(problem, "error", "red")
        raise
    for problem in loaded.warnings:
        _print_problem(problem, "warning", "yellow")
    outcome = (service.plan if dry else service.apply)(loaded, open_platform())
    if as_json:
        emit_json(outcome.as_dict())
        return
    for change in outcome.changes:
        sign, colour = _SIGNS[change.action]
        line = Text(f"{sign} {change.team}: {change.resource}", style=colour)
        if change.action == ChangeAction.UPDATE and change.before is not None and change.after is not None:
            pairs = (f"{key}: {_readable(change.before[key])} → {_readable(change.after[key])}" for key in change.after)
            line.append(f"  {', '.join(pairs)}", style="dim")
        out.print(line, soft_wrap=True)
    count = len(outcome.changes)
    what = f"{count} change{'s' if count != 1 else ''}" if count else "nothing to change"
    verb = "planned" if dry else "applied"
    err.print(Text(f"{verb}: {what} ({len(loaded.teams)} team files, {outcome.seconds:.1f} s)"))


def _print_problem(problem: Problem, word: str, colour: str) -> None:
    """As compilers do, so that editors and CI find the place."""
    place = problem.file + (f":{problem.line}:{problem.column}" if problem.line else "")
    line = Text(f"{place}: ")
    line.append(f"{word}: ", style=f"bold {colour}")
    line.append(f"{problem.message} [{problem.rule}]")
    err.print(line, soft_wrap=True)
    err.print(Text(f"    fix: {problem.fix}"), soft_wrap=True)


def _readable(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
