"""Does it only name what Airflow itself defines, each in its place? Pure; nothing in it is trusted.

A serialized Dag is a tree of JSON in which ``{"__type": ..., "__var": ...}`` stands for an object. The scheduler and
the API server build these objects, and import classes by the names in there. So every name is held against a list.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.airflow.parsing.param_schema import objection
from airspace.airflow.parsing.refusals import Refusal, quoted
from airspace.airflow.parsing.serialized import ASSETS, TYPE, VAR, asset_body, is_object, kind_of, tag
from airspace.model.limits import CodeLimits

# Objects that a Dag's fields may hold. Left out: connections, callback requests, whole Dags, exceptions, deadlines
# (which are judged in their own place) and whatever a later Airflow adds: each builds something that no author writes
# into a Dag, or imports by name.
VALUES = frozenset({"datetime", "timedelta", "timezone", "relativedelta", "k8s.V1Pod", "xcomref", "arg_not_set"})
CONTAINERS = frozenset({"dict", "set", "tuple"})

# What decides where, when and before whom a task runs: always written out, never as an object.
DECIDING = frozenset(
    {"pool", "pool_slots", "queue", "executor", "priority_weight", "weight_rule", "trigger_rule", "run_as_user"}
    | {"retries", "max_active_tis_per_dag", "max_active_tis_per_dagrun", "owner", "task_id", "outlets", "inlets"}
)


@dataclass(frozen=True)
class Known:
    """What this Airflow knows.

    :param version: of the serialization
    :param dag_fields: field of a Dag → the JSON types it may have
    :param task_fields: field of a task → the JSON types it may have
    :param not_fields: names that a task's own fields may not have: Airflow's methods and internals
    :param schedule_classes: classes that a schedule may name (timetables, mappers, windows, policies)
    :param weight_rules: how priorities may be added up
    :param trigger_rules: when a task may start
    :param defaults: what every task is given that does not say otherwise
    """

    version: int = 3
    dag_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    task_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    not_fields: frozenset[str] = frozenset()
    schedule_classes: frozenset[str] = frozenset()
    weight_rules: frozenset[str] = frozenset()
    trigger_rules: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """The checks of one Dag's structure. Assumes that ``plain`` has nothing against it."""

    known: Known
    limits: CodeLimits
    dag: Mapping[str, Any]

    def place(self, task_id: object = None) -> str:
        """Where, in words."""
        of = f"Dag {quoted(self.dag.get('dag_id'))}"
        return of if task_id is None else f"Task {quoted(task_id)} of {of}"

    def refusals(self) -> Iterator[Refusal]:
        """Everything that is wrong with the structure."""
        wrong = list(self._fields(self.dag, self.known.dag_fields, self.place()))
        yield from wrong
        if wrong:  # the rest relies on it
            return
        if not isinstance(self.dag.get("dag_id"), str) or not isinstance(self.dag.get("tasks"), list):
            yield Refusal("shape", self.place(), "has no id, or no list of tasks", "let Airflow serialize it")
            return
        yield from self._schedule(self.dag.get("timetable"), self.place())
        for name in ("default_args", "access_control"):
            yield from self._encoded(self.dag.get(name), self.place())
        yield from self._params(self.dag.get("params"), self.place())
        yield from self._dependencies(self.dag.get("dag_dependencies"))
        for task in self.dag["tasks"]:
            yield from self._task(task)

    def _fields(self, found: Mapping[str, Any], known: Mapping[str, frozenset[str]], place: str) -> Iterator[Refusal]:
        for name, value in found.items():
            kinds = known.get(name)
            if kinds is None:
                if known is self.known.dag_fields:
                    yield Refusal(
                        "unknown-field",
                        place,
                        f"has a field {quoted(name)} that Airflow does not know",
                        "let Airflow serialize it",
                    )
            elif kind_of(value) not in kinds and not (kind_of(value) == "integer" and "number" in kinds):
                yield Refusal(
                    "wrong-type",
                    place,
                    f"has the field {quoted(name)} as {kind_of(value)}, not as {' or '.join(sorted(kinds))}",
                    "let Airflow serialize it",
                )

    @property
    def _schedule_kinds(self) -> frozenset[str]:
        return self.known.schedule_classes | VALUES | CONTAINERS

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _task(self, raw: Any) -> Iterator[Refusal]:
        task = raw.get(VAR) if isinstance(raw, dict) else None
        if not isinstance(task, dict) or raw.get(TYPE) != "operator" or not isinstance(task.get("task_id"), str):
            yield Refusal("shape", self.place(), "has a task that is none", "let Airflow serialize it")
            return
        place = self.place(task["task_id"])
        partial = task.get("partial_kwargs", {})
        if not isinstance(partial, dict) or ("partial_kwargs" in task and task.get("_is_mapped") is not True):
            yield Refusal("shape", place, "is half a mapped task", "let Airflow serialize it")
            return
        templates = task.get("template_fields", [])
        templates = templates if isinstance(templates, list) else []
        # What a mapped task is given once and for all. Here a time may be an object, what decides on others may not.
        settled = {key: value for key, value in partial.items() if key in DECIDING or not is_object(value)}
        wrong = [
            *self._fields(task, self.known.task_fields, place),
            *self._fields(settled, self.known.task_fields, place),
        ]
        yield from wrong
        if wrong:
            return
        yield from self._own_fields(task, templates, self.known.not_fields, place)
        yield from self._own_fields(partial, templates, frozenset(), place)
        yield from self._params(task.get("params"), place)

    def _own_fields(
        self, fields: Mapping[str, Any], templates: list[Any], reserved: frozenset[str], place: str
    ) -> Iterator[Refusal]:
        """An operator may have fields of its own; they become attributes, so they may not hide Airflow's."""
        for name, value in fields.items():
            if name in reserved or name.startswith("__") or not name.isidentifier():
                yield Refusal(
                    "reserved-field",
                    place,
                    f"has a field {quoted(name)}, which is not a task's to set",
                    "rename the operator's argument",
                )
            elif name in templates:
                if name in self.known.task_fields and name != "email":
                    yield Refusal("reserved-field", place, f"has {quoted(name)} as a template", "remove it there")
            elif name in ("outlets", "inlets"):
                yield from self._ports(value, place)
            elif name in ("expand_input", "op_kwargs_expand_input"):
                yield from self._encoded(value.get("value") if isinstance(value, dict) else None, place)
            elif name == "start_trigger_args":
                for key in ("trigger_kwargs", "next_kwargs"):
                    yield from self._encoded(value.get(key) if isinstance(value, dict) else None, place)
            elif name not in self.known.task_fields or name == "executor_config" or is_object(value):
                yield from self._encoded(value, place)

    def _ports(self, ports: Any, place: str) -> Iterator[Refusal]:
        if not isinstance(ports, list):
            yield Refusal("assets", place, "has inlets or outlets that are no list", "let Airflow serialize it")
            return
        for port in ports:
            if tag(port) in ASSETS:
                yield from self._asset(port, place)
            else:
                yield from self._encoded(port, place)

    # --- objects -----------------------------------------------------------------------------------------------------

    def _encoded(self, root: Any, place: str) -> Iterator[Refusal]:
        """Goes the way that Airflow's deserializer goes, so that nobody's own data is taken for an object."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
                continue
            if not isinstance(node, dict):
                continue
            kind, body = tag(node), node.get(VAR)
            if kind in ASSETS:
                yield from self._asset(node, place)
            elif kind == "dict" and isinstance(body, dict):
                waiting.extend(body.values())
            elif kind in ("set", "tuple") and isinstance(body, list):
                waiting.extend(body)
            elif kind == "param" and isinstance(body, dict):
                waiting.extend(body.get(key) for key in ("default", "description", "schema", "source"))
                yield from self._schema(body, place)
            elif kind == "mapped_argument" and isinstance(body, dict) and isinstance(body.get("input"), dict):
                waiting.append(body["input"].get("value"))
            elif kind not in VALUES or VAR not in node:
                yield Refusal("object", place, f"holds an object of the kind {quoted(node.get(TYPE))}", _NO_OBJECT)

    def _params(self, params: Any, place: str) -> Iterator[Refusal]:
        pairs = list(params.items()) if isinstance(params, dict) else params
        if pairs is None:
            return
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
            yield Refusal("shape", place, "has params that are none", "let Airflow serialize it")
            return
        for _, body in pairs:
            for key in ("default", "description", "schema", "source") if isinstance(body, dict) else ():
                value = body.get(key)
                # Airflow takes a value for encoded only if it looks so; anything else stays as it is.
                if is_object(value) or (isinstance(value, list) and value and all(map(is_object, value))):
                    yield from self._encoded(value, place)
            if isinstance(body, dict):
                yield from self._schema(body, place)

    def _schema(self, param: Mapping[str, Any], place: str) -> Iterator[Refusal]:
        against = objection(param.get("schema"))
        if against is not None:
            yield Refusal("param-schema", place, f"has a param whose schema {against[0]}", against[1])

    def _schedule(self, root: Any, place: str) -> Iterator[Refusal]:
        """A timetable and everything that it is made of. Every name in there is imported and called."""
        waiting = [(root, True)]
        while waiting:
            node, object_wanted = waiting.pop()
            if isinstance(node, list):
                waiting.extend((item, False) for item in node)
            elif isinstance(node, dict):
                kind = tag(node)
                if kind in ASSETS:
                    yield from self._asset(node, place)
                    continue
                if (TYPE in node or object_wanted) and kind not in self._schedule_kinds:
                    yield Refusal(
                        "schedule-class",
                        place,
                        f"has a schedule of the class {quoted(node.get(TYPE))}, which is"
                        " neither Airflow's nor installed on this platform",
                        _NO_CLASS,
                    )
                waiting.extend((value, False) for value in node.values())
            elif object_wanted:
                yield Refusal("shape", place, "has no schedule", "let Airflow serialize it")

    def _asset(self, node: Mapping[str, Any], place: str) -> Iterator[Refusal]:
        """One asset, or a condition over several, in either of Airflow's two shapes."""
        waiting: list[Any] = [node]
        while waiting:
            found = waiting.pop()
            kind = tag(found)
            body = asset_body(found) if kind in ASSETS else None
            if not isinstance(body, dict):
                yield Refusal("assets", place, "names an asset that is none", "let Airflow serialize it")
            elif kind in ("asset_any", "asset_all"):
                parts = body.get("objects")
                waiting.extend(parts if isinstance(parts, list) else [None])
            else:
                yield from self._one_asset(str(kind), body, place)

    def _one_asset(self, kind: str, body: Mapping[str, Any], place: str) -> Iterator[Refusal]:
        names = [body[key] for key in ("name", "uri", "group") if key in body]
        wanted = {"asset": 3, "asset_alias": 2, "asset_ref": 1}[kind]
        if len(names) < wanted or not all(isinstance(name, str) and 0 < len(name) <= 1500 for name in names):
            yield Refusal(
                "assets", place, "names an asset without a proper name", "give it a name of 1 to 1500 characters"
            )
        if kind == "asset_ref" and set(body) - {TYPE} not in ({"name"}, {"uri"}):
            yield Refusal("assets", place, "refers to an asset by neither name nor URI", "let Airflow serialize it")
        if kind == "asset" and not isinstance(body.get("extra"), dict):
            yield Refusal("assets", place, "names an asset whose extra is no mapping", "let Airflow serialize it")
        for watcher in body.get("watchers") or ():
            if not _is_watcher(watcher):
                yield Refusal("assets", place, "names an asset with a watcher that is none", "let Airflow serialize it")
                break
            yield from self._encoded_kwargs(watcher["trigger"]["kwargs"], place)

    def _encoded_kwargs(self, kwargs: Any, place: str) -> Iterator[Refusal]:
        if is_object(kwargs):
            yield from self._encoded(kwargs, place)
        elif isinstance(kwargs, dict):
            for value in kwargs.values():
                yield from self._encoded_kwargs(value, place)

    def _dependencies(self, found: Any) -> Iterator[Refusal]:
        """One bad row here and nobody's dependency graph is shown."""
        wanted = {"source", "target", "label", "dependency_type", "dependency_id"}
        for row in found or ():
            if not isinstance(row, dict) or set(row) != wanted:
                yield Refusal("shape", self.place(), "has a dependency that is none", "let Airflow serialize it")
                return
            if not all(isinstance(value, str) for value in row.values()):
                yield Refusal("shape", self.place(), "has a dependency that is no text", "let Airflow serialize it")
                return
            if not self._is_own_dependency(row):
                yield Refusal(
                    "shape", self.place(), "has a dependency on what it does not name", "let Airflow serialize it"
                )
                return

    def _is_own_dependency(self, row: Mapping[str, str]) -> bool:
        """Airflow looks the assets up that these name, and expects to find each."""
        kind, named = row["dependency_type"], row["dependency_id"]
        if kind == "asset":
            try:
                key = json.loads(named)
                return set(key) == {"name", "uri"} and (key["name"], key["uri"]) in self._own_assets
            except (ValueError, TypeError, RecursionError):
                return False
        if kind == "asset-alias":
            return (named, None) in self._own_assets
        plain = not any(row[end].startswith("asset:") for end in ("source", "target"))
        return kind in ("asset-name-ref", "asset-uri-ref") or (kind in ("trigger", "sensor") and plain)

    @functools.cached_property
    def _own_assets(self) -> frozenset[tuple[Any, Any]]:
        """The assets that the Dag names, by name and URI; its aliases, by name and None."""
        found: set[tuple[Any, Any]] = set()
        waiting: list[Any] = [self.dag]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                body = asset_body(node) if tag(node) in ("asset", "asset_alias") else None
                if isinstance(body, dict) and isinstance(body.get("name"), str):
                    uri = body.get("uri") if tag(node) == "asset" else None
                    found.add((body["name"], uri if isinstance(uri, str) else None))
                waiting.extend(value for key, value in node.items() if key != "dag_dependencies")
        return frozenset(found)


_NO_OBJECT = "pass plain values; what has to be built is built in the task"
_NO_CLASS = "use one of Airflow's timetables, or have the platform's administrator install the plugin that brings it"


def _is_watcher(watcher: Any) -> bool:
    trigger = watcher.get("trigger") if isinstance(watcher, dict) else None
    return (
        isinstance(trigger, dict)
        and isinstance(watcher.get("name"), str)
        and isinstance(trigger.get("kwargs"), dict)
        and isinstance(trigger.get("classpath"), str)
        and all(part.isidentifier() for part in trigger["classpath"].split("."))
    )
