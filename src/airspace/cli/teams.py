"""``airspace apply``, ``plan``, ``drift``, ``team list``, ``show``, ``schema``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli import leaving, renaming, sources
from airspace.cli.changes import CHANGED, print_adopted, print_changes, print_outcome, print_problem, readable
from airspace.cli.output import emit_json, err, out
from airspace.model import platform_file
from airspace.model.team import json_schema
from airspace.platform.service import Platform
from airspace.platform.source_status import checked
from airspace.platform.wiring import open_platform
from airspace.teams import authoring, pruning, service
from airspace.teams.files import InvalidFilesError
from airspace.teams.loading import LoadedTeams
from airspace.teams.removal import Removed

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Directory = Annotated[
    Path,
    typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of team files, one *.yaml a team."),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", exists=True, file_okay=False, help="Dag folders must be inside it; DIR by default."),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Also remove the teams that were applied from DIR and have no file there now.")
]
ExitCode = Annotated[
    bool, typer.Option("--exit-code", help=f"End with {CHANGED} when there is something to change, for CI.")
]

team_app = typer.Typer(no_args_is_help=True, help="Teams: add one, read what is applied, adopt what was changed.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="Examples: [bold]airspace apply teams/[/] · [bold]airspace apply teams/ --root . --json[/]")(
        apply
    )
    app.command(epilog="Examples: [bold]airspace plan teams/[/] · [bold]airspace plan teams/ --exit-code[/]")(plan)
    app.command(epilog="Examples: [bold]airspace drift[/] · [bold]airspace drift --json --exit-code[/]")(drift)
    team_app.command("list", epilog="Example: [bold]airspace team list[/]")(list_teams)
    team_app.command("show", epilog="Example: [bold]airspace team show data_science --json[/]")(show)
    team_app.command("schema", epilog="Example: [bold]airspace team schema > team.schema.json[/]")(schema)
    leaving.register(team_app)
    renaming.register(team_app)
    sources.register(team_app)
    app.add_typer(team_app, name="team")


def apply(
    directory: Directory,
    root: Root = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="First write into the files what was changed in the UI or by REST.")
    ] = False,
    prune: Prune = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --prune: also when most of the teams go.")] = False,
    as_json: Json = False,
) -> None:
    """Make the team files in DIR so. Every problem is told at once, and then nothing is changed.

    Applying twice changes nothing. Teams that DIR does not name stay. What somebody changed in the UI is put
    back as the files say, unless --adopt writes it into them.
    """
    loaded = load(directory, root, as_json)
    platform = open_platform()
    adopted = authoring.adopt(platform, frozenset(loaded.names)) if adopt else None
    if adopted:
        loaded = load(directory, root, as_json)
    if adopted and not as_json:
        print_adopted(adopted)
    removed: tuple[Removed, ...] = ()
    with telling() as tell:
        outcome = service.apply(loaded, platform, tell)
        if prune and not yes:
            pruning.check(loaded, outcome)
        if prune:
            outcome, removed = pruning.prune(outcome, platform, tell)
    if as_json:
        more = {"adopted": adopted.as_dict()} if adopted else {}
        emit_json({**outcome.as_dict(), "removed": [team.as_dict() for team in removed], **more})
        return
    print_outcome(outcome, len(loaded.teams))
    for team in removed:
        if team.archive:
            err.print(Text(f"{team.team} was packed into {team.archive['path']}"), soft_wrap=True)


def plan(
    directory: Directory, root: Root = None, prune: Prune = False, exit_code: ExitCode = False, as_json: Json = False
) -> None:
    """Show what apply would change, and what somebody may lose by it. Touches nothing."""
    loaded = load(directory, root, as_json)
    platform = open_platform()
    outcome = service.plan(loaded, platform)
    if prune:
        outcome = pruning.planned(outcome, platform)
    if as_json:
        emit_json(outcome.as_dict())
    else:
        print_outcome(outcome, len(loaded.teams))
    if exit_code and outcome.changes:
        raise typer.Exit(CHANGED)


def drift(
    team: Annotated[list[str] | None, typer.Argument(metavar="[TEAM]...", help="These teams only.")] = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Show what was changed in the UI or by REST since the team files were applied. Touches nothing, needs no files.

    Whether a secret was changed cannot be seen so: [bold]airspace plan DIR[/] compares secrets too.
    """
    found = service.drift(open_platform(), team or None)
    if as_json:
        emit_json(found.as_dict())
    else:
        print_changes(found.changes)
        for name in found.unreadable:
            err.print(Text(f"{name}: kept by another version; apply its file once more"))
        count = len(found.changes)
        what = f"{count} difference{'s' if count != 1 else ''}" if count else "as the files said"
        err.print(Text(f"{found.teams} teams: {what}"))
        if count:
            err.print("airspace apply DIR puts it back; airspace team adopt NAME writes it into the file")
    if exit_code and found.changes:
        raise typer.Exit(CHANGED)


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
        table.add_row(*(Text(str(cell)) for cell in row))
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


def load(directory: Path, root: Path | None, as_json: bool) -> LoadedTeams:
    """The folder, its warnings told; what is wrong with it is told and raised."""
    platform = open_platform()
    with problems_told(as_json):
        loaded = service.load(directory, platform.layout, os.environ, root, platform)
    loaded = checked(loaded, platform.layout, platform.run_control)
    for problem in loaded.warnings:
        print_problem(problem, "warning", "yellow")
    return loaded


@contextmanager
def problems_told(as_json: bool) -> Iterator[None]:
    """Tell every problem of team files before the error goes on."""
    try:
        yield
    except InvalidFilesError as error:
        if as_json:
            emit_json({"problems": [problem.as_dict() for problem in error.problems]})
        for problem in error.problems:
            print_problem(problem, "error", "red")
        raise


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """A line on a terminal that says what is being done."""
    with err.status("applying") as status:
        yield lambda step: status.update(f"applying: {step}")
