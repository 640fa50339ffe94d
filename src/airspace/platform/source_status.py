"""How the teams' Dag sources are: for ``status``, ``team show``, ``plan`` and ``team fetch``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airspace.backends.remotes import states
from airspace.backends.remotes.job import Job, Seen
from airspace.model.errors import AirspaceError, InvalidInputError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.model.names import did_you_mean
from airspace.model.problem import Problem
from airspace.platform import bells
from airspace.platform.puller import settings_of
from airspace.teams import folders
from airspace.teams.folders import Source
from airspace.teams.service import LoadedTeam, LoadedTeams

MOST_ASKED = 32  # sources that plan asks whether they answer; of the rest, the first look tells
_STATUS = "sources-status.json"
_MOST_BYTES = 64 << 20

Run = Callable[[str, list[str], Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class SourceStatus:
    """One team's source.

    :param kind: ``folder``, ``git`` or ``object_store``
    :param place: where that is: ``folder``, or ``url`` and what goes with it
    :param version: the commit, or a digest of what the object store lists; None of a folder
    :param fetched_at: when it was last looked at with success
    :param problem: what is wrong with it now, and ``fix``: what mends it
    :param left_out: path → why it is not in the bundle
    """

    team: str
    kind: str
    place: dict[str, Any]
    version: str | None
    fetched_at: str | None
    problem: str | None
    fix: str | None
    left_out: dict[str, str]


def statuses(layout: HomeLayout, run: Path) -> tuple[SourceStatus, ...]:
    """Every applied team's source, by name."""
    copied = _copied(run)
    return tuple(
        _status(layout, bundle, source, copied.get(bundle) or {})
        for bundle, source in sorted(folders.read_sources(layout).items())
    )


def one(layout: HomeLayout, run: Path, bundle: str) -> SourceStatus | None:
    """The source of one applied team."""
    source = folders.read_sources(layout).get(bundle)
    return None if source is None else _status(layout, bundle, source, _copied(run).get(bundle) or {})


def checked(loaded: LoadedTeams, layout: HomeLayout, run: Run) -> LoadedTeams:
    """The same with a warning for every remote source that cannot be fetched. Takes some seconds at most.

    What is applied already is not asked again: how it is, is known.
    """
    applied = {source.remote.id for source in folders.read_sources(layout).values() if source.remote is not None}
    found, unknown = [], []
    for team in loaded.teams:
        if team.remote is None:
            continue
        if team.remote.id in applied and states.stamp(layout.remotes, team.remote.id):
            found += _warning(team, states.read(layout.remotes, team.remote.id).problem(team.remote.folder))
        else:
            unknown.append(team)
    for team, seen in _ask(unknown, layout, run):
        found += _warning(team, seen.error)
    return replace(loaded, warnings=(*loaded.warnings, *found))


def fetch_now(layout: HomeLayout, run: Path, name: str, seconds: float) -> SourceStatus:
    """Have a team's source looked at now, and wait until that was done.

    :raises AirspaceError: it cannot be fetched; the last copy stays
    """
    sources = folders.read_sources(layout)
    if name not in sources:
        near = did_you_mean(name, sources)
        raise InvalidInputError(
            f"there is no team {name}", fix=f"did you mean {near}?" if near else "airspace team list shows all"
        )
    remote = sources[name].remote
    if remote is None:
        return _status(layout, name, sources[name], _copied(run).get(name) or {})
    started = time.time()
    if not bells.ring(bells.SOURCES, name, run):
        raise NotRunningError("the platform is not running", fix="airspace up")
    state = states.read(layout.remotes, remote.id)
    while state.looked_at < started:
        if time.time() > started + seconds:
            raise AirspaceError(f"the source of {name} was not fetched within {seconds:.0f} s", fix="airspace status")
        time.sleep(0.05)
        state = states.read(layout.remotes, remote.id)
    if wrong := state.problem(remote.folder):
        raise AirspaceError(f"the source of {name}: {wrong[0]}", fix=wrong[1])
    return _status(layout, name, sources[name], _copied(run).get(name) or {})


def _status(layout: HomeLayout, bundle: str, source: Source, copied: Mapping[str, Any]) -> SourceStatus:
    left_out = dict(copied.get("problems") or {})
    if source.remote is None:
        reason = left_out.pop(".", None)
        fix = f"look at {source.folder}" if reason else None
        return SourceStatus(bundle, "folder", {"folder": source.folder}, None, None, reason, fix, left_out)
    remote, state = source.remote, states.read(layout.remotes, source.remote.id)
    problem, fix = state.problem(remote.folder) or (None, None)
    if state.version is None and problem is None:
        problem, fix = "it was not fetched yet", f"wait, or: airspace team fetch {source.team}"
    left_out = state.left_out.get(remote.folder, {}) | left_out
    fetched = datetime.fromtimestamp(state.fetched_at, timezone.utc).isoformat() if state.fetched_at else None
    return SourceStatus(bundle, remote.kind, remote.shown, state.version, fetched, problem, fix, left_out)


def _ask(teams: list[LoadedTeam], layout: HomeLayout, run: Run) -> list[tuple[LoadedTeam, Seen]]:
    if not teams:
        return []
    settings = settings_of(layout.airflow / "airflow.cfg")
    every = {team.remote.id: team for team in teams if team.remote is not None}
    first = dict(list(every.items())[:MOST_ASKED])
    jobs = [
        Job(team.remote.kind, team.remote.place, (team.remote.folder,), "", team.desired.credential, settings).dump()
        for team in first.values()
        if team.remote is not None
    ]
    try:
        answers = run("airspace.backends.remotes", ["reach"], {"jobs": jobs})["seen"]
        seen = dict(zip(first, [Seen.load(json.dumps(answer)) for answer in answers], strict=True))
    except NotRunningError:
        return []
    return [(team, seen[team.remote.id]) for team in teams if team.remote is not None and team.remote.id in seen]


def _warning(team: LoadedTeam, wrong: tuple[str, str] | None) -> list[Problem]:
    if wrong is None or team.remote is None:
        return []
    path = ("dags", team.remote.kind)
    return [team.file.problem(path, "source", f"the Dags cannot be fetched: {wrong[0]}", wrong[1], on_key=True)]


def _copied(run: Path) -> dict[str, Any]:
    try:
        with (run / _STATUS).open("rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
