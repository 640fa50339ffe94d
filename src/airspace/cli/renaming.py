"""``airspace team rename``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from airspace.cli.output import Json, emit_json, err, say
from airspace.platform.service import Platform
from airspace.platform.wiring import open_platform
from airspace.teams import renaming, renaming_checks
from airspace.teams.renaming import Renamed
from airspace.teams.renaming_checks import Options


def register_team(team: typer.Typer) -> None:
    """Add this module's command to ``airspace team``."""
    example = (
        "Examples: [bold]airspace team rename research growth --dry-run[/]"
        " · [bold]airspace team rename research growth --drain 300[/]"
    )
    team.command("rename", epilog=example)(rename)


def rename(
    team: Annotated[str, typer.Argument(metavar="OLD", help="What the team is called.")],
    name: Annotated[str, typer.Argument(metavar="NEW", help="What it is to be called.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what changes and who will notice.")] = False,
    drain: Annotated[
        float | None,
        typer.Option("--drain", min=0, metavar="SECONDS", help="Let running work end so long, then end it."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="End running work at once: --drain 0.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take one back that still waits for what runs.")] = False,
    as_json: Json = False,
) -> None:
    """Give a team another name, with everything that it has and had: Dags, runs, logs, data, secrets, members.

    Nothing shared is restarted, and no other team is disturbed; team files that name it are changed. What was cut off
    is carried on with by the same command. Running work has to end before: see --drain and --now.
    """
    platform = open_platform()
    if cancel:
        renaming.cancel(platform, team, name)
        if as_json:
            emit_json({"team": team, "name": name, "cancelled": True})
        else:
            say(f"team {team} keeps its name, and works again")
        return
    options = Options(0.0 if now else drain)
    under_way = renaming.is_begun(platform.layout, team, name)
    if (dry_run or not (yes or under_way)) and not _agreed(platform, (team, name), options, dry_run, as_json):
        return
    done = renaming.rename(platform, platform.renamer(), team, name, options, lambda line: _line(f"  {line}"))
    if as_json:
        emit_json(done.as_dict())
    else:
        _print_done(done)


def _agreed(platform: Platform, both: tuple[str, str], options: Options, dry_run: bool, as_json: bool) -> bool:
    """Show what would be done, and ask where somebody can answer."""
    found = renaming_checks.preview(platform, platform.renamer(), *both, options)
    if dry_run and as_json:
        emit_json(found)
    elif dry_run or not found["problems"]:
        _print_preview(found)
    if dry_run:
        raise typer.Exit(1 if found["problems"] else 0)
    if found["problems"]:
        raise renaming_checks.refusal(found)
    if sys.stdin.isatty():
        typer.confirm(f"Rename team {both[0]} to {both[1]}?", abort=True, err=True)
    return True


def _print_preview(found: dict[str, Any]) -> None:
    _line(f"~ team {found['team']}: it becomes {found['name']}")
    has = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in (found.get("has") or {}).items() if count)
    if has:
        _line(f"  {has} go along")
    files = found.get("team_files") or {"changed": [], "by_hand": {}}
    for file in files["changed"]:
        _line(f"~ {file}")
    for team, each in files["by_hand"].items():
        _line(f"! {each['file']} of team {team} has to be changed by hand: {each['reason']}")
    for each in found.get("consumers") or ():
        asset = f"asset {each['asset']} as {found['team']}'s"
        _line(f"! code of team {each['team']} that reads {asset} has to say the new name")
    for each in found.get("code") or ():
        _line(f"! {each['file']} of team {each['team']} has the word {found['team']} in it")
    for each in found.get("secrets") or ():
        _line(f"! the secrets backend is asked for {each} from now on")
    for problem in found["problems"]:
        err.print(Text(f"x {problem['message']} ({problem['fix']})", style="red"), soft_wrap=True)


def _print_done(done: Renamed) -> None:
    for file in done.files["changed"]:
        _line(f"changed {file}")
    for team, each in done.files["by_hand"].items():
        _line(f"! write {done.name} for {done.team} in {each['file']} (team {team}): {each['reason']}")
    if done.unread:
        _line(f"! not read under the new name yet: {', '.join(done.unread)}")
    say(f"team {done.team} is called {done.name} now, after {done.seconds:.1f} s")


def _line(text: str) -> None:
    err.print(Text(text), soft_wrap=True)
