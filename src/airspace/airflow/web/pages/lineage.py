"""Lineage of one team, for the pages and for scripts."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query

from airspace.airflow.web import assets
from airspace.airflow.web.pages.artifacts import known, seen_team

router = APIRouter(tags=["artifacts"])


@router.get("/lineage")
def lineage(team: Annotated[str, Query()], user: GetUserDep) -> assets.Lineage:
    """The whole of a team's lineage; small enough to be drawn at once."""
    seen_team(team, user)
    with known() as session:
        return assets.lineage(team, session)
