"""The one decision function. Every door asks it: principal, action, resource; yes or no, and why.

Pure: no clock, no database, no HTTP. A rule says yes or has no opinion, and what no rule grants is refused. That is
also what keeps a thing without a team with the administrators: every rule about roles starts from the team it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from airspace.access.table import NEEDED, Action, Kind
from airspace.model.roles import PlatformRole, Principal, Role

__all__ = ["PLATFORM_HOME", "RULES", "Action", "Decision", "Kind", "Resource", "Rule", "decide", "may_in", "role_in"]


@dataclass(frozen=True)
class Resource:
    """What the question is about.

    ``team`` owns it; a thing without a team is the platform's. ``readers`` are other teams that its owner lets read.
    ``listing`` asks for a list as a whole: whoever gives the answer then shows only the rows that pass one by one.
    """

    kind: Kind
    team: str | None = None
    id: str | None = None
    readers: frozenset[str] = frozenset()
    listing: bool = False

    def __str__(self) -> str:
        name = f"{self.kind} {self.id}" if self.id else str(self.kind)
        return f"{name} of team {self.team}" if self.team else name


@dataclass(frozen=True)
class Decision:
    """``hidden``: whoever asked may not know that it exists, so the answer is that of a missing thing (404)."""

    allowed: bool
    reason: str
    hidden: bool = False

    def __bool__(self) -> bool:
        return self.allowed


Rule = Callable[[Principal, Action, Resource], str | None]
"""Gives the reason why this is allowed, or None: no opinion."""

PLATFORM_HOME = "platform_home"
"""The page on which every team's health is."""

_EVERYBODYS_PAGES = frozenset({"docs", "import_errors", "plugins", "website"})


def administrators_do_everything(principal: Principal, _action: Action, _resource: Resource) -> str | None:
    """The platform role ``admin`` does everything, also with what has no team."""
    return "platform admin" if principal.platform_role is PlatformRole.ADMIN else None


def auditors_read_everything(principal: Principal, action: Action, _resource: Resource) -> str | None:
    """The platform role ``auditor`` reads everything."""
    return "auditors read everything" if _is_auditor(principal) and action is Action.READ else None


def members_act_by_role(principal: Principal, action: Action, resource: Resource) -> str | None:
    """A member does in the team what the role table says; an auditor changes nothing, whatever else they are."""
    role = principal.teams.get(resource.team) if resource.team else None
    return f"{role} of team {resource.team}" if _role_allows(principal, role, action, resource.kind) else None


def support_reaches_every_team(principal: Principal, action: Action, resource: Resource) -> str | None:
    """The platform role ``support`` acts in every team as a member with the role named for it would."""
    if principal.platform_role is not PlatformRole.SUPPORT or resource.team is None:
        return None
    allowed = _role_allows(principal, principal.support_role, action, resource.kind)
    return f"support reaches every team as {principal.support_role}" if allowed else None


def support_opens_the_platforms_home(principal: Principal, action: Action, resource: Resource) -> str | None:
    """The platform role ``support`` opens the platform's home, where every team's health is."""
    page = resource.kind is Kind.PAGE and resource.id == PLATFORM_HOME and action is Action.READ
    return "support sees how all teams are" if page and principal.platform_role is PlatformRole.SUPPORT else None


def consumers_read_shared_assets(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Members of a team that consumes an asset read it, and only that."""
    if resource.kind is not Kind.ASSET or action is not Action.READ:
        return None
    shared = sorted(resource.readers & principal.teams.keys())
    return f"consumed by team {shared[0]}" if shared else None


def lists_open_where_rows_may_show(principal: Principal, action: Action, resource: Resource) -> str | None:
    """A list opens for those who may do this in some team; it shows, and touches, only the rows that pass."""
    if not resource.listing:
        return None
    support = principal.platform_role is PlatformRole.SUPPORT
    roles = [*principal.teams.values(), *([principal.support_role] if support else [])]
    allowed = any(_role_allows(principal, role, action, resource.kind) for role in roles)
    return "the list shows only what may be seen" if allowed else None


def everyday_lists_open_for_everyone(_principal: Principal, action: Action, resource: Resource) -> str | None:
    """Lists of what a viewer may read open for everyone signed in: without a role they are empty, not an error."""
    viewer = NEEDED.get((resource.kind, action)) is Role.VIEWER
    return "the list shows only what may be seen" if resource.listing and viewer else None


def everyone_opens_common_pages(_principal: Principal, action: Action, resource: Resource) -> str | None:
    """Pages that hold no team's data, or only rows that pass one by one, open for everyone signed in."""
    common = resource.kind is Kind.PAGE and resource.id in _EVERYBODYS_PAGES
    return "a page for everyone" if common and action is Action.READ else None


RULES: tuple[Rule, ...] = (
    administrators_do_everything,
    auditors_read_everything,
    members_act_by_role,
    support_reaches_every_team,
    support_opens_the_platforms_home,
    consumers_read_shared_assets,
    lists_open_where_rows_may_show,
    everyday_lists_open_for_everyone,
    everyone_opens_common_pages,
)


def decide(principal: Principal, action: Action, resource: Resource, rules: Sequence[Rule] = RULES) -> Decision:
    """Whether ``principal`` may do ``action`` with ``resource``; refused unless a rule grants it."""
    if principal.read_only and action is not Action.READ:
        return replace(decide(principal, Action.READ, resource, rules), allowed=False, reason="this view is read-only")
    for rule in rules:
        if reason := rule(principal, action, resource):
            return Decision(True, reason)
    named = resource.id is not None or resource.team is not None
    if named and action is not Action.READ:
        readable = decide(principal, Action.READ, resource, rules).allowed
        return Decision(False, _lacking(principal, action, resource), hidden=not readable)
    return Decision(False, _lacking(principal, action, resource), hidden=named and resource.kind is not Kind.PAGE)


def role_in(principal: Principal, team: str) -> Role | None:
    """The highest role that counts in this team: membership, or what support brings."""
    held = [principal.teams[team]] if team in principal.teams else []
    if principal.platform_role is PlatformRole.SUPPORT:
        held.append(principal.support_role)
    return max(held, key=lambda role: role.rank, default=None)


def may_in(principal: Principal, action: Action, kind: Kind, team: str, rules: Sequence[Rule] = RULES) -> bool:
    """Whether ``principal`` may do ``action`` with things of this kind in ``team``."""
    return decide(principal, action, Resource(kind, team), rules).allowed


def may_everywhere(principal: Principal, action: Action, kind: Kind, rules: Sequence[Rule] = RULES) -> bool:
    """Whether ``principal`` may do this also with things of no team, which means with everybody's."""
    return decide(principal, action, Resource(kind), rules).allowed


def _is_auditor(principal: Principal) -> bool:
    return principal.platform_role is PlatformRole.AUDITOR


def _role_allows(principal: Principal, role: Role | None, action: Action, kind: Kind) -> bool:
    needed = NEEDED.get((kind, action))
    if role is None or needed is None or (_is_auditor(principal) and action is not Action.READ):
        return False
    return role.includes(needed)


def _lacking(principal: Principal, action: Action, resource: Resource) -> str:
    if _is_auditor(principal) and action is not Action.READ:
        return "auditors change nothing"
    needed = NEEDED.get((resource.kind, action))
    if resource.team is None:
        who = f"members with the role {needed}" if resource.listing and needed else "platform admins"
        return f"only {who} may {action} {replace(resource, id=None)}"
    held = role_in(principal, resource.team)
    if held is None:
        return f"{principal.name} has no role in team {resource.team}"
    return f"{action} {resource.kind} needs the role {needed or 'admin'} in team {resource.team}, not {held}"
