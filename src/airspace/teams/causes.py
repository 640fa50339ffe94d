"""Why something has to change: the file says something new, or somebody changed it elsewhere. Pure.

Three things are held against each other: the file, what it said when it was last applied, and what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airspace.model.change import Cause, Change
from airspace.model.secret import is_reference
from airspace.teams.rules import Resource, State

_IN_A_URI = frozenset({"type", "host", "port", "login", "password", "schema", "extra"})
_NOTHING: Resource = {}


def unknown_fields(spec: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Resource → the fields whose value an applied file does not tell, because they are secrets."""
    found: dict[str, frozenset[str]] = {}
    for name, item in (spec.get("connections") or {}).items():
        if isinstance(item.get("uri"), Mapping):
            found[f"connection {name}"] = _IN_A_URI
            continue
        fields = {key for key in ("login", "password") if isinstance(item.get(key), Mapping)}
        if any(is_reference(value) for value in (item.get("extra") or {}).values()):
            fields.add("extra")
        if fields:
            found[f"connection {name}"] = frozenset(fields)
    for source in (spec.get("dags") or {}).values():
        if isinstance(source, Mapping):
            found["bundle"] = frozenset(key for key, value in source.items() if isinstance(value, Mapping))
    for name, value in (spec.get("variables") or {}).items():
        if is_reference(value):
            found[f"variable {name}"] = frozenset({"value"})
    return found


def said_the_same(resource: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two files say the same of a connection, a variable or the Dag source, references compared as such."""
    kind, _, name = resource.partition(" ")
    if kind == "bundle":
        return one.get("dags") == other.get("dags")
    sections = [(spec.get(f"{kind}s") or {}).get(name) for spec in (one, other)]
    return sections[0] is not None and sections[0] == sections[1]


def cause(change: Change, desired: State, stored: State | None, actual: State, unclear: Mapping[str, bool]) -> Cause:
    """Why this change.

    :param stored: what the file said when it was last applied; None before the first time
    :param unclear: the fields whose stored value is not known → whether the file still names the same reference
    """
    if stored is None:
        return Cause.FILE
    shall, was, present = (state.get(change.resource) for state in (desired, stored, actual))
    kinds = set()
    for field in {**(shall or _NOTHING), **(present or _NOTHING)}:
        wanted, said, found = (side.get(field) if side else None for side in (shall, was, present))
        if wanted == found or (change.resource == "bundle" and field != "name" and present is None):
            continue
        if field in unclear and found is not None:
            kinds.add(Cause.UNCLEAR if unclear[field] else Cause.FILE)
        elif change.resource == "bundle" and field != "name":
            kinds.add(Cause.FILE)  # only apply says where Dags come from
        elif wanted == said or unclear.get(field):
            kinds.add(Cause.DRIFT)
        else:
            kinds.add(Cause.FILE if found == said else Cause.BOTH)
    return _together(kinds) if kinds else (Cause.DRIFT if was is not None else Cause.FILE)


def _together(kinds: set[Cause]) -> Cause:
    certain = kinds - {Cause.UNCLEAR}
    if not certain:
        return Cause.UNCLEAR
    return certain.pop() if len(certain) == 1 else Cause.BOTH
