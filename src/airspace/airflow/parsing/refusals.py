"""What is told to the author of a Dag that is not let in: which rule, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_SHOWN = 20


@dataclass(frozen=True)
class Refusal:
    """One reason. ``place`` starts a sentence that ``message`` goes on with."""

    rule: str
    place: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place} {self.message}. To fix: {self.fix}. [{self.rule}]"


def told(refusals: Iterable[Refusal]) -> str:
    """All of them as one text; of very many, the first ones and their number."""
    lines = list(dict.fromkeys(str(refusal) for refusal in refusals))
    more = [f"... and {len(lines) - MOST_SHOWN} more."] if len(lines) > MOST_SHOWN else []
    return "\n".join([*lines[:MOST_SHOWN], *more])


def quoted(value: object) -> str:
    """A value of a stranger's, fit for a sentence: short and on one line."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]}..."
