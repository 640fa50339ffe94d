"""Rows of a stranger's answer or table → nouns. A row that is none is left out and counted; nothing is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from airspace.importing.deployment import OldConnection, OldDag, OldPool, OldUser, OldVariable

NAME, TEXT, SOURCE = 500, 70_000, 512 * 1024  # characters that are kept of a name, a value, a Dag file
MASKED = "***"
Row = Mapping[str, Any]
T = TypeVar("T")


class NoRecordError(ValueError):
    """The row has not what makes it one."""


def each(rows: Iterable[Any], make: Callable[[Row], T]) -> tuple[list[T], int]:
    """The nouns of these rows, and how many rows were none."""
    made: list[T] = []
    bad = 0
    for row in rows:
        try:
            if not isinstance(row, Mapping):
                raise NoRecordError
            made.append(make(row))
        except NoRecordError:
            bad += 1
    return made, bad


def dag(row: Row) -> OldDag:
    """A Dag, as REST or a table has it."""
    return OldDag(
        dag_id=name(row.get("dag_id")),
        file=text(row.get("fileloc"), 2000) or "",
        path=text(row.get("relative_fileloc"), 2000) or None,
        bundle=text(row.get("bundle_name"), NAME) or None,
        team=text(row.get("team_name"), NAME) or None,
        owners=_owners(row.get("owners")),
        tags=tuple(_tag(tag) for tag in _list(row.get("tags"))),
        paused=row.get("is_paused") is not False,
        source=text(row.get("source_code"), SOURCE),
    )


def connection(row: Row, *, hidden: Iterable[str] = ()) -> OldConnection:
    """A connection; ``hidden`` are fields that this kind of source never tells."""
    password, extra = text(row.get("password"), TEXT) or None, text(row.get("extra"), TEXT) or None
    unread = set(hidden) | {key for key in ("password", "extra") if row.get(key) == MASKED}
    port = row.get("port")
    return OldConnection(
        name=name(row.get("connection_id", row.get("conn_id"))),
        type=text(row.get("conn_type"), 100) or "",
        host=text(row.get("host"), TEXT) or None,
        port=port if isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535 else None,
        login=text(row.get("login"), TEXT) or None,
        schema=text(row.get("schema"), TEXT) or None,
        password=None if "password" in unread else password,
        extra=None if "extra" in unread else extra,
        description=text(row.get("description"), 5000) or None,
        team=text(row.get("team_name"), NAME) or None,
        hidden=frozenset(unread),
    )


def variable(row: Row) -> OldVariable:
    """A variable. One whose value is masked has none that is known."""
    value = text(row.get("value", row.get("val")), TEXT)
    masked = value == MASKED
    return OldVariable(name(row.get("key")), None if masked else value, text(row.get("team_name"), NAME) or None)


def pool(row: Row) -> OldPool:
    """A pool."""
    slots = row.get("slots")
    if not isinstance(slots, int) or isinstance(slots, bool):
        raise NoRecordError
    return OldPool(name(row.get("name", row.get("pool"))), slots, text(row.get("team_name"), NAME) or None)


def user(row: Row) -> OldUser:
    """A user of FAB's."""
    roles = tuple(name(role.get("name") if isinstance(role, Mapping) else role) for role in _list(row.get("roles")))
    return OldUser(name(row.get("username")), roles, row.get("active") is not False)


def role(row: Row) -> tuple[str, frozenset[tuple[str, str]]]:
    """A role of FAB's, as REST tells it."""
    pairs = set()
    for each_one in _list(row.get("actions"), most=100_000):
        action, resource = (_inner(each_one, key) for key in ("action", "resource"))
        if action and resource:
            pairs.add((action, resource))
    return name(row.get("name")), frozenset(pairs)


def name(value: Any) -> str:
    """A name, of whatever characters: whether it may be one is decided where it is used.

    :raises NoRecordError: it is no text, empty or endless
    """
    if not isinstance(value, str) or not value or len(value) > NAME:
        raise NoRecordError
    return value.encode("utf-8", "replace").decode("utf-8")


def text(value: Any, most: int) -> str | None:
    """Text of bearable length; longer is cut, and then no longer what it was: callers choose ``most`` well."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value)[:most].encode("utf-8", "replace").decode("utf-8")


def _list(value: Any, most: int = 1000) -> list[Any]:
    return list(value[:most]) if isinstance(value, (list, tuple)) else []


def _owners(value: Any) -> tuple[str, ...]:
    found = value.split(",") if isinstance(value, str) else _list(value, 100)
    return tuple(owner.strip()[:NAME] for owner in found if isinstance(owner, str) and owner.strip())


def _tag(tag: Any) -> str:
    found = tag.get("name") if isinstance(tag, Mapping) else tag
    return found[:NAME] if isinstance(found, str) else ""


def _inner(pair: Any, key: str) -> str | None:
    inner = pair.get(key) if isinstance(pair, Mapping) else None
    found = inner.get("name") if isinstance(inner, Mapping) else None
    return found if isinstance(found, str) and found and len(found) <= NAME else None
