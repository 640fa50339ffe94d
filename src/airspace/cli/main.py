"""``airspace``: assembles the command line from the command modules beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

from airspace import __version__
from airspace.cli.lazy import Entry, LazyGroup
from airspace.cli.output import errors_to_exit_code


class TeamGroup(LazyGroup):
    """``airspace team ...``"""

    entries: ClassVar[Mapping[str, Entry]] = {
        "add": ("authoring", "register_team"),
        "list": ("teams", "register_team"),
        "show": ("teams", "register_team"),
        "adopt": ("authoring", "register_team"),
        "fetch": ("sources", "register_team"),
        "suspend": ("leaving", "register_team"),
        "resume": ("leaving", "register_team"),
        "rename": ("renaming", "register_team"),
        "split": ("dags", "register_team"),
        "remove": ("leaving", "register_team"),
        "schema": ("teams", "register_team"),
    }


class Airspace(LazyGroup):
    """``airspace ...``"""

    entries: ClassVar[Mapping[str, Entry]] = {
        "up": ("platform", "register"),
        "status": ("platform", "register"),
        "down": ("platform", "register"),
        "destroy": ("platform", "register"),
        "doctor": ("platform", "register"),
        "plan": ("applying", "register"),
        "apply": ("applying", "register"),
        "drift": ("applying", "register"),
        "watch": ("watch", "register"),
        "import": ("importing", "register"),
        "team": ("main", "register_teams"),
        "member": ("authoring", "register"),
        "dag": ("dags", "register"),
        "user": ("users", "register"),
        "token": ("users", "register"),
        "verify": ("verify", "register"),
        "demo": ("demo", "register"),
    }


def register_teams(app: typer.Typer) -> None:
    """Add ``airspace team``, whose commands are in several modules."""
    teams = typer.Typer(
        cls=TeamGroup, no_args_is_help=True, help="Teams: add one, read what is applied, adopt what was changed."
    )
    app.add_typer(teams, name="team")


app = typer.Typer(
    name="airspace",
    cls=Airspace,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    help="One unmodified Apache Airflow for many teams.",
    epilog="Examples: [bold]airspace up[/] · [bold]airspace demo[/] · [bold]airspace status --json[/]",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """One unmodified Apache Airflow for many teams."""


def main() -> None:
    """Entry point of the console script."""
    with errors_to_exit_code():
        app()
