"""Whether a team can get another name: what it has, who will notice, and every reason against it. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airspace.model import names
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.teams import folders, former, markers, moves, renames, renaming_files
from airspace.teams.ports import WORKER, Machine, Renamer


@dataclass(frozen=True)
class Options:
    """How to rename.

    :param drain: seconds that running work may take to end by itself; None: nothing may run
    """

    drain: float | None = None


def preview(control: Machine, renamer: Renamer, team: str, name: str, options: Options) -> dict[str, Any]:
    """What the team has, who will notice, and every reason why it may not be; nothing is touched."""
    layout = control.layout
    problems = [*_name(layout, team, name), *_under_way(layout, team, name)]
    document: dict[str, Any] = {"team": team, "name": name}
    if names.is_team_name(team) and names.is_team_name(name) and team != name:
        found = control.run_control(WORKER, ["preview-rename"], {"team": team, "name": name})
        problems += [(each["message"], each["fix"]) for each in found.pop("problems")]
        document |= found
        if found["known"]:
            problems += renamer.look(team, name)
            if rename_in_warehouse(control, team, name, look=True)["taken"]:
                fix = f"drop the schema {name} there, or choose another name"
                problems.append((f"the warehouse has tables in a schema {name} already", fix))
            others = sorted({each["team"] for each in found["consumes"]})
            files, wrong = renaming_files.look(layout, team, name, others)
            problems += wrong
            problems += _running(found["running"], options)
            document |= {"others": others, "team_files": files.as_dict()}
    if team not in folders.kept_teams(layout) or not document.get("known", True):
        near = names.did_you_mean(team, folders.kept_teams(layout))
        fix = f"did you mean {near}?" if near else "airspace team list shows all"
        problems.insert(0, (f"there is no team {team}", fix))
    document["problems"] = [{"message": message, "fix": fix} for message, fix in dict.fromkeys(problems)]
    return document


def refusal(found: dict[str, Any]) -> InvalidInputError:
    """Every problem of a preview, as one error."""
    lines = "\n  ".join(f"{each['message']} ({each['fix']})" for each in found["problems"])
    message = f"team {found['team']} cannot be called {found['name']}; nothing was changed:\n  {lines}"
    return InvalidInputError(message, fix="mend each of these, then run the command again")


Problem = tuple[str, str]


def _name(layout: HomeLayout, team: str, name: str) -> Iterator[Problem]:
    """What is wrong with the new name as a name."""
    known = folders.kept_teams(layout)
    if not names.is_team_name(name):
        better = names.suggest_team_name(name)
        fix = f"did you mean {better}?" if better else f"use {names.TEAM_RULE}"
        reserved = name in names.RESERVED_TEAMS
        yield f"no team can be called {name!r}" + (": that name means something else" if reserved else ""), fix
        return
    if name == team:
        yield f"the team is called {name} already", "give another name"
        return
    shapes = names.skeletons(name)
    twins = [each for each in sorted(known - {team, name}) if shapes & names.skeletons(each)]
    if twins:
        yield f"{name} looks like the team {twins[0]}", "choose a name that nobody takes for the other"
    if found := former.objection(former.read(layout), name, b""):
        yield found


def _under_way(layout: HomeLayout, team: str, name: str) -> Iterator[Problem]:
    for each in sorted(markers.begun(layout) & {team, name}):
        yield f"team {each} is being removed", f"airspace team remove {each}"
    if transfer := moves.involving(layout, team) or moves.involving(layout, name):
        yield f"Dags are on their way from team {transfer.team} to team {transfer.target}", f"first: {transfer.command}"
    if renaming := renames.involving(layout, team, name):
        yield f"team {renaming.team} is getting the name {renaming.name}", f"first: {renaming.command}"


def _running(work: dict[str, int], options: Options) -> Iterator[Problem]:
    if options.drain is None and any(work.values()):
        yield (
            f"{work['tasks']} tasks and {work['runs']} runs have begun",
            "--drain SECONDS lets them end, --now ends them",
        )


def rename_in_warehouse(control: Machine, team: str, name: str, *, look: bool = False) -> dict[str, Any]:
    """Rename role and schemas, where there is a warehouse.

    :param look: only say whether somebody has tables under the new name
    """
    if not control.layout.warehouse.exists():
        return {"renamed": False, "taken": False}
    return control.run_control(WORKER, ["rename-warehouse"], {"team": team, "name": name, "look": look})
