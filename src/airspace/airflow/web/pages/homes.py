"""The team's home, the platform's, and the list of teams with how each of them is."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, HTTPException

from airspace.access.rules import PLATFORM_HOME, Resource
from airspace.access.table import Action, Kind
from airspace.airflow.web.homes import teams
from airspace.airflow.web.homes.reading import Reading, reading
from airspace.airflow.web.pages import platform_home, team_home
from airspace.airflow.web.pages.home_models import PlatformHome, TeamHealths, TeamHome

router = APIRouter(prefix="/homes", tags=["homes"])

SHOWN = (Kind.TEAM, Kind.DAG, Kind.RUN, Kind.TASK_INSTANCE, Kind.LOG, Kind.IMPORT_ERROR, Kind.POOL, Kind.ASSET)
"""What a team's home tells of: who may not read one of these does not see it."""


@router.get("/teams")
def all_teams(user: GetUserDep) -> TeamHealths:
    """How each team is that the reader may look into; the same number of queries for one and for a thousand."""
    names = get_auth_manager().teams_where(user, Action.READ, Kind.TEAM)
    with reading() as found:
        return platform_home.healths(names, found)


@router.get("/teams/{team}")
def one_team(team: str, user: GetUserDep) -> TeamHome:
    """A team's home; the same answer for a team that there is not and for one that the reader may not see."""
    manager = get_auth_manager()
    if not all(manager.decide(user, Action.READ, Resource(kind, team, team)).allowed for kind in SHOWN):
        raise _missing(team)
    with reading() as found:
        facts = _facts(team, found)
        return team_home.told(facts, found)


@router.get("/platform")
def platform(user: GetUserDep) -> PlatformHome:
    """How all teams are, and what they share."""
    if not get_auth_manager().decide(user, Action.READ, Resource(Kind.PAGE, id=PLATFORM_HOME)).allowed:
        raise HTTPException(404, "Not Found")
    return platform_home.remembered()


def _facts(team: str, found: Reading) -> teams.TeamFacts:
    known = teams.teams([team], found.session)
    if not known:
        raise _missing(team)
    return known[0]


def _missing(team: str) -> HTTPException:
    return HTTPException(404, f"The Team with name: `{team}` was not found")
