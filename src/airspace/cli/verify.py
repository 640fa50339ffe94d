"""``airspace verify isolation``."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from airspace.cli.output import Json, emit_json, err, out
from airspace.platform.wiring import open_platform
from airspace.verify.catalogue import SURFACES

verify_app = typer.Typer(no_args_is_help=True, help="Attack your own running platform, and see what holds.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    examples = (
        "airspace verify isolation",
        "airspace verify isolation --only files --only network",
        "airspace verify isolation --destructive --json > isolation.json",
    )
    shown = " · ".join(f"[bold]{example}[/]" for example in examples)
    verify_app.command("isolation", epilog=f"Examples: {shown}")(isolation)
    app.add_typer(verify_app, name="verify")


def _surfaces(values: list[str]) -> list[str]:
    for value in values:
        if value not in SURFACES:
            raise typer.BadParameter(f"there is no surface {value}: {', '.join(SURFACES)}")
    return values


def isolation(
    destructive: Annotated[
        bool,
        typer.Option(help="Also what uses up memory, processors, processes and disk, for moments and within bounds."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SURFACE", callback=lambda values: _surfaces(values or []), help=", ".join(SURFACES)),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave what was planted, to look at runs and logs.")] = False,
    as_json: Json = False,
) -> None:
    """Plant two throwaway teams, attack one from a task of the other, and print what was blocked.

    Each attack has a control: the same function, where it is allowed, has to succeed. A row is blocked only when it
    did; not promised says why nothing is promised on this machine. Exits 0 only if no row is lost.

    Afterwards both teams are removed, as [bold]airspace team remove[/] does. What stays are the users verify_runner and
    verify_outsider, members of nothing, with passwords that nobody knows.
    """
    from airspace.verify.report import document, show
    from airspace.verify.service import Options, verify

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was planted is taken back
    options = Options(destructive=destructive, only=frozenset(only or ()), keep=keep)
    findings = verify(open_platform(), options, lambda step: err.print(f"  {step}", markup=False, soft_wrap=True))
    if as_json:
        emit_json(document(findings))
    show(findings, err if as_json else out, tables=not as_json)
    sys.exit(0 if findings.verdicts.held else 1)
