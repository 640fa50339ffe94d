"""Which teams' Dags cannot be fetched, and why: the fetcher writes it down, and the Dag processor tells the members.

One small file in the run folder that changes only when there is something new to tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

FILE = "sources-trouble.json"
_MOST_BYTES = 4 << 20
_LONGEST = 500
_PLACES = {"folder": "its folder", "git": "its git repository", "object_store": "its object store"}


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one team's source. Nothing of its address is in it: a path can be as good as a password.

    :param kind: ``folder``, ``git`` or ``object_store``
    :param version: what is here of it, and ``fetched_at``: since when; seconds since the epoch
    """

    kind: str
    message: str
    fix: str
    version: str | None = None
    fetched_at: float = 0.0

    def told(self) -> str:
        """For the team's members."""
        lines = [f"The team's Dags cannot be fetched from {_PLACES.get(self.kind, 'there')}: {self.message}."]
        lines += [f"Fix: {self.fix}."] if self.fix else []
        if self.fetched_at:
            when = datetime.fromtimestamp(self.fetched_at, timezone.utc).isoformat(sep=" ", timespec="seconds")
            lines.append(f"What is here stays as it is: version {(self.version or '?')[:12]}, fetched last at {when}.")
        elif self.kind != "folder":
            lines.append("Nothing of it has been fetched yet.")
        return "\n".join(lines)


def trouble(kind: str, wrong: tuple[str, str], hidden: Mapping[str, str]) -> Trouble:
    """What is told of a problem.

    :param hidden: what must not be in it, by what stands there instead
    """
    message, fix = wrong
    for name, text in sorted(hidden.items(), key=lambda item: -len(item[1])):
        message, fix = message.replace(text, f"({name})"), fix.replace(text, f"({name})")
    return Trouble(kind, message[:_LONGEST], fix[:_LONGEST])


def dump(troubles: Mapping[str, Trouble]) -> str:
    """For the file."""
    return json.dumps({bundle: asdict(found) for bundle, found in troubles.items()})


def stamp(run: Path) -> tuple[int, int, int] | None:
    """Changes when the file does."""
    try:
        found = (run / FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read(run: Path) -> dict[str, Trouble]:
    """Bundle → what is wrong with its source. Empty where that is not known."""
    try:
        with (run / FILE).open("rb") as file:
            document = json.loads(file.read(_MOST_BYTES))
        return {str(bundle): Trouble(**found) for bundle, found in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
