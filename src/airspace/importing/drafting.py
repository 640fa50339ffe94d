"""All that was found, as team files: each piece is held against the rules of a team file before it goes into one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from airspace.importing import connections
from airspace.importing.deployment import Deployment, OldConnection, OldPool, OldVariable
from airspace.importing.findings import Unplaced, plain
from airspace.importing.mapping import TeamMap
from airspace.importing.people import members
from airspace.importing.placing import Placed, Placement, team_name
from airspace.importing.secrecy import Secrets, is_secret_variable
from airspace.importing.usage import Use
from airspace.model import names
from airspace.model.secret import is_reference
from airspace.model.team import Team

MOST_POOL_SLOTS = 100_000
LONGEST_VARIABLE = 16_000
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
Thing = TypeVar("Thing", OldConnection, OldVariable, OldPool)


@dataclass
class Draft:
    """One team file to be, as the mapping that is written."""

    name: str
    dags: list[Placed]
    document: dict[str, Any] = field(default_factory=dict)


@dataclass
class Drafts:
    """Everything that is to be written and told."""

    teams: dict[str, Draft] = field(default_factory=dict)
    unplaced: list[Unplaced] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    secrets: Secrets = field(default_factory=Secrets)


def draft(old: Deployment, placement: Placement, uses: Mapping[str, Use], team_map: TeamMap) -> Drafts:
    """The team files of a deployment.

    :param uses: team → what its code names
    """
    found = Drafts(unplaced=list(placement.unplaced), notes=[*old.notes, *placement.notes])
    by_team = placement.teams()
    for team in sorted({*by_team, *_mapped(team_map), *_native(old)}):
        found.teams[team] = Draft(team, by_team.get(team, []), {"name": team})
    joined = members(old, {team: [p.dag.dag_id for p in placed] for team, placed in by_team.items()}, team_map)
    found.unplaced += joined.unplaced
    for team, people in joined.of_team.items():
        _put(found, team, "members", {user: role.value for user, role in sorted(people.items())})
    given = _Given(found, uses, team_map)
    given.share("connection", old.connections, lambda use: use.connections, team_map.connections, _connection)
    given.share("variable", old.variables, lambda use: use.variables, team_map.variables, _variable)
    given.share("pool", _own_pools(old), lambda use: use.pools, team_map.pools, _pool)
    return found


def _mapped(team_map: TeamMap) -> Iterable[str]:
    for section in (team_map.connections, team_map.variables, team_map.pools):
        for teams in section.values():
            yield from teams


def _native(old: Deployment) -> Iterable[str]:
    things: Iterable[Any] = (*old.connections, *old.variables, *old.pools)
    return (team for thing in things if thing.team and (team := team_name(thing.team)))


def _own_pools(old: Deployment) -> list[OldPool]:
    """All but those that a team has anyway: Airflow's default, and the one with the team's own name."""
    return [pool for pool in old.pools if pool.name != "default_pool" and pool.name != pool.team]


Make = Callable[[str, str, Any, Secrets], Any]
"""team, short name, the old thing → its value in the team file; raises :class:`_UnfitError`"""


class _UnfitError(Exception):
    """A team file cannot say it: reason and what to do."""


@dataclass
class _Given:
    found: Drafts
    uses: Mapping[str, Use]
    team_map: TeamMap
    taken: dict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def share(
        self,
        kind: str,
        things: Iterable[Thing],
        named: Callable[[Use], set[str]],
        mapped: Mapping[str, tuple[str, ...]],
        make: Make,
    ) -> None:
        """Give each thing to the teams whose it is."""
        for thing in sorted(things, key=lambda each: each.name):
            users = [team for team, use in sorted(self.uses.items()) if thing.name in named(use)]
            if thing.name in mapped:
                teams: Iterable[str] = mapped[thing.name]
            elif thing.team:
                teams = [team] if (team := team_name(thing.team)) else []
            else:
                teams = users
            if not teams:
                self._unused(kind, thing, mapped)
            for team in teams:
                self._give(kind, thing, team, make)
            if kind == "pool" and len(list(teams)) > 1:
                self.found.notes.append(
                    f"The pool {plain(thing.name)} was one for all; each of {', '.join(teams)} now has one of its own."
                )

    def _unused(self, kind: str, thing: Thing, mapped: Mapping[str, tuple[str, ...]]) -> None:
        if thing.name in mapped:
            reason, todo = "the map file leaves it out", "nothing"
        else:
            reason = "no team's code that could be read names it"
            todo = f"name its teams in the map file: {kind}s: {{NAME: [TEAM]}}; [] leaves it out"
        self.found.unplaced.append(Unplaced(kind, thing.name, reason, todo))

    def _give(self, kind: str, thing: Thing, team: str, make: Make) -> None:
        short = thing.name.removeprefix(f"{thing.team}.") if thing.team else thing.name
        before = self.taken[team, kind]
        try:
            if not names.is_short_name(short):
                raise _UnfitError("its name cannot be one here", f"give it another; a name is {names.SHORT_RULE}")
            if short.casefold() in before:
                other = plain(before[short.casefold()])
                raise _UnfitError(f"is called like {other}, but for the case", "rename one of the two")
            value = make(team, short, thing, self.found.secrets)
        except _UnfitError as unfit:
            reason, todo = unfit.args
            self.found.unplaced.append(Unplaced(kind, thing.name, f"for {team}: {reason}", todo))
            return
        before[short.casefold()] = short
        if isinstance(thing, OldConnection) and "extra" in thing.hidden:
            todo = f"if it has one, write it into {team}.yaml"
            self.found.unplaced.append(Unplaced(kind, thing.name, f"for {team}: its extra could not be read", todo))
        self.found.teams[team].document.setdefault(f"{kind}s", {})[short] = value


def _connection(team: str, short: str, old: OldConnection, secrets: Secrets) -> Any:
    if not _TYPE.fullmatch(old.type):
        raise _UnfitError("its type is none", "write it into the team file by hand")
    if not connections.is_readable_extra(old):
        raise _UnfitError("its extra is no JSON object", "write it into the team file by hand")
    trial = connections.drafted(team, short, old, Secrets())
    _fits({"connections": {short: trial}})
    return connections.drafted(team, short, old, secrets)


def _variable(team: str, short: str, old: OldVariable, secrets: Secrets) -> Any:
    if old.value is None:
        return secrets.reference(team, ["var", short], None, f"the variable {short} of {team}")
    if len(old.value) > LONGEST_VARIABLE:
        raise _UnfitError("its value is too long for a team file", "write it to a file, and {file: PATH} here")
    if old.value and is_secret_variable(short, old.value):
        return secrets.reference(team, ["var", short], old.value, f"the variable {short} of {team}")
    value = _readable(old.value)
    _fits({"variables": {short: value}})
    return value


def _pool(_team: str, _short: str, old: OldPool, _secrets: Secrets) -> Any:
    if not 0 <= old.slots <= MOST_POOL_SLOTS:
        raise _UnfitError(f"it has {old.slots} slots", f"write a number up to {MOST_POOL_SLOTS} into the team file")
    return old.slots


def _readable(text: str) -> Any:
    """The value as YAML says it best, where that is stored as the very same text again."""
    try:
        value = json.loads(text)
        same = json.dumps(value) == text
        json.dumps(value, ensure_ascii=False).encode()  # half a character, written as an escape, stays an escape
    except (ValueError, RecursionError):
        return text
    return value if same and not isinstance(value, str) and value is not None and not is_reference(value) else text


def _fits(part: Mapping[str, Any]) -> None:
    """Hold one piece against the rules of a team file."""
    try:
        Team.model_validate({"name": "some_team", **part})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _UnfitError("a team file cannot hold it", f"write it by hand: {plain(str(first['msg']))}") from None


def _put(found: Drafts, team: str, key: str, value: Any) -> None:
    if value:
        found.teams[team].document[key] = value
