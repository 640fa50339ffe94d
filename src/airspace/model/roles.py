"""Who somebody is: the role in each team, the role on the platform, and the person who holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Role(str, Enum):
    """What a member may do in one team. Each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    LEAD = "lead"

    @property
    def rank(self) -> int:
        """Position in the order viewer < operator < author < lead."""
        return _ORDER.index(self)

    def includes(self, other: Role) -> bool:
        """Whether this role may do everything that the other one may."""
        return self.rank >= other.rank

    def __str__(self) -> str:
        return self.value


_ORDER: tuple[Role, ...] = tuple(Role)


class PlatformRole(str, Enum):
    """What somebody may do across all teams."""

    ADMIN = "admin"
    AUDITOR = "auditor"
    SUPPORT = "support"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Principal:
    """A signed-in person or script with everything that a decision may depend on.

    ``teams`` holds memberships only; what ``support`` adds is the decision's business, so that a listing of members
    never shows somebody who is not one. ``read_only`` is set while somebody else looks through this person's eyes.
    """

    name: str
    platform_role: PlatformRole | None = None
    support_role: Role = Role.OPERATOR
    teams: Mapping[str, Role] = field(default_factory=dict)
    read_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "teams", MappingProxyType(dict(self.teams)))

    def __hash__(self) -> int:
        return hash((self.name, self.platform_role, self.support_role, frozenset(self.teams.items()), self.read_only))
