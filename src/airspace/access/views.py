"""Looking through somebody else's eyes: what an administrator or support may see of what a user sees. Never writes."""

from __future__ import annotations

from dataclasses import replace

from airspace.access.rules import role_in
from airspace.model.roles import PlatformRole, Principal, Role


def as_seen_by(viewer: Principal, target: Principal) -> Principal | None:
    """The target as the viewer may look through; None where the viewer may not.

    An administrator sees exactly what the target sees. Support sees no more than both may: in each team the lower of
    the two roles, and nothing of somebody who holds a platform role, whose reach is wider than support's own.
    """
    if viewer.platform_role is PlatformRole.ADMIN:
        return replace(target, read_only=True)
    if viewer.platform_role is not PlatformRole.SUPPORT or target.platform_role is not None:
        return None
    teams = {team: _lower(role, role_in(viewer, team) or Role.VIEWER) for team, role in target.teams.items()}
    return replace(target, teams=teams, read_only=True)


def _lower(one: Role, other: Role) -> Role:
    return one if other.includes(one) else other
