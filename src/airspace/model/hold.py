"""A team on hold: suspended, being renamed, or on its way out. What that keeps from running."""

from __future__ import annotations

from enum import Enum


class HoldKind(str, Enum):
    """Why a team is held."""

    SUSPENDED = "suspended"
    LEAVING = "leaving"
    RENAMING = "renaming"

    def __str__(self) -> str:
        return self.value


class Stage(str, Enum):
    """How far it is held."""

    DRAIN = "drain"
    """No run is made or begins, and no Dag file is read; runs that began go on to their end."""
    HALT = "halt"
    """Nothing runs."""

    def __str__(self) -> str:
        return self.value
