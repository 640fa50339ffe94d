"""``airspace team add``, ``team adopt``, ``member add``, ``member remove``: team files for those who write none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from airspace.cli.changes import print_adopted, print_outcome, print_problems, problems_told, telling
from airspace.cli.output import Json, emit_json, err
from airspace.model.errors import InvalidInputError
from airspace.model.roles import Role
from airspace.model.team import Team
from airspace.platform.wiring import open_running
from airspace.teams import authoring
from airspace.teams.authoring import Written

Name = Annotated[str, typer.Argument(help="The team's name.")]
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's name; or @group of platform.yaml.")]
Repeated = list[str] | None


def register_team(team: typer.Typer) -> None:
    """Add this module's commands to ``airspace team``."""
    add = "[bold]airspace team add finance --member ada:lead --slots 8 --network db.example:5432[/]"
    team.command("add", epilog=f"Example: {add}")(add_team)
    team.command("adopt", epilog="Example: [bold]airspace team adopt finance[/]")(adopt)


def register(app: typer.Typer) -> None:
    """Add ``airspace member``."""
    member_app = typer.Typer(no_args_is_help=True, help="Members: written into the team's file, and applied.")
    member_app.command("add", epilog="Example: [bold]airspace member add finance ben --role viewer[/]")(add_member)
    member_app.command("remove", epilog="Example: [bold]airspace member remove finance ben[/]")(remove_member)
    app.add_typer(member_app, name="member")


def add_team(
    name: Name,
    title: Annotated[str | None, typer.Option(help="How people call it; made of the name by default.")] = None,
    member: Annotated[Repeated, typer.Option(metavar="USER:ROLE", help="Repeat for more.")] = None,
    slots: Annotated[int | None, typer.Option(help="Tasks running at once.")] = None,
    dags: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where its Dags are; by default a folder that the platform makes."),
    ] = None,
    network: Annotated[Repeated, typer.Option(metavar="HOST:PORT", help="What its code may reach; repeat.")] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", exists=True, file_okay=False, help="Where the file goes; into the home by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a team: write its file and apply it, live. The same again changes nothing."""
    content: dict[str, Any] = {"name": name}
    content |= {"title": title} if title is not None else {}
    content |= {"members": _members(member)} if member else {}
    content |= {"dags": {"folder": str(dags.resolve())}} if dags is not None else {}
    content |= {"slots": slots} if slots is not None else {}
    content |= {"network": network} if network else {}
    platform = open_running()
    with problems_told(as_json), telling() as tell:
        # Who names a folder on the command line has said that it may be a Dag folder.
        root = dags.resolve().parent if dags is not None else None
        written = authoring.add_team(_team(content), platform, os.environ, directory, root, tell)
    folder = str(dags.resolve()) if dags is not None else str(platform.layout.dags / name)
    if as_json:
        emit_json({"name": name, "dags_folder": folder, **written.as_dict()})
        return
    _print_written(written)
    err.print(Text(f"put Dag files into {folder}"), soft_wrap=True)


def add_member(
    team: TeamName,
    user: User,
    role: Annotated[Role, typer.Option("--role", help="What they may do in the team.")],
    as_json: Json = False,
) -> None:
    """Make a user a member of a team, or change their role: in the team's file, applied at once."""
    _member(team, user, role, as_json)


def remove_member(team: TeamName, user: User, as_json: Json = False) -> None:
    """Take a user out of a team: in the team's file, applied at once."""
    _member(team, user, None, as_json)


def adopt(
    name: Annotated[list[str], typer.Argument(metavar="TEAM...", help="The teams.")], as_json: Json = False
) -> None:
    """Write into a team's file what was changed in the UI or by REST since it was applied.

    Secrets are never written into a file: they stay as they are, and the command says which.
    """
    with problems_told(as_json), telling() as tell:
        adopted = authoring.adopt(open_running(), frozenset(name), tell)
    if as_json:
        emit_json(adopted.as_dict())
    else:
        print_adopted(adopted)


def _member(team: str, user: str, role: Role | None, as_json: bool) -> None:
    with problems_told(as_json), telling() as tell:
        written = authoring.set_member(open_running(), team, user, role, tell)
    if as_json:
        emit_json({"user": user, "role": role.value if role else None, **written.as_dict()})
    else:
        _print_written(written)


def _print_written(written: Written) -> None:
    print_problems(written.outcome.warnings, "warning", "yellow")
    print_outcome(written.outcome, 1)
    err.print(Text(f"the file: {written.file}"), soft_wrap=True)


def _members(entries: list[str]) -> dict[str, str]:
    members: dict[str, str] = {}
    for entry in entries:
        user, colon, role = entry.rpartition(":")
        if not colon or not user:
            raise typer.BadParameter("write USER:ROLE, for example ada:lead", param_hint="--member")
        if members.setdefault(user, role) != role:
            raise typer.BadParameter(f"{user} is named twice", param_hint="--member")
    return members


def _team(content: dict[str, Any]) -> Team:
    try:
        return Team.model_validate(content)
    except ValidationError as error:
        lines = []
        for detail in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in detail["loc"] if part != "[key]")
            fix = (detail.get("ctx") or {}).get("fix")
            lines.append(f"{place}: {detail['msg']}" + (f" ({fix})" if fix else ""))
        raise InvalidInputError("\n  ".join(lines), fix="airspace team add --help") from None
