"""What somebody changed elsewhere since the team files were applied: by what is kept of the files, without them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from airflow import settings
from airflow.models import Variable
from sqlalchemy import select
from sqlalchemy.orm import Session

from airspace.airflow.teams.state import CONNECTION_FIELDS, Present, actual_state, desired_state, read_present
from airspace.backends import tables
from airspace.model.change import Cause, Change, ChangeAction
from airspace.model.names import qualified
from airspace.teams.causes import unknown_fields
from airspace.teams.desired import DesiredTeam, is_sensitive, stored_team
from airspace.teams.rules import SECRET, Sealer, Value, diff

_OPEN_FIELDS = frozenset(CONNECTION_FIELDS) - {"password", "extra"}

Payload = Mapping[str, Any]


def find_drift(payload: Payload) -> dict[str, Any]:
    """The changes that would bring back what the files said, of all teams or of those named.

    ``values`` (when asked for) holds what is there instead, team → resource → field → value, for whoever adopts it:
    never a secret and nothing that may be one. ``unreadable`` are teams whose file was kept by another version.
    """
    wanted = payload.get("teams")
    with settings.get_session()() as session:
        ask = select(tables.teams.c.name, tables.teams.c.spec).order_by(tables.teams.c.name)
        specs = {row.name: row.spec for row in session.execute(ask) if wanted is None or row.name in wanted}
        found = {name: stored_team(spec) for name, spec in specs.items()}
        teams = [team for team in found.values() if team is not None]
        changes, values = _compare(session, teams)
    answer: dict[str, Any] = {
        "changes": [change.as_dict() for change in changes],
        "unreadable": [name for name, team in found.items() if team is None],
        "teams": len(specs),
    }
    return answer | ({"values": values} if payload.get("values") else {})


def _compare(session: Session, teams: list[DesiredTeam]) -> tuple[list[Change], dict[str, dict[str, dict[str, Any]]]]:
    sealer = Sealer(secrets.token_bytes(32))
    present = read_present(session, teams)
    changes: list[Change] = []
    values: dict[str, dict[str, dict[str, Any]]] = {}
    for team in teams:
        desired = desired_state(team, sealer)
        actual = actual_state(team, present, {}, sealer, desired)
        for resource, fields in unknown_fields(present.rows[team.name].spec).items():
            _believe(fields, desired.get(resource, {}), actual.get(resource))
        for state in (desired, actual):  # where Dags come from is nothing that somebody could change elsewhere
            if "bundle" in state:
                state["bundle"] = {"name": state["bundle"]["name"]}
        drifted = diff(team.name, desired, actual)
        changes += [Change(*_parts(change), cause=Cause.DRIFT) for change in drifted]
        there = {change.resource: shown for change in drifted if (shown := _there(team, change, present)) is not None}
        if there:
            values[team.name] = there
    return changes, values


def _believe(fields: frozenset[str], desired: dict[str, Value], actual: dict[str, Value] | None) -> None:
    """What a secret should be is not known: that one is set is all that can be held against it."""
    if actual is None:
        return
    for field in fields:
        if field in actual:
            desired[field] = actual[field]
        elif "type" in fields:  # a URI: nobody knows what it has
            desired.pop(field, None)
        else:
            desired[field] = Value(b"", SECRET)


def _parts(change: Change) -> tuple[str, str, ChangeAction, dict[str, Any] | None, dict[str, Any] | None]:
    return change.team, change.resource, change.action, change.before, change.after


def _there(team: DesiredTeam, change: Change, present: Present) -> dict[str, Any] | None:
    """Of what changed, the values that are there and may stand in a file. None when none may; empty when it is gone."""
    kind, _, name = change.resource.partition(" ")
    if change.action == ChangeAction.CREATE:
        return {} if kind in ("member", "pool", "connection", "variable") else None
    reader = {"team": _slots, "member": _role, "pool": _pool, "connection": _connection, "variable": _variable}.get(
        kind
    )
    found = reader(team, name, present) if reader else {}
    fields = change.after if change.after is not None else change.before
    return {key: found[key] for key in fields or () if key in found} or None


def _slots(team: DesiredTeam, _name: str, present: Present) -> dict[str, Any]:
    pool = present.pools.get(team.name)
    return {"slots": pool.slots} if pool is not None and pool.slots >= 1 and not pool.include_deferred else {}


def _role(team: DesiredTeam, name: str, present: Present) -> dict[str, Any]:
    role = present.members.get(team.name, {}).get(name)
    return {"role": role} if role else {}


def _pool(team: DesiredTeam, name: str, present: Present) -> dict[str, Any]:
    pool = present.pools[qualified(team.name, name)]
    return {"slots": pool.slots} if not pool.include_deferred else {}


def _connection(team: DesiredTeam, name: str, present: Present) -> dict[str, Any]:
    row, wanted = present.connections[qualified(team.name, name)], team.connections[name]
    if "uri" in wanted.fields:
        return {}
    found = {key: getattr(row, key) for key in _OPEN_FIELDS if key not in wanted.secret}
    return {"type" if key == "conn_type" else key: value for key, value in found.items()}


def _variable(team: DesiredTeam, name: str, present: Present) -> dict[str, Any]:
    row: Variable = present.variables[qualified(team.name, name)]
    wanted = team.variables[name]
    return {} if wanted.secret or is_sensitive(name) else {"value": row.val}
