"""One difference between what a team file says and what is there."""

from __future__ import annotations

from collections.abc import Mapping
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


class Cause(str, Enum):
    """Why what is there is not what the file says."""

    FILE = "file"
    """The file says something else than when it was applied."""
    DRIFT = "drift"
    """The file says the same; somebody changed it elsewhere, in the UI or by REST."""
    BOTH = "both"
    UNCLEAR = "secret"
    """A secret differs: where the file's reference leads, or elsewhere. Nothing is kept that could tell which."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Change:
    """What apply does, or plan would do, to one resource of one team.

    :param resource: ``team``, ``bundle``, ``pool gpu``, ``connection warehouse``, ``variable threshold``,
        ``member ada``, ``asset churn_predictions``
    :param before: the fields that change, as they are; None when the resource is new. Never a secret.
    :param after: the same fields, as they will be; None when the resource goes
    :param risks: what somebody may lose by it, in plain words
    """

    team: str
    resource: str
    action: ChangeAction
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    cause: Cause = Cause.FILE
    risks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"action": self.action.value, "cause": self.cause.value, "risks": list(self.risks)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Change:
        """The reverse of :meth:`as_dict`."""
        return cls(
            document["team"],
            document["resource"],
            ChangeAction(document["action"]),
            document["before"],
            document["after"],
            Cause(document["cause"]),
            tuple(document["risks"]),
        )
