"""Teams in Airflow's own tables and in ours: what is there, and making a change so, in one transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.models.log import Log
from sqlalchemy import select
from sqlalchemy.orm import Session

from airspace.airflow.teams.assets import asset_conflicts
from airspace.airflow.teams.facts import running_in_pools, without_account
from airspace.airflow.teams.locking import lock
from airspace.airflow.teams.state import Present, compare, conflicts, read_present
from airspace.airflow.teams.writer import TeamWriter
from airspace.backends import tables
from airspace.model.change import Change
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.hold import HoldKind
from airspace.model.names import is_team_name
from airspace.teams.desired import DesiredTeam
from airspace.teams.rules import Sealer

Payload = Mapping[str, Any]


def read_teams(payload: Payload) -> dict[str, Any]:  # noqa: ARG001 - every command takes one
    """Every team as applied, without any secret."""
    with settings.get_session()() as session:
        rows = session.execute(select(tables.teams).order_by(tables.teams.c.name)).all()
        members = session.execute(select(tables.members).order_by(tables.members.c.user_name)).all()
        grants = session.execute(select(tables.asset_grants).order_by(tables.asset_grants.c.asset)).all()
        held = tables.all_holds(session)
    return {
        "teams": [
            {
                "name": row.name,
                "title": row.title,
                "bundle": row.bundle,
                "slots": row.slots,
                "applied_at": row.applied_at.isoformat(),
                "spec": row.spec,
                "members": [{"user": m.user_name, "role": m.role} for m in members if m.team == row.name],
                "hold": held[row.name].as_dict() if row.name in held else None,
                "grants": [{"asset": g.asset, "consumer": g.consumer} for g in grants if g.team == row.name],
            }
            for row in rows
        ]
    }


def plan_teams(payload: Payload) -> dict[str, Any]:
    """What apply would change in the database and in the sources."""
    return _run(payload, apply=False)


def apply_teams(payload: Payload) -> dict[str, Any]:
    """Make it so."""
    return _run(payload, apply=True)


def _run(payload: Payload, *, apply: bool) -> dict[str, Any]:
    if not conf.getboolean("core", "multi_team"):
        raise AirspaceError("Airflow's multi-team mode is off", fix="set [core] multi_team = True")
    teams = [DesiredTeam.from_dict(document) for document in payload["teams"]]
    sources: Mapping[str, Any] = payload.get("sources") or {}
    sealer = Sealer(secrets.token_bytes(32))
    with settings.get_session()() as session, session.begin():
        lock(session)
        _check_not_leaving(session, teams)
        present = read_present(session, teams)
        _check(teams, present)
        _check_assets(list(asset_conflicts(session, teams)))
        changes: list[Change] = []
        for team in teams:
            found = compare(team, present, sources, sealer)
            changes.extend(found)
            if apply:
                TeamWriter(session, team, present).write(found)
                _record_network(session, found)
        running, newcomers = running_in_pools(session, changes), without_account(session, changes)
    return {"changes": [change.as_dict() for change in changes], "running": running, "newcomers": newcomers}


def _record_network(session: Session, changes: Sequence[Change]) -> None:
    """What a team may reach is in the event log, for administrators and auditors, each time that it changes."""
    for change in changes:
        after, before = (change.after or {}).get("network"), (change.before or {}).get("network")
        if change.resource == "team" and after != before:
            extra = json.dumps({"team": change.team, "before": before or [], "after": after or []})
            session.add(Log(event="team_network", owner="airspace", owner_display_name="airspace apply", extra=extra))


def _check_not_leaving(session: Session, teams: Sequence[DesiredTeam]) -> None:
    """What is being removed is not made anew in between: its successor would find what is left of it."""
    held = tables.all_holds(session)
    leaving = [team.name for team in teams if team.name in held and held[team.name].kind is HoldKind.LEAVING]
    if leaving:
        raise InvalidInputError(
            f"team {', '.join(leaving)} is being removed", fix=f"finish that first: airspace team remove {leaving[0]}"
        )


def _check(teams: Sequence[DesiredTeam], present: Present) -> None:
    """Refuse before anything is written: names that mean something else, consumers that do not exist."""
    wrong = [team.name for team in teams if not is_team_name(team.name) or team.bundle != team.name]
    if wrong:
        raise InvalidInputError(f"not a team: {', '.join(wrong)}", fix="use the airspace command")
    known = present.team_names | {team.name for team in teams}
    unknown = sorted({c for team in teams for consumers in team.assets.values() for c in consumers} - known)
    if unknown:
        raise InvalidInputError(
            f"there is no team {', '.join(unknown)} to consume an asset",
            fix="apply their files too, or remove them there",
        )
    taken = [line for team in teams for line in conflicts(team, present)]
    if taken:
        raise InvalidInputError(
            "these names are taken by objects that are not the team's:\n  " + "\n  ".join(taken),
            fix="rename or delete them in Airflow (Admin menu), or use other names in the file",
        )


def _check_assets(conflicts: Sequence[str]) -> None:
    if conflicts:
        raise InvalidInputError(
            "these assets belong to other teams:\n  " + "\n  ".join(conflicts),
            fix="name them in one team's file only: the one whose Dags produce them",
        )
