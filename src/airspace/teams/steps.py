"""Apply, step by step: what is done, in which order, so that being cut off anywhere does no harm.

Each step may be repeated. The first one writes down which teams are under way, the last one strikes them out: what is
found written down later was cut off, and the next apply rings for those teams even if it finds nothing to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.model.change import Change
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.team import Team
from airspace.sandbox.spec import PROCESSES, SCRATCH, Limits, TeamPlace
from airspace.teams import completing, folders, former, journal, markers, origins, remotes, renames
from airspace.teams.loading import LoadedTeams
from airspace.teams.ports import WORKER, ControlPlane, Tell
from airspace.teams.risks import Facts, with_risks


@dataclass
class Work:
    """An apply under way.

    :param again: teams that an earlier apply was cut off with
    """

    loaded: LoadedTeams
    control: ControlPlane
    again: frozenset[str] = frozenset()
    changes: tuple[Change, ...] = ()
    newcomers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step: its name for messages, and what it does."""

    name: str
    run: Callable[[Work], None] = field(repr=False)


def run(work: Work, tell: Tell = lambda _: None, steps: Iterable[Step] | None = None) -> Work:
    """All steps in order. The caller holds the apply lock.

    :param tell: is told the name of each step before it begins
    :raises InvalidInputError: one of the teams is being removed or renamed
    """
    if leaving := markers.begun(work.control.layout) & work.loaded.names:
        name = min(leaving)
        raise InvalidInputError(f"team {name} is being removed", fix=f"finish that: airspace team remove {name}")
    if renaming := renames.involving(work.control.layout, *work.loaded.names):
        message = f"team {renaming.team} is getting the name {renaming.name}"
        raise InvalidInputError(message, fix=f"finish that: {renaming.command}")
    _check_names(work)
    work.again = frozenset(journal.unfinished(work.control.layout))
    for step in STEPS if steps is None else steps:
        tell(step.name)
        step.run(work)
    return work


def _check_names(work: Work) -> None:
    """Once more: the files were read before the lock was had, and a team may have got another name meanwhile."""
    layout = work.control.layout
    known, there = former.read(layout), folders.kept_teams(layout)
    for team in work.loaded.teams if known else ():
        name = team.desired.name
        if name not in there and (found := former.objection(known, name, team.file.data)):
            raise InvalidInputError(found[0], fix=found[1])


def _begin(work: Work) -> None:
    journal.begin(work.control.layout, {team.desired.name: team.file.data for team in work.loaded.teams})


def _rows(work: Work) -> None:
    """Everything in the database, in one transaction."""
    work.changes, work.newcomers = ask(work.control, "apply-teams", work.loaded)


def _places(work: Work) -> None:
    """Unix users, storage, what sandboxes are made of."""
    work.control.settle([place_of(team.file.team) for team in work.loaded.teams])


def _warehouse(work: Work) -> None:
    """The team's part of the teams' own database, where there is one; what is so already is left alone."""
    if work.control.layout.warehouse.exists():
        work.control.run_control(WORKER, ["settle-warehouse"], {})


def _folders(work: Work) -> None:
    layout = work.control.layout
    for team in work.loaded.teams:
        folders.make_team_folders(layout, team.desired.name, default_source=not team.brings_folder)


def _credentials(work: Work) -> None:
    """What remote sources are fetched with: before the sources, so that none is ever there without."""
    fresh = {team.remote.id: team.desired.credential for team in work.loaded.teams if team.remote is not None}
    remotes.keep(work.control.layout, work.loaded.credentials.key, fresh)


def _sources(work: Work) -> None:
    """Where the fetcher finds the Dags."""
    folders.write_sources(work.control.layout, {team.desired.bundle: team.source for team in work.loaded.teams})


def _old_credentials(work: Work) -> None:
    """Those that no source needs any more."""
    remotes.forget_unused(work.control.layout)


def _copies(work: Work) -> None:
    """The files as applied, and where they came from."""
    layout = work.control.layout
    for team in work.loaded.teams:
        folders.keep_copy(layout, team.desired.name, team.file.data)
    origins.remember(layout, work.loaded.origins())
    completing.tell_everybody(layout, work.loaded.platform)


def _bells(work: Work) -> None:
    """The Dag processor looks at once."""
    for bundle in sorted((work.again & work.loaded.names) | concerned(work.changes)):
        work.control.ring(bundle)


def _end(work: Work) -> None:
    former.applied(work.control.layout, work.loaded.names)
    journal.end(work.control.layout, work.loaded.names)


STEPS: tuple[Step, ...] = (
    Step("begin", _begin),
    Step("database", _rows),
    Step("places", _places),
    Step("warehouse", _warehouse),
    Step("folders", _folders),
    Step("credentials", _credentials),
    Step("sources", _sources),
    Step("old_credentials", _old_credentials),
    Step("copies", _copies),
    Step("bells", _bells),
    Step("end", _end),
)


def ask(control: ControlPlane, command: str, loaded: LoadedTeams) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes that the worker finds, or makes, with their risks; and the members who have no account yet."""
    payload = {
        "teams": [team.desired.as_dict() for team in loaded.teams],
        "sources": _as_applied(control.layout),
    }
    answer = control.run_control(WORKER, [command], payload)
    facts = Facts(answer["running"], _leads(loaded))
    changes = (with_risks(Change.from_dict(item), facts) for item in answer["changes"])
    return tuple(changes), tuple(answer["newcomers"])


def _as_applied(layout: HomeLayout) -> dict[str, Any]:
    """The sources for the comparison, with what they are fetched with: over a pipe, and nowhere else."""
    sources, known = folders.read_sources(layout), remotes.read_credentials(layout).known
    return {
        bundle: {"remote": source.remote.shown, "credential": known.get(source.remote.id, {})}
        if source.remote
        else {"folder": source.folder}
        for bundle, source in sources.items()
    }


def _leads(loaded: LoadedTeams) -> Mapping[str, int]:
    return {team.desired.name: list(team.desired.members.values()).count("lead") for team in loaded.teams}


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


def concerned(changes: Iterable[Change]) -> set[str]:
    """The bundles whose Dags to look at again: those of changed teams, and of teams whose grants changed."""
    found: set[str] = set()
    for change in changes:
        found.add(change.team)
        if change.resource.startswith("asset "):
            for side in (change.before, change.after):
                found.update((side or {}).get("consumers") or ())
    return found


__all__ = ["STEPS", "Step", "Tell", "Work", "ask", "concerned", "place_of", "run"]
