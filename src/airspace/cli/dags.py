"""``airspace dag transfer`` and ``airspace team split``."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Annotated, Any

import typer
from rich.text import Text

from airspace.cli.changes import problems_told
from airspace.cli.output import Json, emit_json, err, say
from airspace.platform.wiring import open_platform
from airspace.teams import moves, moving, splitting
from airspace.teams.moves import Transfer
from airspace.teams.moving import Moved, Options

Drain = Annotated[
    float | None,
    typer.Option("--drain", min=0, metavar="SECONDS", help="Let running work end so long, then end it."),
]
Now = Annotated[bool, typer.Option("--now", help="End running work at once: --drain 0.")]
WithFiles = Annotated[
    str, typer.Option("--with-files", metavar="A,B", help="Files of the old team's folder that are copied along.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what goes along and what is lacking.")]


def register_team(team: typer.Typer) -> None:
    """Add this module's command to ``airspace team``."""
    parting = "[bold]airspace team split research --into growth churn retention --drain 300[/]"
    team.command("split", epilog=f"Example: {parting}")(split)


def register(app: typer.Typer) -> None:
    """Add ``airspace dag``."""
    dag_app = typer.Typer(no_args_is_help=True, help="Dags: give them to another team.")
    example = (
        "Examples: [bold]airspace dag transfer churn --from research --to growth --dry-run[/]"
        " · [bold]airspace dag transfer churn report --from research --to growth --drain 300[/]"
    )
    dag_app.command("transfer", epilog=example)(transfer)
    app.add_typer(dag_app, name="dag")


def transfer(
    dags: Annotated[list[str], typer.Argument(metavar="DAG_ID...", help="The Dags that go.", show_default=False)],
    team: Annotated[str, typer.Option("--from", metavar="TEAM", help="Whose they are.")] = "",
    target: Annotated[str, typer.Option("--to", metavar="TEAM", help="Whose they become.")] = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    drain: Drain = None,
    now: Now = False,
    with_files: WithFiles = "",
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Take a transfer back that has not changed hands yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give Dags to another team with all of their past: runs, logs, XComs, notes, and the assets that they produce.

    Nothing shared is restarted, and the teams' other Dags go on. What was cut off is carried on by the same command.
    Running work has to end before: see --drain and --now. All Dags of a file go together.
    """
    platform = open_platform()
    if cancel:
        _cancel(moving.cancel(platform, platform.carrier(), dags), as_json)
        return
    if not team or not target:
        raise typer.BadParameter("name both teams: --from TEAM --to TEAM")
    wanted = Transfer(team, target, sorted(set(dags)), time.time())
    options = _options(drain, now=now, with_files=with_files)
    under_way = any(each.key == wanted.key for each in moves.begun(platform.layout))
    if dry_run or not (yes or under_way):
        found = moving.preview(platform, platform.carrier(), wanted, options)
        if dry_run and as_json:
            emit_json(found)
        elif dry_run or not found["problems"]:
            _print_preview(found)
        if dry_run:
            raise typer.Exit(1 if found["problems"] else 0)
        _check(found, f"Move {len(wanted.dags)} Dags from team {team} to team {target}?")
    done = moving.transfer(platform, platform.carrier(), wanted, options, _tell)
    if as_json:
        emit_json(done.as_dict())
        return
    _print_done(done)


def split(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The team that they leave.", show_default=False)],
    dags: Annotated[list[str], typer.Argument(metavar="DAG_ID...", help="The Dags that go.", show_default=False)],
    into: Annotated[str, typer.Option("--into", metavar="NEW", help="The team that is made.", show_default=False)],
    yes: Yes = False,
    dry_run: DryRun = False,
    drain: Drain = None,
    now: Now = False,
    with_files: WithFiles = "",
    as_json: Json = False,
) -> None:
    """Make a part of a team a team of its own, and give it these Dags with all of their past.

    The new team has the old one's members, slots, limits, network and the pools that the Dags name; the old one keeps
    its own. Connections and variables are listed, not copied. What was cut off is carried on by the same command.
    """
    platform = open_platform()
    wanted = Transfer(team, into, sorted(set(dags)), time.time())
    options = _options(drain, now=now, with_files=with_files)
    under_way = any(each.key == wanted.key for each in moves.begun(platform.layout))
    if dry_run or not (yes or under_way):
        draft = splitting.draft(platform, platform.carrier(), wanted, options)
        if dry_run and as_json:
            emit_json(draft.as_dict())
        elif dry_run or not draft.found["problems"]:
            _line(f"+ team {into}, on the model of {team}, in {draft.file}:")
            for key, value in draft.content.items():
                _line(f"    {key}: {json.dumps(value)}")
            _print_preview(draft.found)
        if dry_run:
            raise typer.Exit(1 if draft.found["problems"] else 0)
        _check(draft.found, f"Make team {into} and move {len(wanted.dags)} Dags there?")
    with problems_told(as_json):
        done = splitting.split(platform, platform.carrier(), wanted, options, os.environ, _tell)
    if as_json:
        emit_json(done.as_dict())
        return
    _line(f"the new team's file: {done.file}")
    _print_done(done.moved)


def _options(drain: float | None, *, now: bool, with_files: str) -> Options:
    return Options(0.0 if now else drain, tuple(part.strip() for part in with_files.split(",") if part.strip()))


def _check(found: dict[str, Any], question: str) -> None:
    if found["problems"]:
        raise moving.refusal(found)
    if sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)


def _cancel(begun: Transfer, as_json: bool) -> None:
    if as_json:
        emit_json({"team": begun.team, "target": begun.target, "dags": begun.dags, "cancelled": True})
        return
    say(f"{', '.join(begun.dags)} stay with team {begun.team}, and run again")


def _print_preview(found: dict[str, Any]) -> None:
    _line(f"~ {', '.join(found['dags'])}: from team {found['team']} to team {found['target']}")
    has = found.get("has") or {}
    if has:
        _line(f"  {has['runs']} runs, {has['task_instances']} task instances, {has['xcoms']} XComs go along")
    how = "is to be moved by hand" if found.get("by_hand") else "moves"
    for file in found.get("files") or ():
        old, new = found["folders"]
        _line(f"  {file} {how} from {old} to {new}")
    if found.get("by_hand") and found.get("helpers"):
        _line(f"! they need {', '.join(found['helpers'])}: move or copy them too")
    _print_assets(found)
    for kind, names in (found.get("needs") or {}).items():
        if names:
            _line(f"! {kind} that the code names and team {found['target']} lacks: {', '.join(names)}")
    for problem in found["problems"]:
        err.print(Text(f"x {problem['message']} ({problem['fix']})", style="red"), soft_wrap=True)


def _print_assets(found: dict[str, Any]) -> None:
    assets = found.get("assets") or {"handed_over": {}, "consent": []}
    for asset, consumers in assets["handed_over"].items():
        who = f", consumed by {', '.join(consumers)}: their code reads it as {found['target']}'s" if consumers else ""
        _line(f"~ asset {asset} becomes team {found['target']}'s, in both team files{who}")
    if (tables := found.get("tables")) and tables["names"]:
        names, size = ", ".join(tables["names"]), -(-tables["bytes"] >> 20)
        _line(
            f"~ {names} ({size} MB) of the warehouse go to the schema of team {found['target']}; readers name it anew"
        )
        if tables["readers"]:
            _line(f"! what others have built on what is published of them is dropped: {', '.join(tables['readers'])}")
    for each in assets["consent"]:
        if not each["given"]:
            _line(
                f"! asset {each['asset']} of team {each['owner']}: its file has to name {found['target']} as a consumer"
            )


def _print_done(done: Moved) -> None:
    for file, error in done.errors.items():
        err.print(Text(f"! {file} cannot be read in team {done.target}:\n{error}", style="yellow"), soft_wrap=True)
    if done.unread and not done.errors:
        _line(f"! {', '.join(done.unread)} was not read in team {done.target} yet: see its folder")
    for file in done.team_files:
        _line(f"changed {file}")
    say(f"moved {len(done.dags)} Dags to team {done.target} in {done.seconds:.1f} s")


def _tell(line: str) -> None:
    _line(f"  {line}")


def _line(text: str) -> None:
    err.print(Text(text), soft_wrap=True)
