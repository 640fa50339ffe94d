"""Airflow's questions about access, put to our one decision function.

Rights are read from the database on every request and never stored in a token, so that taking one away works at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from airflow import settings
from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.common.types import MenuItem
from airflow.utils.session import NEW_SESSION, create_session, provide_session
from fastapi import HTTPException
from jwt import ExpiredSignatureError, InvalidTokenError

from airspace.access.rules import RULES, Decision, Resource, Rule, decide, may_everywhere, may_in
from airspace.access.table import Action, Kind
from airspace.airflow.guard.middleware import DirectGuard
from airspace.airflow.web import held, ownership, team_view, view_as
from airspace.airflow.web.addresses import asset_number
from airspace.airflow.web.middleware import AccessMiddleware
from airspace.airflow.web.named_things import NamedThings
from airspace.airflow.web.questions import ENTITY_KIND, MENU, MISSING, action_on
from airspace.airflow.web.request_scope import named_in_address, notes
from airspace.airflow.web.whole_path import WholePath
from airspace.backends.tables import UserStore
from airspace.model.roles import Principal


@dataclass(frozen=True)
class AirspaceUser(BaseUser):
    """A principal, as Airflow passes it around; in a read-only view, ``signed_in`` is who looks.

    In the view of one team, ``principal`` is a member of that team and nothing else; ``everywhere`` is the same person
    outside of it. Only what says who somebody is, or leads to another view, may ask for that.
    """

    principal: Principal
    signed_in: str | None = None
    everywhere: Principal | None = None

    @property
    def whole(self) -> Principal:
        """The person outside of any team's view."""
        return self.everywhere or self.principal

    def get_id(self) -> str:
        """The name."""
        return self.principal.name

    def get_name(self) -> str:
        """The name: it is what the event log shows as the owner, and the stock pages as who is signed in."""
        return f"{self.principal.name} (seen by {self.signed_in})" if self.signed_in else self.principal.name


_POSTS_FOR = "posts for"  # in the request's notes: the owner of the asset that an event is posted on


class AirspaceAuthManager(BaseAuthManager[AirspaceUser]):
    """Every method is one question to :func:`airspace.access.rules.decide`."""

    rules: ClassVar[Sequence[Rule]] = RULES

    def init(self) -> None:
        """Nothing: the base class would refuse to start when a team has just gone."""

    @property
    def users(self) -> UserStore:
        """The store over Airflow's own engine (which a forked worker replaces, so it is not kept)."""
        return UserStore(settings.engine)

    # -- who

    def deserialize_user(self, token: dict[str, Any]) -> AirspaceUser:
        """The user with the rights of this moment; an unknown or disabled one has to sign in again."""
        principal = self.users.principal(str(token["sub"]))
        if principal is None:
            raise ExpiredSignatureError("this user is no longer known or has been disabled")
        signed_in = None
        if viewed := view_as.viewed():
            principal, signed_in = view_as.look(principal, viewed, self.users), principal.name
        return AirspaceUser(team_view.look(principal), signed_in, everywhere=principal)

    def serialize_user(self, user: AirspaceUser) -> dict[str, Any]:
        """Only the name of who is signed in: neither rights nor a view ever enter a token."""
        return {"sub": user.signed_in or user.principal.name}

    async def get_user_from_token(self, token: str) -> BaseUser:
        """As the base class, but every token that is no longer good is "expired": 401, the browser signs in again."""
        try:
            return await super().get_user_from_token(token)
        except ExpiredSignatureError:
            raise
        except InvalidTokenError as error:
            raise ExpiredSignatureError(str(error)) from error

    def get_url_login(self, **kwargs: Any) -> str:
        """Our sign-in page."""
        url = f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/login"
        return f"{url}?{urlencode({'next': kwargs['next_url']})}" if kwargs.get("next_url") else url

    def get_url_logout(self) -> str:
        """Where the cookie is deleted; Airflow has revoked the token before."""
        return f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/logout"

    def get_fastapi_app(self) -> Any:
        """Sign-in, at ``/auth``."""
        from airspace.airflow.web.sign_in.app import create_app  # a worker that only migrates needs no web pages

        return create_app(self)

    def get_fastapi_middlewares(self) -> list[tuple[Any, dict[str, Any]]]:
        """From within: the short way to tasks' API, what each request is about, and its whole address."""
        return [(DirectGuard, {}), (AccessMiddleware, {}), (WholePath, {})]

    @staticmethod
    def get_db_manager() -> str | None:
        """Our tables are created by Airflow's own migration."""
        return "airspace.airflow.db.AirspaceDBManager"

    def _get_teams(self) -> set[str]:
        with create_session() as session:
            return ownership.team_names(session)

    # -- what: single things

    def decide(self, user: AirspaceUser, action: Action, resource: Resource) -> Decision:
        """The decision, with the rules in force."""
        return decide(user.principal, action, resource, self.rules)

    def decide_asset(self, action: Action, asset_id: int, user: AirspaceUser) -> Decision:
        """The decision about one asset, which may not exist."""
        with create_session() as session:
            place = ownership.asset_places([asset_id], session).get(asset_id)
        resource = place.resource(asset_id) if place else Resource(Kind.ASSET, None, str(asset_id))
        if action is Action.POST and resource.team is not None:
            notes()[_POSTS_FOR] = resource.team
        decision = self.decide(user, action, resource)
        if decision.allowed:
            held.refuse(resource.team, Kind.ASSET, action)
        return decision

    def is_authorized_dag(
        self, *, method: Any, user: AirspaceUser, access_entity: Any = None, details: Any = None
    ) -> bool:
        """A Dag or what belongs to one; without an id the question is about a list."""
        kind = ENTITY_KIND[access_entity.name if access_entity else None]
        action = action_on(kind, str(method))
        if details is None or details.id is None:
            return self._may(user, action, Resource(kind, listing=True))
        team = self._team_of_dag(details.id, details.team_name, user, action, kind)
        decision = self.decide(user, action, Resource(kind, team, details.id))
        if decision.hidden and named_in_address(details.id):
            raise HTTPException(404, MISSING[Kind.DAG].format(details.id))
        if decision.allowed and held.starts(kind, action):
            held.refuse(self._own_team_of_dag(details.id), kind, action, details.id)
        return decision.allowed

    def is_authorized_connection(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """A connection; testing one is asked as creating one."""
        return NamedThings(self).may(Kind.CONNECTION, str(method), user, details and details.conn_id, details)

    def is_authorized_variable(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """A variable."""
        return NamedThings(self).may(Kind.VARIABLE, str(method), user, details and details.key, details)

    def is_authorized_pool(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """A pool."""
        return NamedThings(self).may(Kind.POOL, str(method), user, details and details.name, details)

    def is_authorized_asset(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """An asset; without an id the question is about a list, or names the asset in its body (row filters)."""
        action = action_on(Kind.ASSET, str(method))
        if details is None or details.id is None:
            return self._may(user, action, Resource(Kind.ASSET, listing=True))
        decision = self.decide_asset(action, asset_number(str(details.id)), user)
        if decision.hidden:
            raise HTTPException(404, MISSING[Kind.ASSET].format(details.id))
        return decision.allowed

    def is_authorized_asset_alias(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """An alias, which has no owner; Airflow asks this for its own list and along with every list of assets."""
        action = action_on(Kind.ASSET_ALIAS, str(method))
        alias_id = details.id if details else None
        return self._may(user, action, Resource(Kind.ASSET_ALIAS, None, alias_id, listing=alias_id is None))

    def is_authorized_team(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:
        """A team."""
        name = details.name if details else None
        return name is not None and self._may(user, action_on(Kind.TEAM, str(method)), Resource(Kind.TEAM, name, name))

    def is_authorized_configuration(self, *, method: Any, user: AirspaceUser, details: Any = None) -> bool:  # noqa: ARG002
        """Airflow's configuration: the platform's, no team's."""
        return self._may(user, action_on(Kind.CONFIGURATION, str(method)), Resource(Kind.CONFIGURATION))

    def is_authorized_view(self, *, access_view: Any, user: AirspaceUser) -> bool:
        """One of Airflow's pages."""
        return self._may(user, Action.READ, Resource(Kind.PAGE, id=access_view.name.lower()))

    def is_authorized_custom_view(self, *, method: Any, resource_name: str, user: AirspaceUser) -> bool:
        """A page of a plugin."""
        action = action_on(Kind.CUSTOM_VIEW, str(method))
        return self._may(user, action, Resource(Kind.CUSTOM_VIEW, id=resource_name))

    def filter_authorized_menu_items(self, menu_items: list[MenuItem], *, user: AirspaceUser) -> list[MenuItem]:
        """What leads somewhere for this user."""
        return [item for item in menu_items if self._may(user, Action.READ, MENU[item.name])]

    # -- what: many at once. Airflow words a refusal here in the same way for the missing and the foreign.

    def batch_is_authorized_dag(self, requests: Sequence[Any], *, user: AirspaceUser) -> bool:
        """All of these; the answer is one yes or no."""
        return all(self._batched_dag(request, user) for request in requests)

    def batch_is_authorized_connection(self, requests: Sequence[Any], *, user: AirspaceUser) -> bool:
        """All of these."""
        return NamedThings(self).may_all(
            Kind.CONNECTION, [(r["method"], r["details"].conn_id, r["details"]) for r in requests], user
        )

    def batch_is_authorized_variable(self, requests: Sequence[Any], *, user: AirspaceUser) -> bool:
        """All of these."""
        return NamedThings(self).may_all(
            Kind.VARIABLE, [(r["method"], r["details"].key, r["details"]) for r in requests], user
        )

    def batch_is_authorized_pool(self, requests: Sequence[Any], *, user: AirspaceUser) -> bool:
        """All of these."""
        return NamedThings(self).may_all(
            Kind.POOL, [(r["method"], r["details"].name, r["details"]) for r in requests], user
        )

    # -- what: lists, filtered in SQL

    def teams_where(self, user: AirspaceUser, action: Action, kind: Kind, session: Any = None) -> set[str] | None:
        """The teams in which the user may do this; None: in all of them and with what has no team."""
        if may_everywhere(user.principal, action, kind, self.rules):
            return None
        if user.principal.platform_role is None:
            known = set(user.principal.teams)  # no rule grants others anything in a team that they are not in
        elif session is None:
            with create_session() as own:
                known = ownership.team_names(own)
        else:
            known = ownership.team_names(session)
        return {team for team in known if may_in(user.principal, action, kind, team, self.rules)}

    @provide_session
    def get_authorized_dag_ids(
        self, *, user: AirspaceUser, method: Any = "GET", session: Any = NEW_SESSION
    ) -> set[str]:
        """The Dags that the user may read or change."""
        action = action_on(Kind.DAG, str(method))
        found = ownership.dag_ids(self.teams_where(user, action, Kind.DAG, session), session)
        return found - held.held_dags(session) if held.starts(Kind.DAG, action) else found

    @provide_session
    def get_authorized_connections(
        self, *, user: AirspaceUser, method: Any = "GET", session: Any = NEW_SESSION
    ) -> set[str]:
        """The connections."""
        return self._names(Kind.CONNECTION, method, user, session)

    @provide_session
    def get_authorized_variables(
        self, *, user: AirspaceUser, method: Any = "GET", session: Any = NEW_SESSION
    ) -> set[str]:
        """The variables."""
        return self._names(Kind.VARIABLE, method, user, session)

    @provide_session
    def get_authorized_pools(self, *, user: AirspaceUser, method: Any = "GET", session: Any = NEW_SESSION) -> set[str]:
        """The pools."""
        return self._names(Kind.POOL, method, user, session)

    @provide_session
    def get_authorized_teams(self, *, user: AirspaceUser, method: Any = "GET", session: Any = NEW_SESSION) -> set[str]:
        """The teams. Who posts an event on an asset does so for its owner, and not for all whom they may see."""
        if _POSTS_FOR in notes():
            return {notes()[_POSTS_FOR]}
        return self.filter_authorized_teams(teams_names=ownership.team_names(session), user=user, method=method)

    def get_readable_assets(self, *, user: AirspaceUser) -> dict[int, ownership.AssetPlace]:
        """The assets that the user may read, for those who may not read all."""
        with create_session(scoped=False) as session:
            near = ownership.assets_near(self.teams_where(user, Action.READ, Kind.ASSET, session) or (), session)
        return {
            asset_id: place
            for asset_id, place in near.items()
            if self._may(user, Action.READ, place.resource(asset_id))
        }

    def filter_authorized_dag_ids(
        self, *, dag_ids: set[str], user: AirspaceUser, method: Any = "GET", team_name: str | None = None
    ) -> set[str]:
        """All of one team's, or none."""
        return dag_ids if self._may_in_team(Kind.DAG, method, user, team_name) else set()

    def filter_authorized_connections(
        self, *, conn_ids: set[str], user: AirspaceUser, method: Any = "GET", team_name: str | None = None
    ) -> set[str]:
        """All of one team's, or none."""
        return conn_ids if self._may_in_team(Kind.CONNECTION, method, user, team_name) else set()

    def filter_authorized_variables(
        self, *, variable_keys: set[str], user: AirspaceUser, method: Any = "GET", team_name: str | None = None
    ) -> set[str]:
        """All of one team's, or none."""
        return variable_keys if self._may_in_team(Kind.VARIABLE, method, user, team_name) else set()

    def filter_authorized_pools(
        self, *, pool_names: set[str], user: AirspaceUser, method: Any = "GET", team_name: str | None = None
    ) -> set[str]:
        """All of one team's, or none."""
        return pool_names if self._may_in_team(Kind.POOL, method, user, team_name) else set()

    # -- how

    def _may(self, user: AirspaceUser, action: Action, resource: Resource) -> bool:
        return self.decide(user, action, resource).allowed

    def _team_of_dag(
        self, dag_id: str, asked: str | None, user: AirspaceUser, action: Action, kind: Kind
    ) -> str | None:
        """The team, not from Airflow's cache: a Dag that has moved is its new team's at once.

        Looked up in the same way whether the Dag exists or not, so that the time tells nothing; once in a request.
        """
        if may_everywhere(user.principal, action, kind, self.rules):
            return asked
        known: dict[str, str | None] = notes().setdefault("teams of dags", {})
        if dag_id not in known:
            with create_session(scoped=False) as session:
                known[dag_id] = ownership.team_of_dag(dag_id, session)
        return known[dag_id]

    def _own_team_of_dag(self, dag_id: str) -> str | None:
        """Whose it is, whoever asks."""
        with create_session(scoped=False) as session:
            return ownership.team_of_dag(dag_id, session)

    def _may_in_team(self, kind: Kind, method: Any, user: AirspaceUser, team: str | None) -> bool:
        return self._may(user, action_on(kind, str(method)), Resource(kind, team))

    def _names(self, kind: Kind, method: Any, user: AirspaceUser, session: Any) -> set[str]:
        return ownership.names(kind, self.teams_where(user, action_on(kind, str(method)), kind, session), session)

    def _batched_dag(self, request: Any, user: AirspaceUser) -> bool:
        entity, details = request.get("access_entity"), request.get("details")
        kind = ENTITY_KIND[entity.name if entity else None]
        action = action_on(kind, str(request["method"]))
        if details is None or details.id is None:
            return self._may(user, action, Resource(kind, listing=True))
        allowed = self._may(user, action, Resource(kind, details.team_name, details.id))
        if allowed and held.starts(kind, action):
            held.refuse(self._own_team_of_dag(details.id), kind, action, details.id)
        return allowed
