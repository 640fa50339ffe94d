"""``airspace``: assembles the command line from the command modules beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from airspace import __version__
from airspace.cli import authoring, dags, demo, importing, platform, teams, users, verify, watch
from airspace.cli.output import errors_to_exit_code

app = typer.Typer(
    name="airspace",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    help="One unmodified Apache Airflow for many teams.",
    epilog="Examples: [bold]airspace up[/] · [bold]airspace demo[/] · [bold]airspace status --json[/]",
)
for module in (platform, teams, dags, authoring, users, importing, watch, demo, verify):
    module.register(app)


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
