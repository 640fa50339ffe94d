"""``airspace import``: draft team files from another Airflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli.output import Json, emit_json, err, out, shown
from airspace.model.errors import InvalidInputError

if TYPE_CHECKING:
    from airspace.importing.deployment import Deployment
    from airspace.importing.mapping import TeamMap
    from airspace.importing.service import Imported

_MAP_BYTES = 300_000
USER, PASSWORD, TOKEN = "AIRSPACE_IMPORT_USER", "AIRSPACE_IMPORT_PASSWORD", "AIRSPACE_IMPORT_TOKEN"
FERNET_KEY = "AIRSPACE_IMPORT_FERNET_KEY"


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    examples = (
        "airspace import https://airflow.example --out teams",
        "airspace import postgresql://ro@db/airflow --out teams --dags ./dags",
    )
    app.command("import", epilog="Examples: " + " · ".join(f"[bold]{example}[/]" for example in examples))(import_teams)


def import_teams(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            envvar="AIRSPACE_IMPORT_SOURCE",
            help="Where its UI is (https://...), or the URL of its database (postgresql://..., sqlite:///...).",
        ),
    ],
    directory: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the drafts go.")],
    dags: Annotated[
        Path | None,
        typer.Option("--dags", metavar="FOLDER", exists=True, file_okay=False, help="Its Dag folder, to copy from."),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", exists=True, dir_okay=False, help="Whose things are, where you know it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files in DIR that differ.")] = False,
    as_json: Json = False,
) -> None:
    """Draft team files from another Airflow (2.9 or newer, or 3). It is only read; nothing is applied.

    What could not be placed is in DIR/import-report.md, each with why and what to do. Secrets come from the
    environment: AIRSPACE_IMPORT_USER and AIRSPACE_IMPORT_PASSWORD, or AIRSPACE_IMPORT_TOKEN, for its UI;
    AIRSPACE_IMPORT_FERNET_KEY to read the secrets in its database.
    """
    # Imported here: SQLAlchemy and httpx take a second, which every other command would wait for, too.
    from airspace.importing import service
    from airspace.importing.folder import read_folder

    team_map = _map(map_file, as_json=as_json)
    folder = read_folder(dags) if dags is not None else None
    with err.status("connect") if err.is_terminal else _Silent() as progress:
        old = _read(source, progress.update)
        progress.update("draft")
        made = service.import_teams(old, folder, team_map, directory, force=force)
    if as_json:
        emit_json(made.as_dict())
    else:
        _show(made)
    missing = sum(1 for value in made.drafts.secrets.values.values() if not value)
    unplaced = len(set(made.drafts.unplaced))
    err.print(
        Text(f"{len(made.drafts.teams)} teams drafted; {unplaced} things not placed, {missing} secrets to fill in")
    )
    err.print(Text(f"  next: {directory / service.PAGE}"), soft_wrap=True)


class _Silent:
    """No spinner where nobody watches."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, _text: str) -> None:
        """Say nothing."""


def _read(source: str, tell: object) -> Deployment:
    def hear(what: str) -> None:
        tell(what)  # type: ignore[operator]

    from airspace.backends.old_airflow import Credentials, read_database, read_rest

    try:
        scheme = urlsplit(source).scheme
    except ValueError:
        scheme = ""
    if scheme in ("http", "https"):
        given = Credentials(os.environ.get(USER), os.environ.get(PASSWORD), os.environ.get(TOKEN))
        return read_rest(source, given, tell=hear)
    if "+" in scheme or scheme in ("postgresql", "postgres", "mysql", "sqlite"):
        return read_database(source, os.environ.get(FERNET_KEY), tell=hear)
    raise InvalidInputError(
        "this is neither the address of an Airflow nor the URL of a database",
        fix="for example https://airflow.example, or postgresql://user@host/airflow",
    )


def _map(path: Path | None, *, as_json: bool) -> TeamMap:
    from airspace.importing.mapping import InvalidMapError, TeamMap, read_map

    if path is None:
        return TeamMap()
    try:
        with path.open("rb") as file:
            return read_map(file.read(_MAP_BYTES), str(path))
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}", fix="name a readable file") from None
    except InvalidMapError as error:
        if as_json:
            emit_json({"problems": [problem.as_dict() for problem in error.problems]})
        for problem in error.problems:
            err.print(Text(shown(str(problem), lines=True)), soft_wrap=True)
        raise


def _show(made: Imported) -> None:
    table = Table("team", "Dags", "members", "connections", "variables", "pools", box=None)
    for draft in made.drafts.teams.values():
        counts = (len(draft.document.get(key, ())) for key in ("members", "connections", "variables", "pools"))
        table.add_row(draft.name, str(len(draft.dags)), *(str(count) for count in counts))
    out.print(table)
