"""The comparison: complete, minimal, and silent about secrets."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from airspace.model.change import ChangeAction
from airspace.teams.rules import SECRET, SECRET_CHANGED, Sealer, State, Value, diff

SEALER = Sealer(b"key of a test")
VALUES = st.builds(
    lambda value, secret: SEALER.value(value, secret=secret),
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3)),
    st.booleans(),
)
RESOURCES = st.sampled_from(["team", "bundle", "pool gpu", "connection w", "variable t", "member ada", "asset x"])
STATES = st.dictionaries(RESOURCES, st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3))


def applied(actual: State, desired: State, changes: list) -> dict:
    """What is there after the changes were made so, resource by resource."""
    state = {name: dict(fields) for name, fields in actual.items()}
    for change in changes:
        if change.action == ChangeAction.DELETE:
            del state[change.resource]
        else:
            assert (change.resource in state) == (change.action == ChangeAction.UPDATE)
            state[change.resource] = dict(desired[change.resource])
    return state


@given(STATES, STATES)
def test_the_changes_lead_to_what_shall_be_and_then_there_are_none(desired: State, actual: State) -> None:
    changes = diff("ops", desired, actual)
    assert applied(actual, desired, changes) == {name: dict(fields) for name, fields in desired.items()}
    assert diff("ops", desired, desired) == []


@given(STATES, STATES)
def test_only_what_differs_is_touched(desired: State, actual: State) -> None:
    touched = {change.resource for change in diff("ops", desired, actual)}
    same = {name for name in desired.keys() & actual.keys() if desired[name] == actual[name]}
    assert touched.isdisjoint(same)
    for change in diff("ops", desired, actual):
        if change.action == ChangeAction.UPDATE:
            assert change.before is not None
            assert change.after is not None
            assert change.before.keys() == change.after.keys() != set()


@given(st.text(min_size=8), st.text(min_size=8))
def test_secrets_are_compared_and_never_shown(one: str, two: str) -> None:
    before = {"connection w": {"password": SEALER.value("x" + one, secret=True)}}
    after = {"connection w": {"password": SEALER.value("y" + two, secret=True)}}
    [change] = diff("ops", after, before)
    assert (change.before, change.after) == ({"password": SECRET}, {"password": SECRET_CHANGED})
    for state in (diff("ops", after, {}), diff("ops", {}, after)):
        assert state[0].before == {"password": SECRET} or state[0].after == {"password": SECRET}
    assert json.dumps("y" + two) not in json.dumps([change.as_dict()])


def test_digests_differ_between_runs() -> None:
    assert Sealer(b"one").digest("hunter22") != Sealer(b"two").digest("hunter22")
    assert Value("same", 1) == Value("same", 2)


def test_teams_come_first() -> None:
    state = {name: {} for name in ("variable t", "pool gpu", "bundle", "team", "member ada")}
    assert [c.resource for c in diff("ops", state, {})] == ["team", "bundle", "member ada", "pool gpu", "variable t"]
