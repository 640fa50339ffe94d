"""Who is signed in, what they may look at, and through which view they do."""

from __future__ import annotations

from typing import Any, Literal

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.team import Team
from airflow.utils.session import create_session
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from sqlalchemy import select

from airspace.access.rules import role_in
from airspace.access.table import Kind
from airspace.airflow.web import team_view, whereabouts
from airspace.airflow.web.addresses import Named
from airspace.airflow.web.questions import MISSING
from airspace.backends import tables
from airspace.model.home import HomeLayout, home_root
from airspace.model.roles import PlatformRole, Principal
from airspace.platform.contact import read_contact

router = APIRouter(tags=["views"])
_team = Team.__table__

Home = Literal["team", "artifacts", "platform"]


class TeamSeen(BaseModel):
    """A team that the reader may see; ``role`` is what they may do there, or their role on the platform."""

    name: str
    title: str
    role: str


class Me(BaseModel):
    """See ``ui/src/shared/me.ts``, which reads it."""

    user: str
    seen_by: str | None
    view: str | None
    teams: list[TeamSeen]
    platform_role: str | None
    homes: list[Home]
    contact: str | None


@router.get("/me")
def me(user: GetUserDep) -> Me:
    """The reader, their teams, and the view that the address names."""
    principal: Principal = user.whole
    platform_role, view = principal.platform_role, team_view.named()
    teams = teams_seen(principal)
    homes: list[Home] = ["team", "artifacts"] if teams else []
    newcomer = not principal.teams and platform_role is None
    return Me(
        user=principal.name,
        seen_by=user.signed_in,
        view=None if view == team_view.ALL else view,
        teams=teams,
        platform_role=platform_role,
        homes=[*homes, "platform"] if platform_role else homes,
        contact=read_contact(HomeLayout(home_root())) if newcomer else None,
    )


def teams_seen(principal: Principal) -> list[TeamSeen]:
    """Every team that somebody may look into, by name."""
    titled = tables.teams.c.title
    ask = select(_team.c.name, titled).outerjoin(tables.teams, tables.teams.c.name == _team.c.name)
    if principal.platform_role is None:
        ask = ask.where(_team.c.name.in_(list(principal.teams)))
    with create_session(scoped=False) as session:
        rows = session.execute(ask.order_by(_team.c.name)).all()
    return [TeamSeen(name=row.name, title=row.title or row.name, role=_role(principal, row.name)) for row in rows]


class Place(BaseModel):
    """Where something is."""

    team: str


@router.get("/where/dags/{dag_id}")
def where_is_dag(dag_id: str, user: GetUserDep) -> Place:
    """The team of a Dag, for those who may look into that team; whatever view they are in."""
    return _place(Named(Kind.DAG, dag_id), user)


@router.get("/where/assets/{asset_id}")
def where_is_asset(asset_id: str, user: GetUserDep) -> Place:
    """In which team's view an asset is to be seen: the present one if it is there, else its owner's if that may be."""
    return _place(Named(Kind.ASSET, asset_id), user)


def _place(named: Named, user: Any) -> Place:
    team = whereabouts.best(whereabouts.teams_showing(named, user.whole), team_view.named())
    if team is None:
        raise HTTPException(404, MISSING[named.kind].format(named.name))
    return Place(team=team)


def _role(principal: Principal, team: str) -> str:
    if principal.platform_role in (PlatformRole.ADMIN, PlatformRole.AUDITOR):
        return str(principal.platform_role)
    return str(role_in(principal, team))
