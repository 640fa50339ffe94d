"""In the view of which of somebody's teams a thing is to be seen."""

from __future__ import annotations

from collections.abc import Collection

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session

from airspace.access.rules import Resource, decide
from airspace.access.table import Action, Kind
from airspace.access.views import within
from airspace.airflow.web import ownership
from airspace.airflow.web.addresses import Named, asset_number
from airspace.model.roles import Principal


def teams_showing(named: Named, principal: Principal) -> list[str]:
    """The teams of somebody's in whose view the page shows it, the one whose it is first.

    Somebody else's thing is in none of them, as is one that does not exist: they cannot be told apart.
    """
    resource = _resource(named)
    candidates = [resource.team, *sorted(resource.readers - {resource.team})]
    return [team for team in candidates if team is not None and _shows(principal, team, resource)]


def shown_to(named: Named, principal: Principal) -> bool:
    """Whether somebody sees it, in whatever view the principal is of."""
    return decide(principal, Action.READ, _resource(named), get_auth_manager().rules).allowed


def best(teams: Collection[str], wanted: str | None) -> str | None:
    """The wanted team if it is among these, else the first of these."""
    return wanted if wanted in teams else next(iter(teams), None)


def _resource(named: Named) -> Resource:
    if named.kind is Kind.ARTIFACT:
        return Resource(Kind.ARTIFACT, named.name)
    with create_session(scoped=False) as session:
        if named.kind is Kind.DAG:
            return Resource(Kind.DAG, ownership.team_of_dag(named.name, session), named.name)
        number = asset_number(named.name)
        place = ownership.asset_places([number], session).get(number)
    return place.resource(number) if place else Resource(Kind.ASSET, None, named.name)


def _shows(principal: Principal, team: str, resource: Resource) -> bool:
    member = within(principal, team)
    return member is not None and decide(member, Action.READ, resource, get_auth_manager().rules).allowed
