"""Whose turn it is, whose an asset is, and which name a write goes to."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.access.rules import Action, Kind
from airspace.access.tasks import Instance, Refusal, Token, Touch, Turn, may, name_to_write, owner_of, standing

DS, DE = "data_science", "data_engineering"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
STATES = (
    "scheduled",
    "queued",
    "running",
    "restarting",
    "deferred",
    "success",
    "failed",
    "up_for_retry",
    "removed",
    None,
)


def instance(state: str | None = "running", team: str | None = DS, queued_at: datetime | None = NOW) -> Instance:
    return Instance("ti", "dag", team, state, queued_at)


def token(scope: str = "execution", seconds: float = 0) -> Token:
    return Token("ti", scope, int((NOW + timedelta(seconds=seconds)).timestamp()))


def test_each_turn_has_its_state_and_its_token() -> None:
    allowed = {
        (state, scope, turn)
        for state, scope, turn in itertools.product(STATES, ("workload", "execution"), Turn)
        if standing(instance(state), token(scope), turn) is None
    }
    starts = {("queued", "workload"), ("queued", "execution"), ("running", "workload")}
    assert {x for x in allowed if x[2] is Turn.START} == {(state, scope, Turn.START) for state, scope in starts}
    assert {x for x in allowed if x[2] is Turn.WORK} == {("running", "execution", Turn.WORK)}
    assert {x for x in allowed if x[2] is Turn.REPORT} == {(state, "execution", Turn.REPORT) for state in STATES}


@pytest.mark.parametrize("turn", Turn)
def test_who_is_gone_or_nobodys_has_no_turn(turn: Turn) -> None:
    assert standing(None, token(), turn) is Refusal.GONE
    for state, team in itertools.product(STATES, (None, "")):
        assert standing(instance(state, team), token(), turn) is Refusal.NO_TEAM


@pytest.mark.parametrize(
    ("seconds", "leeway", "refusal"), [(0, 0, None), (-1, 0, "old"), (-10, 10, None), (-11, 10, "old")]
)
def test_a_token_belongs_to_one_turn_in_the_queue(seconds: int, leeway: int, refusal: str | None) -> None:
    queued = instance(queued_at=NOW + timedelta(milliseconds=900))  # tokens know whole seconds only
    found = standing(queued, token(seconds=seconds), Turn.WORK, leeway)
    assert found is (Refusal.EARLIER_TURN if refusal else None)


def test_a_task_may_in_its_team_what_authors_may_and_nothing_elsewhere() -> None:
    asked = {(kind, action) for kind, action in itertools.product(Kind, Action) if may(DS, action, kind, DS)}
    assert (Kind.VARIABLE, Action.WRITE) in asked
    assert (Kind.CONNECTION, Action.WRITE) not in asked
    for kind, action in itertools.product(Kind, Action):
        for owner in (DE, None, ""):
            assert not may(DS, action, kind, owner)
            shared = may(DS, action, kind, owner, readers=frozenset({DS}))
            assert shared == (kind is Kind.ASSET and action is Action.READ)


TEAMS = st.sampled_from([DS, DE, "data_analytics"])
TOUCHES = st.lists(st.builds(Touch, TEAMS, st.booleans(), st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 9))))


@given(named_by=st.frozensets(TEAMS), touches=TOUCHES)
def test_an_asset_has_one_owner_or_none_and_later_comers_change_nothing(
    named_by: frozenset[str], touches: list[Touch]
) -> None:
    owner = owner_of(named_by, touches)
    if len(named_by) == 1:
        assert {owner} == named_by
    if owner is None:
        assert not any(not named_by or touch.team in named_by for touch in touches)
        return
    assert not named_by or owner in named_by
    late = Touch("late_team", True, datetime(2027, 1, 1))
    if len(named_by) == 1 or any(touch.produces and touch.team == owner for touch in touches):
        assert owner_of(named_by, [*touches, late]) == owner


def test_waiting_for_an_asset_takes_it_from_nobody() -> None:
    waits, makes = Touch(DS, False, NOW), Touch(DE, True, NOW + timedelta(days=1))
    assert owner_of(frozenset(), [waits, makes]) == DE
    assert owner_of(frozenset(), [waits]) == DS
    assert owner_of(frozenset({DS}), [makes]) == DS
    assert owner_of(frozenset({DS, DE}), [waits, makes]) == DE
    assert owner_of(frozenset({DS, DE}), []) is None


@pytest.mark.parametrize(
    ("name", "existing", "written"),
    [
        ("x", {}, f"{DS}.x"),
        ("x", {f"{DS}.x": DS}, f"{DS}.x"),
        (f"{DS}.x", {f"{DS}.x": DS}, f"{DS}.x"),
        ("x", {"x": DS}, "x"),
        ("x", {"x": DS, f"{DS}.x": DS}, f"{DS}.x"),
        ("x", {"x": DE}, f"{DS}.x"),
        ("x", {"x": None}, f"{DS}.x"),
        (f"{DE}.x", {f"{DE}.x": DE}, f"{DS}.{DE}.x"),
        ("x", {f"{DS}.x": None}, None),
        ("x", {f"{DS}.x": DE, "x": DS}, None),
    ],
)
def test_a_write_goes_to_the_teams_own_name(name: str, existing: dict[str, str | None], written: str | None) -> None:
    assert name_to_write(DS, name, existing) == written
