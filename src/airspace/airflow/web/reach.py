"""How far somebody reaches, as the guards and filters of single routes ask it."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from fastapi import HTTPException

from airspace.access.table import Action, Kind

FORBIDDEN = HTTPException(403, "Forbidden")


def reach_of(user: Any, action: Action, kind: Kind) -> set[str] | None:
    """The teams in which somebody may do this; None: in all of them, and with what has no team."""
    found: set[str] | None = get_auth_manager().teams_where(user, action, kind)
    return found
