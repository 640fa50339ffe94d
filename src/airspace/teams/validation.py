"""From one document to a :class:`Team`: pydantic's findings as problems with place and fix."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from airspace.model import names
from airspace.model.dag_source import GIT, OBJECT_STORE, DagSource, GitSource, ObjectStoreSource
from airspace.model.parts import SALVAGE, JoinedPart
from airspace.model.platform_file import Defaults, PlatformFile
from airspace.model.problem import Problem
from airspace.model.team import AssetGrant, Connection, Limits, Team, Warehouse
from airspace.teams.document import Document, Path

Model = TypeVar("Model", bound=BaseModel)
STAND_IN = "unnamed_team"
"""What a team is called whose name is unusable."""
_PARTS: Mapping[tuple[str, int], type[BaseModel]] = {
    ("dags", 1): DagSource,
    ("limits", 1): Limits,
    ("warehouse", 1): Warehouse,
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
        return _salvage(value, error, file), _problems(error, document, file, Team)


def validate_platform(document: Document, file: str) -> tuple[PlatformFile, list[Problem]]:
    """The same for ``platform.yaml``. What is wrong is left out, so that the team files can be judged too."""
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        return PlatformFile(), [_no_mapping(document, file, "write contact, defaults or groups")]
    try:
        return PlatformFile.model_validate(value), []
    except ValidationError as error:
        found = _salvaged(PlatformFile, value, error) or PlatformFile()
        named = value.get("groups")
        groups = {str(name): () for name in named} | found.groups if isinstance(named, dict) else found.groups
        return found.model_copy(update={"groups": groups}), _problems(error, document, file, PlatformFile)


def _no_mapping(document: Document, file: str, fix: str) -> Problem:
    line, column = document.place(())
    what = "the file is empty" if document.value is None else "the file is not a mapping of keys"
    return Problem(file, line, column, "", "wrong-type", what, fix)


def known_keys(path: Path, top: type[BaseModel] = Team) -> list[str]:
    """The keys that may stand in the mapping at a path."""
    model = _model(path, top)
    return [] if model is None else [info.alias or name for name, info in model.model_fields.items()]


def _model(path: Path, top: type[BaseModel]) -> type[BaseModel] | None:
    if path and path[0] == "dags" and len(path) == 2:
        return _SOURCES.get(str(path[1]))
    return top if not path else _PARTS.get((str(path[0]), len(path)))


def _problems(error: ValidationError, document: Document, file: str, top: type[BaseModel]) -> list[Problem]:
    found: dict[tuple[Path, str], Problem] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path, at_key = _path(detail, document)
        rule, message, fix = _explain(detail, path, top)
        on_key = at_key or rule in ("unknown-key", "missing-key")
        found.setdefault((path, rule), _at(document, file, path, rule, message, fix, on_key=on_key))
    crossed = []
    for path, wrong in _crossed(document.value, top):
        fix = str((wrong.context or {})["fix"])
        on_key = wrong.type == "missing-key"
        crossed.append(_at(document, file, path, wrong.type, wrong.message(), fix, on_key=on_key))
    # pydantic looks at keys together only where each of them is good, and tells the first thing.
    return list(dict.fromkeys([*found.values(), *crossed]))


def _at(document: Document, file: str, path: Path, rule: str, message: str, fix: str, *, on_key: bool) -> Problem:
    line, column = document.place(path, key=on_key)
    return Problem(file, line, column, ".".join(str(part) for part in path)[:200], rule, message, fix)


def _crossed(value: Any, top: type[BaseModel]) -> Iterator[tuple[Path, PydanticCustomError]]:
    """Keys that do not go together, whether or not each of them is good by itself."""
    parts: list[tuple[Path, Any]] = [((first,), part) for first, part in value.items()]
    parts += [
        ((*path, second), deeper) for path, part in parts if isinstance(part, dict) for second, deeper in part.items()
    ]
    for path, part in parts:
        model = _model(path, top)
        if model is not None and issubclass(model, JoinedPart) and isinstance(part, dict):
            known = known_keys(path, top)
            for wrong in model.crossed({key: item for key, item in part.items() if key in known}):
                yield path, wrong


def _path(detail: Any, document: Document) -> tuple[Path, bool]:
    """The part of pydantic's location that stands in the file (unions add their branch), and whether it is the key."""
    path: Path = detail["loc"]
    if path and path[-1] == "[key]":
        return path[:-1], True
    if detail["type"] == "missing":
        return path, False
    while path and path not in document.keys and path not in document.values:
        path = path[:-1]
    return path, False


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


def _salvage(value: dict[str, Any], error: ValidationError, file: str) -> Team | None:
    """What is left of the team without the broken keys."""
    from hashlib import sha256

    own = sha256(file.encode("utf-8", "surrogateescape")).hexdigest()  # two of these are no shared source
    needed = {
        ("name",): STAND_IN,
        ("dags", GIT, "url"): f"https://{own[:32]}.invalid/dags.git",
        ("dags", OBJECT_STORE, "url"): f"s3://{own[:32]}/dags",
    }
    return _salvaged(Team, value, error, needed)


def _salvaged(
    top: type[Model], value: dict[str, Any], error: ValidationError, needed: Mapping[Path, str] = MappingProxyType({})
) -> Model | None:
    """What is left of a file without its broken keys.

    :param needed: what stands in for keys that must be there
    """
    rest = copy.deepcopy(value)
    for _ in range(4):
        details = error.errors(include_url=False, include_input=False)
        _cut(rest, [detail["loc"] for detail in details if detail["type"] != "missing" or detail["loc"] not in needed])
        for place in (detail["loc"] for detail in details if detail["type"] == "missing" and detail["loc"] in needed):
            _put(rest, place, needed[place])
        try:
            return top.model_validate(rest, context=SALVAGE)
        except ValidationError as again:
            error = again
    return None


def _put(tree: Any, place: Path, value: str) -> None:
    for part in place[:-1]:
        tree = tree[part]
    tree[place[-1]] = value


def _cut(tree: Any, locs: Iterable[tuple[int | str, ...]]) -> None:
    """Remove the deepest existing entry of a mapping or a list on the way to each location."""
    doomed: dict[int, tuple[Any, set[int | str]]] = {}
    for loc in locs:
        owner, key, here = None, None, tree
        for part in loc:
            if not (part in here if isinstance(here, dict) else isinstance(here, list) and part in range(len(here))):
                break
            owner, key, here = here, part, here[part]
        if owner is not None and key is not None:
            doomed.setdefault(id(owner), (owner, set()))[1].add(key)
    for owner, entries in doomed.values():
        if isinstance(owner, list):
            owner[:] = [item for index, item in enumerate(owner) if index not in entries]
        else:
            for entry in entries:
                owner.pop(entry, None)
