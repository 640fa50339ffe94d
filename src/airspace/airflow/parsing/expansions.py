"""How many task instances a run of a Dag has, as far as its file says: mapped tasks, and mapped groups around them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from airspace.airflow.parsing.serialized import TYPE, VAR


def instances(dag: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Task id → how many instances of it there are.

    :param tasks: those of the Dag, by id
    """
    around = dict(_group_lengths(dag))
    found = {}
    for task_id, task in tasks.items():
        own = math.prod(_literal_length(task.get(name)) for name in ("expand_input", "op_kwargs_expand_input"))
        found[task_id] = own * around.get(task_id, 1)
    return found


def _group_lengths(dag: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Task id → how often the mapped groups around it repeat it."""
    waiting = [(dag.get("task_group"), 1)]
    while waiting:
        group, around = waiting.pop()
        if not isinstance(group, dict):
            continue
        length = around * _literal_length(group.get("expand_input"))
        children = group.get("children")
        for child in children.values() if isinstance(children, dict) else ():
            if isinstance(child, list) and len(child) == 2:
                if isinstance(child[1], str):
                    yield child[1], length
                else:
                    waiting.append((child[1], length))


def _literal_length(expansion: Any) -> int:
    """Over how many values a task is mapped, as far as the file itself says: what tasks hand over counts as one."""
    value = expansion.get("value") if isinstance(expansion, dict) else None
    if isinstance(value, list):
        return len(value)
    body = value.get(VAR) if isinstance(value, dict) else None
    if not isinstance(body, dict) or value[TYPE] != "dict":  # type: ignore[index]
        return 1
    return math.prod(_items(item) for item in body.values())


def _items(value: Any) -> int:
    if isinstance(value, list):
        return len(value)
    body = value.get(VAR) if isinstance(value, dict) and value.get(TYPE) in ("dict", "set", "tuple") else None
    return len(body) if isinstance(body, (list, dict)) else 1
