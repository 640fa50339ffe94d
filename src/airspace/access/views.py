"""What somebody sees through another's eyes, or of one team alone. A view narrows, and never widens."""

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


def within(principal: Principal, team: str) -> Principal | None:
    """The same person as a member of this team alone; None where they may not look into it.

    An administrator is there what a lead is, and an auditor reads what a lead reads. What belongs to no team or to
    another one, and the platform's own pages, are not part of a team's view. Whether the team exists is not asked here.
    """
    role = role_in(principal, team)
    if principal.platform_role in (PlatformRole.ADMIN, PlatformRole.AUDITOR):
        role = Role.LEAD
    if role is None:
        return None
    read_only = principal.read_only or principal.platform_role is PlatformRole.AUDITOR
    return replace(principal, platform_role=None, teams={team: role}, read_only=read_only)


def landing(principal: Principal, recent: str | None) -> str | None:
    """The team in whose view somebody begins: the one looked at last, else the first; None: in no team's view.

    :param recent: what the browser remembers, which may be anything
    """
    if principal.platform_role is not None or not principal.teams:
        return None
    return recent if recent in principal.teams else min(principal.teams)


def _lower(one: Role, other: Role) -> Role:
    return one if other.includes(one) else other
