"""Names at the door and looking through another's eyes: pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.access.naming import belongs, with_full_name
from airspace.access.rules import Action, Kind, Resource, decide
from airspace.access.views import as_seen_by
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
