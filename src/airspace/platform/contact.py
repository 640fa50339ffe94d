"""Whom a newcomer asks: the words ``contact`` of the platform's settings."""

from __future__ import annotations

import json

from airspace.model.home import HomeLayout

SETTINGS = "platform.json"
DEFAULT = "Ask the lead of your team, or whoever runs this platform."
_MOST_BYTES, _MOST_CHARACTERS = 1 << 20, 500


def read_contact(layout: HomeLayout) -> str:
    """The words, or a default that names nobody. Read anew each time: a change counts at once."""
    try:
        with (layout.root / SETTINGS).open("rb") as file:
            document = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return DEFAULT
    found = document.get("contact") if isinstance(document, dict) else None
    words = " ".join(found.split())[:_MOST_CHARACTERS] if isinstance(found, str) else ""
    return words or DEFAULT
