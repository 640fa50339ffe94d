"""Which process works for which team, and what that makes of the team's state. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from airspace.backends.processes import Usage
from airspace.platform.health import TeamStatus

VARIABLE = "AIRSPACE_TEAM"
# A forked child cannot change what /proc shows as its environment, so it names its team in its title.
_TITLE = re.compile(r"airspace (?:task|parse|zygote): ([a-z][a-z0-9_]*)(?: |$)")


def team_of(
    environment: Mapping[str, str], title: str, uid: int, *, owners: Mapping[int, str], believed: Collection[int]
) -> str | None:
    """The team that a process works for: by its user where each team has one, else by what it says of itself.

    Code of a team can write any title and any environment, so what a process says counts only where it is one of
    ours. Where an ordinary user runs the platform, and with isolation none, teams' code is that same user's: there a
    team can be counted as another one.

    :param owners: uid → the team whose user it is
    :param believed: uids of the platform's own processes
    """
    if team := owners.get(uid):
        return team
    if uid not in believed:
        return None
    if named := environment.get(VARIABLE):
        return named
    found = _TITLE.match(title)
    return found.group(1) if found else None


def team_statuses(names: Sequence[str], used: Sequence[Usage], *, ready: bool) -> tuple[TeamStatus, ...]:
    """Every team: ``running`` with processes, ``idle`` without, ``stopped`` when the platform is not ready."""
    made = []
    for name in names:
        mine = [usage for usage in used if usage.team == name]
        state = "running" if mine else ("idle" if ready else "stopped")
        made.append(TeamStatus(name, state, len(mine), round(sum(u.rss_bytes for u in mine) / 2**20, 1)))
    return tuple(made)
