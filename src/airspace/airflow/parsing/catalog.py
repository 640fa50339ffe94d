"""What this Airflow knows, read from Airflow itself: the fields of a Dag, and the classes that a schedule may name.

The lists that ``shape`` holds a team's results against. Read once, in the trusted parent.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import airflow.partition_mappers
import airflow.timetables
from airflow import plugins_manager
from airflow.partition_mappers.base import PartitionMapper
from airflow.partition_mappers.wait_policy import WaitPolicy
from airflow.partition_mappers.window import Window
from airflow.serialization.definitions.baseoperator import SerializedBaseOperator
from airflow.serialization.definitions.mappedoperator import SerializedMappedOperator
from airflow.serialization.json_schema import load_dag_schema_dict
from airflow.serialization.serialized_objects import BaseSerialization, OperatorSerialization
from airflow.task.priority_strategy import get_airflow_priority_weight_strategies
from airflow.task.trigger_rule import TriggerRule
from airflow.task.weight_rule import WeightRule
from airflow.timetables.base import Timetable

from airspace.airflow.parsing.discovery import at_most
from airspace.airflow.parsing.shape import Known

ANY = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})

# Fields of tasks that Airflow writes and that its schema leaves out.
_UNWRITTEN: dict[str, frozenset[str]] = {
    "_is_empty": frozenset({"boolean"}),
    "_can_skip_downstream": frozenset({"boolean"}),
    "has_retry_policy": frozenset({"boolean"}),
    "_operator_name": frozenset({"string"}),
    "python_callable_name": frozenset({"string"}),
    "email": frozenset({"string", "array", "null"}),
    "run_as_user": frozenset({"string", "null"}),
    "executor": frozenset({"string", "null"}),
    "expand_input": frozenset({"object"}),
    "op_kwargs_expand_input": frozenset({"object"}),
    "resources": frozenset({"object", "null"}),
    "_operator_extra_links": frozenset({"object"}),
}
# Names that Airflow still reads for Dags of older versions, and none that it writes: a way around the checks.
_LEGACY = frozenset(
    {"_task_type", "_outlets", "_inlets", "_downstream_task_ids", "task_display_name", "label", "operator_extra_links"}
    | {f"on_{when}_callback" for when in ("execute", "failure", "success", "retry", "skipped")}
    | {"_on_failure_fail_dagrun", "deps", "subdag"}
)


def known() -> Known:
    """What this Airflow knows."""
    definitions = load_dag_schema_dict()["definitions"]
    tasks = _types(definitions["operator"]["properties"], definitions) | _UNWRITTEN
    attributes = frozenset(dir(SerializedBaseOperator)) | frozenset(dir(SerializedMappedOperator))
    fields = SerializedBaseOperator.get_serialized_fields() | SerializedMappedOperator.get_serialized_fields()
    return Known(
        version=BaseSerialization.SERIALIZER_VERSION,
        dag_fields=_types(definitions["dag"]["properties"], definitions),
        task_fields=tasks,
        not_fields=(attributes | _LEGACY) - fields - frozenset(tasks) | frozenset({"operator_extra_links"}),
        schedule_classes=_schedule_classes(),
        weight_rules=frozenset(map(str, get_airflow_priority_weight_strategies()))
        | frozenset(rule.value for rule in WeightRule)
        | frozenset(plugins_manager.get_priority_weight_strategy_plugins()),
        trigger_rules=frozenset(rule.value for rule in TriggerRule),
        defaults=json.loads(json.dumps(_defaults())),
    )


def _defaults() -> dict[str, Any]:
    tasks = OperatorSerialization.generate_client_defaults()
    return {"tasks": tasks} if tasks else {}


def _types(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {name: frozenset(_json_types(node, definitions)) or ANY for name, node in properties.items()}


def _json_types(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """The JSON types that a piece of a JSON schema lets through."""
    if "$ref" in node:
        yield from _json_types(definitions[node["$ref"].rpartition("/")[2]], definitions)
    for choice in node.get("anyOf", ()):
        yield from _json_types(choice, definitions)
    named = node.get("type", ())
    yield from [named] if isinstance(named, str) else named
    if isinstance(node.get("const"), bool):
        yield "boolean"
    if "default" in node and node["default"] is None:
        yield "null"


def _schedule_classes() -> frozenset[str]:
    """Airflow's own, by looking at each class that there is, and those that installed plugins bring."""
    own = {
        f"{cls.__module__}.{cls.__qualname__}"
        for package, bases in (
            (airflow.timetables, (Timetable,)),
            (airflow.partition_mappers, (PartitionMapper, Window, WaitPolicy)),
        )
        for cls in _classes(package)
        if set(cls.__mro__[1:]) & set(bases)  # one of them is a protocol, of which no subclasses can be asked
    }
    plugins = (
        plugins_manager.get_timetables_plugins(),
        plugins_manager.get_partition_mapper_plugins(),
        plugins_manager.get_windows_plugins(),
    )
    return frozenset(own.union(*plugins))


def _classes(package: ModuleType) -> Iterator[type]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        yield from (thing for thing in vars(module).values() if isinstance(thing, type))


def load(dag: Any, seconds: int) -> str | None:
    """Build a Dag, and find its next run, as the scheduler does in each of its loops; why that cannot be done.

    Nothing of the team runs: ``checks`` has let through only names of Airflow's own classes.
    """
    try:
        with at_most(seconds):
            real = dag._real_dag
            timetable = dag.timetable
            _ = (timetable.summary, timetable.description, timetable.type_name, timetable.periodic)
            list(timetable.asset_condition.iter_assets())
            if timetable.can_be_scheduled:
                within = real._time_restriction
                first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=within)
                if first is not None:  # the next one is counted from its end
                    timetable.next_dagrun_info_v2(last_dagrun_info=first, restriction=within)
    except Exception as error:  # noqa: BLE001 - whatever Airflow makes of it: it must not come up again in the scheduler
        cause = error.__cause__ or error
        return f"{type(cause).__name__}: {str(cause)[:300]}".replace("\0", "").encode("utf-8", "replace").decode()
    return None
