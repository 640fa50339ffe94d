"""``airspace team remove``, ``suspend``, ``resume``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from airspace.cli.output import Json, emit_json, err, out, say
from airspace.model.errors import InvalidInputError
from airspace.platform.wiring import open_platform
from airspace.teams import removal, suspension

Name = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name.")]


def register_team(team: typer.Typer) -> None:
    """Add this module's commands to ``airspace team``."""
    example = "Examples: [bold]airspace team remove finance --dry-run[/] · [bold]airspace team remove finance --yes[/]"
    team.command("remove", epilog=example)(remove)
    team.command("suspend", epilog='Example: [bold]airspace team suspend finance --reason "unpaid"[/]')(suspend)
    team.command("resume", epilog="Example: [bold]airspace team resume finance[/]")(resume)


def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also where others depend on it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and who depends on it.")] = False,
    drain: Annotated[
        float, typer.Option("--drain", min=0, metavar="SECONDS", help="How long running work may take to end.")
    ] = removal.DRAIN_SECONDS,
    now: Annotated[bool, typer.Option("--now", help="End running work at once: --drain 0.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Where to pack what it made, as tar.gz.")
    ] = None,
    no_export: Annotated[bool, typer.Option("--no-export", help="Pack nothing: all that it made is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a team: let its work end, pack what it made into one archive, then remove everything everywhere.

    Nothing shared is restarted and no other team is disturbed. What was cut off is carried on with by the same command.
    A Dag folder of the team's own is left alone; one that the platform made goes with the team.
    """
    if export is not None and no_export:
        raise typer.BadParameter("--export and --no-export contradict each other")
    platform = open_platform()
    if dry_run or not yes:
        found = removal.preview(platform, name)
        if dry_run and as_json:
            emit_json(found)
            return
        _print_preview(found)
        if dry_run:
            return
        _confirm(name, found)
    options = removal.Options(0.0 if now else drain, not no_export, export)
    done = removal.remove_team(platform, name, options, lambda line: err.print(Text(f"  {line}"), soft_wrap=True))
    if as_json:
        emit_json(done.as_dict())
        return
    if done.archive:
        out.print(
            Text(f"{done.archive['path']}  {done.archive['bytes']} bytes  sha256 {done.archive['sha256']}"),
            soft_wrap=True,
        )
    say(f"removed team {name}: {sum(done.rows.values())} rows, {done.seconds:.1f} s")


def suspend(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Told to whoever tries to start something.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Also end what runs; by default that may finish.")] = False,
    as_json: Json = False,
) -> None:
    """Let no run of a team begin any more, until it is resumed. Its Dags, runs and logs stay visible."""
    found = suspension.suspend(open_platform(), name, reason, now=now)
    if as_json:
        emit_json(found)
        return
    running = found["running"]
    end = "what ran was ended" if now else f"{running['tasks']} tasks and {running['runs']} runs may finish"
    say(f"team {name} is suspended; {end}")


def resume(name: Name, as_json: Json = False) -> None:
    """Let a suspended team work again, as it was before."""
    found = suspension.resume(open_platform(), name)
    if as_json:
        emit_json(found)
        return
    say(f"team {name} works again" if found["was"] else f"team {name} was not suspended")


def _confirm(name: str, found: dict[str, Any]) -> None:
    """Ask where somebody can answer. Where nobody can, only a team that others depend on needs a word more."""
    if sys.stdin.isatty():
        typer.confirm(f"Remove team {name}?", abort=True, err=True)
    elif found["consumers"]:
        teams = ", ".join(sorted({each["team"] for each in found["consumers"]}))
        raise InvalidInputError(
            f"others depend on team {name}: {teams}; nothing was changed",
            fix=f"airspace team remove {name} --yes, or tell them first",
        )


def _print_preview(found: dict[str, Any]) -> None:
    has = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found["has"].items() if count)
    err.print(Text(f"- team {found['team']}: {has or 'nothing in the database'}", style="red"), soft_wrap=True)
    for each in found["consumers"]:
        dags = f" (Dags {', '.join(each['dags'])})" if each["dags"] else ""
        err.print(
            Text(f"! team {each['team']} consumes asset {each['asset']}{dags}: it will not come any more"),
            soft_wrap=True,
        )
    for each in found["consumes"]:
        err.print(
            Text(f"! the file of team {each['team']} names it as a consumer of {each['asset']}: edit it"),
            soft_wrap=True,
        )
