"""What a connection test says to whoever may see that it was made: of bearable length, and without secrets. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

LONGEST = 1000
_LONGEST_LINE = 300
_END = " (cut)"
_LEAST = 3  # characters: masking shorter ones would mask every word
_HIDDEN = "***"


def told(message: str, connection: Mapping[str, Any], refused: Iterable[str] = ()) -> str:
    """The message without the connection's password and whatever is in its extra.

    :param connection: as it was given to the test
    :param refused: what the network refused the team meanwhile, a line each; a test that got through has none.
        What speaks of the connection's host comes first: the team's tasks are refused things, too.
    """
    hide = _hiding(connection)
    host = str(connection.get("host") or "").lower()
    beside, room = "", LONGEST // 2
    for line in sorted(refused, key=lambda line: host not in line.lower()):
        shown = "\n" + _cut(hide(line), _LONGEST_LINE)
        beside += shown if len(beside) + len(shown) <= room else ""
    return _cut(hide(message), LONGEST - len(beside)) + beside


def _hiding(connection: Mapping[str, Any]) -> Callable[[str], str]:
    forms = {form for secret in _secrets(connection) for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    # A name that is looked up loses its capitals on the way.
    known = [re.compile(re.escape(form), re.IGNORECASE) for form in sorted(forms, key=len, reverse=True)]

    def hide(text: str) -> str:
        text = text.replace("\0", "")
        for form in known:
            text = form.sub(_HIDDEN, text)
        text = "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
        return text.encode("utf-8", "replace").decode("utf-8")

    return hide


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_END)] + _END


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
