"""Why something changes and what is at risk: pure rules."""

from __future__ import annotations

from typing import Any

import pytest

from airspace.model.change import Cause, Change, ChangeAction
from airspace.teams.causes import cause, said_the_same, unknown_fields
from airspace.teams.risks import Facts, with_risks
from airspace.teams.rules import Sealer, State, diff

SEALER = Sealer(b"key of a test")


def state(**fields: Any) -> State:
    return {"connection w": SEALER.resource(fields)} if fields else {}


@pytest.mark.parametrize(
    ("file", "applied", "there", "expected"),
    [
        ({"host": "b"}, {"host": "a"}, {"host": "a"}, Cause.FILE),
        ({"host": "a"}, {"host": "a"}, {"host": "b"}, Cause.DRIFT),
        ({"host": "c"}, {"host": "a"}, {"host": "b"}, Cause.BOTH),
        ({"host": "a", "port": 2}, {"host": "a", "port": 1}, {"host": "b", "port": 1}, Cause.BOTH),
        ({"host": "a"}, {"host": "a"}, {}, Cause.DRIFT),
        ({"host": "a"}, {}, {}, Cause.FILE),
        ({}, {"host": "a"}, {"host": "a"}, Cause.FILE),
        ({}, {}, {"host": "a"}, Cause.DRIFT),
        ({"host": "b"}, None, {"host": "a"}, Cause.FILE),
    ],
)
def test_three_sides_tell_why(file: Any, applied: Any, there: Any, expected: Cause) -> None:
    desired, actual = state(**file), state(**there)
    [change] = diff("ops", desired, actual)
    assert cause(change, desired, None if applied is None else state(**applied), actual, {}) == expected


@pytest.mark.parametrize(
    ("same", "there", "expected"),
    [(True, "other", Cause.UNCLEAR), (False, "other", Cause.FILE), (True, None, Cause.DRIFT)],
)
def test_a_secret_that_differs_may_have_changed_on_either_side(same: bool, there: str | None, expected: Cause) -> None:
    desired, actual = state(type="http", password="secret"), state(type="http", password=there)
    [change] = diff("ops", desired, actual)
    assert cause(change, desired, state(type="http", password=""), actual, {"password": same}) == expected


def test_what_a_kept_file_does_not_tell() -> None:
    spec = {
        "connections": {
            "plain": {"type": "http", "login": "ada", "extra": {"region": "eu"}},
            "secret": {"type": "http", "password": {"plain": True}, "extra": {"key": {"env": "K"}}},
            "whole": {"uri": {"env": "URI"}},
        },
        "variables": {"x": {"env": "X"}, "y": {"env": "X", "more": 1}, "z": 1},
    }
    found = unknown_fields(spec)
    assert found["connection secret"] == {"password", "extra"}
    assert "host" in found["connection whole"]
    assert found["variable x"] == {"value"}
    assert found.keys() == {"connection secret", "connection whole", "variable x"}
    assert said_the_same("variable x", spec, {"variables": {"x": {"env": "X"}}})
    assert not said_the_same("variable x", spec, {"variables": {"x": {"env": "Y"}}})
    assert not said_the_same("variable new", spec, spec)


RISKS = [
    ("team", {"slots": 8}, {"slots": 4}, "6 tasks are running, 4 slots remain"),
    ("team", {"slots": 8}, {"slots": 7}, None),
    ("team", {"slots": 4}, {"slots": 8}, None),
    ("team", {"network": ["a:1", "b:2"]}, {"network": ["b:2"]}, "no longer reached, running connections end: a:1"),
    ("team", {"network": ["a:1"]}, {"network": None}, "a:1"),
    ("team", {"network": ["a:1"]}, {"network": ["a:1", "b:2"]}, None),
    ("team", {"network": ["a:1"]}, {"network": "open"}, "every public host"),
    ("team", {"network": "open"}, {"network": ["a:1"]}, "no longer reached, running connections end: open"),
    ("team", {"limits": {"memory": 8}}, {"limits": {"memory": 4}}, "memory is limited more"),
    ("team", {"limits": None}, {"limits": {"cpu": 1}}, "cpu is limited more"),
    ("team", {"limits": {"memory": 4}}, {"limits": None}, None),
    ("team", {"title": "a"}, None, "the team ops is removed"),
    ("bundle", {"folder": "/a"}, {"folder": "/b"}, "stop being scheduled"),
    ("member ada", {"role": "author"}, None, "ada loses access"),
    ("member ada", {"role": "author"}, {"role": "viewer"}, "ada may do less, at once: viewer instead of author"),
    ("member ada", {"role": "author"}, {"role": "lead"}, None),
    ("member ada", {"role": "lead"}, {"role": "author"}, "nobody is lead"),
    ("pool gpu", {"slots": 3}, {"slots": 1}, "2 tasks are running in the pool gpu, 1 slots remain"),
    ("pool gpu", {"slots": 3}, {"slots": 2}, None),
    ("pool gpu", {"slots": 3}, None, "are not scheduled any more; 2 run now"),
    ("connection w", {"host": "a"}, {"host": "b"}, "changed in place"),
    ("connection w", {"host": "a"}, None, "tasks that use the connection w fail"),
    ("variable v", {"value": "a"}, {"value": "b"}, None),
    ("variable v", {"value": "a"}, None, "get none"),
    ("asset x", {"consumers": ["da", "bi"]}, {"consumers": ["bi"]}, "da loses the asset x"),
    ("asset x", {"consumers": ["da"]}, {"consumers": ["da", "bi"]}, None),
    ("asset x", {"consumers": ["da"]}, None, "da loses the asset x"),
]


@pytest.mark.parametrize(("resource", "before", "after", "told"), RISKS)
def test_what_somebody_may_lose(resource: str, before: Any, after: Any, told: str | None) -> None:
    action = ChangeAction.UPDATE if after is not None else ChangeAction.DELETE
    change = Change("ops", resource, action, before, after)
    found = " ".join(with_risks(change, Facts({"ops": 4, "ops.gpu": 2, "opsy": 9}, {})).risks)
    assert (told in found) if told else found == ""


def test_what_is_new_takes_nothing_from_anybody() -> None:
    for resource in ("team", "member ada", "connection w", "asset x", "unheard-of"):
        change = Change("ops", resource, ChangeAction.CREATE, None, {"role": "lead"})
        assert with_risks(change, Facts()).risks == ()
    opened = Change("ops", "team", ChangeAction.CREATE, None, {"network": "open"})
    assert "public host" in with_risks(opened, Facts()).risks[0]


def test_a_change_survives_json() -> None:
    change = Change("ops", "pool gpu", ChangeAction.UPDATE, {"slots": 1}, {"slots": 2}, Cause.DRIFT, ("one", "two"))
    assert Change.from_dict(change.as_dict()) == change
