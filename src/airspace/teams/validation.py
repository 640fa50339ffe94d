"""From one document to a :class:`Team`: pydantic's findings as problems with place and fix."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from airspace.model import names
from airspace.model.dag_source import GIT, OBJECT_STORE, DagSource, GitSource, ObjectStoreSource
from airspace.model.platform_file import Defaults, PlatformFile
from airspace.model.problem import Problem
from airspace.model.team import AssetGrant, Connection, Limits, Team
from airspace.teams.document import Document, Path

_STAND_IN = "unnamed_team"
_PARTS: Mapping[tuple[str, int], type[BaseModel]] = {
    ("dags", 1): DagSource,
    ("limits", 1): Limits,
    ("connections", 2): Connection,
    ("assets", 2): AssetGrant,
    ("defaults", 1): Defaults,
    ("defaults", 2): Limits,
}
_SOURCES: Mapping[str, type[BaseModel]] = {GIT: GitSource, OBJECT_STORE: ObjectStoreSource}
_RANGE = frozenset(
    {"greater_than_equal", "greater_than", "less_than_equal", "less_than", "string_too_long", "string_too_short"}
)
_EXPECTED = {
    "int_type": ("a whole number", "write a number without quotes"),
    "int_from_float": ("a whole number", "write a number without quotes"),
    "float_type": ("a number", "write a number without quotes"),
    "string_type": ("text", "put it in quotes"),
    "dict_type": ("a mapping", "write key: value pairs, or remove the key"),
    "model_type": ("a mapping", "write key: value pairs, or remove the key"),
    "tuple_type": ("a list", "write it in brackets: [one, two]"),
    "list_type": ("a list", "write it in brackets: [one, two]"),
}


def validate(document: Document, file: str) -> tuple[Team | None, list[Problem]]:
    """The team in a document and everything wrong with it.

    A team comes back together with problems when the rest of the file still makes sense, so that checks across files
    can find theirs too; it must not be applied. A team whose name is unusable is called ``unnamed_team``.
    """
    value = document.value
    if not isinstance(value, dict):
        return None, [_no_mapping(document, file, "begin with name: <team>")]
    try:
        return Team.model_validate(value), []
    except ValidationError as error:
        problems = _problems(error, document, file, Team)
        return _salvage(value, error), problems


def validate_platform(document: Document, file: str) -> tuple[PlatformFile, list[Problem]]:
    """The same for ``platform.yaml``. What is wrong leaves an empty one, so that the team files can be judged too."""
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        return PlatformFile(), [_no_mapping(document, file, "write contact, defaults or groups")]
    try:
        return PlatformFile.model_validate(value), []
    except ValidationError as error:
        return PlatformFile(), _problems(error, document, file, PlatformFile)


def _no_mapping(document: Document, file: str, fix: str) -> Problem:
    line, column = document.place(())
    what = "the file is empty" if document.value is None else "the file is not a mapping of keys"
    return Problem(file, line, column, "", "wrong-type", what, fix)


def known_keys(path: Path, top: type[BaseModel] = Team) -> list[str]:
    """The keys that may stand in the mapping at a path."""
    model: type[BaseModel] | None = top if not path else _PARTS.get((str(path[0]), len(path)))
    if path and path[0] == "dags" and len(path) == 2:
        model = _SOURCES.get(str(path[1]))
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _problems(error: ValidationError, document: Document, file: str, top: type[BaseModel]) -> list[Problem]:
    found: dict[tuple[Path, str], Problem] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path, at_key = _path(detail["loc"], document)
        rule, message, fix = _explain(detail, path, top)
        on_key = at_key or rule in ("unknown-key", "missing-key")
        line, column = document.place(path, key=on_key)
        key = ".".join(str(part) for part in path)
        found.setdefault((path, rule), Problem(file, line, column, key[:200], rule, message, fix))
    return list(found.values())


def _path(loc: tuple[int | str, ...], document: Document) -> tuple[Path, bool]:
    """The part of pydantic's location that stands in the file (unions add their branch), and whether it is the key."""
    at_key = bool(loc) and loc[-1] == "[key]"
    path: Path = loc[:-1] if at_key else loc
    while path and path not in document.keys and path not in document.values and path != loc:
        path = path[:-1]
    if not at_key and path == loc:
        while len(path) > 1 and path not in document.keys and path[:-1] not in document.keys:
            path = path[:-1]
    return path, at_key


def _explain(detail: Any, path: Path, top: type[BaseModel]) -> tuple[str, str, str]:
    kind, context = detail["type"], detail.get("ctx") or {}
    last = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        known = known_keys(path[:-1], top)
        near = names.did_you_mean(last, known)
        fix = f"did you mean {near}?" if near else f"one of: {', '.join(known)}" if known else "remove it"
        return "unknown-key", f"unknown key {last[:80]}", fix
    if kind == "missing":
        return "missing-key", f"the key {last} is missing", f"add {last}: ..."
    if kind in _EXPECTED:
        what, fix = _EXPECTED[kind]
        return "wrong-type", f"{last or 'this'} should be {what}", fix
    if kind in _RANGE:
        return (
            "out-of-range",
            f"{last} is out of range",
            str(detail["msg"]).replace("Input", "it").replace("String", "it"),
        )
    if "fix" in context:
        return kind, str(detail["msg"]), str(context["fix"])
    return kind.replace("_", "-"), str(detail["msg"]), "see airspace team schema"


def _salvage(value: dict[str, Any], error: ValidationError) -> Team | None:
    """What is left of the team without the broken keys."""
    rest = copy.deepcopy(value)
    for _ in range(3):
        for detail in error.errors(include_url=False, include_input=False):
            _cut(rest, detail["loc"])
        rest.setdefault("name", _STAND_IN)
        try:
            return Team.model_validate(rest)
        except ValidationError as again:
            error = again
    return None


def _cut(tree: Any, loc: tuple[int | str, ...]) -> None:
    """Remove the deepest existing mapping entry on the way to a location."""
    owner, key, here = None, None, tree
    for part in loc:
        if not isinstance(here, dict) or part not in here:
            break
        owner, key, here = here, part, here[part]
    if owner is not None:
        owner.pop(key, None)
