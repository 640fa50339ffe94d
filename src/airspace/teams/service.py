"""Plan and apply: the team files of a folder made so on a running platform."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.model.change import Change, ChangeAction
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.names import did_you_mean
from airspace.model.problem import Problem
from airspace.model.team import Team
from airspace.sandbox.spec import PROCESSES, SCRATCH, Limits, TeamPlace
from airspace.teams import checks, folders
from airspace.teams.desired import DesiredTeam, desired_team
from airspace.teams.files import InvalidFilesError, Surroundings, TeamFile, read_files
from airspace.teams.folders import Source
from airspace.teams.ports import ControlPlane
from airspace.teams.references import resolve

WORKER = "airspace.airflow.admin"


@dataclass(frozen=True)
class LoadedTeam:
    """A valid team file with everything that is needed to apply it."""

    file: TeamFile
    desired: DesiredTeam = field(repr=False)

    @property
    def brings_folder(self) -> bool:
        """Whether its Dags are in a folder of its own choice."""
        return self.file.team.dags.folder is not None


@dataclass(frozen=True)
class LoadedTeams:
    """A folder of valid team files."""

    teams: tuple[LoadedTeam, ...]
    warnings: tuple[Problem, ...]


@dataclass(frozen=True)
class Outcome:
    """What plan found or apply did."""

    changes: tuple[Change, ...]
    applied: bool
    seconds: float
    warnings: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "changes": [change.as_dict() for change in self.changes],
            "applied": self.applied,
            "seconds": round(self.seconds, 3),
            "warnings": [problem.as_dict() for problem in self.warnings],
        }


def load(directory: Path, layout: HomeLayout, environ: Mapping[str, str], root: Path | None = None) -> LoadedTeams:
    """Read and judge every team file of a folder. Needs no running platform.

    :param root: Dag folders must be inside it; by default the folder itself
    :raises InvalidFilesError: with every problem of every file
    """
    sources = folders.read_sources(layout)
    around = Surroundings(
        root=root,
        known_teams=folders.kept_teams(layout) | {source.team for source in sources.values()},
        folders={source.team: Path(source.folder) for source in sources.values()},
        environ=environ,
        defaults=layout.dags.resolve(),
        forbidden=tuple(place.resolve() for place in layout.private),
    )
    files, problems = read_files(directory)
    problems.extend(checks.check(files, directory, around))
    loaded = []
    for file in files:
        secrets, missing = resolve(file, around)
        problems.extend(missing)
        for name, connection in file.team.connections.items():
            uri = secrets.get(("connections", name, "uri"), connection.uri)
            if isinstance(uri, str):
                problems.extend(checks.check_uri(file, name, uri))
        if not missing:
            folder = checks.source_folder(file) or layout.dags / file.team.name
            loaded.append(LoadedTeam(file, desired_team(file.team, str(folder), secrets)))
    if problems:
        raise InvalidFilesError(problems)
    return LoadedTeams(tuple(loaded), tuple(checks.warnings(files)))


def plan(loaded: LoadedTeams, control: ControlPlane) -> Outcome:
    """What apply would change; nothing is touched."""
    started = time.monotonic()
    sources = folders.read_sources(control.layout)
    changes = _ask(control, "plan-teams", loaded, sources)
    return Outcome(changes, False, time.monotonic() - started, loaded.warnings)


def apply(loaded: LoadedTeams, control: ControlPlane) -> Outcome:
    """Make it so. Whatever cuts this off, applying again finishes it; two at once happen one after the other.

    :raises NotRunningError: the platform is not running; nothing was changed
    """
    started = time.monotonic()
    layout = control.layout
    with folders.apply_lock(layout) as lock:
        sources = folders.read_sources(layout)
        lock.begin()
        changes = _ask(control, "apply-teams", loaded, sources)
        control.settle([place_of(team.file.team) for team in loaded.teams])
        for team in loaded.teams:
            folders.make_team_folders(layout, team.desired.name, default_source=not team.brings_folder)
        folders.write_sources(
            layout, {team.desired.bundle: Source(team.desired.name, team.desired.folder) for team in loaded.teams}
        )
        for team in loaded.teams:
            folders.keep_copy(layout, team.desired.name, team.file.data)
        rung = {team.desired.bundle for team in loaded.teams} if lock.was_cut_off else set()
        for bundle in sorted(rung | concerned(changes)):
            control.ring(bundle)
        lock.finish()
    return Outcome(changes, True, time.monotonic() - started, loaded.warnings)


def place_of(team: Team) -> TeamPlace:
    """What a team's file says of its sandbox."""
    asked = team.limits
    limits = Limits(
        memory=asked.memory,
        cpu=asked.cpu,
        processes=asked.processes or PROCESSES,
        scratch=asked.scratch or SCRATCH,
    )
    assets = {name: tuple(grant.consumers) for name, grant in team.assets.items()}
    return TeamPlace(team.name, team.bundle, limits=limits, assets=assets, network=team.reachable)


def read(control: ControlPlane) -> list[dict[str, Any]]:
    """Every team as applied, by name, without any secret."""
    teams: list[dict[str, Any]] = control.run_control(WORKER, ["read-teams"], {})["teams"]
    return teams


def describe(control: ControlPlane, name: str) -> dict[str, Any]:
    """One team as applied.

    :raises InvalidInputError: there is no such team
    """
    teams = {team["name"]: team for team in read(control)}
    if name not in teams:
        near = did_you_mean(name, teams)
        raise InvalidInputError(
            f"there is no team {name}", fix=f"did you mean {near}?" if near else "airspace team list shows all"
        )
    team, source = teams[name], folders.read_sources(control.layout).get(name)
    return {
        "name": name,
        "title": team["title"],
        "dags_folder": source.folder if source else None,
        "bundle": team["bundle"],
        "members": team["members"],
        "connections": sorted(team["spec"].get("connections", {})),
        "variables": sorted(team["spec"].get("variables", {})),
        "pools": team["spec"].get("pools", {}),
        "assets": team["spec"].get("assets", {}),
        "slots": team["slots"],
        "limits": team["spec"].get("limits", {}),
        "network": team["spec"].get("network", []),
        "storage": str(control.layout.storage / name),
    }


def concerned(changes: tuple[Change, ...]) -> set[str]:
    """The bundles whose Dags to look at again: those of changed teams, and of teams whose grants changed."""
    found = {change.team for change in changes}
    for change in changes:
        if change.resource.startswith("asset "):
            for side in (change.before, change.after):
                found.update((side or {}).get("consumers") or ())
    return found


def _ask(control: ControlPlane, command: str, loaded: LoadedTeams, sources: Mapping[str, Source]) -> tuple[Change, ...]:
    payload = {
        "teams": [team.desired.as_dict() for team in loaded.teams],
        "sources": {bundle: source.folder for bundle, source in sources.items()},
    }
    answer = control.run_control(WORKER, [command], payload)
    return tuple(
        Change(item["team"], item["resource"], ChangeAction(item["action"]), item["before"], item["after"])
        for item in answer["changes"]
    )
