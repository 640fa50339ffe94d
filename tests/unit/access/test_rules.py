"""The decision, compared with the role table as people were promised it, and each rule's removal noticed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from airspace.access.reference import BEGIN, END, reference
from airspace.access.rules import PLATFORM_HOME, RULES, Action, Decision, Kind, Resource, decide
from airspace.model.roles import PlatformRole, Principal, Role

TEAM, OTHER = "data_science", "data_engineering"

# Written out by hand, from the promise to the users, and not derived from the code's table.
PROMISED: dict[Role, set[tuple[str, str]]] = {
    Role.VIEWER: {
        (kind, "read")
        for kind in (
            *("dag", "code", "run", "task", "task instance", "log", "xcom", "warning", "human-in-the-loop", "backfill"),
            *("asset", "asset event", "asset alias", "artifact", "import error", "event log", "pool", "team"),
        )
    },
    Role.OPERATOR: {
        ("run", "trigger"),
        ("run", "clear or mark"),
        ("task instance", "clear or mark"),
        ("dag", "pause"),
        ("backfill", "trigger"),
        ("backfill", "clear or mark"),
        ("human-in-the-loop", "answer"),
        ("asset", "post"),
    },
    Role.AUTHOR: {
        ("variable", "read"),
        ("variable", "write"),
        ("variable", "delete"),
        ("xcom", "write"),
        ("xcom", "delete"),
        ("connection", "read"),
        ("run", "delete"),
        ("task instance", "delete"),
        ("asset", "write"),
        ("asset", "delete"),
    },
    Role.LEAD: {
        ("connection", "write"),
        ("connection", "delete"),
        ("connection", "test"),
        ("pool", "write"),
        ("pool", "delete"),
        ("member", "read"),
        ("member", "write"),
        ("member", "delete"),
        ("dag", "delete"),
    },
}
EVERY = list(itertools.product(Kind, Action))


def promised(role: Role) -> set[tuple[str, str]]:
    return set().union(*(grants for lower, grants in PROMISED.items() if role.includes(lower)))


@pytest.mark.parametrize("role", Role)
def test_a_member_may_exactly_what_the_role_table_says(role: Role) -> None:
    member = Principal("m", teams={TEAM: role})
    allowed = {(k.value, a.value) for k, a in EVERY if decide(member, a, Resource(k, TEAM, "x"))}
    assert allowed == promised(role)


@pytest.mark.parametrize("role", Role)
def test_a_member_may_nothing_in_another_team_and_may_not_know_of_it(role: Role) -> None:
    member = Principal("m", teams={TEAM: role})
    for (kind, action), resource in itertools.product(EVERY, (OTHER, None)):
        decision = decide(member, action, Resource(kind, resource, "x"))
        assert not decision.allowed
        assert decision.hidden == (kind is not Kind.PAGE or action is not Action.READ), (kind, action)


@pytest.mark.parametrize("role", Role)
def test_support_acts_in_every_team_with_its_role(role: Role) -> None:
    support = Principal("s", PlatformRole.SUPPORT, role, {TEAM: Role.LEAD})
    there = {(k.value, a.value) for k, a in EVERY if decide(support, a, Resource(k, OTHER, "x"))}
    assert there == promised(role)
    at_home = {(k.value, a.value) for k, a in EVERY if decide(support, a, Resource(k, TEAM, "x"))}
    assert at_home == promised(Role.LEAD)
    assert not any(decide(support, a, Resource(k, None, "x")) for k, a in EVERY)


def test_an_administrator_may_everything() -> None:
    admin = Principal("root", PlatformRole.ADMIN)
    assert all(decide(admin, a, Resource(k, t, "x")) for (k, a), t in itertools.product(EVERY, (TEAM, None)))


def test_an_auditor_reads_everything_and_changes_nothing_even_as_a_lead() -> None:
    auditor = Principal("iris", PlatformRole.AUDITOR, teams={TEAM: Role.LEAD})
    for (kind, action), team, listing in itertools.product(EVERY, (TEAM, OTHER, None), (True, False)):
        decision = decide(auditor, action, Resource(kind, team, "x", listing=listing))
        assert decision.allowed == (action is Action.READ), (kind, action, team)
        assert not decision.hidden


def test_nobody_sees_nothing_but_empty_lists_and_common_pages() -> None:
    nemo = Principal("nemo")
    for kind, action in EVERY:
        assert not decide(nemo, action, Resource(kind, TEAM, "x"))
        assert decide(nemo, action, Resource(kind, TEAM, "x")).hidden or kind is Kind.PAGE
        lists = decide(nemo, action, Resource(kind, listing=True))
        assert lists.allowed == ((kind.value, action.value) in PROMISED[Role.VIEWER])
    assert decide(nemo, Action.READ, Resource(Kind.PAGE, id="plugins"))
    assert not decide(nemo, Action.READ, Resource(Kind.PAGE, id="jobs"))


@pytest.mark.parametrize(("role", "allowed"), [(Role.OPERATOR, False), (Role.AUTHOR, True)])
def test_a_list_opens_where_some_row_may_show(role: Role, allowed: bool) -> None:
    ask = Resource(Kind.CONNECTION, listing=True)
    assert decide(Principal("m", teams={TEAM: role}), Action.READ, ask).allowed == allowed
    assert decide(Principal("s", PlatformRole.SUPPORT, role), Action.READ, ask).allowed == allowed
    assert not decide(Principal("m", teams={TEAM: role}), Action.WRITE, ask)


def test_consumers_read_an_asset_and_only_that() -> None:
    reader = Principal("ada", teams={TEAM: Role.LEAD})
    shared = Resource(Kind.ASSET, OTHER, "1", readers=frozenset({TEAM}))
    assert decide(reader, Action.READ, shared)
    refused = decide(reader, Action.POST, shared)
    assert not refused.allowed
    assert not refused.hidden, "they know the asset, so 403 and not 404"
    assert not decide(reader, Action.READ, Resource(Kind.VARIABLE, OTHER, "1", readers=frozenset({TEAM})))
    assert not decide(Principal("x", teams={"third": Role.LEAD}), Action.READ, shared)


def test_what_may_be_read_is_refused_openly_and_the_reason_names_the_role() -> None:
    viewer = Principal("ben", teams={TEAM: Role.VIEWER})
    assert decide(viewer, Action.TRIGGER, Resource(Kind.RUN, TEAM, "x")) == Decision(
        False, f"trigger run needs the role operator in team {TEAM}, not viewer", hidden=False
    )
    assert decide(viewer, Action.READ, Resource(Kind.CONNECTION, TEAM, "x")).hidden


def everyone() -> list[Principal]:
    some = [Principal("admin", PlatformRole.ADMIN), Principal("iris", PlatformRole.AUDITOR), Principal("nemo")]
    some += [Principal(str(role), teams={TEAM: role}) for role in Role]
    return [*some, *(Principal("s", PlatformRole.SUPPORT, role) for role in Role)]


def everything() -> list[Resource]:
    kinds = [
        Resource(kind, team, "x", listing=listing)
        for kind, team, listing in itertools.product(Kind, (TEAM, OTHER, None), (True, False))
    ]
    pages = [Resource(Kind.PAGE, id=page) for page in ("plugins", PLATFORM_HOME)]
    return [*kinds, *pages, Resource(Kind.ASSET, OTHER, "x", readers=frozenset({TEAM}))]


@pytest.mark.parametrize("removed", RULES, ids=lambda rule: rule.__name__)
def test_without_any_one_rule_somebody_is_refused_what_they_may(removed: object) -> None:
    rest = [rule for rule in RULES if rule is not removed]
    cases = list(itertools.product(everyone(), Action, everything()))
    changed = [case for case in cases if decide(*case) != decide(*case, rules=rest)]
    assert any(decide(*case).allowed and not decide(*case, rules=rest).allowed for case in changed)
    assert not any(decide(*case, rules=rest).allowed and not decide(*case).allowed for case in cases)


def test_without_any_rule_everything_is_refused() -> None:
    assert not any(decide(*case, rules=()).allowed for case in itertools.product(everyone(), Action, everything()))


def test_the_documented_tables_are_the_ones_in_force() -> None:
    text = (Path(__file__).parents[3] / "docs" / "roles.md").read_text()
    generated = text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"
    assert generated == reference(), "run: python -m airspace.access.reference, and paste it into docs/roles.md"
