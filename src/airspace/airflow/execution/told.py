"""What a connection test says to whoever may see that it was made: of bearable length, and without secrets. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

LONGEST = 1000
_LEAST = 3  # characters: masking shorter ones would mask every word
_HIDDEN = "***"


def told(message: str, connection: Mapping[str, Any]) -> str:
    """The message without the connection's password and whatever is in its extra.

    :param connection: as it was given to the test
    """
    text = message.replace("\0", "")
    forms = {form for secret in _secrets(connection) for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    text = "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST else text[: LONGEST - 6] + " (cut)"


def _secrets(connection: Mapping[str, Any]) -> Iterator[str]:
    extra = connection.get("extra")
    if isinstance(extra, str) and len(extra) >= _LEAST:
        yield extra
        try:
            extra = json.loads(extra)
        except (ValueError, RecursionError):
            extra = None
    waiting: list[Any] = [connection.get("password"), extra]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, (str, int, float)) and not isinstance(found, bool) and len(str(found)) >= _LEAST:
            yield str(found)
