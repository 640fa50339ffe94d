"""What has to change: a pure comparison of what shall be with what is. Secrets are compared, and never shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.model.change import Change, ChangeAction

SECRET = "secret set"  # noqa: S105 - what is printed instead of one
SECRET_CHANGED = "secret changed"  # noqa: S105
ELSEWHERE = "changed outside the file"

_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
_ORDER = {"team": 0, "bundle": 1, "member": 2, "pool": 3, "connection": 4, "variable": 5, "asset": 6}


@dataclass(frozen=True)
class Value:
    """One field of a resource: equal when the keyed digests are, and printed as ``shown``."""

    digest: bytes
    shown: Any = field(compare=False)


Resource = Mapping[str, Value]
State = Mapping[str, Resource]
"""Resource, as in :class:`Change`, → field → value. A field that is not set is absent."""


class Sealer:
    """Makes values comparable without keeping them. The key, of up to 64 bytes, lives as long as one comparison."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def value(self, value: Any, *, secret: bool = False) -> Value:
        """The value, shown as it is or, when secret, as a word."""
        return Value(self.digest(value), SECRET if secret else value)

    def digest(self, value: Any) -> bytes:
        """The same for the same value and key; tells nothing without the key."""
        text = _JSON.encode(value).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def resource(self, fields: Mapping[str, Any], secret: tuple[str, ...] = ()) -> dict[str, Value]:
        """The fields that are set."""
        return {
            name: self.value(value, secret=name in secret)
            for name, value in fields.items()
            if value is not None and value != ""
        }


def diff(team: str, desired: State, actual: State) -> list[Change]:
    """The changes that turn what is into what shall be, in the order to make them."""
    changes = []
    for resource in sorted(desired.keys() | actual.keys(), key=_rank):
        after, before = desired.get(resource), actual.get(resource)
        if after is not None and before is not None:
            if dict(after) != dict(before):
                changes.append(Change(team, resource, ChangeAction.UPDATE, *_shown(before, after)))
        elif after is not None:
            shown = {name: value.shown for name, value in sorted(after.items())}
            changes.append(Change(team, resource, ChangeAction.CREATE, None, shown))
        elif before is not None:
            shown = {name: value.shown for name, value in sorted(before.items())}
            changes.append(Change(team, resource, ChangeAction.DELETE, shown, None))
    return changes


def _shown(before: Resource, after: Resource) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, as they may be printed."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        was, shall = before.get(name), after.get(name)
        if was == shall:
            continue
        old[name] = was.shown if was else None
        new[name] = shall.shown if shall else None
        if was and shall and shall.shown == SECRET:
            new[name] = SECRET_CHANGED
    return old, new


def _rank(resource: str) -> tuple[int, str]:
    return _ORDER.get(resource.partition(" ")[0], len(_ORDER)), resource
