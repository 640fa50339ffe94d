"""Every route of the Execution API and what it is held against. Data only; a route that is not here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from airspace.access.rules import Action, Kind
from airspace.access.tasks import Turn


class Target(str, Enum):
    """What decides whose the thing is that a route is about."""

    EVERYBODY = "everybody"
    """Nothing of anybody's; needs no token."""
    NOBODY = "nobody"
    """Known, and refused."""
    ITSELF = "itself"
    """The asking instance, named in the path."""
    DAG = "dag"
    """A Dag, named by ``dag_id`` in the path or, where the path has none, in the query."""
    CONNECTION = "connection"
    VARIABLE = "variable"
    VARIABLE_KEYS = "variable keys"
    ASSET = "asset"
    """An asset, named by ``name`` and/or ``uri`` in the query."""
    ASSET_EVENTS = "asset events"
    """As ASSET; the answer names runs, of which only the own team's are shown."""
    ALIAS = "alias"
    """What an alias stands for: the answer shows only what may be read."""
    CONNECTION_TEST = "connection test"


@dataclass(frozen=True)
class Rule:
    """What a route is held against."""

    target: Target
    kind: Kind = Kind.TASK_INSTANCE
    action: Action = Action.READ
    turn: Turn = Turn.WORK
    emits: bool = False
    """The body may post events on assets."""


EVERYBODY = Rule(Target.EVERYBODY)
NOBODY = Rule(Target.NOBODY)
ITSELF = Rule(Target.ITSELF)
_NAMED = Rule(Target.ASSET, Kind.ASSET)
_ASSET_WRITE = Rule(Target.ASSET, Kind.ASSET, Action.WRITE)
_ASSET_DELETE = Rule(Target.ASSET, Kind.ASSET, Action.DELETE)
_RUN = Rule(Target.DAG, Kind.RUN)
_TASKS = Rule(Target.DAG, Kind.TASK_INSTANCE)
_XCOM = Rule(Target.DAG, Kind.XCOM)

_TI = "/task-instances/{task_instance_id}"
_STORE = "/store/ti/{task_instance_id}"
_XCOMS = "/xcoms/{dag_id}/{run_id}/{task_id}/{key:path}"
_VARIABLE = "/variables/{variable_key:path}"
_HITL = "/hitlDetails/{task_instance_id}"

RULES: Mapping[tuple[str, str], Rule] = MappingProxyType(
    {
        ("GET", "/health"): EVERYBODY,
        ("GET", "/health/ping"): EVERYBODY,
        # The description of the API is no task's business.
        ("GET", "/openapi.json"): NOBODY,
        ("HEAD", "/openapi.json"): NOBODY,
        # --- the asking instance
        ("PATCH", f"{_TI}/run"): Rule(Target.ITSELF, turn=Turn.START),
        ("PATCH", f"{_TI}/state"): Rule(Target.ITSELF, turn=Turn.REPORT, emits=True),
        ("PUT", f"{_TI}/heartbeat"): Rule(Target.ITSELF, turn=Turn.REPORT),
        ("PUT", f"{_TI}/rtif"): ITSELF,
        ("PATCH", f"{_TI}/rendered-map-index"): ITSELF,
        ("PATCH", f"{_TI}/skip-downstream"): ITSELF,
        ("GET", f"{_TI}/previous-successful-dagrun"): ITSELF,
        ("GET", f"{_TI}/validate-inlets-and-outlets"): ITSELF,
        ("GET", "/task-reschedules/{task_instance_id}/start_date"): ITSELF,
        ("GET", _HITL): ITSELF,
        ("POST", _HITL): ITSELF,
        ("PATCH", _HITL): ITSELF,
        ("GET", f"{_STORE}/{{key:path}}"): ITSELF,
        ("PUT", f"{_STORE}/{{key:path}}"): ITSELF,
        ("DELETE", f"{_STORE}/{{key:path}}"): ITSELF,
        ("DELETE", _STORE): ITSELF,
        # --- Dags
        ("GET", "/dags/{dag_id}"): Rule(Target.DAG, Kind.DAG),
        ("GET", "/dag-runs/count"): _RUN,
        ("GET", "/dag-runs/previous"): _RUN,
        ("GET", "/dag-runs/{dag_id}/previous"): _RUN,
        ("GET", "/dag-runs/{dag_id}/{run_id}"): _RUN,
        ("GET", "/dag-runs/{dag_id}/{run_id}/state"): _RUN,
        ("POST", "/dag-runs/{dag_id}/{run_id}"): Rule(Target.DAG, Kind.RUN, Action.TRIGGER),
        ("POST", "/dag-runs/{dag_id}/{run_id}/clear"): Rule(Target.DAG, Kind.RUN, Action.CHANGE),
        ("GET", "/task-instances/count"): _TASKS,
        ("GET", "/task-instances/states"): _TASKS,
        ("GET", "/task-instances/breadcrumbs"): _TASKS,
        ("GET", "/task-instances/previous/{dag_id}/{task_id}"): _TASKS,
        ("GET", _XCOMS): _XCOM,
        ("HEAD", _XCOMS): _XCOM,
        ("GET", f"{_XCOMS}/item/{{offset}}"): _XCOM,
        ("GET", f"{_XCOMS}/slice"): _XCOM,
        ("POST", _XCOMS): Rule(Target.DAG, Kind.XCOM, Action.WRITE),
        ("DELETE", _XCOMS): Rule(Target.DAG, Kind.XCOM, Action.DELETE),
        # --- names of the team
        ("GET", "/connections/{connection_id}"): Rule(Target.CONNECTION, Kind.CONNECTION),
        ("GET", "/variables/keys"): Rule(Target.VARIABLE_KEYS, Kind.VARIABLE),
        ("GET", _VARIABLE): Rule(Target.VARIABLE, Kind.VARIABLE),
        ("PUT", _VARIABLE): Rule(Target.VARIABLE, Kind.VARIABLE, Action.WRITE),
        ("DELETE", _VARIABLE): Rule(Target.VARIABLE, Kind.VARIABLE, Action.DELETE),
        # --- assets
        ("GET", "/assets/by-name"): _NAMED,
        ("GET", "/assets/by-uri"): _NAMED,
        ("GET", "/assets/by-alias"): Rule(Target.ALIAS, Kind.ASSET),
        ("GET", "/asset-events/by-asset"): Rule(Target.ASSET_EVENTS, Kind.ASSET),
        ("GET", "/asset-events/by-asset-alias"): Rule(Target.ALIAS, Kind.ASSET),
        ("GET", "/store/asset/by-name/value"): _NAMED,
        ("PUT", "/store/asset/by-name/value"): _ASSET_WRITE,
        ("DELETE", "/store/asset/by-name/value"): _ASSET_DELETE,
        ("DELETE", "/store/asset/by-name/clear"): _ASSET_DELETE,
        ("GET", "/store/asset/by-uri/value"): _NAMED,
        ("PUT", "/store/asset/by-uri/value"): _ASSET_WRITE,
        ("DELETE", "/store/asset/by-uri/value"): _ASSET_DELETE,
        ("DELETE", "/store/asset/by-uri/clear"): _ASSET_DELETE,
        # --- not a task's
        ("GET", "/connection-tests/{connection_test_id}/connection"): Rule(Target.CONNECTION_TEST, Kind.CONNECTION),
        ("PATCH", "/connection-tests/{connection_test_id}"): Rule(Target.CONNECTION_TEST, Kind.CONNECTION),
    }
)
