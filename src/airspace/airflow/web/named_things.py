"""Airflow's questions about what has a name and a team of its own: connections, variables and pools.

Airflow asks more often than it means to: about the team that a thing has, about the one in the body, and about none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from airflow.utils.session import create_session
from fastapi import HTTPException

from airspace.access.rules import Decision, Resource, Rule, may_everywhere
from airspace.access.table import Action, Kind
from airspace.airflow.web import ownership
from airspace.airflow.web.questions import MISSING, action_on
from airspace.airflow.web.request_scope import named_in_address


class Decides(Protocol):
    """What the auth manager is asked here."""

    rules: ClassVar[Sequence[Rule]]

    def decide(self, user: Any, action: Action, resource: Resource) -> Decision:
        """The decision, with the rules in force."""


class NamedThings:
    """The questions, put to the one decision function."""

    def __init__(self, manager: Decides) -> None:
        self._manager = manager

    def may(self, kind: Kind, method: str, user: Any, name: str | None, details: Any) -> bool:
        """One of them; without a name the question is about a list, or about one to be made."""
        action, team = action_on(kind, method), details.team_name if details else None
        if name is None or method == "POST":
            listing = method == "GET" and team is None
            return self._may(user, action, Resource(kind, team, listing=listing))
        if method == "PUT":
            self._check_before_change(kind, name, user, team)
        decision = self._manager.decide(user, action, Resource(kind, team, name))
        if decision.hidden and method != "PUT" and named_in_address(name):
            raise HTTPException(404, MISSING[kind].format(name))
        return decision.allowed

    def may_all(self, kind: Kind, requests: Sequence[tuple[Any, str, Any]], user: Any) -> bool:
        """All of these: each a method, a name and Airflow's details."""
        asked = [(str(method), name, details.team_name) for method, name, details in requests]
        if kind is Kind.VARIABLE:
            # Airflow's bulk creation of variables drops the team: what it makes, or overwrites, is global.
            asked = [(method, name, None if method == "POST" else team) for method, name, team in asked]
        skip = self._only_placeholders(kind, asked, user)
        for method, name, team in asked:
            if team is None and skip[method, name] > 0:
                skip[method, name] -= 1
                continue
            if not self._may(user, action_on(kind, method), Resource(kind, team, None if method == "POST" else name)):
                return False
        return True

    def _check_before_change(self, kind: Kind, name: str, user: Any, asked: str | None) -> None:
        """Airflow asks about the team a thing has and about the one in the body, in no certain order.

        So what may not be seen is hidden first, whichever is asked. A body without a team is asked about as "no team":
        say which one to name to those who may change it.
        """
        with create_session() as session:
            team = ownership.teams_of(kind, [name], session).get(name)
        found = self._manager.decide(user, Action.WRITE, Resource(kind, team, name))
        if found.hidden and named_in_address(name):
            raise HTTPException(404, MISSING[kind].format(name))
        everywhere = may_everywhere(user.principal, Action.WRITE, kind, self._manager.rules)
        if found.allowed and asked is None and not everywhere:
            raise HTTPException(
                403, f'Only administrators change what has no team: add "team_name": "{team}" to the body.'
            )

    def _only_placeholders(
        self, kind: Kind, asked: list[tuple[str, str, str | None]], user: Any
    ) -> Counter[tuple[str, str]]:
        """How many of Airflow's questions about "no team" mean nothing, by method and name.

        For each thing to create it asks twice, for no team and for the team in the body. The first one counts only if
        the thing exists without a team, or if the body names no team.
        """
        placed = Counter((method, name) for method, name, team in asked if team is not None and method != "DELETE")
        if not placed or kind is Kind.VARIABLE:
            return Counter()
        with create_session() as session:
            existing = ownership.teams_of(kind, {name for _, name in placed}, session)

        def meaningless(method: str, name: str) -> bool:
            team = existing.get(name)
            theirs = team is not None and self._may(user, action_on(kind, method), Resource(kind, team))
            return name not in existing or theirs

        return Counter({key: count for key, count in placed.items() if meaningless(*key)})

    def _may(self, user: Any, action: Action, resource: Resource) -> bool:
        return self._manager.decide(user, action, resource).allowed
