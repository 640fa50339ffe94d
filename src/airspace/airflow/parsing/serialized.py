"""Finding one's way in a serialized Dag: a tree of JSON in which ``{"__type": ..., "__var": ...}`` is an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TYPE, VAR = "__type", "__var"
ASSETS = frozenset({"asset", "asset_alias", "asset_any", "asset_all", "asset_ref"})


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "nothing")


def tag(node: Any) -> str | None:
    """The kind of object that a node stands for, if any; a kind that is no text is none."""
    kind = node.get(TYPE) if isinstance(node, dict) else None
    return kind if isinstance(kind, str) else None


def asset_body(node: Mapping[str, Any]) -> Any:
    """Where an asset keeps its fields: flat, or wrapped."""
    return node.get(VAR, node)


def is_object(value: Any) -> bool:
    """Whether a value stands for an object, of whatever kind."""
    return isinstance(value, dict) and TYPE in value


def tasks_of(dag: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The tasks, each as Airflow keeps it."""
    for task in dag["tasks"]:
        yield task[VAR]


def settings_of(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Where a task keeps what its author gave. A mapped one has two places, and Airflow looks at both."""
    yield task  # type: ignore[misc]
    if isinstance(task.get("partial_kwargs"), dict):
        yield task["partial_kwargs"]


def setting(task: Mapping[str, Any], name: str, default: Any) -> Any:
    """What Airflow takes for a task's setting."""
    found = default
    for fields in settings_of(task):
        found = fields.get(name, found)
    return found


def assets_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every asset below, in either of the two shapes that Airflow serializes (flat, and wrapped in ``__var``)."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(reversed(found))
        elif isinstance(found, dict):
            if tag(found) == "asset":
                yield asset_body(found)
            else:
                waiting.extend(reversed(list(found.values())))
