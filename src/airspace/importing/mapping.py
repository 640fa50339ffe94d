"""The map file: what a person says about whose things are, above all that the rules find out."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.model import names
from airspace.model.errors import InvalidInputError
from airspace.model.problem import Problem
from airspace.teams.document import Document, parse

_ONE = ("folders", "dags", "roles", "owners")
_MANY = ("connections", "variables", "pools")
_KEYS = (*_ONE, *_MANY, "users")


class InvalidMapError(InvalidInputError):
    """The map file is wrong; nothing was read or written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("the map file is wrong; nothing was written", fix="correct it and run the command again")


@dataclass(frozen=True)
class TeamMap:
    """Whose things are. An empty list of teams leaves a thing out.

    :param folders: folder below the Dag folder, or bundle → team
    :param dags: Dag id or pattern → team
    :param roles: FAB role → the team whose members have it
    :param owners: a Dag's owner → team
    :param users: old name → new name
    """

    folders: Mapping[str, str] = field(default_factory=dict)
    dags: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)

    def of_dag(self, dag_id: str) -> str | None:
        """The team of this Dag: its own name first, then the first pattern."""
        if dag_id in self.dags:
            return self.dags[dag_id]
        return next((team for pattern, team in self.dags.items() if fnmatch.fnmatchcase(dag_id, pattern)), None)


def read_map(data: bytes, shown: str) -> TeamMap:
    """The map in a file.

    :param shown: the file's name in messages
    :raises InvalidMapError: with every problem
    """
    problems: list[Problem] = []

    def report(line: int, column: int, key: str, rule: str, message: str, fix: str) -> None:
        problems.append(Problem(shown, line, column, key, rule, message, fix))

    document = parse(data, report)
    if document is None or problems:
        raise InvalidMapError(problems)
    sections: dict[str, Any] = {}
    if not isinstance(document.value, dict):
        raise InvalidMapError([Problem(shown, 1, 1, "", "wrong-type", "no mapping of keys", f"use {', '.join(_KEYS)}")])
    for key, section in document.value.items():
        found = list(_wrong(key, section, document, shown))
        problems += found
        if not found:
            sections[key] = {name: _value(key, value) for name, value in section.items()}
    if problems:
        raise InvalidMapError(problems)
    return TeamMap(**sections)


def _wrong(key: str, section: Any, document: Document, shown: str) -> Iterable[Problem]:
    if key not in _KEYS:
        near = names.did_you_mean(key, _KEYS)
        fix = f"did you mean {near}?" if near else f"one of: {', '.join(_KEYS)}"
        yield Problem(shown, *document.place((key,), key=True), key[:80], "unknown-key", "unknown key", fix)
        return
    if not isinstance(section, dict):
        at = document.place((key,))
        yield Problem(shown, *at, key, "wrong-type", f"{key} should be a mapping", "write name: team")
        return
    for name, value in section.items():
        if (instead := _fix(key, value)) is not None:
            at = document.place((key, name))
            yield Problem(shown, *at, f"{key}.{name}"[:200], "bad-name", "this cannot be used here", instead)


def _fix(key: str, value: Any) -> str | None:
    """What to write instead; None where it is good."""
    if key == "users":
        good = isinstance(value, str) and names.is_user_name(value)
        return None if good else f"a user name is {names.USER_RULE}"
    given = value if isinstance(value, list) and key in _MANY else [value]
    good = all(isinstance(team, str) and names.is_team_name(team) for team in given)
    many = ", or a list of them; [] leaves it out" if key in _MANY else ""
    return None if good else f"write a team name{many}: {names.TEAM_RULE}"


def _value(key: str, value: Any) -> Any:
    if key not in _MANY:
        return value
    return tuple(dict.fromkeys(value)) if isinstance(value, list) else (value,)
