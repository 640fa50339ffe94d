"""One difference between what a team file says and what is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class ChangeAction(str, Enum):
    """What happens to the resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Change:
    """What apply does, or plan would do, to one resource of one team.

    :param resource: ``team``, ``bundle``, ``pool gpu``, ``connection warehouse``, ``variable threshold``,
        ``member ada``, ``asset churn_predictions``
    :param before: the fields that change, as they are; None when the resource is new. Never a secret.
    :param after: the same fields, as they will be; None when the resource goes
    """

    team: str
    resource: str
    action: ChangeAction
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"action": self.action.value}
