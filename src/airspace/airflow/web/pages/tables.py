"""Tables of the warehouse, looked at in the sandbox of the team through which somebody looks, by that team's role.

Where the doors were wrong, the server would still ask the role: another team's schema is closed to it but for what is
published to it.
"""

from __future__ import annotations

from typing import Any

from airflow.utils.session import create_session
from fastapi import APIRouter, HTTPException
from starlette.concurrency import run_in_threadpool

from airspace.airflow import warehouse
from airspace.airflow.web import assets
from airspace.airflow.web.pages.artifacts import At, SeenTeam, answered, check
from airspace.airflow.web.pages.viewings import ask
from airspace.model.warehouse import published, schema
from airspace.storage.viewing import reader
from airspace.storage.viewing.answers import Table, Tables
from airspace.storage.viewing.places import TABLES, PlaceError, TablePlace

router = APIRouter(prefix="/artifacts", tags=["artifacts"])

NO_WAREHOUSE = "This platform has no warehouse. `airspace doctor` says why."


@router.get("/{team}/tables")
async def tables(team: SeenTeam) -> Tables:
    """What the team has in the warehouse; the first names."""
    await run_in_threadpool(_check, team, team, None, TABLES)
    found: Tables = await answered(ask(team, _question(team, reader.TABLES, schema=schema(team)), Tables), TABLES)
    return found


@router.get("/{team}/table")
async def table(team: SeenTeam, at: At) -> Table:
    """How a table begins: ``at`` is ``tables/<team>/<name>``, of the team's own or of what others publish to it."""
    try:
        place = TablePlace.read(at)
    except PlaceError as error:
        raise HTTPException(422, f"This is no table: {error}.") from None
    await run_in_threadpool(_check, team, place.owner, place.name, at)
    shown = schema(team) if place.owner == team else published(place.owner)
    found: Table = await answered(ask(team, _question(team, reader.TABLE, schema=shown, name=place.name), Table), at)
    return found


def _question(team: str, what: str, **about: str) -> reader.Question:
    """What a reader is asked: as the team's role, with the password that its tasks have, too."""
    login: dict[str, Any] | None = warehouse.login_of(team)
    if login is None:
        raise HTTPException(404, NO_WAREHOUSE)
    return {"what": what, "warehouse": login, **about}


def _check(team: str, owner: str, name: str | None, at: str) -> None:
    with create_session(scoped=False) as session:
        readable = name is None or assets.may_read_table(team, owner, name, session)
        check(team, at, readable, session)
