"""Nothing leaks: every route, asked by everybody, for what is their own, others', nobody's and not there.

The same requests are asked in two worlds, one with a second team and things of no team in it and one without. What a
member of the first team is told must be the same in both, byte for byte: then it holds no name, count, total, page or
edge of anybody else's, and what is foreign is what is missing. That the second team's things are there, and that each
refused request is a good one, is shown by their owners' identical calls.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from airspace.backends.postgres import Cluster
from airspace.model.home import HomeLayout
from airspace.model.warehouse import KEY, Offer
from tests.conftest import PASSWORD
from tests.integration.access.sweep.catalogue import PAST, who
from tests.integration.conftest import write_airflow_home

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first of them asks everything

CHECKOUT = Path(__file__).parents[3]
WORD = "zebra"  # in every text of the second team's
MEMBERS = ("nobody", "viewer", "operator", "author", "lead")
Answer = dict[str, Any]


def offer_warehouse(home: Path) -> None:
    """One that is offered, and never asked: no sandbox runs here."""
    layout = HomeLayout(home)
    layout.warehouse.write_text(Offer("/nowhere").text())
    layout.secrets.mkdir()
    (layout.secrets / KEY).write_text("a key of this test")


@pytest.fixture(scope="module")
def answers(postgres: Cluster, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """Every answer in both worlds."""
    home, name = tmp_path_factory.mktemp("sweep"), f"sweep_{secrets.token_hex(6)}"
    postgres.create_database(PASSWORD, name, template=migrated_template)
    env = write_airflow_home(home, postgres.url(PASSWORD, name))
    config = home / "airflow" / "airflow.cfg"
    config.write_text(
        config.read_text().replace("[core]\n", "[core]\ntest_connection = Enabled\n")
        + "\n[connection_test]\ntimeout = 0\n"
    )
    offer_warehouse(home)
    command = [
        "-m",
        "tests.integration.access.sweep.run",
        postgres.url(PASSWORD, "postgres"),
        f"{name}_both",
        str(home),
    ]
    with (home / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, *command],
            env={**env, "PYTHONPATH": os.fspath(CHECKOUT)},
            stdout=log,
            stderr=log,
            check=False,
        )
    assert done.returncode == 0, (home / "log").read_text()[-4000:]
    parts = (json.loads((home / f"{part}.json").read_text()) for part in ("alone", "both", "further"))
    return [answer for part in parts for answer in part["answers"]]


def key(answer: Answer) -> tuple[str, ...]:
    """The request and who made it."""
    return (answer["user"], answer["route"], answer["url"], json.dumps(answer["sent"]))


def told(answer: Answer) -> tuple[Any, ...]:
    """What whoever asked learns."""
    return (answer["status"], answer["body"], answer["location"])


def line(answer: Answer) -> str:
    """For the report."""
    sent = json.dumps(answer["sent"]) if answer["sent"] else ""
    return (
        f"{answer['user'] or '-'} {answer['route']} {answer['url']} {sent}: {answer['status']} {answer['body'][:200]}"
    )


def good(answer: Answer) -> bool:
    """Whether this got past the question of access."""
    return answer["status"] < 400 or answer["status"] in PAST.get(answer["route"], ())


def of(answers: list[Answer], *, world: str = "both", why: str = "route", **fields: str) -> Iterator[Answer]:
    """Those answers."""
    wanted = {"world": world, "why": why, **fields}
    return (a for a in answers if all(a[name] == value for name, value in wanted.items()))


def test_every_route_is_classified(answers: list[Answer]) -> None:
    asked = {answer["route"] for answer in of(answers)}
    assert asked - who().keys() == set(), "say in sweep/catalogue.py who may use these"
    assert who().keys() - asked == set(), "these are no longer there"
    assert len(answers) > 5000, "the sweep is not what it was"


def test_a_member_is_told_the_same_with_and_without_others(answers: list[Answer]) -> None:
    alone = {key(answer): answer for answer in answers if answer["world"] == "alone"}
    both = {key(answer): answer for answer in answers if answer["world"] == "both" and answer["why"] != "again"}
    assert len(alone) > 1500
    differing = [
        f"{line(each)}\n   with others: {both[k]['status']} {both[k]['body'][:300]}"
        for k, each in alone.items()
        if told(each) != told(both[k])
    ]
    assert not differing, "\n".join(differing)


def test_a_no_takes_as_long_with_and_without_others(answers: list[Answer]) -> None:
    """As far as the number of queries says it, which is what the time of an answer is made of."""
    alone = {key(answer): answer for answer in answers if answer["world"] == "alone" and answer["status"] >= 400}
    both = {key(answer): answer for answer in answers if answer["world"] == "both" and answer["why"] != "again"}
    differing = [
        f"{line(both[k])}: {each['queries']} queries, {both[k]['queries']} with others"
        for k, each in alone.items()
        if each["queries"] != both[k]["queries"]
    ]
    assert not differing, "\n".join(differing)
    assert len(alone) > 500


def test_what_others_read_in_between_changes_nothing(answers: list[Answer]) -> None:
    before = {key(answer): told(answer) for answer in of(answers, user="lead")}
    again = list(of(answers, user="lead", why="again"))
    assert len(again) > 80
    assert not [line(answer) for answer in again if told(answer) != before[key(answer)]]


def without_what_was_asked(answer: Answer) -> str:
    """The answer without the words that the request itself held."""
    text = answer["body"] + str(answer["location"])
    asked = {
        segment for segment in unquote(answer["url"]).replace("?", "/").replace("&", "/").replace("=", "/").split("/")
    }
    strings = [answer["sent"]]
    while strings:
        value = strings.pop()
        strings += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        asked |= {value} if isinstance(value, str) else set()
    for word in sorted((word for word in asked if WORD in word), key=len, reverse=True):
        text = text.replace(word, "")
    return text


def test_no_word_of_others_comes_back(answers: list[Answer]) -> None:
    told_to_members = [answer for answer in answers if answer["user"] in MEMBERS]
    leaks = [line(answer) for answer in told_to_members if WORD in without_what_was_asked(answer)]
    assert not leaks, "\n".join(leaks)
    seen = {answer["route"] for answer in of(answers, user="admin") if WORD in answer["body"]}
    seen |= {answer["route"] for answer in of(answers, user=f"{WORD}_lead") if WORD in answer["body"]}
    assert len(seen) > 60, "the words are there to be seen"


def test_each_refused_request_is_a_good_one_of_its_owners(answers: list[Answer]) -> None:
    owners = {
        (a["route"], a["url"], json.dumps(a["sent"])): a
        for kind, owner in (("other", f"{WORD}_lead"), ("nobodys", "admin"))
        for a in of(answers, kind=kind, user=owner)
    }
    refused = [a for kind in ("other", "nobodys") for a in of(answers, kind=kind, user="lead") if a["status"] >= 400]
    assert len(refused) > 200
    lacking = []
    for each in refused:
        control = owners[each["route"], each["url"], json.dumps(each["sent"])]
        # A connection of no team is tested by nobody: there is no sandbox for it.
        tests_nobodys = each["kind"] == "nobodys" and each["route"].endswith(("/connections/test", "/enqueue-test"))
        # There is no team that is nobody's.
        of_a_team = each["kind"] == "nobodys" and ("{team}" in each["route"] or "team=None" in each["url"])
        if who()[each["route"]] != "platform" and not good(control) and not (tests_nobodys or of_a_team):
            lacking.append(line(control))
    assert not lacking, "\n".join(lacking)


def test_a_refused_request_writes_nothing_but_the_log(answers: list[Answer]) -> None:
    refused = [a for a in answers if a["status"] in (401, 403, 404)]
    assert not [line(a) + str(a["writes"]) for a in refused if set(a["writes"]) - {"log"}]


def test_nobody_writes_into_anothers_log(answers: list[Answer]) -> None:
    entries = [a for a in answers if a["user"] in MEMBERS and any(WORD in dag for dag in a["logged"])]
    assert not [line(a) for a in entries]
    assert any(WORD in dag for a in of(answers, kind="other", user=f"{WORD}_lead") for dag in a["logged"])


PUBLIC = {"public"}
OPEN = {"public", "everyone"}
OF_THE_PERSON = {
    "GET /auth/whoami", "GET /auth/as/{name}", "GET /ui/auth/me", "GET /airspace/api/me",
    "GET /api/v2/plugins", "GET /airspace/api/where/dags/{dag_id}", "GET /airspace/api/where/assets/{asset_id}",
}  # fmt: skip
"""What says who somebody is, and leads to what else they may look at."""


def test_the_view_of_one_team_holds_what_its_own_lead_sees(answers: list[Answer]) -> None:
    """Somebody who leads both teams is told in the first one's view what the lead of that one alone is told."""
    seen = list(of(answers, user=BOTH, why="view of own_team"))
    assert len(seen) > 250
    differing = unlike(seen, of(answers, user="lead"))
    assert not differing, "\n".join(differing)


def test_each_of_somebodys_teams_is_seen_alone(answers: list[Answer]) -> None:
    """In the second one's view, what the lead of that one alone is told."""
    seen = list(of(answers, user=BOTH, why=f"view of {WORD}_team"))
    assert len(seen) > 100
    differing = unlike(seen, of(answers, user=f"{WORD}_lead", kind="other"))
    assert not differing, "\n".join(differing)
    assert sum(WORD in each["body"] for each in seen) > 50, "there is something to be seen"


@pytest.mark.parametrize(("name", "alike"), [("support", "operator"), ("auditor", "lead"), ("viewer", "viewer")])
def test_in_a_teams_view_a_person_is_told_what_a_member_is(answers: list[Answer], name: str, alike: str) -> None:
    """Whatever else they are; an auditor reads what a lead reads, and changes nothing."""
    seen = list(of(answers, user=name, why="view of own_team"))
    assert len(seen) > 200
    if name == "auditor":
        changes = [each for each in seen if not reads(each["route"]) and who()[each["route"]] not in OPEN]
        assert len(changes) > 50
        assert not [line(each) for each in changes if each["status"] not in (403, 404)]
        seen = [each for each in seen if each["route"].startswith("GET ")]
    differing = unlike(seen, of(answers, user=alike))
    assert not differing, "\n".join(differing)
    shown = [each for each in seen if each["route"] not in OF_THE_PERSON]
    assert not [line(each) for each in shown if WORD in without_what_was_asked(each)]


def test_the_view_of_all_teams_is_what_there_is_without_a_view(answers: list[Answer]) -> None:
    seen = list(of(answers, user="lead", why="view of ~"))
    assert len(seen) > 200
    differing = unlike(seen, of(answers, user="lead"))
    assert not differing, "\n".join(differing)


def unlike(seen: list[Answer], others: Iterator[Answer]) -> list[str]:
    """Those of a view that tell something else than another person is told who asks the same in none."""
    alike = {(a["route"], a["url"], json.dumps(a["sent"])): a for a in others}
    found = []
    for each in seen:
        if each["route"] in OF_THE_PERSON or who()[each["route"]] in PUBLIC:
            continue
        prefix = f"/t/{each['why'].removeprefix('view of ')}"
        other = alike[each["route"], each["url"].removeprefix(prefix), json.dumps(each["sent"])]
        status, body, location = told(each)
        body = body.replace(f'"{each["user"]}"', f'"{other["user"]}"')
        if not each["route"].startswith("GET "):  # numbers count on, and nobody orders what was changed
            body = other["body"]
        if (status, body, location) != told(other):
            found.append(f"{line(each)}\n   {line(other)}")
    return found


def test_in_a_teams_view_an_administrator_may_what_its_lead_may(answers: list[Answer]) -> None:
    # Favourites are one's own.
    alone = {(a["route"], json.dumps(a["sent"])): a for a in of(answers, user="lead", kind="own")}
    seen = list(of(answers, user="admin", why="view of own_team"))
    assert len(seen) > 150
    lead = [alone[each["route"], json.dumps(each["sent"])] for each in seen]
    differing = [
        f"{line(each)}\n   the lead: {other['status']}"
        for each, other in zip(seen, lead, strict=True)
        if each["status"] != other["status"]
        and not each["route"].endswith("favorite")
        and each["route"] not in OF_THE_PERSON
    ]
    assert not differing, "\n".join(differing)
    shown = [each for each in seen if each["route"] not in OF_THE_PERSON]
    assert not [line(each) for each in shown if WORD in without_what_was_asked(each)]


def test_a_foreign_teams_view_is_not_there(answers: list[Answer]) -> None:
    """That a view of no team at all is told in the same words is compared with the world without others."""
    seen = list(of(answers, user="lead", why="view of zebra_team"))
    assert len(seen) > 250
    open_to_all = {route for route, lowest in who().items() if lowest in PUBLIC}
    assert not [line(a) for a in seen if a["route"] not in open_to_all and (a["status"], a["body"]) != NOT_FOUND]


NOT_FOUND = (404, '{"detail":"Not Found"}')
BOTH = "both_lead"
RANK = {"viewer": 0, "operator": 1, "author": 2, "lead": 3}


def reads(route: str) -> bool:
    """Whether this changes nothing but one's own notes, of which a favourite is one."""
    return route.startswith("GET ") or route.endswith(("/list", "favorite"))


def expected(user: str, route: str, lowest: str) -> bool:
    """Whether this user's own-team request may pass."""
    if lowest == "public":
        return True
    if lowest == "everyone":
        return user != ""
    if user == "admin" or (user == "auditor" and reads(route)):
        return True
    if lowest in ("platform", "oversight"):
        return lowest == "oversight" and user == "support"
    held = "operator" if user == "support" else user
    return held in RANK and RANK[held] >= RANK[lowest]


def test_role_by_action_by_route(answers: list[Answer]) -> None:
    wrong, asked = [], 0
    for answer in of(answers, kind="own"):
        lowest = who()[answer["route"]]
        if lowest == "public" or answer["route"] == "GET /auth/as/{name}":
            continue
        asked += 1
        allowed = expected(answer["user"], answer["route"], lowest)
        refused = answer["status"] == (401 if answer["user"] == "" else 403) or answer["status"] == 404
        if (allowed and not good(answer)) or (not allowed and not refused):
            wrong.append(f"{'may' if allowed else 'may not'}: {line(answer)}")
    assert not wrong, "\n".join(wrong)
    assert asked > 1000


def test_support_reaches_others_and_not_what_is_nobodys(answers: list[Answer]) -> None:
    for answer in of(answers, kind="other", user="support"):
        lowest = who()[answer["route"]]
        if lowest not in ("public", "platform") and answer["route"] not in PAST:
            assert good(answer) == expected("support", answer["route"], lowest), line(answer)
    for answer in of(answers, kind="nobodys", user="support"):
        if who()[answer["route"]] in RANK:
            assert answer["status"] in (403, 404) or WORD not in without_what_was_asked(answer), line(answer)
