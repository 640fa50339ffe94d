"""What could not be placed, and why: the part of an import that a person has to finish."""

from __future__ import annotations

from dataclasses import asdict, dataclass

SHOWN = 120


@dataclass(frozen=True, order=True)
class Unplaced:
    """One thing that no team got. ``kind`` is dag, role, user, connection, variable, pool, file or module."""

    kind: str
    name: str
    reason: str
    todo: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def plain(text: str) -> str:
    """A stranger's text, fit for a line of a page or a terminal: short, printable, and never markup of its own."""
    shown = "".join(sign if sign.isprintable() and sign not in "`|<>" else "?" for sign in text)
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
