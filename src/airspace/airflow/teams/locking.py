"""One change of teams at a time on a database, whatever machine it comes from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

# Any number that nobody else uses.
_ADVISORY_LOCK = 0x61_69_72_73_70_61_63_65


def lock(session: Any) -> None:
    """Wait for the others, until the end of this transaction."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
