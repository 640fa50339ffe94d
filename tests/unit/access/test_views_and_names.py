"""Names at the door and looking through another's eyes: pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.access.naming import belongs, with_full_name
from airspace.access.rules import Action, Kind, Resource, decide
from airspace.access.views import as_seen_by, landing, within
from airspace.model.roles import PlatformRole, Principal, Role

ADMIN = Principal("admin", PlatformRole.ADMIN)
SUPPORT = Principal("sue", PlatformRole.SUPPORT, Role.OPERATOR)
LEAD = Principal("grace", teams={"data_science": Role.LEAD, "data_analytics": Role.VIEWER})


@given(
    viewer=st.sampled_from([ADMIN, SUPPORT]),
    target=st.sampled_from([LEAD, ADMIN, Principal("nemo")]),
    action=st.sampled_from(list(Action)),
    kind=st.sampled_from(list(Kind)),
    team=st.sampled_from(["data_science", "data_analytics", "other", None]),
)
def test_a_view_shows_no_more_than_both_may_and_changes_nothing(
    viewer: Principal, target: Principal, action: Action, kind: Kind, team: str | None
) -> None:
    seen = as_seen_by(viewer, target)
    if seen is None:
        assert viewer is SUPPORT
        assert target.platform_role is not None
        return
    resource = Resource(kind, team, "x")
    decision = decide(seen, action, resource)
    if decision.allowed:
        assert action is Action.READ
        assert decide(viewer, action, resource).allowed
        assert decide(target, action, resource).allowed


@pytest.mark.parametrize("viewer", [LEAD, Principal("iris", PlatformRole.AUDITOR), Principal("nemo")])
def test_only_administrators_and_support_look(viewer: Principal) -> None:
    assert as_seen_by(viewer, Principal("ben")) is None


def test_what_the_view_may_not_change_it_may_still_see_or_not() -> None:
    seen = as_seen_by(ADMIN, LEAD)
    assert seen is not None
    own = decide(seen, Action.DELETE, Resource(Kind.DAG, "data_science", "d"))
    foreign = decide(seen, Action.DELETE, Resource(Kind.DAG, "other", "d"))
    assert (own.allowed, own.hidden, own.reason) == (False, False, "this view is read-only")
    assert (foreign.allowed, foreign.hidden) == (False, True)


names = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    kind=st.sampled_from([Kind.CONNECTION, Kind.VARIABLE, Kind.POOL]), name=names, team=st.sampled_from(["ds", "de"])
)
def test_a_full_name_belongs_to_the_team_and_stays(kind: Kind, name: str, team: str) -> None:
    field = {Kind.CONNECTION: "connection_id", Kind.VARIABLE: "key", Kind.POOL: "pool"}[kind]
    body = with_full_name(kind, {field: name, "team_name": team, "rest": [name]})
    assert belongs(kind, team, body[field])
    assert body["rest"] == [name]
    assert with_full_name(kind, body) == body
    assert not belongs(kind, "de" if team == "ds" else "ds", body[field])
    bulk = {"actions": [{"action": "create", "entities": [{field: name, "team_name": team}]}]}
    assert with_full_name(kind, bulk)["actions"][0]["entities"][0][field] == body[field]


KEYS = ["actions", "entities", "key", "team_name", "action"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)  # fmt: skip


@given(body=JSON)
def test_whatever_is_sent_is_taken(body: Any) -> None:
    with_full_name(Kind.VARIABLE, body)


def test_what_names_no_team_or_changes_something_stays_as_it_is() -> None:
    for body in (
        {"key": "x"},
        {"key": "x", "team_name": None},
        {"key": "x", "team_name": 5},
        {"actions": [{"action": "update", "entities": [{"key": "x", "team_name": "ds"}]}]},
        {"actions": [{"action": "delete", "entities": ["x"]}]},
    ):
        assert with_full_name(Kind.VARIABLE, body) == body
    assert with_full_name(Kind.POOL, {"name": "ds", "team_name": "ds"})["name"] == "ds", "the pool of its slots"


PEOPLE = [
    ADMIN,
    SUPPORT,
    LEAD,
    Principal("iris", PlatformRole.AUDITOR, teams={"data_science": Role.LEAD}),
    Principal("nemo"),
]


@given(
    person=st.sampled_from(PEOPLE),
    view=st.sampled_from(["data_science", "data_analytics", "other"]),
    action=st.sampled_from(list(Action)),
    kind=st.sampled_from(list(Kind)),
    team=st.sampled_from(["data_science", "data_analytics", "other", None]),
    readers=st.sampled_from([frozenset[str](), frozenset({"data_science"}), frozenset({"data_analytics"})]),
    listing=st.booleans(),
)
def test_a_teams_view_never_widens_and_holds_nothing_of_other_teams(
    person: Principal, view: str, action: Action, kind: Kind, team: str | None, readers: frozenset[str], listing: bool
) -> None:
    narrowed = within(person, view)
    resource = Resource(kind, team, None if listing else "x", readers=readers, listing=listing)
    if narrowed is None:
        assert not any(decide(person, action, Resource(kind, view, "x")).allowed for kind in Kind for action in Action)
        return
    inside = decide(narrowed, action, resource)
    if inside.allowed:
        assert decide(person, action, resource).allowed
        shared = kind is Kind.ASSET and action is Action.READ and view in readers
        assert team == view or shared or listing or kind is Kind.PAGE
    elif team == view and person.platform_role is not PlatformRole.ADMIN:
        assert not decide(person, action, Resource(kind, team, "x", listing=listing)).allowed or kind is Kind.PAGE


def test_in_a_teams_view_everybody_is_a_member_of_that_team_alone() -> None:
    seen = within(SUPPORT, "data_science")
    assert seen == Principal("sue", teams={"data_science": Role.OPERATOR})
    assert within(ADMIN, "data_science") == Principal("admin", teams={"data_science": Role.LEAD})
    assert within(LEAD, "other") is None


@pytest.mark.parametrize(
    ("person", "recent", "team"),
    [
        (LEAD, None, "data_analytics"),
        (LEAD, "data_science", "data_science"),
        (LEAD, "other", "data_analytics"),
        (LEAD, "../../evil", "data_analytics"),
        (SUPPORT, "data_science", None),
        (Principal("nemo"), "data_science", None),
    ],
)
def test_somebody_begins_in_the_team_looked_at_last(person: Principal, recent: str | None, team: str | None) -> None:
    assert landing(person, recent) == team
