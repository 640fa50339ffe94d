"""Names that teams had before, as long as a file somewhere may still say them.

Files that lie where the platform can write are changed when a team is renamed. Others (in a repository, or edited so
that a program cannot change just that) go on saying the old name for a while: what they would do then is refused with
the reason, and nobody else gets that name before. Consent is given by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams import folders


@dataclass(frozen=True)
class Former:
    """A name that a team had.

    :param now: what the team is called
    :param digest: of its file as it was: the same file somewhere else is the same mistake
    :param files: team → its file that has to be changed by hand
    """

    now: str
    digest: str
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Where it is still said, in words."""
        return ", ".join(f"{place} (team {team})" for team, place in sorted(self.files.items()))


def read(layout: HomeLayout) -> dict[str, Former]:
    """Old name → what became of it.

    :raises HomeError: the file is damaged
    """
    try:
        document = json.loads(layout.renamed.read_text(encoding="utf-8"))
        return {
            name: Former(str(item["now"]), str(item["digest"]), {str(k): str(v) for k, v in item["files"].items()})
            for name, item in document.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise HomeError(f"{layout.renamed} cannot be read", fix="restore it from a backup") from None


def objection(known: Mapping[str, Former], name: str, data: bytes) -> tuple[str, str] | None:
    """Why a file may not make a team of that name, which there is not: (message, fix).

    :param data: what the file says
    """
    found = known.get(name)
    if found is None:
        return None
    if found.files:
        message = f"team {name} is called {found.now} now, and is still called {name} in {found.told}"
        return message, f"write {found.now} there, and apply"
    if hashlib.sha256(data).hexdigest() == found.digest:
        message = f"this is the file of team {name} as it was: the team is called {found.now} now"
        return message, f"write name: {found.now}, or what a new team shall have"
    return None


def remember(layout: HomeLayout, team: str, former: Former) -> None:
    """A team is called otherwise from now on. What it was called before that leads to the newest name too."""
    known = read(layout)
    after = {
        name: Former(former.now, each.digest, each.files) if each.now == team else each for name, each in known.items()
    }
    _write(layout, {name: each for name, each in after.items() if name != former.now} | {team: former})


def applied(layout: HomeLayout, teams: Iterable[str]) -> None:
    """The files of these teams were applied, so they say no old name; and a name that is a new team's is none."""
    known, names = read(layout), set(teams)
    after = {
        name: Former(each.now, each.digest, {team: place for team, place in each.files.items() if team not in names})
        for name, each in known.items()
        if name not in names
    }
    if after != known:
        _write(layout, after)


def forget(layout: HomeLayout, team: str) -> None:
    """A team has left: what its file says is nobody's concern, and what it was called is free."""
    known = read(layout)
    after = {
        name: Former(each.now, each.digest, {other: place for other, place in each.files.items() if other != team})
        for name, each in known.items()
        if each.now != team
    }
    if after != known:
        _write(layout, after)


def _write(layout: HomeLayout, known: Mapping[str, Former]) -> None:
    text = json.dumps({name: asdict(each) for name, each in sorted(known.items())}, indent=2)
    folders.write_private(layout.renamed, text.encode() + b"\n")
