"""What things may be called, and the nearest known name to a mistyped one."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

TEAM_RULE = "lower-case words joined by single underscores, starting with a letter, 3 to 30 characters"
SHORT_RULE = "letters, digits, '_', '-' and '.', starting with a letter, a digit or '_', up to 150 characters"
USER_RULE = "letters, digits and '._@+-', starting with a letter or a digit, up to 64 characters"

GROUP_RULE = "'@' and lower-case letters, digits, '_' and '-', starting with a letter, up to 64 characters"

_TEAM = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_SHORT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,149})")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_GROUP = re.compile(r"@[a-z][a-z0-9_-]{0,62}")

# Names that already mean something to Airflow, to this platform or to an operating system that runs it.
RESERVED_TEAMS = frozenset(
    {"airflow", "airspace", "default_pool", "default", "global", "none", "null", "root", "system"}
)


def is_team_name(name: str) -> bool:
    """Whether a team may be called so."""
    return 3 <= len(name) <= 30 and _TEAM.fullmatch(name) is not None and name not in RESERVED_TEAMS


def is_short_name(name: str) -> bool:
    """Whether a connection, variable, pool or asset may be called so inside its team."""
    return _SHORT.fullmatch(name) is not None and ".." not in name


def is_user_name(name: str) -> bool:
    """Whether a user may be called so."""
    return _USER.fullmatch(name) is not None


def is_group_name(name: str) -> bool:
    """Whether this is a group of users, as a team file names it."""
    return _GROUP.fullmatch(name) is not None


def suggest_team_name(name: str) -> str | None:
    """A valid team name near the given one, when there is an obvious one."""
    words = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    return words if words != name and is_team_name(words) else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None."""
    candidates = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), candidates, n=1, cutoff=0.6)
    return candidates[near[0]] if near else None


def case_collisions(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in case."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.casefold()].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def skeletons(name: str) -> frozenset[str]:
    """What a team's name looks like at a glance: two that have one of these in common can be taken for each other.

    Digits stand for the letters that they resemble, ``rn`` for ``m`` and ``vv`` for ``w``; ``i`` and ``l`` count as the
    same in longer words only, so that ``team_i`` and ``team_l`` may both be there. Underscores are not seen, except
    between digits.
    """
    plain = name.replace("0", "o").replace("5", "s").replace("rn", "m").replace("vv", "w")
    joints = [
        "_" if before[-1:].isdigit() and after[:1].isdigit() else "" for before, after in pairwise(name.split("_"))
    ]
    return frozenset(
        "".join(
            (word.replace("i", "l") if len(word) >= 5 else word) + joint
            for word, joint in zip(plain.replace("1", one).split("_"), [*joints, ""], strict=True)
        )
        for one in "li"
    )


def qualified(team: str, name: str) -> str:
    """The name under which Airflow stores a team's short name; team names hold no dot, so it splits again."""
    return f"{team}.{name}"


def short_name(team: str, name: str) -> str:
    """What the team itself calls it."""
    return name.removeprefix(f"{team}.")
