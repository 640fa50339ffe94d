"""``airspace plan``, ``apply``, ``drift``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from airspace.cli.changes import (
    CHANGED,
    print_adopted,
    print_changes,
    print_outcome,
    print_problems,
    problems_told,
    telling,
)
from airspace.cli.output import Json, emit_json, err
from airspace.platform.wiring import open_platform, open_running
from airspace.teams import service
from airspace.teams.loading import LoadedTeams

if TYPE_CHECKING:
    from airspace.teams.authoring import Adopted
    from airspace.teams.ports import ControlPlane, Tell
    from airspace.teams.removal import Removed
    from airspace.teams.service import Outcome

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


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="Examples: [bold]airspace plan teams/[/] · [bold]airspace plan teams/ --exit-code[/]")(plan)
    app.command(epilog="Examples: [bold]airspace apply teams/[/] · [bold]airspace apply teams/ --root . --json[/]")(
        apply
    )
    app.command(epilog="Examples: [bold]airspace drift[/] · [bold]airspace drift --json --exit-code[/]")(drift)


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
    platform = open_running()
    adopted = _adopted(platform, loaded) if adopt else None
    if adopted:
        loaded = load(directory, root, as_json)
    if adopted and not as_json:
        print_adopted(adopted)
    removed: tuple[Removed, ...] = ()
    with telling() as tell:
        outcome = service.apply(loaded, platform, tell)
        if prune:
            outcome, removed = _pruned(loaded, outcome, tell, asked=not yes)
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
    platform = open_running()
    outcome = service.plan(loaded, platform)
    if prune:
        from airspace.teams import pruning

        outcome = pruning.planned(outcome, open_platform())
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
    found = service.drift(open_running(), team or None)
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


def _adopted(platform: ControlPlane, loaded: LoadedTeams) -> Adopted:
    from airspace.teams import authoring

    return authoring.adopt(platform, frozenset(loaded.names))


def _pruned(loaded: LoadedTeams, outcome: Outcome, tell: Tell, *, asked: bool) -> tuple[Outcome, tuple[Removed, ...]]:
    from airspace.teams import pruning

    if asked:
        pruning.check(loaded, outcome)
    return pruning.prune(outcome, open_platform(), tell)


def load(directory: Path, root: Path | None, as_json: bool) -> LoadedTeams:
    """The folder, its warnings told; what is wrong with it is told and raised."""
    platform = open_running()
    with problems_told(as_json):
        loaded = service.load(directory, platform.layout, os.environ, root, platform)
    if any(team.remote for team in loaded.teams):
        from airspace.platform.source_status import checked

        loaded = checked(loaded, platform.layout, platform.run_control)
    print_problems(loaded.warnings, "warning", "yellow")
    return loaded
