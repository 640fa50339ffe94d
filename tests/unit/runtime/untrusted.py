"""Serialized Dags as Airflow writes them, for tests that then change what a stranger could change."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airspace.airflow.parsing.asset_claims import Claims
from airspace.airflow.parsing.checks import Parsed
from airspace.airflow.parsing.results import Rules, Vetted, screen, vet
from airspace.airflow.parsing.shape import Known
from airspace.model.limits import CodeLimits

_TEXT, _NUMBER, _LIST, _MAP = (frozenset({kind}) for kind in ("string", "number", "array", "object"))
_FLAG, _NULL = frozenset({"boolean"}), frozenset({"null"})

KNOWN = Known(
    dag_fields={
        **dict.fromkeys(("dag_id", "fileloc", "relative_fileloc", "description", "dag_display_name"), _TEXT),
        **dict.fromkeys(("max_active_runs", "max_active_tasks", "dagrun_timeout"), _NUMBER),
        **dict.fromkeys(("tasks", "tags", "params", "dag_dependencies"), _LIST),
        **dict.fromkeys(("timetable", "default_args", "task_group", "edge_info", "owner_links"), _MAP),
        "_processor_dags_folder": _TEXT | _NULL,
        "deadline": _MAP | _LIST | _NULL,
        "access_control": _MAP,
    },
    task_fields={
        **dict.fromkeys(
            ("task_id", "task_type", "_task_module", "pool", "queue", "weight_rule", "trigger_rule"), _TEXT
        ),
        **dict.fromkeys(("owner", "executor", "run_as_user", "map_index_template"), _TEXT | _NULL),
        **dict.fromkeys(("pool_slots", "priority_weight", "retries", "retry_delay"), _NUMBER),
        **dict.fromkeys(("template_fields", "outlets", "inlets", "downstream_task_ids", "params"), _LIST),
        **dict.fromkeys(("partial_kwargs", "expand_input", "executor_config"), _MAP),
        "_is_mapped": _FLAG,
    },
    not_fields=frozenset({"get_dag", "deps", "task_group", "label", "_outlets"}),
    schedule_classes=frozenset(
        {"airflow.timetables.simple.NullTimetable", "airflow.timetables.simple.AssetTriggeredTimetable"}
    ),
    weight_rules=frozenset({"downstream", "absolute"}),
    trigger_rules=frozenset({"all_success"}),
)
LIMITS = CodeLimits()
NEVER = {"__type": "airflow.timetables.simple.NullTimetable", "__var": {}}


def task(task_id: str = "one", **fields: Any) -> dict[str, Any]:
    body = {"task_id": task_id, "task_type": "BashOperator", "_task_module": "x", "template_fields": ["bash_command"]}
    return {"__type": "operator", "__var": {**body, "bash_command": "true", **fields}}


def mapped(over: Any, **partial: Any) -> dict[str, Any]:
    expansion = {"type": "dict-of-lists", "value": {"__type": "dict", "__var": {"x": over}}}
    return task(_is_mapped=True, partial_kwargs=partial, expand_input=expansion)


def asset(name: str, uri: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "uri": uri or name, "group": "asset", "extra": {}, **fields}
    return {"__type": "asset", "__var": body}


def heard(*assets: dict[str, Any]) -> dict[str, Any]:
    flat = [{"__type": "asset", **each["__var"]} for each in assets]
    condition = {"__type": "asset_any", "objects": [{"__type": "asset_all", "objects": flat}]}
    return {"__type": "airflow.timetables.simple.AssetTriggeredTimetable", "__var": {"asset_condition": condition}}


def document(dag_id: str = "mine", tasks: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
    dag = {
        "dag_id": dag_id,
        "fileloc": "/home/secrets/fernet_key",
        "relative_fileloc": "../other/x.py",
        "timetable": NEVER,
        "tasks": [task()] if tasks is None else tasks,
        **fields,
    }
    return copy.deepcopy({"__version": 3, "dag": dag})


def lazy(data: Any) -> SimpleNamespace:
    return SimpleNamespace(data=data)


def parsed(**fields: Any) -> Parsed:
    values: dict[str, Any] = {"pools": {"gpu": 2, "ds.gpu": 2, "ds": 4}, "slots": 4, **fields}
    return Parsed(**{"team": "ds", "file": Path("/bundles/ds/d.py"), "rel_path": "d.py", **values})


def vetted(
    *documents: Any, known: Parsed | None = None, limits: CodeLimits = LIMITS, errors: Any = None, warnings: Any = None
) -> Vetted:
    """The whole way of a result, but for building the Dag."""
    found = screen([lazy(each) for each in documents], limits)
    return vet(found, errors, warnings, known or parsed(), Rules(KNOWN, limits))


def refused(*documents: Any, **keywords: Any) -> str:
    """Why one was refused; empty if it was not."""
    return vetted(*documents, **keywords).import_errors.get("d.py", "")


__all__ = [
    "KNOWN",
    "LIMITS",
    "NEVER",
    "Claims",
    "asset",
    "document",
    "heard",
    "lazy",
    "mapped",
    "parsed",
    "refused",
    "task",
    "vetted",
]
