"""Airflow's words for things, methods and menu items, translated into ours. Data only."""

from __future__ import annotations

from airspace.access.rules import Resource
from airspace.access.table import Action, Kind

ENTITY_KIND: dict[str | None, Kind] = {
    None: Kind.DAG,
    "AUDIT_LOG": Kind.EVENT_LOG,
    "CODE": Kind.CODE,
    "DEPENDENCIES": Kind.DAG,
    "HITL_DETAIL": Kind.HITL,
    "RUN": Kind.RUN,
    "TASK": Kind.TASK,
    "TASK_INSTANCE": Kind.TASK_INSTANCE,
    "TASK_LOGS": Kind.LOG,
    "VERSION": Kind.DAG,
    "WARNING": Kind.WARNING,
    "XCOM": Kind.XCOM,
}

# Backfills are asked about as runs. What is missing here is WRITE, which the role table grants only where it means it.
_ACTION: dict[tuple[Kind, str], Action] = {
    (Kind.DAG, "PUT"): Action.PAUSE,
    (Kind.RUN, "POST"): Action.TRIGGER,
    (Kind.RUN, "PUT"): Action.CHANGE,
    (Kind.TASK_INSTANCE, "POST"): Action.CHANGE,
    (Kind.TASK_INSTANCE, "PUT"): Action.CHANGE,
    (Kind.HITL, "PUT"): Action.ANSWER,
    (Kind.ASSET, "POST"): Action.POST,
}

MENU: dict[str, Resource] = {
    "REQUIRED_ACTIONS": Resource(Kind.HITL, listing=True),
    "ASSETS": Resource(Kind.ASSET, listing=True),
    "AUDIT_LOG": Resource(Kind.EVENT_LOG, listing=True),
    "CONFIG": Resource(Kind.CONFIGURATION),
    "CONNECTIONS": Resource(Kind.CONNECTION, listing=True),
    "DAGS": Resource(Kind.DAG, listing=True),
    "DEADLINES": Resource(Kind.RUN, listing=True),
    "DOCS": Resource(Kind.PAGE, id="docs"),
    "JOBS": Resource(Kind.PAGE, id="jobs"),
    "PLUGINS": Resource(
        Kind.CUSTOM_VIEW, id="plugins"
    ),  # the list is loaded by everyone's browser; its page is not shown
    "POOLS": Resource(Kind.POOL, listing=True),
    "PROVIDERS": Resource(Kind.PAGE, id="providers"),
    "VARIABLES": Resource(Kind.VARIABLE, listing=True),
    "XCOMS": Resource(Kind.XCOM, listing=True),
}

# Said of the missing and of the foreign alike. These are the words of Airflow's own routes; where those differ from
# route to route it does not matter, because whoever may not see a thing gets these words for a missing one too.
MISSING: dict[Kind, str] = {
    Kind.DAG: "The Dag with ID: `{}` was not found",
    Kind.CONNECTION: "The Connection with connection_id: `{}` was not found",
    Kind.VARIABLE: "The Variable with key: `{}` was not found",
    Kind.POOL: "The Pool with name: `{}` was not found",
    Kind.ASSET: "The Asset with ID: `{}` was not found",
}


def action_on(kind: Kind, method: str) -> Action:
    """What a method of Airflow's means for a thing."""
    if method in ("GET", "MENU"):
        return Action.READ
    return _ACTION.get((kind, method), Action.DELETE if method == "DELETE" else Action.WRITE)
