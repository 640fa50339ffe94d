"""Plan and apply: the team files of a folder made so on a running platform."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airspace.model.change import Change
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.names import did_you_mean
from airspace.model.problem import Problem
from airspace.model.warehouse import Offer
from airspace.teams import checks, completing, folders, former, journal, mishaps, origins, remotes, steps
from airspace.teams.desired import desired_team
from airspace.teams.files import (
    InvalidFilesError,
    Machine,
    Pushed,
    Surroundings,
    TeamFile,
    read_files,
    read_one,
    unread,
)
from airspace.teams.loading import LoadedTeam, LoadedTeams
from airspace.teams.ports import WORKER, ControlPlane, Tell
from airspace.teams.references import KeyPath, age_key_file, ask_backend, resolve
from airspace.teams.remotes import Credentials
from airspace.teams.sealed import Keyring
from airspace.teams.steps import Work


@dataclass(frozen=True)
class Outcome:
    """What plan found or apply did.

    :param newcomers: users who become members and have no account yet
    :param gone: teams that were applied from this folder and have no file there any more
    :param unfinished: teams that an earlier apply was cut off with, and this one is not about
    """

    changes: tuple[Change, ...]
    applied: bool
    seconds: float
    warnings: tuple[Problem, ...] = ()
    newcomers: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "changes": [change.as_dict() for change in self.changes],
            "applied": self.applied,
            "seconds": round(self.seconds, 3),
            "warnings": [problem.as_dict() for problem in self.warnings],
            "newcomers": list(self.newcomers),
            "gone": list(self.gone),
            "unfinished": list(self.unfinished),
        }


def load(
    directory: Path,
    layout: HomeLayout,
    environ: Mapping[str, str],
    root: Path | None = None,
    control: ControlPlane | None = None,
    pushed: Pushed | None = None,
) -> LoadedTeams:
    """Read and judge every team file of a folder. Needs no running platform, unless a file names a secrets backend.

    :param root: Dag folders must be inside it; by default the folder itself
    :param control: who asks the secrets backend that ``{backend: NAME}`` means
    :param pushed: set when the folder came from a repository
    :raises InvalidFilesError: with every problem of every file
    """
    files, problems = read_files(directory)
    around = replace(_surroundings(layout, environ, root), pushed=pushed)
    around = replace(around, backend=ask_backend([file.team for file in files], control))
    return _judge(files, problems, directory, layout, around)


def load_one(
    path: Path,
    data: bytes,
    layout: HomeLayout,
    environ: Mapping[str, str] | None,
    root: Path | None = None,
    control: ControlPlane | None = None,
) -> LoadedTeams:
    """Judge one team file with this content, on disk or not yet. The others of its folder are not looked at.

    :param environ: None: no reference is followed, and what needs a secret stays as it is
    :param control: as for :func:`load`
    :raises InvalidFilesError: with every problem of the file
    """
    file, problems = read_one(path, data)
    files = [file] if file else []
    around = _surroundings(layout, environ or {}, root)
    if environ is not None:
        around = replace(around, backend=ask_backend([file.team for file in files], control))
    loaded = _judge(files, problems, path.parent, layout, around, follow=environ is not None)
    return replace(loaded, whole=False)


def _surroundings(layout: HomeLayout, environ: Mapping[str, str], root: Path | None) -> Surroundings:
    sources = folders.read_sources(layout)
    return Surroundings(
        root=root,
        known_teams=folders.kept_teams(layout) | {source.team for source in sources.values()},
        folders={source.team: Path(source.folder) for source in sources.values() if source.remote is None},
        remotes={source.team: source.remote for source in sources.values() if source.remote is not None},
        environ=environ,
        keyring=Keyring(environ, age_key_file(layout)),
        defaults=layout.dags.resolve(),
        forbidden=tuple(place.resolve() for place in layout.private),
        machine=_machine(layout.root),
        former=former.read(layout),
    )


def _machine(home: Path) -> Machine:
    return Machine(
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cpu=os.cpu_count() or 1,
        processes=int(Path("/proc/sys/kernel/pid_max").read_text()),
        disk=_disk(home.absolute()),
    )


def _disk(home: Path) -> int:
    """Bytes of the disk that has the home, or will have it."""
    for place in (home, *home.parents):
        with contextlib.suppress(OSError):
            found = os.statvfs(place)
            return found.f_frsize * found.f_blocks
    return 0


def _judge(
    files: list[TeamFile],
    problems: list[Problem],
    directory: Path,
    layout: HomeLayout,
    around: Surroundings,
    *,
    follow: bool = True,
) -> LoadedTeams:
    with mishaps.about(str(directory)):
        platform, wrong = completing.beside(directory)
        problems.extend(wrong)
        around = replace(around, unread=unread(files, problems))
        files, wrong = completing.complete(files, platform)
        problems.extend(wrong)
        problems.extend(checks.check(files, directory, around))
    loaded = []
    credentials = remotes.read_credentials(layout)
    for file in files:
        with mishaps.about(file.shown):
            secrets, missing = resolve(file, around) if follow else ({}, [])
            problems.extend(missing)
            for name, connection in file.team.connections.items():
                uri = secrets.get(("connections", name, "uri"), connection.uri)
                if isinstance(uri, str):
                    problems.extend(checks.check_uri(file, name, uri))
            if not problems:
                loaded.append(_loaded(file, secrets, layout, around, credentials))
    if problems:
        raise InvalidFilesError(problems)
    return LoadedTeams(tuple(loaded), tuple(checks.warnings(files)), platform, around.root, credentials=credentials)


def _loaded(
    file: TeamFile,
    secrets: Mapping[KeyPath, str],
    layout: HomeLayout,
    around: Surroundings,
    credentials: Credentials,
) -> LoadedTeam:
    source, applied = file.team.dags, around.remotes.get(file.team.name)
    lost = [path for path in file.team.references() if path not in secrets]
    if any(path[0] == "dags" for path in lost):
        secrets = {**remotes.kept_secrets(file, applied, credentials), **secrets}
    credential = remotes.credential_of(source, secrets)
    remote = remotes.remote_of(source, credential, credentials, str(layout.root / "known_hosts"))
    folder = "" if remote else str(checks.source_folder(file) or layout.dags / file.team.name)
    kept = sorted({f"{path[0].removesuffix('s')} {path[1]}" for path in lost if path[0] != "dags"})
    desired = desired_team(file.team, folder, {**dict.fromkeys(lost, ""), **secrets})
    shown = remote.shown if remote else {}
    return LoadedTeam(file, replace(desired, kept=tuple(kept), remote=shown, credential=credential), remote)


def plan(loaded: LoadedTeams, control: ControlPlane) -> Outcome:
    """What apply would change; nothing is touched."""
    started = time.monotonic()
    changes, newcomers = steps.ask(control, "plan-teams", loaded)
    return _outcome(loaded, control.layout, changes, newcomers, applied=False, started=started)


def apply(loaded: LoadedTeams, control: ControlPlane, tell: Tell = lambda _: None) -> Outcome:
    """Make it so. Whatever cuts this off, applying again finishes it; two at once happen one after the other.

    :param tell: is told the name of each step before it begins
    :raises NotRunningError: the platform is not running; nothing was changed
    """
    with folders.apply_lock(control.layout):
        return apply_held(loaded, control, tell)


def apply_held(loaded: LoadedTeams, control: ControlPlane, tell: Tell = lambda _: None) -> Outcome:
    """The same for who holds the lock already."""
    started = time.monotonic()
    work = steps.run(Work(loaded, control), tell)
    return _outcome(loaded, control.layout, work.changes, work.newcomers, applied=True, started=started)


@dataclass(frozen=True)
class Drift:
    """What somebody changed elsewhere since the files were applied.

    :param changes: what would bring back what the files said
    :param unreadable: teams whose file was kept by another version: apply it again
    :param teams: how many were looked at
    :param values: what is there instead, team → resource → field → value; without anything that may be a secret
    """

    changes: tuple[Change, ...]
    unreadable: tuple[str, ...]
    teams: int
    values: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "changes": [change.as_dict() for change in self.changes],
            "unreadable": list(self.unreadable),
            "teams": self.teams,
        }


def drift(control: ControlPlane, names: Collection[str] | None = None) -> Drift:
    """Hold what is there against the files as applied; needs none of them.

    :param names: the teams to look at; None: all
    """
    payload = {"teams": None if names is None else sorted(names), "values": True}
    answer = control.run_control(WORKER, ["find-drift"], payload)
    changes = tuple(Change.from_dict(item) for item in answer["changes"])
    return Drift(changes, tuple(answer["unreadable"]), answer["teams"], answer["values"])


def _outcome(
    loaded: LoadedTeams,
    layout: HomeLayout,
    changes: tuple[Change, ...],
    newcomers: tuple[str, ...],
    *,
    applied: bool,
    started: float,
) -> Outcome:
    gone = origins.gone(layout, loaded.platform.place, loaded.names) if loaded.whole else []
    left = sorted(set(journal.unfinished(layout)) - loaded.names)
    seconds = time.monotonic() - started
    return Outcome(changes, applied, seconds, loaded.warnings, newcomers, tuple(gone), tuple(left))


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
    origin = origins.read(control.layout).get(name)
    return {
        "name": name,
        "title": team["title"],
        "dags_folder": source.folder or None if source else None,
        "file": origin.file if origin else None,
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
        "hold": team["hold"],
        "warehouse": _warehouse(control.layout, name),
    }


def _warehouse(layout: HomeLayout, name: str) -> dict[str, Any]:
    try:
        return Offer.read(layout.warehouse.read_text(encoding="utf-8")).described(name)
    except (OSError, ValueError):
        return {"available": False, "reason": "it was not set up"}


def state_of(team: Mapping[str, Any], states: Mapping[str, str]) -> str:
    """``suspended``, ``leaving``, or what its processes say.

    :param states: team → whether something runs for it
    """
    hold = team["hold"]
    return str(hold["kind"]) if hold else states.get(str(team["name"]), "idle")


__all__ = [
    "LoadedTeam",
    "LoadedTeams",
    "Outcome",
    "apply",
    "apply_held",
    "describe",
    "drift",
    "load",
    "load_one",
    "plan",
    "state_of",
]
