"""Connections, variables and pools of a team are named ``<team>.<name>``: pure, over what a client sends.

So no name that a team chooses can meet another team's: nothing is taken, and no "already exists" tells of anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airspace.access.table import Kind
from airspace.model.names import qualified

# Where a body holds the name. Airflow reads a pool's under two names.
NAME_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONNECTION: ("connection_id",),
    Kind.VARIABLE: ("key",),
    Kind.POOL: ("name", "pool"),
}


def belongs(kind: Kind, team: str, name: str) -> bool:
    """Whether a thing of this team may be called so; a team's slots are the pool that has the team's own name."""
    return name.startswith(f"{team}.") or (kind is Kind.POOL and name == team)


def owner_by_name(kind: Kind, name: str) -> str | None:
    """The team that the name says, if there is such a team."""
    return name.partition(".")[0] if "." in name or kind is Kind.POOL else None


def names_in(kind: Kind, body: Mapping[str, Any]) -> list[str]:
    """Every name that the body gives the thing."""
    return [body[field] for field in NAME_FIELDS[kind] if isinstance(body.get(field), str)]


def with_full_name(kind: Kind, body: Any) -> Any:
    """The body of a thing to create, under the name that it has in its team; what names no team stays as it is."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("actions"), list):
        return {**body, "actions": [_bulk_action(kind, action) for action in body["actions"]]}
    team = body.get("team_name")
    if not isinstance(team, str) or not team:
        return body
    return {
        key: qualified(team, value)
        if key in NAME_FIELDS[kind] and isinstance(value, str) and not belongs(kind, team, value)
        else value
        for key, value in body.items()
    }


def _bulk_action(kind: Kind, action: Any) -> Any:
    if not isinstance(action, dict) or action.get("action") != "create" or not isinstance(action.get("entities"), list):
        return action
    return {**action, "entities": [with_full_name(kind, entity) for entity in action["entities"]]}
