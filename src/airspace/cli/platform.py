"""``airspace up``, ``status``, ``down``, ``destroy``, ``doctor``."""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli.output import Json, emit_json, err, out, say, shown
from airspace.platform.health import Status
from airspace.platform.home import NONE, SANDBOX
from airspace.platform.progress import Event, Progress
from airspace.platform.service import Platform
from airspace.platform.wiring import open_platform
from airspace.teams import markers, moves, renames


class Isolation(str, Enum):
    """How the teams' code is kept apart."""

    SANDBOX = SANDBOX
    NONE = NONE


_COLOURS = {"running": "green", "idle": "green", "starting": "yellow", "stopped": "dim"}


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command, examples in (
        (
            up,
            (
                "airspace up",
                "airspace up --port 8080",
                "airspace up --isolation none",
                "AIRSPACE_DATABASE=postgresql://… airspace up",
            ),
        ),
        (status, ("airspace status", "airspace status --json")),
        (down, ("airspace down",)),
        (destroy, ("airspace destroy", "airspace destroy --yes")),
        (doctor, ("airspace doctor", "airspace doctor --json")),
    ):
        shown = " · ".join(f"[bold]{example}[/]" for example in examples)
        app.command(epilog=f"Example{'s' * (len(examples) > 1)}: {shown}")(command)


def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the UI; a free one by default.")] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            envvar="AIRSPACE_DATABASE",
            metavar="URL",
            help="A PostgreSQL (13 or newer) of your own; better given as the variable, which ps does not show.",
        ),
    ] = None,
    isolation: Annotated[
        Isolation | None,
        typer.Option(
            help="sandbox (the default), or none: no wall between teams, for machines that cannot hold sandboxes."
            " Kept for the next time."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start the platform (detached) and wait until it is ready. Running already: does nothing."""
    platform = open_platform()
    started = time.monotonic()
    with _Shown() as progress:
        result = platform.up(
            port=port, database_url=database, progress=progress, isolation=isolation.value if isolation else None
        )
    seconds = round(time.monotonic() - started, 1)
    how = "(it was running)" if result.already else f"after {seconds} s"
    err.print(f"[bold green]ready[/] {how}: {result.url}", soft_wrap=True)
    err.print(f"  [yellow]{platform.isolation}[/]", soft_wrap=True)
    sign_in = f"{result.url}/auth/login (the first user: airspace user add NAME --platform-role admin)"
    err.print(f"  sign in at {sign_in}", soft_wrap=True)
    for team in sorted(markers.begun(platform.layout)):
        err.print(f"  [yellow]half removed: team {team}; go on with: airspace team remove {team}[/]", soft_wrap=True)
    for each in moves.begun(platform.layout):
        err.print(f"  [yellow]half moved to team {each.target}; go on with: {each.command}[/]", soft_wrap=True)
    for rename in renames.begun(platform.layout):
        err.print(f"  [yellow]half renamed: team {rename.team}; go on with: {rename.command}[/]", soft_wrap=True)
    if as_json:
        emit_json({**_document(platform.status()), "seconds": seconds})


def status(as_json: Json = False) -> None:
    """Show components and teams. Exit code 0 when everything is ready, 1 otherwise."""
    platform = open_platform()
    found = platform.status()
    if as_json:
        emit_json(_document(found))
    else:
        _show(platform, found)
    if not found.ready:
        raise typer.Exit(1)


def down() -> None:
    """Stop every process and remove every socket. Data and users stay."""
    with _Shown() as progress:
        open_platform().down(progress)


def destroy(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop everything and remove the home with all its data, and its Unix users."""
    platform = open_platform()
    if not platform.layout.root.exists():
        say(f"nothing to remove: {platform.layout.root} does not exist")
        return
    if not yes:
        typer.confirm(f"Remove {platform.layout.root} with all its data?", abort=True, err=True)
    with _Shown() as progress:
        platform.destroy(progress)


def doctor(as_json: Json = False) -> None:
    """Look for what is wrong with this machine or home, and name the command that fixes it."""
    checks = open_platform().doctor()
    if as_json:
        emit_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            out.print(f"[{'green' if check.ok else 'bold red'}]{'ok ' if check.ok else 'bad'}[/]", end=" ")
            out.print(f"{check.name}: {check.message}", markup=False)
            if check.fix and not check.ok:
                out.print(f"      fix: {check.fix}", markup=False, style="bold")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


class _Shown:
    """Progress on stderr: a spinner with what is going on for a person, a line a step for a log."""

    def __enter__(self) -> Progress:
        self._spinner = err.status("starting") if err.is_terminal else None
        if self._spinner:
            self._spinner.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()

    def _tell(self, event: Event) -> None:
        if event.done:
            err.print(f"  {event.step} ({event.seconds:.1f} s)" if event.seconds else f"  {event.step}", markup=False)
        elif self._spinner:
            self._spinner.update(event.step)


def _document(found: Status) -> dict[str, object]:
    return asdict(found)


def _show(platform: Platform, found: Status) -> None:
    if not found.components:
        say("not running; start it with: airspace up")
        return
    ready = "[green]ready[/]" if found.ready else "[bold red]not ready[/]"
    out.print(f"{found.url}  {ready}")
    out.print(platform.isolation, style="yellow", soft_wrap=True)
    table = Table("component", "state", "pid", "MB", box=None, pad_edge=False)
    for part in found.components:
        colour = _COLOURS.get(part.state, "bold red")
        table.add_row(part.name, f"[{colour}]{part.state}[/]", str(part.pid or ""), f"{part.rss_mb:,.0f}")
    out.print(table)
    if found.teams:
        table = Table("team", "state", "processes", "MB", box=None, pad_edge=False)
        for team in found.teams:
            colour = _COLOURS.get(team.state, "bold red")
            table.add_row(team.name, f"[{colour}]{team.state}[/]", str(team.processes), f"{team.rss_mb:,.0f}")
        out.print(table)
    for each in found.misplaced[:10]:
        err.print(Text(shown(f"{platform.layout.dags}/{each.path}: {each.reason}"), style="yellow"), soft_wrap=True)
    if len(found.misplaced) > 10:
        say(f"and {len(found.misplaced) - 10} more there: airspace status --json")
    for source in found.sources:
        if source.problem:
            line = f"{source.team}: its Dags cannot be fetched: {source.problem}"
            out.print(line, style="yellow", markup=False, soft_wrap=True)
            out.print(f"      fix: {source.fix}", markup=False, style="bold", soft_wrap=True)
    if not found.ready:
        say("what is wrong, and what to do: airspace doctor")
