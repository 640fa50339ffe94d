"""One row of the catalogue: the form that every attack has, and the words that verdicts are told in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Control(str, Enum):
    """Where the same function has to succeed."""

    OWNER = "the victim's own task"
    OUTSIDE = "outside, by who runs verify"
    PLATFORM = "outside, as the platform's user"
    LEAD = "a lead of the victim's, over REST"


class Promise(str, Enum):
    """On which machines it must fail."""

    ALWAYS = "always"
    MEMORY = "with a memory cgroup"
    CPU = "with a cpu cgroup"
    PIDS = "with a pids cgroup, or as root"
    OWN_USERS = "when root started the platform"
    STORAGE_QUOTA = "not yet: storage has no quota"


DOES_NOT_APPLY = "does_not_apply"
"""The verdict on a row that asks for something which a deployment does not have."""
NOT_TRIED = "not_tried"
"""The verdict on a row that was left out there for another reason."""


@dataclass(frozen=True)
class Attack:
    """One row.

    :param harmful: may disturb others on the machine while it lasts; only with ``--destructive``
    :param witness: success is looked up outside; its function only says that nothing was refused
    """

    id: str
    what: str
    control: Control
    promise: Promise = Promise.ALWAYS
    harmful: bool = False
    witness: bool = False

    @property
    def surface(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]
