"""May this JSON schema of a param be used? Pure. Airflow validates against it in the scheduler and the API server.

A regular expression there holds the whole process while it is matched, and a reference is fetched from wherever it
points to. Both are the team's words.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id", "$schema"})
MOST_PATTERN = 200  # characters
MOST_WAYS = 1000  # in which the bounded repetitions and the alternatives of one can match, all multiplied


def objection(schema: Any) -> tuple[str, str] | None:
    """What speaks against the schema, in words that follow "has a param whose schema", and the fix; None: nothing."""
    for key, value in _pairs(schema):
        if key in _REFERENCES and isinstance(value, str):
            return f"refers to something else ({key!r})", "write it out"
        if key == "format" and value == "regex":
            return "takes a regular expression as its value", "check the value in a task"
        patterns = [value] if key == "pattern" and isinstance(value, str) else []
        if key == "patternProperties" and isinstance(value, Mapping):
            patterns = [str(pattern) for pattern in value]
        for pattern in patterns:
            if not is_quick(pattern):
                return (
                    f"has a regular expression that could take for ever: {pattern[:60]!r}",
                    "begin it with ^, repeat without a bound (* or +) once at most, and vary nothing that is repeated;"
                    " or check the value in a task",
                )
    return None


def _pairs(root: Any) -> Iterator[tuple[str, Any]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield from ((str(key), value) for key, value in node.items())
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def is_quick(pattern: str) -> bool:
    """Whether matching it takes a time proportional to the text's length, whatever the text.

    True only of what is surely so: anchored at the start, at most one unbounded repetition and that of single
    characters, bounded repetitions and alternatives that multiply to little, no look-around, no references back.
    """
    if len(pattern) > MOST_PATTERN or not pattern.startswith(("^", r"\A")):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return _Walk().within(parsed, times=1)


class _Walk:
    """One pass over a parsed pattern. ``ways``: in how many ways its bounded parts can match, at most."""

    def __init__(self) -> None:
        self.unbounded = 0
        self.ways = 1

    def within(self, items: Any, times: int) -> bool:
        """Whether this part of the pattern is quick when it is matched so often in a row."""
        return all(self._item(str(name), detail, times) for name, detail in items)

    def _item(self, name: str, detail: Any, times: int) -> bool:
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
            return True
        if name == "SUBPATTERN":
            return self.within(detail[-1], times)
        if name == "BRANCH":
            branches = detail[1]
            return self._choose(len(branches), times) and all(self.within(branch, times) for branch in branches)
        if name not in ("MAX_REPEAT", "MIN_REPEAT"):
            return False
        least, most, inner = detail
        if most is _parser.MAXREPEAT:
            self.unbounded += 1
            single = len(inner) == 1 and str(inner[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN")
            return times == 1 and self.unbounded == 1 and single and int(least) <= MOST_WAYS
        # One that may match more or less often is tried in every way, and all of them with all others'.
        repeated = times * int(most)
        return (
            repeated <= MOST_WAYS and self._choose(int(most) - int(least) + 1, times) and self.within(inner, repeated)
        )

    def _choose(self, among: int, times: int) -> bool:
        self.ways = self.ways * among**times if among > 1 else self.ways
        return self.ways <= MOST_WAYS


_parser: Any = __import__("re._parser" if hasattr(re, "_parser") else "sre_parse", fromlist=["parse"])
