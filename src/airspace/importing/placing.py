"""Which Dag is whose. The folder decides, as from now on; then who was given rights to it; a person above all.

What a Dag says of itself in free words, its owner and its tags, is a hint for the report and never a decision.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from airspace.importing.deployment import DAGS_FOLDER, STANDARD_ROLES, Deployment, OldDag, Permission
from airspace.importing.findings import Unplaced, plain
from airspace.importing.mapping import TeamMap
from airspace.model import names

# What people append to a team's name to call a role.
_ROLE_WORDS = (
    "team|role|dev|devs|developers?|editors?|viewers?|users?|readers?|operators?|authors?|leads?|admins?|owners?"
)
_ROLE_END = re.compile(rf"(?:[\s_.-]+(?:{_ROLE_WORDS}))+$", re.IGNORECASE)
_NEARLY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{2,40}")
_DAG_RESOURCE = re.compile(r"DAG:(.+)", re.DOTALL)


@dataclass(frozen=True)
class Placed:
    """Whose a Dag is, and which rule says so: map, team, bundle, folder, role."""

    dag: OldDag
    path: str | None
    team: str
    rule: str


@dataclass
class Placement:
    """All Dags."""

    placed: list[Placed] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def teams(self) -> dict[str, list[Placed]]:
        """Team → its Dags."""
        found: dict[str, list[Placed]] = defaultdict(list)
        for each in self.placed:
            found[each.team].append(each)
        return dict(sorted(found.items()))


Locate = Callable[[OldDag], str | None]
"""A Dag → the path of its file inside the Dag folder, where that is known."""


def place(old: Deployment, team_map: TeamMap, locate: Locate) -> Placement:
    """Whose each Dag is, or why nobody's."""
    found = Placement()
    granted = granted_dags(old.roles)
    by_dag: dict[str, set[str]] = defaultdict(set)
    for role, dag_ids in granted.items():
        for dag_id in dag_ids:
            by_dag[dag_id].add(role)
    origins: dict[str, set[str]] = defaultdict(set)
    for dag in sorted(old.dags, key=lambda each: each.dag_id):
        path = locate(dag)
        answer = _decide(dag, path, by_dag.get(dag.dag_id, set()), team_map)
        if isinstance(answer, Unplaced):
            found.unplaced.append(answer)
            continue
        team, rule, origin = answer
        if rule in ("folder", "bundle"):
            origins[team].add(origin)
        found.placed.append(Placed(dag, path, team, rule))
    _refuse_folded(found, origins)
    return found


def granted_dags(roles: Mapping[str, frozenset[Permission]]) -> dict[str, set[str]]:
    """Role → the Dags that it names one by one. The standard roles are nobody's."""
    found: dict[str, set[str]] = {}
    for role, permissions in roles.items():
        if role in STANDARD_ROLES:
            continue
        named = {match.group(1) for _, resource in permissions if (match := _DAG_RESOURCE.fullmatch(resource))}
        if named:
            found[role] = named
    return found


def team_of_role(role: str, team_map: TeamMap) -> str | None:
    """The team that a role's name tells, or the map."""
    return team_map.roles.get(role) or team_name(_ROLE_END.sub("", role))


def team_name(text: str) -> str | None:
    """The text as a team's name, where it is nearly one."""
    if names.is_team_name(text):
        return text
    return names.suggest_team_name(text) if _NEARLY.fullmatch(text) else None


def guessed_path(dag: OldDag, files: Iterable[str]) -> str | None:
    """Where a Dag's file lies inside the Dag folder: as told, as found in the folder, or below a folder ``dags``."""
    if dag.path and not dag.path.startswith("/"):
        told: str | None = _tidy(dag.path)
    else:
        told = None
    known = files if isinstance(files, (set, frozenset)) else set(files)
    parts = PurePosixPath(dag.file or dag.path or "").parts
    for start in range(len(parts)):
        candidate = "/".join(parts[start:])
        if candidate in known:
            return candidate
    if told:
        return told
    if "dags" in parts[:-1]:
        return _tidy("/".join(parts[parts.index("dags") + 1 :]))
    return None


def _tidy(path: str) -> str | None:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/".join(parts) if parts and ".." not in parts else None


Answer = tuple[str, str, str]
"""team, rule, where the team's name comes from"""


def _decide(dag: OldDag, path: str | None, roles: set[str], team_map: TeamMap) -> Answer | Unplaced:
    if team := team_map.of_dag(dag.dag_id):
        return team, "map", dag.dag_id
    if dag.team and (team := team_name(dag.team)):
        return team, "team", dag.team
    if dag.bundle and dag.bundle != DAGS_FOLDER:
        return _by_origin(dag, "bundle", dag.bundle, team_map)
    folder = path.split("/")[0] if path and "/" in path else None
    if folder:
        return _by_origin(dag, "folder", folder, team_map)
    for owner in dag.owners:
        if owner in team_map.owners:
            return team_map.owners[owner], "map", owner
    return _by_role(dag, roles, team_map)


def _by_origin(dag: OldDag, rule: str, origin: str, team_map: TeamMap) -> Answer | Unplaced:
    if origin in team_map.folders:
        return team_map.folders[origin], "map", origin
    if team := team_name(origin):
        return team, rule, origin
    todo = f"name a team for it in the map file: folders: {{{plain(origin)}: ...}}"
    return Unplaced("dag", dag.dag_id, f"its {rule} {plain(origin)} is no team name", todo)


def _by_role(dag: OldDag, roles: set[str], team_map: TeamMap) -> Answer | Unplaced:
    teams = {team for role in roles if (team := team_of_role(role, team_map))}
    if len(teams) == 1:
        return teams.pop(), "role", ", ".join(sorted(roles))
    hints = [*(owner for owner in dag.owners if owner.lower() != "airflow"), *dag.tags]
    hint = f"; its owner and tags say: {plain(', '.join(hints))}" if hints else ""
    if teams:
        reason = f"it lies in no folder, and roles of several teams were given to it: {plain(', '.join(sorted(teams)))}"
    else:
        reason = f"it lies in no folder below the Dag folder, and no role of a team was given to it{hint}"
    return Unplaced("dag", dag.dag_id, reason, "name its team in the map file: dags: {DAG_ID: TEAM}")


def _refuse_folded(found: Placement, origins: Mapping[str, set[str]]) -> None:
    """Two folders whose names fold into one team's: that they are one team is for a person to say."""
    for team, given in origins.items():
        if len(given) < 2:
            continue
        folders = plain(", ".join(sorted(given)))
        for each in [each for each in found.placed if each.team == team and each.rule in ("folder", "bundle")]:
            found.placed.remove(each)
            todo = "say in the map file which team each is: folders: {FOLDER: TEAM}"
            found.unplaced.append(
                Unplaced("dag", each.dag.dag_id, f"the folders {folders} would all be the team {team}", todo)
            )
