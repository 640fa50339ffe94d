"""Who becomes a member of what: from FAB's users and roles. Nobody gets more than they had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airspace.importing.deployment import STANDARD_ROLES, Deployment, OldUser, Permission
from airspace.importing.findings import Unplaced, plain
from airspace.importing.mapping import TeamMap
from airspace.importing.placing import granted_dags
from airspace.model import names
from airspace.model.roles import Role

_WRITES = ("can_create", "can_edit")


@dataclass
class Members:
    """Team → user → role, and who could not be placed."""

    of_team: dict[str, dict[str, Role]] = field(default_factory=lambda: defaultdict(dict))
    unplaced: list[Unplaced] = field(default_factory=list)


def members(old: Deployment, dags_of_team: Mapping[str, Iterable[str]], team_map: TeamMap) -> Members:
    """The members of each team.

    A role makes members of a team when it reaches *every* Dag of it: here nobody is a member of a part of a team.
    """
    found = Members()
    teams = {team: frozenset(dag_ids) for team, dag_ids in dags_of_team.items()}
    linked = _linked_roles(old, teams, team_map, found)
    taken: dict[str, str] = {}
    for user in sorted(old.users, key=lambda each: each.name):
        name = _name(user, team_map, found)
        if name is None:
            continue
        if name.casefold() in taken:
            todo = "give one of them another name in the map file: users: {OLD: NEW}"
            found.unplaced.append(Unplaced("user", user.name, f"is called like {plain(taken[name.casefold()])}", todo))
            continue
        taken[name.casefold()] = user.name
        _join(user, name, old, teams, linked, found)
    return found


def level(permissions: frozenset[Permission], dag_id: str) -> Role | None:
    """What somebody with these permissions is to one Dag; None where they may not even read it."""

    def may(action: str) -> bool:
        return (action, f"DAG:{dag_id}") in permissions or (action, "DAGs") in permissions

    if not may("can_read") and not may("can_edit"):
        return None
    if not may("can_edit"):
        return Role.VIEWER
    if not any((action, "Variables") in permissions for action in _WRITES):
        return Role.OPERATOR
    return Role.LEAD if any((action, "Connections") in permissions for action in _WRITES) else Role.AUTHOR


def _linked_roles(
    old: Deployment, teams: Mapping[str, frozenset[str]], team_map: TeamMap, found: Members
) -> dict[str, set[str]]:
    """Role → the teams whose members have it."""
    linked: dict[str, set[str]] = defaultdict(set)
    for role, dag_ids in sorted(granted_dags(old.roles).items()):
        for team, all_dags in teams.items():
            reached = dag_ids & all_dags
            if reached and reached == all_dags:
                linked[role].add(team)
            elif reached and team_map.roles.get(role) != team:
                reason = f"it reaches {len(reached)} of the {len(all_dags)} Dags of {team}"
                todo = f"add those who need it as members of {team}, or move the Dags to a team of their own"
                found.unplaced.append(Unplaced("role", role, reason, todo))
    for role, team in team_map.roles.items():
        if role in old.roles and team in teams:
            linked[role].add(team)
    return linked


def _name(user: OldUser, team_map: TeamMap, found: Members) -> str | None:
    name = team_map.users.get(user.name, user.name)
    if not user.active:
        found.unplaced.append(Unplaced("user", user.name, "is disabled there", "nothing, or add them as a member"))
    elif not names.is_user_name(name):
        todo = f"name them in the map file: users: {{OLD: NEW}}; a user name is {names.USER_RULE}"
        found.unplaced.append(Unplaced("user", user.name, "this is no user name here", todo))
    else:
        return name
    return None


def _join(
    user: OldUser,
    name: str,
    old: Deployment,
    teams: Mapping[str, frozenset[str]],
    linked: Mapping[str, set[str]],
    found: Members,
) -> None:
    permissions = frozenset[Permission]().union(*(old.roles.get(role, frozenset()) for role in user.roles))
    joined = {team for role in user.roles for team in linked.get(role, ())}
    for team in sorted(joined):
        levels = [level(permissions, dag_id) for dag_id in teams[team]]
        held = [each for each in levels if each is not None]
        least = min(held, key=lambda role: role.rank) if held and len(held) == len(levels) else Role.VIEWER
        found.of_team[team][name] = least
    everywhere = sorted(STANDARD_ROLES & set(user.roles) - {"Public"})
    if "Admin" in everywhere:
        todo = f"if they run the platform: airspace user add {name} --platform-role admin"
        found.unplaced.append(Unplaced("user", user.name, "was an administrator of everything", todo))
    elif everywhere and not joined:
        todo = f"add them to their teams, or: airspace user add {name} --platform-role auditor (or support)"
        reason = f"reached every Dag by the role {everywhere[0]}, which is no team's"
        found.unplaced.append(Unplaced("user", user.name, reason, todo))
    elif not joined:
        found.unplaced.append(
            Unplaced("user", user.name, "has no role that is a team's", "add them as a member of their team")
        )
